"""Reads snapshots back from the store, with the history of each record.

Not for: writing them (`syncd.store.snapshots`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, insert, select

from syncd.form import VERSION
from syncd.model import UNFORMED, Opportunity
from syncd.process import Process
from syncd.rules.base import Trail, Visit
from syncd.store.bulk import among, list_value
from syncd.store.changes import Stored
from syncd.store.moves import has_moves, stays_of
from syncd.store.schema import KEY_BITS, layout, snapshot, visit

CHUNK: Final = 1_000
"""Records read at a time."""

decode_snapshot: Final = msgspec.json.Decoder(Opportunity).decode
"""An opportunity from its stored JSON."""


def layout_id(connection: Connection, process: Process) -> int:
    """The number under which the store knows the process's evidence ids, and what a form means."""
    names = "\n".join(process.evidence)
    digest = sha256(f"{names}\nform {VERSION}".encode()).hexdigest()
    found = connection.execute(select(layout.c.layout_id).where(layout.c.digest == digest)).scalar()
    if found is None:
        connection.execute(insert(layout).values(digest=digest, evidence=names))
        found = connection.execute(select(layout.c.layout_id).where(layout.c.digest == digest)).scalar_one()
    return int(found)


class SnapshotReader:
    """Reads the present records of a source."""

    def __init__(self, connection: Connection, source_id: int, process: Process) -> None:
        """Args: process, the chart whose evidence ids the bits are to stand for."""
        self._connection = connection
        self._process = process
        self._source_id = source_id
        self._layout = layout_id(connection, process)
        self._old_layouts: dict[int, tuple[str, ...]] = {}
        columns = (snapshot.c.key, snapshot.c.payload, snapshot.c.layout_id, snapshot.c.appeared)
        self._present = select(*columns).where(snapshot.c.gone_run.is_(None)).order_by(snapshot.c.key)

    def all(self, *, but: Callable[[int], bool] = lambda _: False) -> Iterator[list[Stored]]:
        """All of them, in the order of keys, some at a time.

        Args:
            but: Says of a key that its record is not wanted.
        """
        after, high = (self._source_id << KEY_BITS) - 1, (self._source_id + 1) << KEY_BITS
        page = self._present.where(snapshot.c.key > bindparam("after"), snapshot.c.key < high).limit(CHUNK)
        while rows := self._connection.execute(page, {"after": after}).all():
            after = rows[-1].key
            if wanted := [row for row in rows if not but(row.key)]:
                yield self._stored(wanted)

    def some(self, keys: Sequence[int]) -> Iterator[list[Stored]]:
        """Those with any of these keys, some at a time."""
        chosen = self._present.where(among(self._connection, snapshot.c.key, "keys"))
        for start in range(0, len(keys), CHUNK):
            part = {"keys": list_value(self._connection, list(keys[start : start + CHUNK]))}
            if rows := self._connection.execute(chosen, part).all():
                yield self._stored(rows)

    def _stored(self, rows: Sequence[Any]) -> list[Stored]:
        read = [(row.key, self._opportunity(row.payload, row.layout_id), bool(row.appeared)) for row in rows]
        return with_trails(self._connection, self._source_id, read)

    def _opportunity(self, payload: str, laid: int) -> Opportunity:
        opportunity = decode_snapshot(payload)
        if laid == self._layout:
            return opportunity
        if laid not in self._old_layouts:
            self._old_layouts[laid] = _layout_names(self._connection, laid)
        return _relaid(opportunity, self._old_layouts[laid], self._process)


def with_trails(
    connection: Connection, source_id: int, records: Sequence[tuple[int, Opportunity, bool]]
) -> list[Stored]:
    """Some records of a source with their histories, the system's own where it keeps one.

    Args:
        connection: For reading, or in a transaction.
        source_id: The source.
        records: Key, content, and whether it came into a source that had been read whole before.
    """
    keys = [key for key, _, _ in records]
    trails = visits_of(connection, keys) if is_tracked(connection, source_id) else {}
    stays = stays_of(connection, keys) if has_moves(connection, source_id) else {}
    stored = []
    for key, opportunity, appeared in records:
        trail: Trail | None = None
        if key in stays:
            trail = _told(opportunity, stays[key])
        elif key in trails:
            trail = Trail(tuple(trails[key]), appeared)
        stored.append(Stored(key, opportunity, trail))
    return stored


def _told(opportunity: Opportunity, stays: list[Visit]) -> Trail:
    """A trail by the system's own history, which begins with the record where it begins on the day of its creation."""
    created = opportunity.created_at
    return Trail(tuple(stays), created is not None and abs((stays[0].seen - created.date()).days) <= 1)


def is_tracked(connection: Connection, source_id: int) -> bool:
    """Whether any record of the source has a history."""
    low, high = source_id << KEY_BITS, (source_id + 1) << KEY_BITS
    found = select(visit.c.key).where(visit.c.key >= low, visit.c.key < high).limit(1)
    return connection.execute(found).first() is not None


def visits_of(connection: Connection, keys: Sequence[int]) -> dict[int, list[Visit]]:
    """The observed stays of some records, by key, oldest first."""
    columns = (visit.c.key, visit.c.stage, visit.c.seen, visit.c.entered, visit.c.assessed)
    stays: dict[int, list[Visit]] = {}
    chosen = select(*columns).where(among(connection, visit.c.key, "keys")).order_by(visit.c.key, visit.c.seq)
    for key, *stay in connection.execute(chosen, {"keys": list_value(connection, list(keys))}):
        stays.setdefault(key, []).append(Visit(*stay))
    return stays


def _layout_names(connection: Connection, number: int) -> tuple[str, ...]:
    names = connection.execute(select(layout.c.evidence).where(layout.c.layout_id == number)).scalar_one()
    return tuple(names.split("\n"))


def _relaid(opportunity: Opportunity, names: tuple[str, ...], process: Process) -> Opportunity:
    """A snapshot in the bits of today's chart; evidence the chart no longer has is left out."""
    moved = {old: process.evidence_index[name] for old, name in enumerate(names) if name in process.evidence_index}

    def bits(mask: int) -> int:
        return sum(1 << new for old, new in moved.items() if mask >> old & 1)

    def table(values: dict[int, Any]) -> dict[int, Any]:
        return {moved[old]: value for old, value in values.items() if old in moved}

    return msgspec.structs.replace(
        opportunity,
        met=bits(opportunity.met),
        not_met=bits(opportunity.not_met),
        bare=bits(opportunity.bare),
        untold=bits(opportunity.untold),
        dates=table(opportunity.dates),
        by=table(opportunity.by),
        ref=table(opportunity.ref),
        form=UNFORMED,
        latest=None,
    )
