"""The watermark of a database: the latest change it had, and what was given of the stretch that will be read again.

A time is whatever the column holds: a time, a day, a text in ISO 8601, seconds or milliseconds since 1970.

Not for: the condition that asks for what changed since (`adapters.sql.adapter`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from syncd.errors import WatermarkLost

_MOST_KEPT: Final = 2_000
"""Rows remembered of the overlap; where more changed in it, they are read once more, which does no harm."""
_MILLISECONDS_FROM: Final = 1e11
"""Larger numbers are milliseconds since 1970: as seconds they would be past the year 5000."""

Kind = Literal["time", "day", "text", "number"]


class Mark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A watermark.

    Attributes:
        kind: What the column holds.
        at: The latest change, as a text.
        kept: A digest of each row that may be read again unchanged, by its id.
    """

    kind: Kind
    at: str
    kept: dict[str, str] = {}


def read_mark(text: str | None) -> Mark | None:
    """The watermark a text stands for; None, which asks for everything, where there is none.

    Raises:
        WatermarkLost: The text is none of ours.
    """
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=Mark)
    except msgspec.MsgspecError:
        raise WatermarkLost("the watermark of the last pull is of another kind of source") from None


def since(mark: Mark, seconds: float) -> Any:
    """The value to compare the column with: the latest change less an overlap, in the column's own kind.

    Raises:
        WatermarkLost: It can be compared with nothing.
    """
    value: Any = mark.at
    if mark.kind == "time":
        value = datetime.fromisoformat(mark.at)
    elif mark.kind == "day":
        value = date.fromisoformat(mark.at)
    elif mark.kind == "number":
        number = Decimal(mark.at)
        value = int(number) if number == int(number) else float(number)
    if (earlier := _earlier(value, seconds)) is None:
        raise WatermarkLost("the times of the rows are written so that they cannot be compared")
    return earlier


class Overlap:
    """Gathers what the next increment will read again."""

    def __init__(self, latest: Any, seconds: float) -> None:
        """Args: latest, the latest change of all rows; seconds, how far an increment reaches back."""
        self._latest = latest
        self._from = _earlier(latest, seconds)
        self._writing = _writing(latest)
        self._mixed = False
        self._kept: dict[str, str] = {}

    def note(self, key: str, modified: Any, row: Sequence[Any]) -> None:
        """A row was read."""
        if modified is not None and self._writing is not None and _writing(modified) != self._writing:
            self._mixed = True  # texts in several writings do not compare as the times they stand for
        try:
            recent = self._from is not None and modified is not None and modified >= self._from
        except TypeError:  # SQLite lets a column hold anything
            return
        # Half a character, which SQLite can hold, is no part of a watermark; such a row is refused each time.
        if recent and len(self._kept) <= _MOST_KEPT and not any("\ud800" <= sign <= "\udfff" for sign in key):
            self._kept[key] = digest(row)

    def mark(self) -> str | None:
        """The watermark of this pull; None where the column's times cannot be understood."""
        if self._from is None or self._mixed:
            return None
        latest = self._latest
        kind: Kind = "number"
        if isinstance(latest, datetime | date):
            kind = "time" if isinstance(latest, datetime) else "day"
        elif isinstance(latest, str):
            kind = "text"
        at = latest.isoformat() if isinstance(latest, datetime | date) else str(latest)
        kept = self._kept if len(self._kept) <= _MOST_KEPT else {}
        return msgspec.json.encode(Mark(kind=kind, at=at, kept=kept)).decode()


def _writing(value: Any) -> tuple[str, str] | None:
    """How a text writes times: the sign before the hour, and the zone; None of what is no text.

    Texts of the same writing compare as their times do. Where the zone is an offset such as +02:00 they do not, even
    if it is the same in all of them today: summer ends.
    """
    if not isinstance(value, str):
        return None
    zone = re.search(r"(?<=\d)(Z|[+-]\d\d(?::?\d\d)?)$", value[10:])
    return value[10:11], zone[0] if zone else ""


def digest(row: Sequence[Any]) -> str:
    """What tells a row from itself after a change."""
    return hashlib.blake2b(repr(tuple(row)).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _earlier(value: Any, seconds: float) -> Any:
    """A time some seconds earlier, in the same kind; None where it is none."""
    back = timedelta(seconds=seconds)
    if isinstance(value, datetime):
        return value - back
    if isinstance(value, date):
        return value - timedelta(days=back.days + 1 if back else 0)
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        step = int(seconds * (1000 if value > _MILLISECONDS_FROM else 1))
        return value - step
    return _earlier_text(value, back) if isinstance(value, str) else None


def _earlier_text(value: str, back: timedelta) -> str | None:
    """The same for a text in ISO 8601, written as it was, so that texts compare as times do."""
    if (writing := _writing(value)) is None or writing[1].strip("+-:0") not in {"", "Z"}:
        return None
    try:
        moment = datetime.fromisoformat(value) - back
    except (ValueError, OverflowError):
        return None
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return moment.date().isoformat()
    separator = value[10] if len(value) > 10 else "T"  # noqa: PLR2004 - after yyyy-mm-dd
    text = moment.isoformat(separator, "auto" if "." in value else "seconds")
    return text.replace("+00:00", "Z") if value.endswith("Z") else text
