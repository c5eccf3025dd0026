"""Runs: one row for each trip along the path, with what it reported; and the records it refused.

A run with a pinned clock (`--as-of`) over the same input as the run before it *is* that run: it takes its number and
its id, so that its output is the same to the byte. With the real clock every run is its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from syncd.model import Rejected, RunSummary
from syncd.store.schema import rejection, run, source

_decode = msgspec.json.Decoder(RunSummary).decode


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run as the store knows it."""

    seq: int
    run: str | None
    command: str
    state: str
    as_of: date
    pinned: bool
    started_at: datetime
    finished_at: datetime | None
    previous: str
    digest: str


_COLUMNS = (
    run.c.seq, run.c.run, run.c.command, run.c.state, run.c.as_of, run.c.pinned, run.c.started_at, run.c.finished_at,
    run.c.previous, run.c.digest,
)  # fmt: skip


def _row(found: Any) -> RunRow:
    values = dict(found._mapping)  # noqa: SLF001 - SQLAlchemy's documented way to a row as a mapping
    for name in ("started_at", "finished_at"):
        # SQLite keeps no zone; every time in the store is in UTC.
        if values[name] is not None and values[name].tzinfo is None:
            values[name] = values[name].replace(tzinfo=UTC)
    return RunRow(**values)


def begin_run(connection: Connection, *, command: str, as_of: date, pinned: bool, now: datetime) -> int:
    """Note that a run has begun.

    Returns:
        Its number.
    """
    seq = (connection.execute(select(func.max(run.c.seq))).scalar() or 0) + 1
    row = {"command": command, "state": "running", "as_of": as_of, "pinned": pinned, "started_at": now}
    connection.execute(insert(run).values(seq=seq, previous="", digest="", **row))
    return seq


def last_finished(
    connection: Connection, *, on_or_before: date | None = None, before_seq: int | None = None
) -> RunRow | None:
    """The newest finished run; before a run, or with the nearest day on or before one."""
    chosen = select(*_COLUMNS).where(run.c.state == "finished")
    if on_or_before is not None:
        # A past day may be judged after a later one, which does not make it the nearer one.
        chosen = chosen.where(run.c.as_of <= on_or_before).order_by(run.c.as_of.desc())
    if before_seq is not None:
        chosen = chosen.where(run.c.seq < before_seq)
    found = connection.execute(chosen.order_by(run.c.seq.desc()).limit(1)).one_or_none()
    return None if found is None else _row(found)


def list_runs(connection: Connection, *, limit: int) -> list[RunRow]:
    """The newest runs, newest first."""
    chosen = select(*_COLUMNS).order_by(run.c.seq.desc()).limit(limit)
    return [_row(row) for row in connection.execute(chosen)]


def adopt_run(connection: Connection, *, seq: int, earlier: int) -> None:
    """Make a run that only repeats an earlier one be that one."""
    connection.execute(delete(rejection).where(rejection.c.seq == earlier))
    connection.execute(update(rejection).where(rejection.c.seq == seq).values(seq=earlier))
    connection.execute(update(source).where(source.c.complete_run == seq).values(complete_run=earlier))
    connection.execute(delete(run).where(run.c.seq == seq))


def name_run(connection: Connection, *, seq: int, name: str, previous: str, digest: str) -> None:
    """Give a run its id, once its input is known."""
    connection.execute(update(run).where(run.c.seq == seq).values(run=name, previous=previous, digest=digest))


def finish_run(connection: Connection, *, seq: int, now: datetime, summary: RunSummary) -> None:
    """Note that a run has ended and what it reported."""
    text = msgspec.json.encode(summary).decode()
    connection.execute(update(run).where(run.c.seq == seq).values(state="finished", finished_at=now, summary=text))


def fail_run(connection: Connection, *, seq: int, now: datetime, state: str) -> None:
    """Note that a run ended early: `interrupted` or `failed`."""
    running = run.c.state == "running"
    connection.execute(update(run).where(run.c.seq == seq, running).values(state=state, finished_at=now))


def mark_judged(connection: Connection, *, source_id: int, seq: int) -> None:
    """Note that a run judged a source."""
    connection.execute(update(source).where(source.c.source_id == source_id).values(judged_run=seq))


def summary_of(connection: Connection, seq: int) -> RunSummary | None:
    """What a run reported."""
    text = connection.execute(select(run.c.summary).where(run.c.seq == seq)).scalar()
    return None if text is None else _decode(text)


def add_rejections(connection: Connection, *, seq: int, source_id: int, start: int, rejected: list[Rejected]) -> None:
    """Keep refused records; `start` is how many of this source and run are kept already."""
    rows: list[dict[str, Any]] = [
        {"seq": seq, "source_id": source_id, "number": start + index, "id": one.id, "place": one.place,
         "reason": one.reason}
        for index, one in enumerate(rejected)
    ]  # fmt: skip
    connection.execute(insert(rejection), rows)


def rejections_of(connection: Connection, seq: int, source_id: int) -> list[tuple[str, str, str]]:
    """Id, place and reason of each record of one source that a run refused, in the order they were read."""
    columns = select(rejection.c.id, rejection.c.place, rejection.c.reason)
    own = columns.where(rejection.c.seq == seq, rejection.c.source_id == source_id).order_by(rejection.c.number)
    return [(row.id, row.place, row.reason) for row in connection.execute(own)]


def read_rejections(connection: Connection, seq: int) -> Iterator[Rejected]:
    """The records a run refused, by source, in the order they were read."""
    joined = select(source.c.name, rejection).join(source, source.c.source_id == rejection.c.source_id)
    ordered = joined.where(rejection.c.seq == seq).order_by(rejection.c.source_id, rejection.c.number)
    for row in connection.execute(ordered):
        yield Rejected(source=row.name, id=row.id, place=row.place, reason=row.reason)
