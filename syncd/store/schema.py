"""The tables. Changed only together with a new migration in `migrations/versions`.

A record's `key` is the source's id in the upper bits and a running number in the lower 40: records of one source lie
together, in the order they were first read, and two ordered streams can be merged without sorting.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

KEY_BITS: Final = 40
"""How many bits of a record's key number the records of one source."""

KEY: Final = BigInteger().with_variant(Integer, "sqlite")
"""SQLite only keeps a table in the order of its key, without a second index, when the column is a plain INTEGER."""

metadata: Final = MetaData()

source: Final = Table(
    "source",
    metadata,
    Column("source_id", Integer, primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("next_number", BigInteger, nullable=False, default=0),
    Column("records", BigInteger, nullable=False, default=0),
    Column("complete_run", Integer),
    Column("judged_run", Integer),
    Column("watermark", Text),
    Column("read_digest", String(64), nullable=False, default="", server_default=""),
    Column("content", String(200), nullable=False, default="", server_default=""),
    Column("swept_at", DateTime(timezone=True)),
)
"""`watermark`: the adapter's, after the last complete pull. `read_digest`: the mapping and the chart that made its
snapshots what they are. `content` identifies them. `swept_at`: when it was last known which records are gone."""

run: Final = Table(
    "run",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("run", String(64), unique=True),
    Column("command", String(40), nullable=False),
    Column("state", String(20), nullable=False),
    Column("as_of", Date, nullable=False),
    Column("pinned", Boolean, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    Column("previous", String(64), nullable=False, default=""),
    Column("digest", String(64), nullable=False, default=""),
    Column("summary", Text),
)

layout: Final = Table(
    "layout",
    metadata,
    Column("layout_id", Integer, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("evidence", Text, nullable=False),
)
"""Which evidence id each bit of a snapshot stands for; snapshots outlive changes of the chart."""

snapshot: Final = Table(
    "snapshot",
    metadata,
    Column("key", KEY, primary_key=True, autoincrement=False),
    Column("source_id", Integer, nullable=False),
    Column("id", Text, nullable=False),
    Column("content", LargeBinary(16), nullable=False),
    Column("layout_id", Integer, nullable=False),
    Column("stage", Text),
    Column("payload", Text, nullable=False),
    Column("appeared", Boolean, nullable=False),
    Column("first_run", Integer, nullable=False),
    Column("changed_run", Integer, nullable=False),
    Column("gone_run", Integer),
    UniqueConstraint("source_id", "id", name="snapshot_identity"),
)
"""Each opportunity as last read. `appeared`: it came into a source that had been read whole before."""

snapshot_past: Final = Table(
    "snapshot_past",
    metadata,
    Column("key", KEY, primary_key=True, autoincrement=False),
    Column("changed_run", Integer, primary_key=True, autoincrement=False),
    Column("until_run", Integer, nullable=False),
    Column("layout_id", Integer, nullable=False),
    Column("payload", Text, nullable=False),
)
"""What a snapshot held before it changed."""

visit: Final = Table(
    "visit",
    metadata,
    Column("key", KEY, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("stage", Text, nullable=False),
    Column("seen", Date, nullable=False),
    Column("entered", Date),
    Column("assessed", Date),
)
"""Observed stays in stages, for records that were seen to appear or to move; `seq` is the run that first saw one."""

move: Final = Table(
    "move",
    metadata,
    Column("key", KEY, primary_key=True, autoincrement=False),
    Column("at", DateTime(timezone=True), primary_key=True),
    Column("stage", Text, primary_key=True),
)
"""A record's coming into a stage, by the system's own history, for systems that keep one."""

wake: Final = Table(
    "wake",
    metadata,
    Column("key", KEY, primary_key=True, autoincrement=False),
    Column("day", Integer, nullable=False),
)
"""For records whose verdict may change although nothing of them does: the next day on which it may, as an ordinal."""

Index("wake_day", wake.c.day, wake.c.key)

totals: Final = Table(
    "totals",
    metadata,
    Column("source_id", Integer, primary_key=True, autoincrement=False),
    Column("as_of", Date, nullable=False),
    Column("ruling", String(64), nullable=False),
    Column("body", Text, nullable=False),
)
"""What judging each source came to in the last run that judged it. `ruling` identifies the rules and their settings."""

discrepancy: Final = Table(
    "discrepancy",
    metadata,
    Column("key", KEY, primary_key=True, autoincrement=False),
    Column("rule", String(16), primary_key=True),
    Column("opened_run", Integer, primary_key=True, autoincrement=False),
    Column("first_run", Integer, nullable=False),
    Column("closed_run", Integer),
    Column("last_run", Integer),
    Column("ended", String(20)),
    Column("body", Text, nullable=False),
)
"""One row for each stretch of runs that saw it. A second row for the same record and rule is a relapse."""

Index("discrepancy_closed", discrepancy.c.closed_run, sqlite_where=discrepancy.c.closed_run.is_not(None))

discrepancy_past: Final = Table(
    "discrepancy_past",
    metadata,
    Column("key", KEY, primary_key=True, autoincrement=False),
    Column("rule", String(16), primary_key=True),
    Column("until_run", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
)
"""What a discrepancy said before the run that saw it say something else."""

rejection: Final = Table(
    "rejection",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("source_id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("reason", Text, nullable=False),
)
"""Records a run refused."""
