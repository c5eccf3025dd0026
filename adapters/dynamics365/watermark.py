"""The watermark: how far a pull has come, as a text.

Not for: reading anything.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from syncd.httpkit import Answer

_KNOWN: Final = 20_000
"""Records of the overlap that are remembered, eleven characters each; of more, some may be yielded again."""


class Watermark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an increment starts from.

    Attributes:
        at: When the pull began, by the service's clock, ISO 8601 in UTC.
        asked: Identifies what was asked for; with another mapping, increments would lack columns.
        delta: The link of change tracking, without its host.
        unread: Child tables that could not be read, so that some records lack what is in them.
        known: Records given that changed in the overlap, as `mark_of` has them.
    """

    at: str
    asked: str
    delta: str | None = None
    unread: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()

    def text(self) -> str:
        """As the store keeps it."""
        return msgspec.json.encode(self, order="deterministic").decode()

    @classmethod
    def read(cls, text: str) -> Watermark | None:
        """The watermark in a text; None where it is none of ours."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError:
            return None


def keep(marks: Iterable[str]) -> frozenset[str]:
    """As many of these as are remembered."""
    kept = sorted(marks)
    return frozenset(kept[:_KNOWN])


def mark_of(identity: str, version: str) -> str:
    """A record in this version, in eleven characters."""
    digest = hashlib.blake2b(f"{identity}\x00{version}".encode(), digest_size=8).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def server_time(answer: Answer, local: datetime) -> datetime:
    """The service's clock; the local one where an answer does not tell it.

    Args:
        answer: Any answer.
        local: The time here, aware.
    """
    try:
        told = parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, OverflowError):
        return local
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def literal(moment: datetime) -> str:
    """A time as OData writes it, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def earlier(at: str, seconds: float) -> str:
    """A time so many seconds before another, both as OData writes them."""
    return literal(datetime.fromisoformat(at) - timedelta(seconds=seconds))
