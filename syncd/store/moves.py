"""Stage history as the systems themselves keep it: which record came into which stage, and when.

Not for: the stays that runs observe (`syncd.store.snapshots`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select

from syncd.rules.base import Visit
from syncd.store.bulk import among, list_value
from syncd.store.changes import Follower
from syncd.store.schema import KEY_BITS, move, snapshot


def add_moves(
    connection: Connection, source_id: int, moves: Sequence[tuple[str, str, datetime]], follower: Follower
) -> None:
    """Keep some history.

    Args:
        connection: In a transaction.
        source_id: Whose.
        moves: Record id, stage id and time of each. What is kept already, and what belongs to records that the store
            does not have, is left out.
        follower: Told which records' histories are about to change.
    """
    ids = list_value(connection, list({identity for identity, _, _ in moves}))
    own = select(snapshot.c.id, snapshot.c.key).where(
        snapshot.c.source_id == source_id, among(connection, snapshot.c.id, "ids")
    )
    keys: dict[str, int] = dict(connection.execute(own, {"ids": ids}).all())
    given = {(keys[identity], _utc(at), stage) for identity, stage, at in moves if identity in keys}
    if not given:
        return
    kept = select(move.c.key, move.c.at, move.c.stage).where(among(connection, move.c.key, "keys"))
    known = connection.execute(kept, {"keys": list_value(connection, sorted({key for key, _, _ in given}))})
    fresh = given - {(key, _utc(at), stage) for key, at, stage in known}
    if fresh:
        follower.before(sorted({key for key, _, _ in fresh}))
        connection.execute(insert(move), [dict(zip(("key", "at", "stage"), one, strict=True)) for one in sorted(fresh)])


def has_moves(connection: Connection, source_id: int) -> bool:
    """Whether any history of the source is kept."""
    low, high = source_id << KEY_BITS, (source_id + 1) << KEY_BITS
    found = select(move.c.key).where(move.c.key >= low, move.c.key < high).limit(1)
    return connection.execute(found).first() is not None


def stays_of(connection: Connection, keys: Sequence[int]) -> dict[int, list[Visit]]:
    """The stays of some records by the systems' history, by key, oldest first."""
    stays: dict[int, list[Visit]] = {}
    chosen = select(move.c.key, move.c.at, move.c.stage).where(among(connection, move.c.key, "keys"))
    chosen = chosen.order_by(move.c.key, move.c.at, move.c.stage)
    for key, at, stage in connection.execute(chosen, {"keys": list_value(connection, list(keys))}):
        day = _utc(at).date()
        before = stays.setdefault(key, [])
        if not before or before[-1].stage != stage:
            before.append(Visit(stage, day, day))
    return stays


def _utc(at: datetime) -> datetime:
    # SQLite keeps no zone; every time in the store is in UTC.
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
