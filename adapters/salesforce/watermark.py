"""The watermark: up to when the org was read, and what of the time just before is already known.

Stamps have the resolution of a second, many records share one, and some become visible after others with a later one
(measured: seconds; reported: minutes; https://github.com/estuary/connectors/pull/2678). So an increment begins before
its watermark, and what it finds there unchanged is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from adapters.salesforce import soql
from syncd.errors import WatermarkLost

_MOST_KNOWN: Final = 5_000
"""Records a watermark remembers. Of further ones some are given again though they did not change."""

_SAME_SECOND: Final = timedelta(seconds=5)
"""A record stamped so shortly before it was read may change again under the same stamp, so it counts as not known."""


class Mark(msgspec.Struct, frozen=True):
    """A watermark.

    Attributes:
        at: Everything that was visible and stamped before has been given.
        known: The stamps of the records given that were stamped shortly before, by id.
        unread: Fields and child components that could not be read, so that some records lack what is in them.
    """

    at: datetime
    known: dict[str, str] = {}
    unread: list[str] = []

    @classmethod
    def read(cls, text: str) -> Mark:
        """The watermark in a text.

        Raises:
            WatermarkLost: It is not one of ours.
        """
        try:
            mark = msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError:
            mark = None
        if mark is None or mark.at.tzinfo is None:
            raise WatermarkLost("the watermark kept for this source cannot be read", "run once with --full")
        return mark

    def text(self) -> str:
        """As it is kept."""
        return msgspec.json.encode(self).decode()


class Border:
    """Collects what a watermark is to remember."""

    def __init__(self, at: datetime, started: datetime, overlap: timedelta) -> None:
        """Args: at, the watermark's time; started, when the pull began; overlap, how far the next one reaches back."""
        self._at = at
        # Stamps are compared as texts: ISO 8601 in UTC, the seconds in the same place.
        self._from = soql.moment(at - overlap)[:19]
        self._until = soql.moment(started - _SAME_SECOND)[:19]
        self._known: dict[str, str] = {}

    def note(self, identity: str, stamp: str | None) -> None:
        """A record was given, or was known already."""
        if stamp and self._from <= stamp[:19] < self._until and len(self._known) < _MOST_KNOWN:
            self._known[identity] = stamp

    def mark(self, unread: Iterable[str]) -> Mark:
        """The watermark.

        Args:
            unread: What could not be read.
        """
        return Mark(self._at.astimezone(UTC), self._known, sorted(unread))
