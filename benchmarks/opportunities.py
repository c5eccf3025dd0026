"""Makes opportunities of generated rows without the mapping, so that the judge is measured and checked on its own.

Not for: reading files; `syncd.mapping` and the file adapter do that, and `check.py` measures them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from columns import AT, CHECKPOINTS, EVIDENCE, STAGE_INDEX, STAGES

from syncd.form import Former
from syncd.model import FIELD_BIT, Opportunity
from syncd.process import Process

_ABSENT: Final = FIELD_BIT["version"] | FIELD_BIT["forecast"]
_TEXTS: Final = ("id", "name", "account", "owner", "territory", "currency", "source_type")


def opportunities(rows: Iterable[Sequence[str]], process: Process) -> list[Opportunity]:
    """What rows of `generate.rows` stand for, with their forms, as the mapping gives them to the judge."""
    former = Former(process)
    return [former.formed(_opportunity(cells, process)) for cells in rows]


def _opportunity(cells: Sequence[str], process: Process) -> Opportunity:
    given: dict[str, Any] = {name: cells[AT[name]] or None for name in _TEXTS}
    unreadable = []
    label = cells[AT["stage"]]
    column = STAGE_INDEX.get(label.lower())
    if column is None and label:
        unreadable.append(("stage", label))
    try:
        given["probability"] = _number(cells[AT["probability"]])
    except ValueError:
        unreadable.append(("probability", cells[AT["probability"]]))
    for name in ("close_date", "decision_due", "stage_entered_at"):
        try:
            given[name] = date.fromisoformat(cells[AT[name]]) if cells[AT[name]] else None
        except ValueError:
            unreadable.append((name, cells[AT[name]]))
    met, not_met, dates = _facts(cells, process)
    return Opportunity(
        **given,
        stage=None if column is None else STAGES[column][0],
        stage_label=label or None,
        amount=Decimal(cells[AT["amount"]]),
        status=cells[AT["status"]] or "open",  # type: ignore[arg-type]
        closed=cells[AT["closed"]] == "yes",
        created_at=datetime.fromisoformat(cells[AT["created_at"]]),
        updated_at=datetime.fromisoformat(cells[AT["updated_at"]]),
        missing=_ABSENT,
        unreadable=tuple(unreadable),
        met=met,
        not_met=not_met,
        dates=dates,
    )


def scatter(cells: list[str], source: random.Random) -> list[str]:
    """The same row with every checkpoint met, not met or unknown by chance, so that hardly two rows share a state."""
    scattered = list(cells)
    for names in CHECKPOINTS:
        for name in names:
            scattered[AT[name]] = ("yes", "yes", "yes", "no", "")[int(source.random() * 5)]
    if scattered[AT["proof.proposal_issued"]] == "yes" and not scattered[AT["decision_due"]]:
        scattered[AT["decision_due"]] = scattered[AT["stage_entered_at"]]
    return scattered


def _number(cell: str) -> int | float | None:
    if not cell:
        return None
    figure = float(cell.rstrip("%"))
    return int(figure) if figure.is_integer() else figure


def _facts(cells: Sequence[str], process: Process) -> tuple[int, int, dict[int, date]]:
    met = not_met = 0
    dates = {}
    for name in EVIDENCE:
        cell = cells[AT[name]]
        if not cell:
            continue
        index = process.evidence_index[name]
        if cell == "no":
            not_met |= 1 << index
        else:
            met |= 1 << index
            if cell != "yes":
                dates[index] = date.fromisoformat(cell)
    return met, not_met, dates
