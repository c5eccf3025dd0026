"""Reads one source into the store, whole or what changed, or says that it could not; its caller then undoes it all.

Not for: judging what was read (`syncd.judging`), or how a system is read (adapters).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from syncd.adapter import Adapter, Broken, KeyReader, Move, Page
from syncd.errors import ConfigError, Problem, SourceIncomplete, WatermarkLost
from syncd.mapping import Mapper, RowMapper
from syncd.mapping.spec import fold
from syncd.model import Opportunity, Rejected
from syncd.process import Process
from syncd.store.changes import Follower
from syncd.store.moves import add_moves
from syncd.store.presence import Presence
from syncd.store.refusals import EarlierRefusals
from syncd.store.runs import add_rejections
from syncd.store.snapshots import SnapshotWriter, is_storable
from syncd.store.sources import SourceRow, keep_source

Progress = Callable[[str, int, int, int], None]
"""Told of progress: source, records read, done and total in one unit; total is 0 where nobody can know."""

_LISTED: Final = 8
"""Names listed in a note before it says "and so many more"."""

_MOST_UNKNOWN: Final = 10_000
"""Records that no increment told of, beyond which all is read without looking for the others."""

_TOGETHER: Final = 500
"""Rows of a page that are mapped and kept at once: as many as leave memory flat and the processor's cache of use."""

_SHOWN: Final = 1_000
"""Refused records of an incomplete source that are told of."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One configured source, ready to be read.

    Attributes:
        min_rows_percent: A pull that gives fewer than this percentage of the records known before is incomplete.
        sweep_hours: How long increments may go on before it is asked again which records are gone, where they do not
            tell.
        digest: Identifies what decides which records are read, and how: settings, mapping, formats, chart.
    """

    name: str
    adapter_name: str
    adapter: Adapter
    mapper: Mapper
    min_rows_percent: float = 50.0
    sweep_hours: float = 24.0
    digest: str = ""


@dataclass(slots=True, kw_only=True)
class Pulled:
    """What a pull gave, or had given when it broke off.

    Attributes:
        row: The source as the store knew it before.
        increment: Only what changed was asked for.
        presence: Which records were read.
        read: Records given, refused ones and repeats included.
        content: Identifies everything the store now holds of the source.
        refusals: The first of the records that were refused.
    """

    row: SourceRow
    increment: bool
    presence: Presence
    read: int = 0
    rejected: int = 0
    repeated: int = 0
    changed: int = 0
    content: str = ""
    notes: list[str] = field(default_factory=list)
    refusals: list[Rejected] = field(default_factory=list)

    @property
    def leaves_some(self) -> bool:
        """Whether records may be there that were not read."""
        return self.increment or self.presence.spares


def watermark_for(source: Source, row: SourceRow, *, full: bool) -> str | None:
    """Where an increment of the source may start; None where it must be read whole."""
    same = row.read_digest == source.digest
    return row.watermark if source.adapter.capabilities.incremental and same and not full else None


class Pull:
    """One pull of one source, inside a transaction that the caller undoes on any error.

    Attributes:
        pulled: What it gave so far.
    """

    def __init__(
        self,
        connection: Connection,
        source: Source,
        process: Process,
        row: SourceRow,
        *,
        seq: int,
        today: date,
        now: datetime,
        since: str | None,
        follower: Follower,
    ) -> None:
        """Prepare.

        Args:
            connection: In a transaction.
            source: What to read.
            process: The chart.
            row: What the store knows of the source.
            seq: The run's number.
            today: The day of the run, in the business zone.
            now: The time of the run, aware.
            since: A watermark to go on from; None reads everything.
            follower: Told of what changes; nothing is to be made of it before the pull has ended.
        """
        self._connection = connection
        self._source = source
        self._seq = seq
        self._now = now
        self._since = since
        self._follower = follower
        self._writer = SnapshotWriter(connection, row, process, follower, seq=seq, today=today)
        self._bound: dict[tuple[tuple[str, ...], bool], RowMapper] = {}
        self._columns: dict[str, None] = {}
        self._refused = hashlib.blake2b(digest_size=16)
        self._nameless = 0
        self._doubtful = False
        self._watermark = since
        self._earlier = EarlierRefusals(connection, row, source.name) if since is not None else None
        self._refused_ids: set[str] = set()
        self._anew = 0
        self.pulled = Pulled(row=row, increment=since is not None, presence=self._writer.presence)

    async def run(self, progress: Progress) -> Pulled:
        """Read.

        Raises:
            SourceIncomplete: Not everything was read that was asked for, or suspiciously little.
            WatermarkLost: There are records that no increment told of.
            ConfigError: The source has no such column as the mapping names.
        """
        async for page in self._source.adapter.pull(self._since):
            self._take_page(page)
            progress(self._source.name, self.pulled.read, page.done, page.total)
            del page  # or it would be held until the next one is there
        self._believe(self._writer.seen + self.pulled.rejected, whole=self._since is None)
        self._check_columns()
        swept = await self._settle_absent()
        self._anew = self.pulled.rejected
        if self._earlier is not None and (still := self._earlier.remaining(self._writer.presence)):
            self._keep_refused(still)
        pulled, writer = self.pulled, self._writer
        pulled.changed = writer.changed
        pulled.content = self._content()
        pulled.notes = self._notes() + pulled.notes
        keep_source(
            self._connection,
            pulled.row.source_id,
            next_number=writer.next_number,
            records=writer.records,
            complete_run=self._seq,
            watermark=self._watermark,
            read_digest=self._source.digest,
            content=pulled.content,
            swept_at=self._now if swept else pulled.row.swept_at,
        )
        return pulled

    def _take_page(self, page: Page) -> None:
        """Map and keep one page."""
        mapper = self._bind(page)
        refused: list[tuple[int, Rejected]] = []
        for start in range(0, len(page.rows), _TOGETHER):
            refused += self._take_rows(page, mapper, start)
        refused.sort(key=lambda one: one[0])
        broken = [_refused(self._source.name, one) for one in page.broken]
        self._nameless += sum(not one.id for one in broken)
        self._doubtful = self._doubtful or page.doubtful
        self.pulled.read += len(page.rows) + len(page.broken)
        self._reject(broken + [one for _, one in refused])
        self.pulled.notes += page.notes
        if page.gone:
            self._writer.presence.remove(page.gone)
            if self._earlier is not None:
                self._earlier.settle(page.gone)
        if page.moves:
            self._keep_moves(page.moves)
        if page.watermark is not None:
            self._watermark = page.watermark

    def _take_rows(self, page: Page, mapper: RowMapper, start: int) -> list[tuple[int, Rejected]]:
        """Map and keep some rows of a page; gives those that were refused, by their index in the page."""
        mapped = mapper.map_rows(page.rows[start : start + _TOGETHER])
        opportunities: list[Opportunity] = []
        places: list[int] = []
        refused: list[tuple[int, Rejected]] = []
        for index, said in enumerate(mapped, start):
            if isinstance(said, str):
                refused.append((index, self._refusal(page, index, said)))
                self._nameless += 1
            else:
                opportunities.append(said)
                places.append(index)
        return refused + self._write(page, opportunities, places)

    def _write(self, page: Page, opportunities: list[Opportunity], places: list[int]) -> list[tuple[int, Rejected]]:
        """Keep some opportunities; gives those that were refused, by their index in the page."""
        if not opportunities:
            return []
        try:
            repeats = self._writer.add(opportunities)
        except UnicodeEncodeError:
            reason = "it holds text that is no valid Unicode"
            sound = [index for index, one in enumerate(opportunities) if is_storable(one)]
            unsound = sorted(set(range(len(opportunities))) - set(sound))
            refused = [(places[i], self._refusal(page, places[i], reason, opportunities[i].id)) for i in unsound]
            return refused + self._write(page, [opportunities[i] for i in sound], [places[i] for i in sound])
        self.pulled.repeated += sum(one.same for one in repeats)
        reason = "the id was seen before with different content; the first one was kept"
        other = [(places[one.position], opportunities[one.position].id) for one in repeats if not one.same]
        return [(index, self._refusal(page, index, reason, identity)) for index, identity in other]

    def _keep_moves(self, moves: Sequence[Move]) -> None:
        """Keep history in the chart's stages; labels that mean none of them tell nothing."""
        mapper, read = self._source.mapper, []
        for one in moves:
            stage, at = mapper.mapping.stages.get(fold(one.stage)), mapper.reading.moment(one.at)
            if stage is not None and isinstance(at, datetime):
                read.append((one.id, stage, at))
        if read:
            add_moves(self._connection, self.pulled.row.source_id, read, self._follower)

    def _refusal(self, page: Page, index: int, reason: str, identity: str = "") -> Rejected:
        return Rejected(source=self._source.name, id=identity, reason=reason, place=self._place(page, index))

    def _believe(self, given: int, *, whole: bool) -> None:
        """A source that gives suspiciously little is broken, not clean."""
        known, least = self.pulled.row.records, self._source.min_rows_percent
        if whole and given < known * least / 100:
            raise SourceIncomplete(
                f"gave {given:,} records where the last complete pull gave {known:,}",
                f"if that is right, set min_rows_percent below {least:g} for source {self._source.name} and run again",
            )

    async def _settle_absent(self) -> bool:
        """Take for gone what is, where that can be said; whether it could.

        A record that could not be told apart may be any of those that are missing, so then none is taken for gone.
        """
        presence = self._writer.presence
        if self._earlier is not None:
            if not self._is_sweep_due():
                return self._source.adapter.capabilities.deletions
            if not await self._sweep(self._earlier):
                return False
        elif self._nameless or self._doubtful:
            cause = (
                "the source may have been cut" if self._doubtful else "records that cannot be told apart were refused"
            )
            self.pulled.notes.append(f"{cause}, so no record that is missing was taken for gone")
            presence.spares = True
            return False
        presence.sweep()
        return True

    async def _sweep(self, earlier: EarlierRefusals) -> bool:
        """Ask which records are there, and spare those; whether all others are gone.

        A record may be there that no increment told of: it was made since, somebody shared it, or a client brought it
        with an older time. What was made since is read now. Of all else nobody can say what is missing in that way, so
        the source is read whole. Records that were refused are told of again anyway, and are no reason to.

        Raises:
            WatermarkLost: There are records that increments do not tell of.
        """
        presence, mapper = self._writer.presence, self._source.mapper
        reader = mapper.bind((mapper.mapping.fields["id"],))
        refused, there, unknown = earlier.ids, set[str](), set[str]()
        given = nameless = 0
        async for values in self._key_reader().keys():
            ids = reader.identities(values)
            named = [one for one in ids if one]
            given += len(ids)
            nameless += len(ids) - len(named)
            there |= refused.intersection(named)
            unknown |= presence.spare(named) - refused - self._refused_ids
            if len(unknown) > _MOST_UNKNOWN:
                break
        else:
            self._believe(given, whole=True)
            if unknown:
                await self._take_late(unknown)
                unknown = presence.spare([*unknown]) - self._refused_ids
        if unknown:
            raise WatermarkLost(f"there are {len(unknown):,} records that no increment told of", "run with `--full`")
        if nameless:
            self.pulled.notes.append("some ids cannot be read, so no record that is missing was taken for gone")
            return False
        earlier.settle(refused - there)
        return True

    async def _take_late(self, ids: set[str]) -> None:
        """Read what was made since the increment was, and nothing else twice; the next increment starts before it."""
        native = self._source.mapper.mapping.fields["id"]
        async for page in self._source.adapter.pull(self._watermark):
            if native not in page.columns:
                continue
            at = page.columns.index(native)
            named = self._bind(page).identities([row[at] for row in page.rows])
            late = [index for index, one in enumerate(named) if one in ids]
            self._take_page(
                replace(
                    page,
                    rows=[page.rows[index] for index in late],
                    places=[page.places[index] if page.places else page.first + index for index in late],
                    broken=[one for one in page.broken if one.id in ids],
                    notes=(),
                    gone=(),
                    watermark=None,
                )
            )

    def _is_sweep_due(self) -> bool:
        if self._source.adapter.capabilities.deletions or not isinstance(self._source.adapter, KeyReader):
            return False
        last = self.pulled.row.swept_at
        return last is None or self._now.astimezone(UTC) - last >= timedelta(hours=self._source.sweep_hours)

    def _key_reader(self) -> KeyReader:
        adapter = self._source.adapter
        assert isinstance(adapter, KeyReader)  # noqa: S101 - a sweep is only due of one
        return adapter

    def _content(self) -> str:
        """What identifies the source now: by itself when it was read whole, else by what it was and what changed."""
        said = f"{self._writer.content}{self._refused.hexdigest()}"
        if self._earlier is None:
            return said
        before, settled = self.pulled.row.content, self._earlier.settled
        if not self._writer.changed and not self._anew and not settled:
            return before
        return hashlib.blake2b(
            f"{before}{said}{self._writer.presence.went}{settled}".encode(), digest_size=32
        ).hexdigest()

    def _bind(self, page: Page) -> RowMapper:
        mapper = self._bound.get((page.columns, page.text))
        if mapper is None:
            mapper = self._bound[page.columns, page.text] = self._source.mapper.bind(page.columns, text=page.text)
            self._columns |= dict.fromkeys(page.columns)
            if page.declared:
                self._check_columns(page.columns)
        return mapper

    def _check_columns(self, columns: tuple[str, ...] | None = None) -> None:
        """Without its id or its stage no record can be told apart or judged."""
        there = tuple(self._columns) if columns is None else columns
        if not there:
            return
        fields = self._source.mapper.mapping.fields
        lacking = [name for name in ("id", "stage") if fields[name] not in there]
        if lacking:
            named = " and ".join(f"{fields[name]!r} (for {name})" for name in lacking)
            found = ", ".join(there[: 3 * _LISTED])
            raise ConfigError(
                Problem(message=f"source {self._source.name}: there is no column {named}; found: {found}. "
                        f"Check the mapping {self._source.mapper.mapping.name!r}")
            )  # fmt: skip

    def _place(self, page: Page, index: int) -> str:
        number = page.places[index] if page.places else page.first + index
        return f"{self._source.adapter.capabilities.place} {number}"

    def _reject(self, refused: list[Rejected]) -> None:
        if not refused:
            return
        # What is refused is there, whatever it holds now.
        named = [one.id for one in refused if one.id]
        self._writer.presence.spare(named)
        if self._earlier is not None:
            self._refused_ids.update(named)
            self._earlier.settle(named)
        self._keep_refused(refused)
        for one in refused:
            self._refused.update(f"{one.id}\x00{one.place}\x00{one.reason}\x00".encode())

    def _keep_refused(self, refused: list[Rejected]) -> None:
        pulled = self.pulled
        source_id = pulled.row.source_id
        add_rejections(self._connection, seq=self._seq, source_id=source_id, start=pulled.rejected, rejected=refused)
        pulled.rejected += len(refused)
        pulled.refusals += refused[: _SHOWN - len(pulled.refusals)]

    def _notes(self) -> list[str]:
        notes = []
        if self.pulled.repeated:
            notes.append(f"{self.pulled.repeated:,} identical repeats of a record were dropped")
        columns = tuple(self._columns)
        if columns and (missing := self._source.mapper.missing(columns)):
            notes.append(f"columns the source does not have, so these fields are unknown: {_listed(missing)}")
        if ignored := self._source.mapper.ignored(columns):
            notes.append(f"columns the mapping does not use: {_listed(ignored)}")
        return notes


def _refused(source: str, broken: Broken) -> Rejected:
    return Rejected(source=source, id=broken.id, reason=broken.reason, place=broken.place)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
