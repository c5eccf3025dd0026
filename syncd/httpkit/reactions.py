"""What an answer asks for. Each adapter may know its system better than the usual reading of a status."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final


class Reaction(enum.Enum):
    """What to do with an answer."""

    ACCEPT = "accept"
    """It is what was asked for."""
    WAIT = "wait"
    """Too much was asked, or the system is busy: wait and ask again."""
    RENEW = "renew"
    """The credentials are no longer good: get new ones and ask again, once."""
    REFUSE = "refuse"
    """Asking again would not help."""


_BUSY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Request timeout, too early, too many requests, and the server's own trouble (RFC 9110, 8470, 6585)."""


def usual_reaction(status: int) -> Reaction:
    """What a status asks for when the system has no habits of its own."""
    if 200 <= status < 300:  # noqa: PLR2004 - the range of success
        return Reaction.ACCEPT
    if status == 401:  # noqa: PLR2004 - unauthorised
        return Reaction.RENEW
    return Reaction.WAIT if status in _BUSY else Reaction.REFUSE


def retry_after(value: str | None, now: datetime) -> float | None:
    """The seconds that a `Retry-After` header asks to wait, in either of its forms; None where it says nothing.

    Args:
        value: The header: seconds, or an HTTP date (RFC 9110 section 10.2.3).
        now: The time, aware.
    """
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a year or a zone of many digits is too large for it
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())
