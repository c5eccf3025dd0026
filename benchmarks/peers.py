"""The records that the peers of the judge are given: the rules in pydantic (`pydantic_peer`) and in CEL (`cel_peer`).

They are easier than a CRM's, and easier than the judge's: only what the rules ask for, the stage already a column
number, each fact already true, false or None for the day in question, days and numbers already read. Both peers hold
every rule that `truth.py` knows, and answer with the codes of the rules broken and nothing else, neither message nor
fix.

Not for: saying what is right; `judge.py` compares their answers with `truth.py` before it times them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from columns import AT, EVIDENCE, OUTCOMES, STAGE_INDEX

_IDLE: Final = frozenset({
    "demand_generation.campaigns_executed", "proof.business_asked", "support.plan_reviewed", "support.feedback_loop",
    "support.conditions_reviewed",
})  # fmt: skip
"""Facts that no rule asks for."""

FACTS: Final = tuple(name for name in EVIDENCE if name not in _IDLE)
"""The facts a record holds."""

DATED: Final = tuple(name for names in OUTCOMES[1:] for name in names)
"""The facts whose days a record holds too: the outcomes of the pipeline, in the order of the columns."""

QUALIFIED: Final = ("mqp", "sqp", "mqp/sqp", "marketing qualified prospect", "sales qualified prospect")
"""Source types that say the prospect was qualified, in lower case."""

GRACE_DAYS: Final = 14
"""How long a confirmed outcome may wait for the stage to follow."""


def day_of(name: str) -> str:
    """The name under which a record holds the day of a fact."""
    return f"{name}_on"


def record(cells: Sequence[str], today: str) -> dict[str, Any]:
    """One generated row in plain Python values, by plain names, facts under their evidence ids.

    A stage that is not recognised is -1, a probability that cannot be read is its text. The names of the other fields
    that cannot be read stand in `unreadable`.
    """
    close_date = cells[AT["close_date"]]
    return {
        "status": cells[AT["status"]] or "open",
        "stage": STAGE_INDEX.get(cells[AT["stage"]].lower(), -1),
        "probability": _probability(cells[AT["probability"]]),
        "owner": cells[AT["owner"]] or None,
        "source_type": cells[AT["source_type"]] or None,
        "closed": cells[AT["closed"]] == "yes",
        "decision_due": _day(cells[AT["decision_due"]]),
        "unreadable": ["close_date"] if close_date and _day(close_date) is None else [],
        **{name: _fact(cells[AT[name]], today) for name in FACTS},
        **{day_of(name): _day(cells[AT[name]]) for name in DATED},
    }


def _probability(cell: str) -> float | str | None:
    if not cell:
        return None
    try:
        return float(cell.rstrip("%"))
    except ValueError:
        return cell


def _fact(cell: str, today: str) -> bool | None:
    if not cell:
        return None
    return cell == "yes" or (cell != "no" and cell <= today)


def _day(cell: str) -> date | None:
    try:
        return date.fromisoformat(cell)
    except ValueError:
        return None
