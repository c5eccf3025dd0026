"""Reading whole columns: one field of every record of a page at once.

A pipeline has millions of cells and few different ones, so most columns are read by looking their values up (`Memo`);
columns whose values are nearly all different are read afresh (`Fresh`). Both leave the work to loops written in C.

Not for: what a single cell means (`syncd.mapping.values`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Final, NamedTuple, Protocol

from syncd.adapter import MISSING, Percent
from syncd.mapping.values import UNREADABLE, Parse, is_number, plain_text

REMEMBERED: Final = 20_000
"""Values remembered for each column before it starts anew at the next page, so that memory stays flat."""

SHOWN: Final = 80
"""Characters of an unreadable value that are kept for the report."""

Column = Sequence[Any]
"""One value a record, in the order of the page's rows."""

Quick = Callable[[Column], list[Any] | None]
"""Reads a whole column the short way, or gives None where it takes looking at each cell."""


class Fault(NamedTuple):
    """A value that cannot be read: in which row of the page, of which field or evidence id, and its text."""

    row: int
    name: str
    text: str


class ColumnReader(Protocol):
    """Reads the column of one field."""

    def read(self, column: Column) -> tuple[list[Any], list[int]]:
        """What each cell says, and the rows of those that are `UNREADABLE` or missing."""
        ...


class Memo(dict[Any, Any]):
    """What the values of a column mean, by value, each parsed when it is first seen."""

    __slots__ = ("_parse", "_unreadable")

    def __init__(self, parse: Parse) -> None:
        super().__init__()
        self._parse = parse
        self._unreadable: set[Any] = set()

    def __missing__(self, value: Any) -> Any:
        read = self[value] = self._parse(value)
        if read is UNREADABLE:
            self._unreadable.add(value)
        return read

    def trim(self) -> None:
        """Forget everything once there is too much of it. Never between looking up a column and asking more of it."""
        if len(self) >= REMEMBERED:
            self.clear()
            self._unreadable.clear()

    def look_up(self, column: Column) -> list[Any]:
        """What each cell says."""
        self.trim()
        return list(map(self.__getitem__, column))

    def read(self, column: Column) -> tuple[list[Any], list[int]]:
        """What each cell says, and the rows of those that are `UNREADABLE` or missing."""
        values = self.look_up(column)
        # Comparing each value with UNREADABLE would cost more than looking it up did.
        if not self._unreadable or self._unreadable.isdisjoint(column):
            return values, []
        return values, _unreadable_rows(values)


class Fresh:
    """Reads a column whose values rarely recur, so that remembering them would only cost memory."""

    def __init__(self, parse: Parse, quick: Quick) -> None:
        self._parse = parse
        self._quick = quick

    def read(self, column: Column) -> tuple[list[Any], list[int]]:
        """What each cell says, and the rows of those that are `UNREADABLE` or missing."""
        values = self._quick(column)
        if values is not None:
            return values, []
        values = list(map(self._parse, column))
        return values, _unreadable_rows(values)


def _unreadable_rows(values: list[Any]) -> list[int]:
    return [row for row, value in enumerate(values) if value is UNREADABLE]


def unless_missing(parse: Parse, default: Any = None) -> Parse:
    """Reads as `parse` does, with a default for blank cells.

    A field that a record does not have is unknown, as an unreadable one is; whoever asked tells them apart.
    """

    def read(value: Any) -> Any:
        if value is MISSING:
            return UNREADABLE
        said = parse(value)
        return default if said is None else said

    return read


_TEXTS: Final = frozenset({str})
_WORDS: Final = frozenset({str, bool, type(None)})
_WORD: Final[Mapping[bool | None, str | None]] = {None: "", True: plain_text(True), False: plain_text(False)}
"""What the values of such a column that are no text stand for."""
_WHOLE: Final = frozenset({str, int, type(None)})


def stood_in(column: Column) -> Column:
    """The column with what is no text replaced, so that empty values and only they are false.

    Days and times stay what they are, numbers and truth values become the text they would be in a file. Without that
    `True`, `1` and `1.0` would be the same to a memory, and lists could not be remembered at all.
    """
    kinds = {*map(type, column)}
    if kinds <= _TEXTS:
        return column
    if kinds <= _WORDS:  # which most columns of a JSON document are
        return [value if value.__class__ is str else _WORD[value] for value in column]
    return [value if value.__class__ is str else _stand_in(value) for value in column]


def numbered(column: Column) -> Column:
    """The same for a column of numbers, which stay what they are: as texts they would be read by the marks of texts.

    That `1` and `1.0` are the same to a memory does no harm here, since they mean the same; `True` became a text.
    """
    if {*map(type, column)} <= _WHOLE:
        return ["" if value is None else value for value in column]
    return [value if value.__class__ is str or _is_figure(value) else _stand_in(value) for value in column]


def _is_figure(value: Any) -> bool:
    # NaN equals nothing, not even itself, so it could not be remembered.
    if isinstance(value, float):
        return math.isfinite(value)
    return value.is_finite() if isinstance(value, Decimal) else isinstance(value, Percent) or is_number(value)


def _stand_in(value: Any) -> Any:
    if value is None:
        return ""
    return value if value is MISSING or isinstance(value, date) else plain_text(value)


def shown(value: Any) -> str:
    """An unreadable value as the report shows it."""
    text = str(value).strip()
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
