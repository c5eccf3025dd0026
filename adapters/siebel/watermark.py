"""The watermark: from which moment on the next increment asks, and what of that it knows already.

Not for: which records an increment asks for (`adapter`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

_MOST_KNOWN: Final = 1_000
"""Records remembered; beyond, those of the overlap are given once more, which does no harm."""


class Watermark(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that changed before a moment has been given, and some of what changed since.

    Attributes:
        at: The moment, the overlap already taken off.
        absent: Fields that the mapping names and Siebel does not have.
        unread: Child components that could not be read, so that some records lack what is in them.
        known: What records that changed since then were like when they were given, by their ids.
    """

    at: datetime
    absent: list[str] = []
    unread: list[str] = []
    known: dict[str, str] = {}

    def text(self) -> str:
        """The watermark as the core keeps it."""
        return msgspec.json.encode(self).decode()


def read(text: str | None) -> Watermark | None:
    """A watermark from its text; None where there is none, or one that is not of this version."""
    if text is None:
        return None
    try:
        mark = msgspec.json.decode(text, type=Watermark)
    except msgspec.MsgspecError:
        return None
    return mark if mark.at.tzinfo is not None else None


class Given:
    """What has been given of records that changed within the overlap.

    Attributes:
        known: By id, what each was like; empty once there were too many.
    """

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self._full = False

    def add(self, row: Sequence[Any]) -> None:
        """Remember a record that was given; its id comes first."""
        if not self._full:
            self.known[str(row[0])] = likeness(row)
            if len(self.known) > _MOST_KNOWN:
                self._full, self.known = True, {}


def likeness(row: Sequence[Any]) -> str:
    """What stands for everything a record holds."""
    return hashlib.blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def whole(moment: datetime) -> datetime:
    """A moment in UTC, without fractions, which Siebel has none of."""
    return moment.astimezone(UTC).replace(microsecond=0)
