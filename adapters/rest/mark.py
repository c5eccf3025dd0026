"""The watermark of a REST source: how far it has been read, and what it gave of the stretch that will be read again.

Not for: how a system is asked for what changed since (`adapters.rest.adapter`).
"""

from __future__ import annotations

from typing import Final

import msgspec

from syncd.errors import WatermarkLost

_MOST_KEPT: Final = 2_000
"""Records remembered of the overlap; where more changed in it, they are read once more, which does no harm."""


class Mark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A watermark.

    Attributes:
        at: Everything that had changed by then has been given; seconds since 1970, by the system's own clock.
        kept: What changes with the record, by the id of each that may be read again unchanged.
    """

    at: float
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


class Overlap:
    """Gathers what the next increment will read again."""

    def __init__(self, seconds: float) -> None:
        """Args: seconds, how far an increment reaches back."""
        self._seconds = seconds
        self._kept: dict[str, str] = {}

    def note(self, key: str, stamp: str, moment: float, at: float) -> None:
        """A record was given.

        Args:
            key: Its id.
            stamp: What changes when it does.
            moment: When it last changed.
            at: When this pull began.
        """
        if stamp and moment >= at - self._seconds and len(self._kept) <= _MOST_KEPT:
            self._kept[key] = stamp

    def mark(self, at: float) -> str:
        """The watermark of a pull that began at a moment."""
        kept = self._kept if len(self._kept) <= _MOST_KEPT else {}
        return msgspec.json.encode(Mark(at=at, kept=kept)).decode()
