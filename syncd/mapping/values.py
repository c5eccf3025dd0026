"""Reading single values: what a cell means as text, number, day, time, yes/no or currency.

Only what needs no guessing is read; everything else is `UNREADABLE`, which the rules report and never judge by
(settled readings 14, 17 and 19).
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import Any, Final
from zoneinfo import ZoneInfo

from syncd.adapter import Percent


class Unreadable(enum.Enum):
    """The type of `UNREADABLE`."""

    UNREADABLE = "unreadable"
    """The field holds something that is not of its type."""


UNREADABLE: Final = Unreadable.UNREADABLE

PLACEHOLDERS: Final = frozenset({"", "tbd", "n/a", ".", "-"})
"""Texts that people type into a field to leave it empty; one list for the whole tool."""

_LONGEST_PLACEHOLDER: Final = max(map(len, PLACEHOLDERS))
"""Every placeholder is short, and most values are not."""

YES: Final = frozenset({"yes", "y", "true", "1"})
NO: Final = frozenset({"no", "n", "false", "0"})

_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,2})?", re.ASCII)
_CURRENCY: Final = re.compile(r"[A-Za-z]{3}", re.ASCII)
_LONGEST_NUMBER: Final = 40
_PLAIN_NUMBER: Final = b"+-.0123456789"
_LONGEST_DAY: Final = len("2026-11-23")
_FAR: Final = 10**15
"""Beyond this, no percentage is meant; a float would no longer hold it exactly."""

Parse = Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How one source writes its values.

    Attributes:
        business_zone: Decides which day a time belongs to.
        source_zone: The zone of times without one.
        date_formats: `strptime` formats tried after ISO 8601, in order.
        decimal_mark, thousands_mark: As in `1.234,50`.
        probability_scale: What a stored 1 means: `percent` 1 %, `fraction` 100 %.
    """

    business_zone: ZoneInfo
    source_zone: ZoneInfo
    date_formats: tuple[str, ...] = ()
    decimal_mark: str = "."
    thousands_mark: str = ""
    probability_scale: str = "percent"

    def text(self, value: Any) -> str | None:
        """The trimmed text, or None when blank or a placeholder."""
        if value.__class__ is not str:
            value = plain_text(value)
            if value is None:
                return None
        value = value.strip()
        return None if is_placeholder(value) else value

    def number(self, value: Any) -> Decimal | None | Unreadable:
        """A finite decimal number."""
        if is_number(value):
            # The marks say how numbers are written in texts, and this is none.
            return _bounded(Decimal(value) if isinstance(value, int) else Decimal(plain_text(value) or ""))
        if (
            value.__class__ is str
            and self._plain_numbers
            and _NUMBER.fullmatch(value)
            and len(value) <= _LONGEST_NUMBER
        ):
            return _bounded(Decimal(value))
        text = self.text(value)
        if text is None:
            return None
        if self.thousands_mark and self.thousands_mark in text:
            if not self._grouped.fullmatch(text):
                return UNREADABLE
            text = text.replace(self.thousands_mark, "")
        if self.decimal_mark != ".":
            text = text.replace(".", "x").replace(self.decimal_mark, ".")
        if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
            return UNREADABLE
        return _bounded(Decimal(text))

    def probability(self, value: Any) -> int | float | None | Unreadable:
        """A percentage: `40`, `40 %`, `+40`, `4e1`; a fraction only where the mapping says so."""
        number, percent = self._figure(value)
        if number is None or isinstance(number, Unreadable):
            return number
        if self.probability_scale == "fraction" and not percent:
            number *= 100
        if abs(number) > _FAR:
            return UNREADABLE
        return int(number) if number == number.to_integral_value() else float(number)

    def day(self, value: Any) -> date | None | Unreadable:
        """A day; a date with a time counts by its day in the business zone."""
        moment = self._moment(value)
        if isinstance(moment, datetime):
            return _in_zone(moment, self.source_zone, self.business_zone).date()
        return moment

    def moment(self, value: Any) -> datetime | None | Unreadable:
        """A time, in UTC; a day alone is its midnight in the source's zone."""
        moment = _plain_moment(value) or self._moment(value)
        if isinstance(moment, datetime):
            return _in_zone(moment, self.source_zone, UTC)
        if isinstance(moment, date):
            midnight = datetime(moment.year, moment.month, moment.day, tzinfo=self.source_zone)
            return _in_zone(midnight, self.source_zone, UTC)
        return moment

    def yes_no(self, value: Any) -> bool | None | Unreadable:
        """yes/no, y/n, true/false, 1/0, in any case."""
        text = self.text(value)
        if text is None:
            return None
        word = text.lower()
        if word in YES:
            return True
        return False if word in NO else UNREADABLE

    def currency(self, value: Any) -> str | None | Unreadable:
        """A three-letter code of ISO 4217, in capitals."""
        text = self.text(value)
        if text is None:
            return None
        return text.upper() if _CURRENCY.fullmatch(text) else UNREADABLE

    # Whole columns at once, which give up where a cell needs a closer look: then each goes through the method above.

    def texts(self, values: Sequence[Any]) -> list[str | None] | None:
        """As `text` for each value, or None unless all are str."""
        try:
            stripped = list(map(str.strip, values))
        except TypeError:
            return None
        return [None if len(text) <= _LONGEST_PLACEHOLDER and is_placeholder(text) else text for text in stripped]

    def numbers(self, values: Sequence[Any]) -> list[Decimal | None] | None:
        """As `number` for each value, or None unless all are plain digits, at most with a sign and a point."""
        try:
            text = "".join(values)
        except TypeError:
            return None
        plain = self._plain_numbers and text.isascii() and not text.encode().translate(None, _PLAIN_NUMBER)
        if not plain or max(map(len, values), default=0) > _LONGEST_NUMBER:
            return None
        try:
            return [Decimal(value) if value else None for value in values]
        except InvalidOperation:
            return None

    def moments(self, values: Sequence[Any]) -> list[datetime | None] | None:
        """As `moment` for each value, or None unless all are times in ISO 8601."""
        try:
            if min(map(len, filter(None, values)), default=_LONGEST_DAY + 1) <= _LONGEST_DAY:
                return None
            moments = [datetime.fromisoformat(value) if value else None for value in values]
        except (TypeError, ValueError):
            return None
        zone = self.source_zone
        return [one if one is None or one.tzinfo is UTC else _in_zone(one, zone, UTC) for one in moments]

    def _figure(self, value: Any) -> tuple[Decimal | None | Unreadable, bool]:
        """A number, and whether a percent sign stands behind it."""
        if isinstance(value, Percent):
            return _bounded(value.figure), True
        if is_number(value):
            return self.number(value), False
        text = self.text(value)
        if text is None or not text.endswith("%"):
            return self.number(text), False
        number = self.number(text[:-1].rstrip())
        # A sign without a number is not blank.
        return UNREADABLE if number is None else number, True

    def _moment(self, value: Any) -> date | None | Unreadable:
        if isinstance(value, datetime):
            # A spreadsheet keeps a day as its midnight without a zone; that is a day, not a time.
            return value.date() if value.tzinfo is None and value.time() == datetime.min.time() else value
        if isinstance(value, date):
            return value
        if value is not None and value.__class__ is not str:
            return UNREADABLE
        text = self.text(value)
        if text is None:
            return None
        # Trying to read a time as a day costs an exception; the length tells them apart.
        iso = date.fromisoformat if len(text) <= _LONGEST_DAY else datetime.fromisoformat
        for read in (iso, *self._formats):
            try:
                return read(text)
            except ValueError:
                continue
        return UNREADABLE

    @cached_property
    def _plain_numbers(self) -> bool:
        return not self.thousands_mark and self.decimal_mark == "."

    @cached_property
    def _grouped(self) -> re.Pattern[str]:
        """A number with thousands marks: grouped in threes, for `12.10.2026` is a day and `1.5` no fifteen."""
        thousands, decimal = re.escape(self.thousands_mark), re.escape(self.decimal_mark)
        return re.compile(rf"[+-]?\d{{1,3}}(?:{thousands}\d{{3}})+(?:{decimal}\d*)?", re.ASCII)

    @cached_property
    def _formats(self) -> tuple[Callable[[str], date], ...]:
        return tuple(_by_format(one) for one in self.date_formats)


def is_placeholder(text: str) -> bool:
    """Whether a trimmed text only stands for an empty field."""
    return len(text) <= _LONGEST_PLACEHOLDER and text.lower() in PLACEHOLDERS


def is_number(value: Any) -> bool:
    """Whether a value is a number already, as in a typed source; true and false are none."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _bounded(number: Decimal) -> Decimal | Unreadable:
    """The number, unless it is none or of no use as one."""
    return number if number.is_finite() and abs(number.adjusted()) < _LONGEST_NUMBER else UNREADABLE


def _plain_moment(value: Any) -> datetime | None:
    """A time in ISO 8601 as nearly every source writes it, read without looking for anything else."""
    if value.__class__ is str and len(value) > _LONGEST_DAY:
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            return None
    return None


def _by_format(pattern: str) -> Callable[[str], date]:
    timed = any(mark in pattern for mark in ("%H", "%I", "%X", "%c", "%T"))

    def read(text: str) -> date:
        # Zones, where the format has none, are the source's; `_in_zone` adds them.
        moment = datetime.strptime(text, pattern)  # noqa: DTZ007
        return moment if timed else moment.date()

    return read


def _in_zone(moment: datetime, source: ZoneInfo, target: Any) -> datetime:
    aware = moment.replace(tzinfo=source) if moment.tzinfo is None else moment
    if aware.tzinfo is target:
        return aware
    try:
        return aware.astimezone(target)
    except OverflowError:
        # The first and the last day of the calendar have no neighbour to be moved to.
        return aware


def plain_text(value: Any) -> str | None:
    """A value of a typed source as the text it would be in a file."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if not math.isfinite(value):
            return repr(value)
        return str(int(value)) if value.is_integer() and abs(value) < _FAR else repr(value)
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value() and abs(value) < _FAR:
        return str(int(value))
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
