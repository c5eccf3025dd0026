"""Snapshots: each opportunity as last read, what it held before, and the stages it was seen in.

A pull writes through a `SnapshotWriter`, inside one transaction; an unchanged record costs a look-up and no write.

Not for: reading them back (`syncd.store.readback`), or deciding whether a pull was complete (`syncd.pull`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from itertools import repeat
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from syncd.model import Opportunity
from syncd.process import Process
from syncd.rules.assessment import ASSESSMENT
from syncd.store.bulk import among, insert_rows, list_value
from syncd.store.changes import Follower, Stored
from syncd.store.presence import Presence
from syncd.store.readback import decode_snapshot, layout_id, with_trails
from syncd.store.schema import KEY_BITS, run, snapshot, snapshot_past, visit
from syncd.store.sources import SourceRow

_NEW: Final = (
    "key", "source_id", "id", "content", "layout_id", "stage", "payload", "appeared", "first_run", "changed_run",
)  # fmt: skip

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Repeat:
    """A record whose id was seen before in the same pull. `same` says whether with the same content."""

    position: int
    same: bool


def is_storable(opportunity: Opportunity) -> bool:
    """Whether all its text is valid Unicode; half of a surrogate pair, which JSON can spell, is not."""
    try:
        _encode(opportunity)
    except UnicodeEncodeError:
        return False
    return True


class SnapshotWriter:
    """Writes the opportunities of one pull of one source.

    Attributes:
        presence: Which records are there.
        seen: Distinct records given so far.
        written: Those among them that are new or differ from the last pull.
    """

    def __init__(
        self, connection: Connection, row: SourceRow, process: Process, follower: Follower, *, seq: int, today: date
    ) -> None:
        """Prepare.

        Args:
            connection: In a transaction.
            row: What the store knew of the source before.
            process: The chart.
            follower: Told of what changes.
            seq: The run's number.
            today: Its day.
        """
        self._connection = connection
        self._follower = follower
        self._row = row
        self._seq = seq
        self._today = today
        self._layout = layout_id(connection, process)
        self._assessment = process.evidence_index.get(ASSESSMENT)
        self._appeared = row.complete_run is not None
        self._next = row.next_number
        self._base = row.source_id << KEY_BITS
        self.presence = Presence(connection, row, follower, seq=seq)
        columns = (
            snapshot.c.id, snapshot.c.key, snapshot.c.content, snapshot.c.gone_run, snapshot.c.stage,
            snapshot.c.appeared,
        )  # fmt: skip
        own = snapshot.c.source_id == row.source_id
        self._known = select(*columns).where(own, among(connection, snapshot.c.id, "ids"))
        self._blank_content = blake2b(digest_size=16, person=self._layout.to_bytes(4, "big"))
        self._digest = blake2b(digest_size=16)
        self._came = 0
        self.seen = 0
        self.written = 0

    @property
    def content(self) -> str:
        """Identifies everything written so far, in its order."""
        return self._digest.hexdigest()

    def add(self, opportunities: Sequence[Opportunity]) -> list[Repeat]:
        """Write some opportunities.

        Returns:
            Those that were not written because their id was seen before in this pull.

        Raises:
            UnicodeEncodeError: One of them holds text that is no valid Unicode; none was written. See `is_storable`.
        """
        payloads = [_encode(opportunity) for opportunity in opportunities]
        contents = [self._content_of(payload) for payload in payloads]
        if self._row.next_number == 0 and not self._appeared and self._add_new(opportunities, payloads, contents):
            keys = range(self._base + self._next - len(opportunities), self._base + self._next)
            self._follower.after([Stored(*one, None) for one in zip(keys, opportunities, strict=True)])
            return []
        repeats: list[Repeat] = []
        fresh: dict[str, tuple[bytes, bytes, Opportunity]] = {}
        known = {one.id: one for one in self._look_up(opportunities)}
        rows = zip(opportunities, payloads, contents, strict=True)
        for position, (opportunity, payload, content) in enumerate(rows):
            identity = opportunity.id
            if identity in fresh:
                repeats.append(Repeat(position, content == fresh[identity][1]))
            elif identity in known and self.presence.saw(known[identity].key):
                repeats.append(Repeat(position, content == known[identity].content))
            else:
                fresh[identity] = (payload, content, opportunity)
        self._digest.update(b"".join([content for _, content, _ in fresh.values()]))
        self._write(fresh, known)
        self.seen += len(fresh)
        return repeats

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
        self.written += len(ids)
        self._came += len(ids)
        return True

    def _look_up(self, opportunities: Sequence[Opportunity]) -> Sequence[Any]:
        ids = list_value(self._connection, [one.id for one in opportunities])
        return self._connection.execute(self._known, {"ids": ids}).all()

    @property
    def changed(self) -> int:
        """Records that are new, differ from the last pull, or went, so far."""
        return self.written + self.presence.went

    @property
    def records(self) -> int:
        """Records that are there by what is known so far."""
        return self._row.records + self._came - self.presence.went

    @property
    def next_number(self) -> int:
        """The number the next new record would get."""
        return self._next

    def _write(self, fresh: dict[str, tuple[bytes, bytes, Opportunity]], known: dict[str, Any]) -> None:
        new: list[tuple[Any, ...]] = []
        edited: list[dict[str, Any]] = []
        visits: list[dict[str, Any]] = []
        told: list[tuple[int, Opportunity, bool]] = []
        wants_all = self._follower.wants_all
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
                told.append((key, opportunity, self._appeared))
                continue
            key = before.key
            self.presence.mark(key)
            if before.content != content or before.gone_run is not None:
                edited.append({"at": key, "content": content, "payload": payload.decode(), "stage": opportunity.stage})
                if opportunity.stage is not None and opportunity.stage != before.stage:
                    visits.append(self._visit(key, opportunity, moved=before.stage is not None))
                self._came += before.gone_run is not None
            elif not wants_all:
                continue
            told.append((key, opportunity, bool(before.appeared)))
        self.written += len(new) + len(edited)
        self._came += len(new)
        if edited:
            self._follower.before([one["at"] for one in edited])
            self._edit(edited, visits)
        insert_rows(self._connection, snapshot, _NEW, new)
        if visits:
            self._connection.execute(insert(visit), visits)
        if told:
            self._follower.after(with_trails(self._connection, self._row.source_id, told))

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
            was = decode_snapshot(before[key].payload)
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


def _days(connection: Connection, seqs: set[int]) -> dict[int, date]:
    found = connection.execute(select(run.c.seq, run.c.as_of).where(run.c.seq.in_(seqs)))
    return dict(found.all())
