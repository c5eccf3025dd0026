"""The totals of each source, as the last run that judged it left them.

Not for: what they hold (`syncd.totals`).
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update

from syncd.store.schema import totals


class KeptTotals(NamedTuple):
    """Totals of a source.

    Attributes:
        as_of: The day they were judged by.
        ruling: Identifies the rules and their settings.
        body: The totals themselves, encoded.
    """

    as_of: date
    ruling: str
    body: str


def totals_of(connection: Connection, source_id: int) -> KeptTotals | None:
    """What judging a source came to; None before it was."""
    chosen = select(totals.c.as_of, totals.c.ruling, totals.c.body).where(totals.c.source_id == source_id)
    found = connection.execute(chosen).one_or_none()
    return None if found is None else KeptTotals(*found)


def keep_totals(connection: Connection, source_id: int, kept: KeptTotals) -> None:
    """Keep what judging a source came to, in place of what was kept before."""
    values = kept._asdict()
    if not connection.execute(update(totals).where(totals.c.source_id == source_id).values(**values)).rowcount:
        connection.execute(insert(totals).values(source_id=source_id, **values))
