"""Marks: what single cells say of their evidence, and how those of a page become bit sets.

A mark is a small number, and the marks of a column are bytes. The bit set of a record is its marks, written one after
the other as binary digits and read as one number. That costs far less than adding up a number for each cell.

Not for: which column shows which evidence (`syncd.mapping.evidence`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Final

from syncd.adapter import MISSING
from syncd.mapping.columns import Column, Memo
from syncd.mapping.spec import EvidenceSpec, fold
from syncd.mapping.values import UNREADABLE, Parse, Reading

UNKNOWN: Final = 0
"""Nothing is known: blank where that means nothing, a word with no meaning, no such field."""
NOT_MET: Final = 1
UNTOLD: Final = 2
"""Met, and nothing that can be read says when, by whom or where; what lacks a field or cannot be read might."""
BARE: Final = 3
"""Met, although its day, confirmer and document exist as fields, all blank."""
PROVEN: Final = 4
"""Met, with a confirmer or a document but no day."""
DATED: Final = 5
"""Met on a known day."""
FAULT: Final = 6
"""The cell cannot be read."""

Marks = bytes | bytearray
"""The marks of one column, one a record."""

_MET: Final = (UNTOLD, BARE, PROVEN, DATED)
_MARKS: Final = bytes(range(FAULT + 1))


def _translation(chosen: Iterable[int], yes: bytes, no: bytes) -> bytes:
    wanted = frozenset(chosen)
    return bytes.maketrans(_MARKS, b"".join(yes if mark in wanted else no for mark in _MARKS))


_IS_MET: Final = _translation(_MET, b"\x01", b"\x00")
_IS_DATED: Final = _translation((DATED,), b"\x01", b"\x00")
_DIGITS: Final = {mark: _translation((mark,), b"1", b"0") for mark in _MARKS}
_MET_DIGITS: Final = _translation(_MET, b"1", b"0")


def are_met(marks: Marks) -> Marks:
    """For each mark whether it is met, as `itertools.compress` takes it."""
    return marks.translate(_IS_MET)


def are_dated(marks: Marks) -> Marks:
    """For each mark whether it is dated, as `itertools.compress` takes it."""
    return marks.translate(_IS_DATED)


def met_sets(columns: Sequence[Marks], rows: int) -> list[int]:
    """For each row the bits of the columns that are met, column *i* as bit *i*."""
    return _bit_sets(b"".join(columns), _MET_DIGITS, rows)


def sets_of(mark: int, columns: Sequence[Marks], rows: int) -> list[int]:
    """For each row the bits of the columns with this mark, column *i* as bit *i*."""
    joined = b"".join(columns)
    return _bit_sets(joined, _DIGITS[mark], rows) if mark in joined else [0] * rows


def _bit_sets(joined: bytes, digits: bytes, rows: int) -> list[int]:
    written = joined.translate(digits)
    if not written:
        return [0] * rows
    # A number starts with its highest digit, so each row is read from the last column to the first.
    last = len(written) - rows
    return [int(written[start::-rows], 2) for start in range(last, last + rows)]


class Marker(Memo):
    """The marks of the values of one way to show evidence, and the days that some of these values are."""

    __slots__ = ("days",)

    def __init__(self, spec: EvidenceSpec, reading: Reading) -> None:
        self.days: dict[Any, date] = {}
        super().__init__(_by_yes_no(spec, reading, self.days) if spec.yes_no else _by_word(spec, reading))

    def trim(self) -> None:
        """Forget everything, the days too, once there is too much of it."""
        super().trim()
        if not self:
            self.days.clear()

    def marks(self, column: Column) -> Marks:
        """The marks of a column; until the next is read, `days` has the day of each that is dated."""
        self.trim()
        # Many a column of a page is blank from top to bottom.
        return bytes(map(self.__getitem__, column)) if any(column) else bytes((self[""],)) * len(column)


def _by_yes_no(spec: EvidenceSpec, reading: Reading, days: dict[Any, date]) -> Parse:
    """Reads yes, no, or the day on which it was met, which it adds to the days."""
    blank = _blank(spec)

    def mark(value: Any) -> int:
        if value is MISSING:
            return UNKNOWN
        said = reading.yes_no(value)
        if said is None:
            return blank
        if said is not UNREADABLE:
            return UNTOLD if said else NOT_MET
        day = reading.day(value)
        if not isinstance(day, date):
            return FAULT
        days[value] = day
        return DATED

    return mark


def _by_word(spec: EvidenceSpec, reading: Reading) -> Parse:
    """Reads the words the mapping names; where it names none for met, any other word is."""
    blank = _blank(spec)
    positive = None if spec.met is None else {fold(one) for one in spec.met}
    negative = {fold(one) for one in spec.not_met}

    def mark(value: Any) -> int:
        if value is MISSING:
            return UNKNOWN
        text = reading.text(value)
        if text is None:
            return blank
        folded = fold(text)
        if folded in negative:
            return NOT_MET
        return UNTOLD if positive is None or folded in positive else UNKNOWN

    return mark


def _blank(spec: EvidenceSpec) -> int:
    return NOT_MET if spec.blank == "not_met" else UNKNOWN
