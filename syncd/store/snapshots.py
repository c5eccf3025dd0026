"""Snapshots: each opportunity as last read, what it held before, and the stages it was seen in.

A pull writes through a `SnapshotWriter`, inside one transaction; an unchanged record costs a look-up and no write.
Which of the records known before a pull has seen is kept as one bit a record, so that memory stays flat however large
the source.

Not for: deciding whether a pull was complete (`syncd.pull`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b, sha256
from itertools import repeat
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from syncd.form import VERSION
from syncd.model import UNFORMED, Opportunity
from syncd.process import Process
from syncd.rules.assessment import ASSESSMENT
from syncd.rules.base import Trail, Visit
from syncd.store.bulk import among, insert_rows, list_value
from syncd.store.schema import KEY_BITS, layout, run, snapshot, snapshot_past, source, visit

CHUNK: Final = 1_000
"""Records read or written at a time."""

_NEW: Final = (
    "key", "source_id", "id", "content", "layout_id", "stage", "payload", "appeared", "first_run", "changed_run",
)  # fmt: skip

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Opportunity).decode


@dataclass(frozen=True, slots=True)
class SourceRow:
    """What the store knows of a source before a pull.

    Attributes:
        records: Records present after the last complete pull.
        complete_run: The last run that read it whole, None before the first.
        judged_run: The last run that judged it, None before the first.
    """

    source_id: int
    next_number: int
    records: int
    complete_run: int | None
    judged_run: int | None


class Stored(NamedTuple):
    """A present record, as the judge needs it; `trail` is None where its history says nothing."""

    key: int
    opportunity: Opportunity
    trail: Trail | None


@dataclass(frozen=True, slots=True)
class Repeat:
    """A record whose id was seen before in the same pull. `same` says whether with the same content."""

    position: int
    same: bool


class Added(NamedTuple):
    """What became of some opportunities.

    Attributes:
        stored: Those that are now in the store as they are, changed or not, in the order given.
        repeats: Those that were not written because their id was seen before in this pull.
    """

    stored: list[Stored]
    repeats: list[Repeat]


def is_storable(opportunity: Opportunity) -> bool:
    """Whether all its text is valid Unicode; half of a surrogate pair, which JSON can spell, is not."""
    try:
        _encode(opportunity)
    except UnicodeEncodeError:
        return False
    return True


def source_row(connection: Connection, name: str) -> SourceRow:
    """The source's row, made if it is new."""
    columns = (source.c.source_id, source.c.next_number, source.c.records, source.c.complete_run, source.c.judged_run)
    found = connection.execute(select(*columns).where(source.c.name == name)).one_or_none()
    if found is None:
        connection.execute(insert(source).values(name=name, next_number=0, records=0))
        found = connection.execute(select(*columns).where(source.c.name == name)).one()
    return SourceRow(*found)


def layout_id(connection: Connection, process: Process) -> int:
    """The number under which the store knows the process's evidence ids, and what a form means."""
    names = "\n".join(process.evidence)
    digest = sha256(f"{names}\nform {VERSION}".encode()).hexdigest()
    found = connection.execute(select(layout.c.layout_id).where(layout.c.digest == digest)).scalar()
    if found is None:
        connection.execute(insert(layout).values(digest=digest, evidence=names))
        found = connection.execute(select(layout.c.layout_id).where(layout.c.digest == digest)).scalar_one()
    return int(found)


class SnapshotWriter:
    """Writes the opportunities of one pull of one source.

    Attributes:
        seen: Distinct records so far.
        changed: Records that are new or differ from the last pull so far.
    """

    def __init__(self, connection: Connection, row: SourceRow, process: Process, *, seq: int, today: date) -> None:
        self._connection = connection
        self._row = row
        self._seq = seq
        self._today = today
        self._layout = layout_id(connection, process)
        self._assessment = process.evidence_index.get(ASSESSMENT)
        self._appeared = row.complete_run is not None
        self._next = row.next_number
        self._base = row.source_id << KEY_BITS
        self._marks = bytearray(row.next_number // 8 + 1)
        columns = (
            snapshot.c.id, snapshot.c.key, snapshot.c.content, snapshot.c.gone_run, snapshot.c.stage,
            snapshot.c.appeared,
        )  # fmt: skip
        own = snapshot.c.source_id == row.source_id
        self._known = select(*columns).where(own, among(connection, snapshot.c.id, "ids"))
        self._blank_content = blake2b(digest_size=16, person=self._layout.to_bytes(4, "big"))
        self._digest = blake2b(digest_size=16)
        self._tracked = _is_tracked(connection, row.source_id)
        self.seen = 0
        self.changed = 0

    @property
    def content(self) -> str:
        """Identifies everything written so far, in its order."""
        return self._digest.hexdigest()

    def add(self, opportunities: Sequence[Opportunity]) -> Added:
        """Write some opportunities.

        Raises:
            UnicodeEncodeError: One of them holds text that is no valid Unicode; none was written. See `is_storable`.
        """
        payloads = [_encode(opportunity) for opportunity in opportunities]
        contents = [self._content_of(payload) for payload in payloads]
        if self._row.next_number == 0 and not self._appeared and self._add_new(opportunities, payloads, contents):
            keys = range(self._base + self._next - len(opportunities), self._base + self._next)
            return Added([Stored(*one, None) for one in zip(keys, opportunities, strict=True)], [])
        repeats: list[Repeat] = []
        fresh: dict[str, tuple[bytes, bytes, Opportunity]] = {}
        known = {one.id: one for one in self._look_up(opportunities)}
        rows = zip(opportunities, payloads, contents, strict=True)
        for position, (opportunity, payload, content) in enumerate(rows):
            identity = opportunity.id
            if identity in fresh:
                repeats.append(Repeat(position, content == fresh[identity][1]))
            elif identity in known and self._is_seen(known[identity].key - self._base):
                repeats.append(Repeat(position, content == known[identity].content))
            else:
                fresh[identity] = (payload, content, opportunity)
        self._digest.update(b"".join([content for _, content, _ in fresh.values()]))
        stored = self._write(fresh, known)
        self.seen += len(fresh)
        return Added(stored, repeats)

    def _content_of(self, payload: bytes) -> bytes:
        digest = self._blank_content.copy()
        digest.update(payload)
        return digest.digest()

    def _add_new(
        self, opportunities: Sequence[Opportunity], payloads: Sequence[bytes], contents: Sequence[bytes]
    ) -> bool:
        """Into a source that was never read, records go without a look-up, unless one of their ids is there already.

        Returns:
            Whether they went in; if not, nothing did.
        """
        ids = [one.id for one in opportunities]
        first, end = self._base + self._next, self._base + self._next + len(ids)
        rows = zip(
            range(first, end), repeat(self._row.source_id), ids, contents, repeat(self._layout),
            [one.stage for one in opportunities], map(bytes.decode, payloads), repeat(False),
            repeat(self._seq), repeat(self._seq),
        )  # fmt: skip
        try:
            with self._connection.begin_nested():
                insert_rows(self._connection, snapshot, _NEW, list(rows))
        except IntegrityError:
            return False
        self._next += len(ids)
        self._digest.update(b"".join(contents))
        self.seen += len(ids)
        self.changed += len(ids)
        return True

    def _look_up(self, opportunities: Sequence[Opportunity]) -> Sequence[Any]:
        ids = list_value(self._connection, [one.id for one in opportunities])
        return self._connection.execute(self._known, {"ids": ids}).all()

    def finish(self) -> int:
        """Mark the records this pull did not see as gone and keep the source's counters.

        Returns:
            How many went.
        """
        gone = self._sweep()
        self._connection.execute(
            update(source)
            .where(source.c.source_id == self._row.source_id)
            .values(next_number=self._next, records=self.seen, complete_run=self._seq)
        )
        return gone

    def _write(self, fresh: dict[str, tuple[bytes, bytes, Opportunity]], known: dict[str, Any]) -> list[Stored]:
        new: list[tuple[Any, ...]] = []
        edited: list[dict[str, Any]] = []
        visits: list[dict[str, Any]] = []
        stored: list[Stored] = []
        for identity, (payload, content, opportunity) in fresh.items():
            before = known.get(identity)
            if before is None:
                key = self._base + self._next
                self._next += 1
                new.append(
                    (key, self._row.source_id, identity, content, self._layout, opportunity.stage, payload.decode(),
                     self._appeared, self._seq, self._seq)
                )  # fmt: skip
                if self._appeared and opportunity.stage is not None:
                    visits.append(self._visit(key, opportunity, moved=True))
            else:
                key = before.key
                if before.content != content or before.gone_run is not None:
                    edited.append(
                        {"at": key, "content": content, "payload": payload.decode(), "stage": opportunity.stage}
                    )
                    if opportunity.stage is not None and opportunity.stage != before.stage:
                        visits.append(self._visit(key, opportunity, moved=before.stage is not None))
                self._mark(key - self._base)
            stored.append(Stored(key, opportunity, None))
        self.changed += len(new) + len(edited)
        if edited:
            self._edit(edited, visits)
        insert_rows(self._connection, snapshot, _NEW, new)
        if visits:
            self._connection.execute(insert(visit), visits)
            self._tracked = True
        return self._with_trails(stored, known) if self._tracked else stored

    def _with_trails(self, stored: list[Stored], known: dict[str, Any]) -> list[Stored]:
        visits = _visits(self._connection, visit.c.key.in_([one.key for one in stored]))
        return [
            one._replace(trail=Trail(tuple(visits[one.key]), self._has_appeared(known.get(one.opportunity.id))))
            if one.key in visits
            else one
            for one in stored
        ]

    def _has_appeared(self, before: Any) -> bool:
        return self._appeared if before is None else bool(before.appeared)

    def _visit(self, key: int, opportunity: Opportunity, *, moved: bool) -> dict[str, Any]:
        entered = opportunity.stage_entered_at or (self._today if moved else None)
        return {
            "key": key, "seq": self._seq, "stage": opportunity.stage, "seen": self._today, "entered": entered,
            "assessed": None,
        }  # fmt: skip

    def _edit(self, edited: list[dict[str, Any]], visits: list[dict[str, Any]]) -> None:
        keys = [one["at"] for one in edited]
        old = snapshot.c
        past = select(old.key, old.changed_run, old.first_run, old.layout_id, old.payload).where(old.key.in_(keys))
        before = {one.key: one for one in self._connection.execute(past)}
        if visits:
            self._remember_stays({one["key"] for one in visits} & before.keys(), before)
        rows = [
            {"key": one.key, "changed_run": one.changed_run, "until_run": self._seq, "layout_id": one.layout_id,
             "payload": one.payload}
            for one in before.values() if one.changed_run != self._seq
        ]  # fmt: skip
        if rows:
            self._connection.execute(insert(snapshot_past), rows)
        change = update(snapshot).where(snapshot.c.key == bindparam("at")).values(
            content=bindparam("content"), payload=bindparam("payload"), stage=bindparam("stage"),
            layout_id=self._layout, changed_run=self._seq, gone_run=None,
        )  # fmt: skip
        self._connection.execute(change, edited)

    def _remember_stays(self, keys: set[int], before: dict[int, Any]) -> None:
        """Before a record moves: make its first stay known, and the assessment day seen at the end of its last one."""
        found = select(visit.c.key, func.max(visit.c.seq)).where(visit.c.key.in_(keys)).group_by(visit.c.key)
        last: dict[int, int] = dict(self._connection.execute(found).all())
        first_days = _days(self._connection, {before[key].first_run for key in keys})
        made: list[dict[str, Any]] = []
        assessed: list[dict[str, Any]] = []
        for key in keys:
            was = _decode(before[key].payload)
            day = was.dates.get(self._assessment) if self._assessment is not None else None
            if key in last:
                assessed.append({"at": key, "of": last[key], "day": day})
            elif was.stage is not None:
                seq = before[key].first_run
                made.append(
                    {"key": key, "seq": seq, "stage": was.stage, "seen": first_days[seq],
                     "entered": was.stage_entered_at, "assessed": day}
                )  # fmt: skip
        if made:
            self._connection.execute(insert(visit), made)
        if assessed:
            this = (visit.c.key == bindparam("at")) & (visit.c.seq == bindparam("of"))
            self._connection.execute(update(visit).where(this).values(assessed=bindparam("day")), assessed)

    def _sweep(self) -> int:
        if self._row.next_number == 0:
            return 0
        low, high = self._base, self._base + self._row.next_number
        present = select(snapshot.c.key).where(
            snapshot.c.key >= low, snapshot.c.key < high, snapshot.c.gone_run.is_(None)
        )
        gone = [{"at": key} for (key,) in self._connection.execute(present) if not self._is_seen(key - low)]
        if gone:
            leave = update(snapshot).where(snapshot.c.key == bindparam("at")).values(gone_run=self._seq)
            self._connection.execute(leave, gone)
            self.changed += len(gone)
        return len(gone)

    def _mark(self, number: int) -> None:
        if number < self._row.next_number:
            self._marks[number >> 3] |= 1 << (number & 7)

    def _is_seen(self, number: int) -> bool:
        """Whether this pull has given the record; all that are numbered since it began it has."""
        return number >= self._row.next_number or bool(self._marks[number >> 3] >> (number & 7) & 1)


def read_snapshots(connection: Connection, row: SourceRow, process: Process) -> Iterator[list[Stored]]:
    """Every present record of a source, in the order of keys, some at a time."""
    low, high = row.source_id << KEY_BITS, (row.source_id + 1) << KEY_BITS
    current = layout_id(connection, process)
    tracked = _is_tracked(connection, row.source_id)
    chosen = select(snapshot.c.key, snapshot.c.payload, snapshot.c.layout_id, snapshot.c.appeared).where(
        snapshot.c.key > bindparam("after"), snapshot.c.key < high, snapshot.c.gone_run.is_(None)
    )
    chosen = chosen.order_by(snapshot.c.key).limit(CHUNK)
    old_layouts: dict[int, tuple[str, ...]] = {}
    after = low - 1
    while rows := connection.execute(chosen, {"after": after}).all():
        after = rows[-1][0]
        trails = _visits(connection, visit.c.key.between(rows[0][0], after)) if tracked else {}
        stored: list[Stored] = []
        for key, payload, laid, appeared in rows:
            opportunity = _decode(payload)
            if laid != current:
                if laid not in old_layouts:
                    old_layouts[laid] = _layout_names(connection, laid)
                opportunity = _relaid(opportunity, old_layouts[laid], process)
            visits = trails.get(key)
            stored.append(Stored(key, opportunity, Trail(tuple(visits), bool(appeared)) if visits else None))
        yield stored


def _is_tracked(connection: Connection, source_id: int) -> bool:
    """Whether any record of the source has a history."""
    low, high = source_id << KEY_BITS, (source_id + 1) << KEY_BITS
    found = select(visit.c.key).where(visit.c.key >= low, visit.c.key < high).limit(1)
    return connection.execute(found).first() is not None


def _visits(connection: Connection, which: ColumnElement[bool]) -> dict[int, list[Visit]]:
    """The stays of some records, by key, oldest first."""
    columns = (visit.c.key, visit.c.stage, visit.c.seen, visit.c.entered, visit.c.assessed)
    stays: dict[int, list[Visit]] = {}
    for key, *stay in connection.execute(select(*columns).where(which).order_by(visit.c.key, visit.c.seq)):
        stays.setdefault(key, []).append(Visit(*stay))
    return stays


def _days(connection: Connection, seqs: set[int]) -> dict[int, date]:
    found = connection.execute(select(run.c.seq, run.c.as_of).where(run.c.seq.in_(seqs)))
    return dict(found.all())


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
