"""Sources: what the store knows of each between two runs.

Not for: their records (`syncd.store.snapshots`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from syncd.store.schema import source


@dataclass(frozen=True, slots=True)
class SourceRow:
    """What the store knows of a source before a pull.

    Attributes:
        next_number: The number the next new record gets.
        records: Records present after the last complete pull.
        complete_run: The last run that read it to the end, None before the first.
        judged_run: The last run that judged it, None before the first.
        watermark: The adapter's, after the last complete pull; None where it gave none.
        read_digest: Identifies the settings, the mapping and the chart by which its snapshots were made.
        content: Identifies the content of its snapshots.
        swept_at: When it was last known which of its records are gone, in UTC.
    """

    source_id: int
    next_number: int
    records: int
    complete_run: int | None
    judged_run: int | None
    watermark: str | None = None
    read_digest: str = ""
    content: str = ""
    swept_at: datetime | None = None


_COLUMNS = tuple(source.c[name] for name in SourceRow.__dataclass_fields__)


def source_row(connection: Connection, name: str) -> SourceRow:
    """The source's row, made if it is new."""
    chosen = select(*_COLUMNS).where(source.c.name == name)
    found = connection.execute(chosen).one_or_none()
    if found is None:
        connection.execute(insert(source).values(name=name, next_number=0, records=0))
        found = connection.execute(chosen).one()
    row = SourceRow(*found)
    if row.swept_at is not None and row.swept_at.tzinfo is None:
        return replace(row, swept_at=row.swept_at.replace(tzinfo=UTC))  # SQLite keeps no zone; every time is in UTC
    return row


def keep_source(connection: Connection, source_id: int, **values: Any) -> None:
    """Keep what a complete pull found out about a source.

    Args:
        connection: In a transaction.
        source_id: Which source.
        values: By attribute of `SourceRow`.
    """
    connection.execute(update(source).where(source.c.source_id == source_id).values(**values))
