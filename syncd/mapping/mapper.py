"""The mapping engine: binds a mapping to the columns of a page and turns its rows into opportunities.

Binding happens once for a set of columns. A page is then read column by column, and its opportunities are put together
from the columns, so that hardly anything is done cell by cell in Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import or_
from typing import Any, Final

from syncd.adapter import MISSING
from syncd.errors import ConfigError
from syncd.form import Former
from syncd.mapping.columns import (
    SHOWN,
    Column,
    ColumnReader,
    Fault,
    Fresh,
    Memo,
    Quick,
    numbered,
    shown,
    stood_in,
    unless_missing,
)
from syncd.mapping.evidence import EvidenceReader
from syncd.mapping.spec import Mapping, fold
from syncd.mapping.values import PLACEHOLDERS, UNREADABLE, Parse, Reading, is_placeholder, plain_text
from syncd.model import FIELD_BIT, FIELDS, Opportunity
from syncd.process import Process

_LONGEST_ID: Final = 500
"""Characters of an id. PostgreSQL's index takes no more than 2,700 bytes, and no CRM's id comes near."""

_ATTRIBUTES: Final = Opportunity.__struct_fields__
_FORMING: Final = (
    "missing", "unreadable", "owner", "closed", "forecast", "source_type", "decision_due", "met", "bare", "untold",
)  # fmt: skip
"""The attributes a record's form follows from, as `Former.form` takes them."""
_NUMBERS: Final = ("amount", "probability")
"""The canonical fields that are numbers."""
_NOTHING: Final = Opportunity(id="")
"""What every attribute is where nothing is said."""


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
            raise ConfigError(
                *(mapping.complain(("constants", name), f"{given[name]!r} cannot be read") for name in wrong)
            )

    def bind(self, columns: tuple[str, ...], *, text: bool = False) -> RowMapper:
        """Prepare for rows with these columns; `text` promises that every value is a str."""
        return RowMapper(self, columns, text=text)

    def missing(self, columns: Sequence[str]) -> list[str]:
        """The mapped base fields that these columns do not have, as `canonical (native)`."""
        return [f"{name} ({native})" for name, native in self.mapping.fields.items() if native not in columns]

    def ignored(self, columns: Sequence[str]) -> list[str]:
        """The columns the mapping does not use."""
        used = self.mapping.native_fields() | self.mapping.children().keys()
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

    def quick(self, name: str) -> Quick | None:
        """How a column of this field is read at once, where its values rarely recur; None where they do."""
        reading = self.reading
        readers: dict[str, Quick] = {
            "name": reading.texts,
            "version": reading.texts,
            "amount": reading.numbers,
            "created_at": reading.moments,
            "updated_at": reading.moments,
        }
        # Times in a format of one's own are so slow to read that remembering them pays.
        return None if name == "created_at" and self.mapping.date_formats else readers.get(name)

    def stage(self, value: Any) -> Any:
        """The stage with this label; UNREADABLE where no stage has it."""
        label = self.reading.text(value)
        return None if label is None else self.mapping.stages.get(fold(label), UNREADABLE)


class RowMapper:
    """A mapper bound to the columns of a page."""

    def __init__(self, mapper: Mapper, columns: tuple[str, ...], *, text: bool = False) -> None:
        """Bind.

        Args:
            mapper: What to bind.
            columns: The columns of the rows to come.
            text: Every value of those rows is a str.
        """
        mapping, at = mapper.mapping, {name: index for index, name in enumerate(columns)}
        self._text = text
        self._reading = mapper.reading
        self._former = Former(mapper.process)
        self._constants = {name: value for name, value in mapper.constants.items() if value is not None}
        self._id = at.get(mapping.fields["id"])
        self._stage = at.get(mapping.fields["stage"])
        self._stages = Memo(unless_missing(mapper.stage, self._constants.get("stage")))
        self._fields: list[tuple[str, int, ColumnReader]] = [
            (name, at[native], self._reader(mapper, name))
            for name, native in mapping.fields.items()
            if native in at and name not in ("id", "stage")
        ]
        self._evidence = EvidenceReader(mapping, mapper.process, mapper.reading, at)
        self._used = {at[native] for native in mapping.fields.values() if native in at} | self._evidence.places
        self._missing = sum(
            FIELD_BIT[name] for name in FIELDS if name not in mapper.constants and mapping.fields.get(name) not in at
        )
        if self._stage is None:
            self._missing |= FIELD_BIT["stage"]

    def _reader(self, mapper: Mapper, name: str) -> ColumnReader:
        default, quick = self._default(name), mapper.quick(name)
        if quick is None or default is not None:
            return Memo(unless_missing(mapper.parser(name), default))
        return Fresh(unless_missing(mapper.parser(name)), quick)

    def map_rows(self, rows: Sequence[Sequence[Any]]) -> list[Opportunity | str]:
        """For each row its opportunity, or the reason why the record cannot be identified."""
        if not rows:
            return []
        size = len(rows)
        raw: Sequence[Column] = list(zip(*rows, strict=False))
        columns = raw
        if not self._text:
            columns = [stood_in(one) if place in self._used else one for place, one in enumerate(raw)]
        ids, refusals = self._identify(columns, size)
        evidence = self._evidence.read(columns, raw, size)
        page = evidence.attributes()
        page["id"], page["missing"] = ids, [self._missing] * size
        faults = self._read_fields(columns, raw, page) + evidence.faults + evidence.late_faults
        self._read_stage(columns, page)
        page["unreadable"] = _by_row(faults, size)
        self._read_form(page)
        mapped: list[Opportunity | str] = list(map(Opportunity, *(self._column(page, name) for name in _ATTRIBUTES)))
        for row, reason in refusals.items():
            mapped[row] = reason
        return mapped

    def identities(self, values: Sequence[Any]) -> list[str]:
        """The ids that are read from some native values of the id's column; empty where a record has none."""
        if not values:
            return []
        ids, refusals = self._identify({self._id or 0: stood_in(tuple(values))}, len(values))
        return ["" if row in refusals else one for row, one in enumerate(ids)]

    def _identify(self, columns: Sequence[Column] | dict[int, Column], size: int) -> tuple[list[str], dict[int, str]]:
        """The ids of a page, and by row the reason why a record has none."""
        if self._id is None:
            return [""] * size, dict.fromkeys(range(size), "the id is missing")
        column = columns[self._id]
        try:
            ids = list(map(str.strip, column))
        except TypeError:
            ids = ["" if value is MISSING else (plain_text(value) or "").strip() for value in column]
        together = "".join(ids)
        sound = "\x00" not in together and max(map(len, ids)) <= _LONGEST_ID and _is_unicode(together)
        if sound and PLACEHOLDERS.isdisjoint(map(str.lower, ids)):
            return ids, {}
        reasons = {row: _refusal(text, column[row]) for row, text in enumerate(ids)}
        return ids, {row: reason for row, reason in reasons.items() if reason}

    def _read_fields(self, columns: Sequence[Column], raw: Sequence[Column], page: dict[str, list[Any]]) -> list[Fault]:
        """Read the canonical fields into the page, but for its ids and stages; gives what could not be read."""
        faults: list[Fault] = []
        for name, place, reader in self._fields:
            column = numbered(raw[place]) if name in _NUMBERS and not self._text else columns[place]
            values, doubtful = reader.read(column)
            page[name] = values
            default = self._default(name)
            for row in doubtful:
                values[row] = default
                if column[row] is MISSING:
                    page["missing"][row] |= FIELD_BIT[name]
                else:
                    faults.append(Fault(row, name, shown(column[row])))
        return faults

    def _read_stage(self, columns: Sequence[Column], page: dict[str, list[Any]]) -> None:
        """Read the stages into the page, and the labels that stand for none."""
        if self._stage is None:
            return
        column = columns[self._stage]
        page["stage"], doubtful = self._stages.read(column)
        labels: list[str | None] = [None] * len(column)
        for row in doubtful:
            page["stage"][row] = self._default("stage")
            if column[row] is MISSING:
                page["missing"][row] |= FIELD_BIT["stage"]
            elif label := self._reading.text(column[row]):
                labels[row] = label[:SHOWN]
        page["stage_label"] = labels

    def _read_form(self, page: dict[str, list[Any]]) -> None:
        """Add the forms of the records and the last days of their evidence."""
        former = self._former
        forms = map(former.form, *(self._column(page, name) for name in _FORMING))
        added, latest = zip(*map(former.dated, page["dates"]), strict=True)
        page["form"], page["latest"] = list(map(or_, forms, added)), list(latest)

    def _column(self, page: dict[str, list[Any]], name: str) -> Iterable[Any]:
        """The column of one attribute of `Opportunity`; the same for every record where the page does not say."""
        return page[name] if name in page else repeat(self._default(name))

    def _default(self, name: str) -> Any:
        """What an attribute is where the source says nothing."""
        return self._constants.get(name, getattr(_NOTHING, name))


def _refusal(identity: str, value: Any) -> str:
    """Why a record with this id cannot be identified; empty where it can. The value is what the id was read from."""
    if is_placeholder(identity):
        return "the id is missing" if value is MISSING else "the id is blank"
    if "\x00" in identity:
        return "the id holds a NUL"
    if not _is_unicode(identity):
        return "the id holds text that is no valid Unicode"
    return f"the id is longer than {_LONGEST_ID} characters" if len(identity) > _LONGEST_ID else ""


def _is_unicode(text: str) -> bool:
    """Whether a text holds no half of a character, which no database could keep or be asked for."""
    try:
        _ = text if text.isascii() else text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _by_row(faults: list[Fault], size: int) -> list[tuple[tuple[str, str], ...]]:
    unreadable: list[tuple[tuple[str, str], ...]] = [()] * size
    for row, name, text in faults:
        unreadable[row] += ((name, text),)
    return unreadable
