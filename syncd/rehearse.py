"""The rehearsal: doubles of real systems on the loopback address, all holding one made-up pipeline, and the truth.

What the pipeline says is put into each system's own fields and labels by its mapping, backwards. What a run must find
is worked out without any system in between: by mapping the same records and judging them.

Not for: how a system behaves; its adapter ships the double.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Table
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from syncd.adapter import MISSING
from syncd.bootstrap import mapping_folders
from syncd.judge import Judge
from syncd.mapping import Mapper, Mapping, load_mapping
from syncd.mapping.spec import EvidenceSpec
from syncd.mapping.values import NO, PLACEHOLDERS, UNREADABLE, YES, Parse, Reading
from syncd.policy import Policy
from syncd.process import Process
from syncd.rehearsal import Double, serving

_UNKNOWN: Final = "?"
"""A value that is on no list of a mapping, so that it is neither met nor not met."""

LEFT_OUT: Final = ("ASM002", "OWN001", "PRB005", "STG002", "STG003")
"""Rules about what systems fill in by themselves where the made-up pipeline is silent: history, forecast, owner."""

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, kw_only=True)
class Stand:
    """One double at work.

    Attributes:
        name: Of the adapter, and of the source.
        url: Where it listens.
        truth: The rules each record breaks, by its id; records that break none are left out.
    """

    name: str
    url: str
    double: Double
    truth: dict[str, list[str]]


def known_doubles() -> dict[str, type[Double]]:
    """Every installed double, by the name of its adapter."""
    return {entry.name: entry.load() for entry in sorted(entry_points(group="syncd.doubles"))}


def pipeline(copies: int) -> list[dict[str, str]]:
    """The made-up pipeline as canonical records, several times over under different ids.

    Of ids that are there twice, the first, and of values that a system with typed fields cannot hold, none.
    """
    text = (files("syncd.starter") / "pipeline.csv").read_text(encoding="utf-8")
    records = list({row["id"]: _typed(row) for row in reversed([*csv.DictReader(text.splitlines())])}.values())[::-1]
    return [
        {**record, "id": record["id"] if not copy else f"{record['id']}-{copy}"}
        for copy in range(copies)
        for record in records
    ]


def _typed(row: dict[str, str]) -> dict[str, str]:
    zone = ZoneInfo("UTC")
    reading = Reading(business_zone=zone, source_zone=zone)
    readers: dict[str, Parse] = dict.fromkeys(("close_date", "decision_due", "stage_entered_at"), reading.day)
    readers |= dict.fromkeys(("created_at", "updated_at"), reading.moment)
    readers |= {"probability": reading.probability, "amount": reading.number, "closed": reading.yes_no}
    held = dict(row)
    for name, read in readers.items():
        if read(row.get(name)) is UNREADABLE:
            held[name] = ""
    return held


@contextmanager
def stands(
    names: Sequence[str], *, process: Process, records: Sequence[Table[str, str]], today: date, port: int = 0
) -> Iterator[list[Stand]]:
    """Doubles of some systems for as long as the block runs, each holding the records.

    Args:
        names: Of adapters that ship a double.
        process: The chart.
        records: Canonical ones.
        today: The day by which the truth is judged.
        port: Of the first, those after it follow; 0 takes any.
    """
    known = known_doubles()
    with ExitStack() as stack:
        made = []
        for number, name in enumerate(names):
            double = known[name]()
            mapping = load_mapping(double.mapping, process, mapping_folders(Path.cwd()), Path.cwd())
            native = [native_record(mapping, record) for record in records]
            double.load(native)
            server = stack.enter_context(serving(double.handle, port=port + number if port else 0))
            made.append(
                Stand(name=name, url=server.url, double=double, truth=truth_of(mapping, process, native, today))
            )
        yield made


def truth_of(
    mapping: Mapping, process: Process, records: Sequence[Table[str, Any]], today: date
) -> dict[str, list[str]]:
    """The codes of the rules that each record breaks, by its id, judged without any system in between."""
    # The records are plain: whatever formats the system has, these have none of them.
    plain = replace(mapping, date_formats=(), decimal_mark=".", thousands_mark="", probability_scale="percent")
    zone = ZoneInfo("UTC")
    mapper = Mapper(plain, process, Reading(business_zone=zone, source_zone=zone))
    columns = tuple(dict.fromkeys(name for record in records for name in record))
    rows = [[record.get(name, MISSING) for name in columns] for record in records]
    judge = Judge(process, Policy(ignore=LEFT_OUT), today=today)
    found = {}
    for said in mapper.bind(columns).map_rows(rows):
        if not isinstance(said, str) and (findings := judge.judge(said).findings):
            found[said.id] = [one.rule for one in findings]
    return found


def native_record(mapping: Mapping, record: Table[str, str]) -> dict[str, Any]:
    """A canonical record in the fields of a system: what its mapping, read backwards, makes of it."""
    native: dict[str, Any] = {field: _plain(record.get(name)) for name, field in mapping.fields.items()}
    if "stage" in mapping.fields:
        native[mapping.fields["stage"]] = _label(mapping, _plain(record.get("stage")))
    if "status" in mapping.fields:
        native[mapping.fields["status"]] = _status(mapping, _plain(record.get("status")) or "open")
    by_field: dict[str, dict[str, EvidenceSpec]] = {}
    for number, (name, spec) in enumerate(mapping.evidence.items()):
        if spec.field:
            by_field.setdefault(spec.field, {})[name] = spec
        else:
            _add_rows(native, spec, _cell(record, name), f"{record['id']}-{number}")
    for field, specs in by_field.items():
        if field not in mapping.fields.values():
            native[field] = _best_value(specs, record)
        for name, spec in specs.items():
            _add_proof(native, field, spec, _cell(record, name))
    return native


def _plain(text: str | None) -> str | None:
    return None if text is None or text.strip().lower() in PLACEHOLDERS else text.strip()


def _label(mapping: Mapping, stage: str | None) -> str | None:
    wanted = None if stage is None else next((one for one in mapping.first_labels if one == stage.lower()), None)
    return mapping.first_labels[wanted] if wanted else stage


def _status(mapping: Mapping, status: str) -> str:
    return next((word for word, means in mapping.status.items() if means == status.lower()), status)


@dataclass(frozen=True, slots=True)
class _Cell:
    """What a canonical record says of one evidence id: met, not met or, as None, neither."""

    met: bool | None
    day: str | None = None


def _cell(record: Table[str, str], name: str) -> _Cell:
    text = (_plain(record.get(name)) or "").lower()
    if text in NO and text:
        return _Cell(met=False)
    if text in YES:
        return _Cell(met=True, day=_plain(record.get(f"{name}.date")))
    return _Cell(met=True, day=text) if _DAY.fullmatch(text) else _Cell(met=None)


def _best_value(specs: Table[str, EvidenceSpec], record: Table[str, str]) -> str | None:
    """The value of a field that several facts may be read from: the one that says most of what it should."""
    wanted = {name: _cell(record, name) for name in specs}
    candidates: list[str | None] = [None, _UNKNOWN]
    for name, spec in specs.items():
        candidates += [*(spec.met or ()), *spec.not_met]
        if spec.yes_no:
            candidates += ["yes", "no"]
        elif spec.met is None:
            candidates.append(wanted[name].day or "2026-01-01" if spec.date == spec.field else "given")
    return max(
        candidates, key=lambda value: sum(_means(spec, value) is wanted[name].met for name, spec in specs.items())
    )


def _means(spec: EvidenceSpec, value: str | None) -> bool | None:
    if value is None:
        return False if spec.blank == "not_met" else None
    if spec.yes_no:
        return {"yes": True, "no": False}.get(value)
    if value in spec.not_met:
        return False
    return True if spec.met is None or value in spec.met else None


def _add_proof(native: dict[str, Any], field: str, spec: EvidenceSpec, cell: _Cell) -> None:
    if spec.date and spec.date != field:
        native.setdefault(spec.date, None)
        if cell.met and cell.day:
            native[spec.date] = cell.day
    for other in (spec.by, spec.ref):
        if other:
            native.setdefault(other, None)


def _add_rows(native: dict[str, Any], spec: EvidenceSpec, cell: _Cell, ref: str) -> None:
    rows = native.setdefault(str(spec.child), [])
    if cell.met:
        row: dict[str, Any] = {key: want if isinstance(want, str) else want[0] for key, want in spec.where.items()}
        for name, value in ((spec.date, cell.day), (spec.by, "Ann Lee"), (spec.ref, ref)):
            if name and name not in row:
                row[name] = value
        rows.append(row)
