"""Reading evidence: what the columns of a page show for each evidence id.

Terminology
    sight     one evidence id and where it is seen: a field, a field with its proof, or a child component
    proof     the fields for the day, the confirmer and the document of an evidence id

Not for: the canonical fields (`syncd.mapping.mapper`), or what a single cell says (`syncd.mapping.marks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import compress, repeat
from typing import Any, Protocol

from syncd.adapter import MISSING
from syncd.mapping.columns import Column, Fault, Memo, shown, unless_missing
from syncd.mapping.marks import (
    BARE,
    DATED,
    FAULT,
    NOT_MET,
    PROVEN,
    UNKNOWN,
    UNTOLD,
    Marker,
    Marks,
    are_dated,
    are_met,
    met_sets,
    sets_of,
)
from syncd.mapping.spec import EvidenceSpec, Mapping, fold
from syncd.mapping.values import UNREADABLE, Reading
from syncd.process import Process


@dataclass(slots=True)
class Evidence:
    """What a page shows, record by record in the order of its rows.

    Attributes:
        rows: How many records there are.
        marks: The marks of each evidence id, by its number.
        dates, by, ref: As in `Opportunity`.
        faults: Values that could not be read.
        late_faults: The same of sights with a proof. They come after the others, as snapshots have them.
    """

    rows: int
    marks: list[Marks]
    dates: list[dict[int, date]]
    by: list[dict[int, str]]
    ref: list[dict[int, str]]
    faults: list[Fault] = field(default_factory=list)
    late_faults: list[Fault] = field(default_factory=list)

    def attributes(self) -> dict[str, list[Any]]:
        """The columns of `Opportunity` that speak of evidence, by attribute."""
        marks, rows = self.marks, self.rows
        return {
            "met": met_sets(marks, rows),
            "not_met": sets_of(NOT_MET, marks, rows),
            "bare": sets_of(BARE, marks, rows),
            "untold": sets_of(UNTOLD, marks, rows),
            "dates": self.dates,
            "by": self.by,
            "ref": self.ref,
        }


class _Sight(Protocol):
    number: int

    @property
    def places(self) -> list[int]:
        """The columns it reads with what is no text replaced."""
        ...

    def read(self, columns: Sequence[Column], raw: Sequence[Column], evidence: Evidence) -> None:
        """Add what the page shows to the evidence."""
        ...


class EvidenceReader:
    """Reads the evidence of pages that share their columns."""

    def __init__(self, mapping: Mapping, process: Process, reading: Reading, at: dict[str, int]) -> None:
        """Bind.

        Args:
            mapping: Which field shows what.
            process: The chart the evidence belongs to.
            reading: How the source writes its values.
            at: The place of each column in a row.
        """
        self._width = len(process.evidence)
        markers: dict[tuple[Any, ...], Marker] = {}
        texts, days = Memo(unless_missing(reading.text)), Memo(unless_missing(reading.day))
        sights: list[_Sight] = []
        for name, spec in mapping.evidence.items():
            number, place = process.evidence_index[name], at.get(spec.field or spec.child or "")
            if place is None:
                continue
            if spec.child is not None:
                sights.append(_ChildSight(number, place, spec, reading))
                continue
            way = (spec.yes_no, spec.blank, spec.met if spec.met is None else tuple(spec.met), tuple(spec.not_met))
            marker = markers.get(way) or markers.setdefault(way, Marker(spec, reading))
            proof = [at.get(one) if one else None for one in (spec.date, spec.by, spec.ref)]
            if proof == [None, None, None]:
                sights.append(_FieldSight(name, number, place, marker))
            else:
                sights.append(_ProvenSight(name, number, place, marker, *proof, days=days, texts=texts))
        # In the order of their numbers, so that the days of a record are in it too.
        self._sights = sorted(sights, key=lambda one: one.number)

    @property
    def places(self) -> set[int]:
        """The columns it reads with what is no text replaced."""
        return {place for sight in self._sights for place in sight.places}

    def read(self, columns: Sequence[Column], raw: Sequence[Column], rows: int) -> Evidence:
        """What a page shows.

        Args:
            columns: The columns of the page, with what is no text replaced.
            raw: The same as the source gave them, for child components.
            rows: How many records there are.
        """
        evidence = Evidence(
            rows=rows,
            marks=[bytes(rows)] * self._width,
            dates=[{} for _ in range(rows)],
            by=[{} for _ in range(rows)],
            ref=[{} for _ in range(rows)],
        )
        for sight in self._sights:
            sight.read(columns, raw, evidence)
        return evidence


class _FieldSight:
    """Evidence seen in a field, with no fields of its own beside it."""

    def __init__(self, name: str, number: int, place: int, marker: Marker) -> None:
        self.name = name
        self.number = number
        self.place = place
        self.marker = marker

    @property
    def places(self) -> list[int]:
        return [self.place]

    def read(self, columns: Sequence[Column], _: Sequence[Column], evidence: Evidence) -> None:
        column = columns[self.place]
        marks = evidence.marks[self.number] = self.marker.marks(column)
        if DATED in marks:
            self._date(column, marks, evidence)
        if FAULT in marks:
            evidence.faults += _faults(self.name, column, marks)

    def _date(self, column: Column, marks: Marks, evidence: Evidence) -> None:
        number, days = self.number, self.marker.days
        for dates, value in compress(zip(evidence.dates, column, strict=True), are_dated(marks)):
            dates[number] = days[value]


class _ProvenSight(_FieldSight):
    """Evidence seen in a field with its proof beside it. Only facts that are met have one (settled reading 20)."""

    def __init__(
        self,
        name: str,
        number: int,
        place: int,
        marker: Marker,
        day: int | None,
        by: int | None,
        ref: int | None,
        *,
        days: Memo,
        texts: Memo,
    ) -> None:
        super().__init__(name, number, place, marker)
        self._day, self._by, self._ref = day, by, ref
        self._days, self._texts = days, texts
        # A fact of which every field beside it is blank; what it means depends on whether the source could have told.
        self._alone = UNTOLD if None in (day, by, ref) else BARE

    @property
    def places(self) -> list[int]:
        return [place for place in (self.place, self._day, self._by, self._ref) if place is not None]

    def read(self, columns: Sequence[Column], _: Sequence[Column], evidence: Evidence) -> None:
        column = columns[self.place]
        marks = bytearray(self.marker.marks(column))
        evidence.marks[self.number] = marks
        if FAULT in marks:
            evidence.late_faults += _faults(self.name, column, marks)
        if DATED in marks:
            self._date(column, marks, evidence)
        if UNTOLD in marks or DATED in marks:
            self._prove(columns, marks, evidence)

    def _prove(self, columns: Sequence[Column], marks: bytearray, evidence: Evidence) -> None:
        number = self.number
        days = _said(self._days, columns, self._day)
        confirmers, documents = _said(self._texts, columns, self._by), _said(self._texts, columns, self._ref)
        proofs = zip(range(evidence.rows), days, confirmers, documents, strict=False)
        for row, day, by, ref in compress(proofs, are_met(marks)):
            told_by, told_ref = by and by is not UNREADABLE, ref and ref is not UNREADABLE
            if told_by:
                evidence.by[row][number] = by
            if told_ref:
                evidence.ref[row][number] = ref
            if marks[row] == DATED:
                continue
            if isinstance(day, date):
                evidence.dates[row][number] = day
                marks[row] = DATED
                continue
            if day is UNREADABLE and self._day is not None and columns[self._day][row] is not MISSING:
                evidence.late_faults.append(Fault(row, f"{self.name}.date", shown(columns[self._day][row])))
            # Something that cannot be read, or that this record has no field for, may well be the proof.
            alone = UNTOLD if UNREADABLE in (day, by, ref) else self._alone
            marks[row] = PROVEN if told_by or told_ref else alone


class _ChildSight:
    """Evidence seen in the rows of a child component."""

    def __init__(self, number: int, place: int, spec: EvidenceSpec, reading: Reading) -> None:
        self.number = number
        self._place = place
        self._spec = spec
        self._reading = reading
        self._where = {
            key: {fold(one) for one in ([wanted] if isinstance(wanted, str) else wanted)}
            for key, wanted in spec.where.items()
        }

    @property
    def places(self) -> list[int]:
        return []

    def read(self, _: Sequence[Column], raw: Sequence[Column], evidence: Evidence) -> None:
        told = zip(evidence.dates, evidence.by, evidence.ref, strict=True)
        marks = (self._mark(children, *beside) for children, beside in zip(raw[self._place], told, strict=True))
        evidence.marks[self.number] = bytes(marks)

    def _mark(self, children: Any, dates: dict[int, date], by: dict[int, str], ref: dict[int, str]) -> int:
        """A matching row is met, none is not met, a component that cannot be read is unknown."""
        reading, spec = self._reading, self._spec
        if not isinstance(children, list) or not all(isinstance(child, dict) for child in children):
            return UNKNOWN
        matching = [child for child in children if self._matches(child)]
        if not matching:
            return NOT_MET
        dated = [(day, one) for one in matching if isinstance(day := reading.day(one.get(spec.date or "")), date)]
        # The earliest day: an outcome holds from the first time it was seen (settled reading 3).
        day, shown_by = min(dated, key=lambda one: one[0]) if dated else (None, matching[0])
        if confirmer := reading.text(shown_by.get(spec.by)) if spec.by else None:
            by[self.number] = confirmer
        if document := reading.text(shown_by.get(spec.ref)) if spec.ref else None:
            ref[self.number] = document
        if day is not None:
            dates[self.number] = day
            return DATED
        return PROVEN if confirmer or document else UNTOLD

    def _matches(self, child: dict[str, Any]) -> bool:
        said = ((self._reading.text(child.get(key)), wanted) for key, wanted in self._where.items())
        return all(text is not None and fold(text) in wanted for text, wanted in said)


def _said(memo: Memo, columns: Sequence[Column], place: int | None) -> Any:
    """What each cell of a column beside a sight says; nothing where there is no such column, or it is blank."""
    return repeat(None) if place is None or not any(columns[place]) else memo.look_up(columns[place])


def _faults(name: str, column: Column, marks: Marks) -> list[Fault]:
    return [
        Fault(row, name, shown(value))
        for row, (value, mark) in enumerate(zip(column, marks, strict=True))
        if mark == FAULT
    ]
