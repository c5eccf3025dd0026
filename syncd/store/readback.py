"""Reads snapshots back from the store, with the history of each record.

Not for: writing them (`syncd.store.snapshots`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, insert, select

from syncd.form import VERSION
from syncd.model import UNFORMED, Opportunity
from syncd.process import Process
from syncd.rules.base import Trail, Visit
from syncd.store.moves import has_moves, stays_of
from syncd.store.schema import KEY_BITS, layout, move, snapshot, visit
from syncd.store.sources import SourceRow

CHUNK: Final = 1_000
"""Records read at a time."""

decode_snapshot: Final = msgspec.json.Decoder(Opportunity).decode
"""An opportunity from its stored JSON."""


class Stored(NamedTuple):
    """A present record, as the judge needs it; `trail` is None where its history says nothing."""

    key: int
    opportunity: Opportunity
    trail: Trail | None


def layout_id(connection: Connection, process: Process) -> int:
    """The number under which the store knows the process's evidence ids, and what a form means."""
    names = "\n".join(process.evidence)
    digest = sha256(f"{names}\nform {VERSION}".encode()).hexdigest()
    found = connection.execute(select(layout.c.layout_id).where(layout.c.digest == digest)).scalar()
    if found is None:
        connection.execute(insert(layout).values(digest=digest, evidence=names))
        found = connection.execute(select(layout.c.layout_id).where(layout.c.digest == digest)).scalar_one()
    return int(found)


def read_snapshots(
    connection: Connection, row: SourceRow, process: Process, *, but: Callable[[int], bool] = lambda _: False
) -> Iterator[list[Stored]]:
    """Every present record of a source, in the order of keys, some at a time.

    Args:
        connection: For reading, or in a transaction.
        row: The source.
        process: The chart whose evidence ids the bits are to stand for.
        but: Says of a key that its record is not wanted.
    """
    low, high = row.source_id << KEY_BITS, (row.source_id + 1) << KEY_BITS
    current = layout_id(connection, process)
    tracked, told = is_tracked(connection, row.source_id), has_moves(connection, row.source_id)
    chosen = select(snapshot.c.key, snapshot.c.payload, snapshot.c.layout_id, snapshot.c.appeared).where(
        snapshot.c.key > bindparam("after"), snapshot.c.key < high, snapshot.c.gone_run.is_(None)
    )
    chosen = chosen.order_by(snapshot.c.key).limit(CHUNK)
    old_layouts: dict[int, tuple[str, ...]] = {}
    after = low - 1
    while rows := connection.execute(chosen, {"after": after}).all():
        after = rows[-1][0]
        trails = visits_of(connection, visit.c.key.between(rows[0][0], after)) if tracked else {}
        stays = stays_of(connection, move.c.key.between(rows[0][0], after)) if told else {}
        stored: list[Stored] = []
        for key, payload, laid, appeared in rows:
            if but(key):
                continue
            opportunity = decode_snapshot(payload)
            if laid != current:
                if laid not in old_layouts:
                    old_layouts[laid] = _layout_names(connection, laid)
                opportunity = _relaid(opportunity, old_layouts[laid], process)
            trail: Trail | None = None
            if key in stays:
                trail = _told(opportunity, stays[key])
            elif key in trails:
                trail = Trail(tuple(trails[key]), bool(appeared))
            stored.append(Stored(key, opportunity, trail))
        if stored:
            yield stored


def _told(opportunity: Opportunity, stays: list[Visit]) -> Trail:
    """A trail by the system's own history, which begins with the record where it begins on the day of its creation."""
    created = opportunity.created_at
    return Trail(tuple(stays), created is not None and abs((stays[0].seen - created.date()).days) <= 1)


def is_tracked(connection: Connection, source_id: int) -> bool:
    """Whether any record of the source has a history."""
    low, high = source_id << KEY_BITS, (source_id + 1) << KEY_BITS
    found = select(visit.c.key).where(visit.c.key >= low, visit.c.key < high).limit(1)
    return connection.execute(found).first() is not None


def visits_of(connection: Connection, which: ColumnElement[bool]) -> dict[int, list[Visit]]:
    """The stays of some records, by key, oldest first."""
    columns = (visit.c.key, visit.c.stage, visit.c.seen, visit.c.entered, visit.c.assessed)
    stays: dict[int, list[Visit]] = {}
    for key, *stay in connection.execute(select(*columns).where(which).order_by(visit.c.key, visit.c.seq)):
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
