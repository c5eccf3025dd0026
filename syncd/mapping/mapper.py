"""The mapping engine: binds a mapping to the columns of a page and turns each row into an opportunity.

Binding happens once for a set of columns; per row only lookups are left. Values that recur (stages, owners, days) are
read once and remembered by their text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import compress
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar

from syncd.adapter import MISSING
from syncd.errors import ConfigError, Problem
from syncd.mapping.spec import EvidenceSpec, Mapping, fold
from syncd.mapping.values import UNREADABLE, Parse, Reading, plain_text
from syncd.model import FIELD_BIT, FIELDS, Opportunity
from syncd.process import Process

_REMEMBERED: Final = 20_000
"""Values remembered at most for each column; when full it starts anew, so that memory stays flat."""

_SHOWN: Final = 80
"""Characters of an unreadable value that are kept for the report."""

_LONGEST_ID: Final = 500
"""Characters of an id. PostgreSQL's index takes no more than 2,700 bytes, and no CRM's id comes near."""

_UNIQUE: Final = frozenset({"name", "amount", "version", "updated_at"})
"""Fields whose values rarely recur, so that remembering them would only cost memory."""

_SEVERAL: Final = 2

_Value = TypeVar("_Value")


class _Seen(NamedTuple):
    """What one value of an evidence field means. At most one of the bits is set, at its evidence's place."""

    met: int
    not_met: int
    day: date | None = None
    blank: bool = False
    fault: bool = False


_BLANK: Final = _Seen(0, 0, blank=True)
_UNKNOWN: Final = _Seen(0, 0)
_FAULT: Final = _Seen(0, 0, fault=True)

_Reader = Callable[[Any], _Seen]


@dataclass(frozen=True, slots=True)
class _Proof:
    """Where the day, the confirmer and the document of one evidence stand in the row; None for no such field."""

    date: int | None
    by: int | None
    ref: int | None


@dataclass(frozen=True, slots=True)
class _Sight:
    """One evidence id and how it is read; `proof` is None where it has no fields of its own beside it."""

    name: str
    number: int
    place: int
    spec: EvidenceSpec
    read: _Reader
    proof: _Proof | None


class Mapper:
    """Turns raw records of one source into opportunities of one process."""

    def __init__(self, mapping: Mapping, process: Process, reading: Reading, *, currency: str | None = None) -> None:
        """Prepare a mapping.

        Args:
            mapping: Which field holds what.
            process: The chart the stages and the evidence belong to.
            reading: How the source writes its values.
            currency: Of amounts that come without one.

        Raises:
            ConfigError: A constant of the mapping cannot be read as its field's type.
        """
        self.mapping = mapping
        self.process = process
        self.reading = reading
        given = ({} if currency is None else {"currency": currency}) | dict(mapping.constants)
        self.constants = {name: self.parser(name)(text) for name, text in given.items()}
        if wrong := [name for name, value in self.constants.items() if value is UNREADABLE]:
            problems = (f"[constants] {name}: {given[name]!r} cannot be read" for name in wrong)
            raise ConfigError(*(Problem(message=one, file=mapping.name) for one in problems))

    def bind(self, columns: tuple[str, ...], *, text: bool = False) -> RowMapper:
        """Prepare for rows with these columns; `text` promises that every value is a str."""
        return RowMapper(self, columns, text=text)

    def missing(self, columns: Sequence[str]) -> list[str]:
        """The mapped base fields that these columns do not have, as `canonical (native)`."""
        return [f"{name} ({native})" for name, native in self.mapping.fields.items() if native not in columns]

    def ignored(self, columns: Sequence[str]) -> list[str]:
        """The columns the mapping does not use."""
        used = self.mapping.native_fields()
        return [column for column in columns if column and column not in used]

    def parser(self, name: str) -> Parse:
        """How a canonical field is read."""
        reading = self.reading
        parsers: dict[str, Parse] = {
            "probability": reading.probability,
            "amount": reading.number,
            "currency": reading.currency,
            "close_date": reading.day,
            "decision_due": reading.day,
            "stage_entered_at": reading.day,
            "created_at": reading.moment,
            "updated_at": reading.moment,
            "closed": reading.yes_no,
            "forecast": reading.yes_no,
            "status": self._status,
        }
        return parsers.get(name, reading.text)

    def _status(self, value: Any) -> Any:
        text = self.reading.text(value)
        return None if text is None else self.mapping.status.get(fold(text), UNREADABLE)

    def reader(self, spec: EvidenceSpec, bit: int) -> _Reader:
        """How a field that shows evidence is read."""
        reading = self.reading
        met, not_met = _Seen(bit, 0), _Seen(0, bit)
        positive = None if spec.met is None else {fold(one) for one in spec.met}
        negative = {fold(one) for one in spec.not_met}

        def by_value(value: Any) -> _Seen:
            text = reading.text(value)
            if text is None:
                return _BLANK
            folded = fold(text)
            if folded in negative:
                return not_met
            return met if positive is None or folded in positive else _UNKNOWN

        def by_yes_no(value: Any) -> _Seen:
            said = reading.yes_no(value)
            if said is None:
                return _BLANK
            if said is not UNREADABLE:
                return met if said else not_met
            day = reading.day(value)
            return _Seen(bit, 0, day) if isinstance(day, date) else _FAULT

        return by_yes_no if spec.yes_no else by_value


class RowMapper:
    """A mapper bound to the columns of a page. Shaped for speed: a pipeline has millions of cells, most are empty."""

    def __init__(self, mapper: Mapper, columns: tuple[str, ...], *, text: bool = False) -> None:
        """Bind.

        Args:
            mapper: What to bind.
            columns: The columns of the rows to come.
            text: Every value of those rows is a str.
        """
        self._text = text
        mapping, places = mapper.mapping, {name: index for index, name in enumerate(columns)}
        self._mapper = mapper
        self._id = places.get(mapping.fields["id"])
        self._stage = places.get(mapping.fields["stage"])
        self._stages: dict[str, str | None] = {}
        self._constants = {name: value for name, value in mapper.constants.items() if value is not None}
        self._missing = sum(
            FIELD_BIT[name]
            for name in FIELDS
            if name not in mapper.constants and mapping.fields.get(name) not in places
        )
        there = [name for name, native in mapping.fields.items() if native in places and name not in ("id", "stage")]
        self._columns: tuple[tuple[str, Parse, dict[Any, Any] | None], ...] = tuple(
            (name, _unless_missing(mapper.parser(name)), None if self._is_unique(name) else {}) for name in there
        )
        self._pick_columns = _picker([places[mapping.fields[name]] for name in there])
        seen = [(name, spec) for name, spec in mapping.evidence.items() if (spec.field or spec.child) in places]
        sights = [self._sight(name, spec, places) for name, spec in seen]
        self._width = len(mapper.process.evidence)
        self._mask = (1 << self._width) - 1
        self._plain: tuple[tuple[dict[Any, tuple[int, Any]], int, _Sight], ...] = tuple(
            ({}, one.number, one) for one in sights if one.spec.child is None and one.proof is None
        )
        self._pick_plain = _picker([one.place for _, _, one in self._plain])
        self._children = frozenset(one.place for one in sights if one.spec.child is not None)
        self._rich = tuple(one for one in sights if one.spec.child is not None or one.proof is not None)
        self._denied_if_blank = sum(1 << one.number for one in sights if one.spec.blank == "not_met")

    def _is_unique(self, name: str) -> bool:
        """Whether remembering a field's values costs more than reading them; formats of one's own are slow to read."""
        return name in _UNIQUE or (name == "created_at" and not self._mapper.mapping.date_formats)

    def _sight(self, name: str, spec: EvidenceSpec, places: dict[str, int]) -> _Sight:
        number = self._mapper.process.evidence_index[name]
        proof = _Proof(*(places.get(one) if one else None for one in (spec.date, spec.by, spec.ref)))
        bare = spec.child is not None or proof == _Proof(None, None, None)
        read = self._mapper.reader(spec, 1 << number)
        place = places[spec.field or spec.child or ""]
        return _Sight(name=name, number=number, place=place, spec=spec, read=read, proof=None if bare else proof)

    def map(self, row: Sequence[Any]) -> Opportunity | str:
        """The opportunity of one row, or the reason why the record cannot be identified."""
        if not self._text:
            row = [
                value if value.__class__ is str else _stand_in(value, child=place in self._children)
                for place, value in enumerate(row)
            ]
        identity = None if self._id is None or row[self._id] is MISSING else row[self._id]
        text = identity.strip() if identity.__class__ is str else self._mapper.reading.text(identity)
        if not text:
            return "the id is missing" if identity is None else "the id is blank"
        if "\x00" in text:
            return "the id holds a NUL"
        if len(text) > _LONGEST_ID:
            return f"the id is longer than {_LONGEST_ID} characters"
        values: dict[str, Any] = {"id": text, **self._constants}
        faults: list[tuple[str, str]] = []
        missing = self._read_columns(row, values, faults) | self._read_stage(row, values)
        self._read_evidence(row, values, faults)
        if missing:
            values["missing"] = missing
        if faults:
            values["unreadable"] = tuple(faults)
        return Opportunity(**values)

    def _read_columns(self, row: Sequence[Any], values: dict[str, Any], faults: list[tuple[str, str]]) -> int:
        missing = self._missing
        cells = self._pick_columns(row)
        for (name, parse, memory), value in compress(zip(self._columns, cells, strict=True), cells):
            if memory is None:
                read = parse(value)
            else:
                read = memory.get(value, MISSING)
                if read is MISSING:
                    read = _remember(memory, value, parse(value))
            if read is UNREADABLE:
                if value is MISSING:
                    missing |= FIELD_BIT[name]
                else:
                    faults.append((name, _shown(value)))
            elif read is not None:
                values[name] = read
        return missing

    def _read_stage(self, row: Sequence[Any], values: dict[str, Any]) -> int:
        value = MISSING if self._stage is None else row[self._stage]
        if value is MISSING:
            return FIELD_BIT["stage"]
        label = self._mapper.reading.text(value)
        if label is None:
            return 0
        stage = self._stages.get(label, "")
        if stage == "":
            stage = _remember(self._stages, label, self._mapper.mapping.stages.get(fold(label)))
        if stage is None:
            values["stage_label"] = label[:_SHOWN]
        else:
            values["stage"] = stage
        return 0

    def _read_evidence(self, row: Sequence[Any], values: dict[str, Any], faults: list[tuple[str, str]]) -> None:
        marks = 0
        dates: dict[int, date] = {}
        cells = self._pick_plain(row)
        for (memory, number, sight), value in compress(zip(self._plain, cells, strict=True), cells):
            seen = memory.get(value)
            if seen is None:
                seen = _remember(memory, value, self._mark(sight, value))
            bits, day = seen
            marks |= bits
            if day is not None:
                if day is UNREADABLE:
                    faults.append((sight.name, _shown(value)))
                else:
                    dates[number] = day
        width, mask = self._width, self._mask
        values["met"], values["dates"] = marks & mask, dates
        values["untold"], told = marks >> 2 * width & mask, marks >> 3 * width
        values["not_met"] = marks >> width & mask
        if self._rich:
            told |= self._read_rich(row, values, faults)
        values["not_met"] |= self._denied_if_blank & ~told

    def _mark(self, sight: _Sight, value: Any) -> tuple[int, Any]:
        """What a value says, as four bit sets in one number (met, not met, untold, told), and the day it holds.

        One number, because it is added to that of the other fields for every record there is.
        """
        seen = _UNKNOWN if value is MISSING else sight.read(value)
        if seen.blank:
            return 0, None
        width, bit = self._width, 1 << sight.number
        untold = seen.met if seen.day is None else 0
        bits = seen.met | seen.not_met << width | untold << 2 * width | bit << 3 * width
        return bits, UNREADABLE if seen.fault else seen.day

    def _read_rich(self, row: Sequence[Any], values: dict[str, Any], faults: list[tuple[str, str]]) -> int:
        """Evidence with fields of its own for day, confirmer and document, and that of child components.

        Returns:
            The bits of those that were not blank.
        """
        told = 0
        by: dict[int, str] = values.setdefault("by", {})
        ref: dict[int, str] = values.setdefault("ref", {})
        for sight in self._rich:
            value = row[sight.place]
            if value is MISSING:
                seen = _UNKNOWN
            elif sight.spec.child is not None:
                seen = self._read_child(sight, value, by, ref)
            else:
                seen = sight.read(value)
            if seen.blank:
                continue
            told |= 1 << sight.number
            values["not_met"] |= seen.not_met
            if seen.fault:
                faults.append((sight.name, _shown(value)))
            if not seen.met:
                continue
            values["met"] |= seen.met
            proof = sight.proof
            day = self._read_proof(sight, proof, row, seen.day, (by, ref), faults) if proof else seen.day
            if day is not None:
                values["dates"][sight.number] = day
            elif sight.number not in by and sight.number not in ref:
                whole = proof is not None and None not in (proof.date, proof.by, proof.ref)
                kind = "bare" if whole else "untold"
                values[kind] = values.get(kind, 0) | seen.met
        return told

    def _read_proof(
        self,
        sight: _Sight,
        proof: _Proof,
        row: Sequence[Any],
        day: date | None,
        said: tuple[dict[int, str], dict[int, str]],
        faults: list[tuple[str, str]],
    ) -> date | None:
        """The day, confirmer and document of a fact that is met; only such facts have one (settled reading 20)."""
        reading = self._mapper.reading
        for place, texts in zip((proof.by, proof.ref), said, strict=True):
            if place is not None and row[place] is not MISSING and (text := reading.text(row[place])):
                texts[sight.number] = text
        if day is not None or proof.date is None or row[proof.date] is MISSING:
            return day
        read = reading.day(row[proof.date])
        if isinstance(read, date):
            return read
        if read is UNREADABLE:
            faults.append((f"{sight.name}.date", _shown(row[proof.date])))
        return None

    def _read_child(self, sight: _Sight, rows: Any, by: dict[int, str], ref: dict[int, str]) -> _Seen:
        """A matching row is met, none is not met, a component that cannot be read is unknown."""
        reading, spec = self._mapper.reading, sight.spec
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            return _UNKNOWN
        matching = [
            row for row in rows if all(_matches(reading.text(row.get(key)), want) for key, want in spec.where.items())
        ]
        if not matching:
            return _Seen(0, 1 << sight.number)
        dated = [(day, row) for row in matching if isinstance(day := reading.day(row.get(spec.date or "")), date)]
        # The earliest day: an outcome holds from the first time it was seen (settled reading 3).
        day, shown = min(dated, key=lambda one: one[0]) if dated else (None, matching[0])
        if spec.by and (text := reading.text(shown.get(spec.by))):
            by[sight.number] = text
        if spec.ref and (text := reading.text(shown.get(spec.ref))):
            ref[sight.number] = text
        return _Seen(1 << sight.number, 0, day)


def _unless_missing(parse: Parse) -> Parse:
    """A field that a record does not have is unknown, as an unreadable one is; the caller tells them apart."""

    def read(value: Any) -> Any:
        return UNREADABLE if value is MISSING else parse(value)

    return read


def _stand_in(value: Any, *, child: bool) -> Any:
    """What takes the place of a value that is no text, so that empty values and only they are false.

    Days and times stay what they are, numbers and truth values become the text they would be in a file.
    """
    if value is None:
        return ""
    if value is MISSING or isinstance(value, date) or (child and isinstance(value, list)):
        return value
    return plain_text(value)


def _picker(places: list[int]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """Picks several places of a row at once; `itemgetter` gives no tuple for one place and refuses none."""
    if len(places) < _SEVERAL:
        return lambda row: tuple(row[place] for place in places)
    return itemgetter(*places)


def _remember(memory: dict[Any, _Value], key: Any, value: _Value) -> _Value:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[key] = value
    return value


def _matches(text: str | None, want: str | list[str]) -> bool:
    wanted = [want] if isinstance(want, str) else want
    return text is not None and fold(text) in {fold(one) for one in wanted}


def _shown(value: Any) -> str:
    text = str(value).strip()
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
