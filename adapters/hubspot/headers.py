"""What the headers of HubSpot's answers tell."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from syncd.httpkit import Answer


def time_of(answer: Answer) -> datetime | None:
    """The time an answer was made, by the clock of whoever made it."""
    try:
        moment = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def whole_number(answer: Answer, header: str) -> int | None:
    """A header that counts something; None where it is not there."""
    text = answer.headers.get(header, "")
    return int(text) if text.isascii() and text.isdigit() else None
