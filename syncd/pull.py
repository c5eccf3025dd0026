"""Reads one source whole into the store, or says that it could not; its caller then undoes what was stored.

Not for: judging what was read (`syncd.run`), or how a system is read (adapters).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Connection

from syncd.adapter import Adapter, Broken, Page
from syncd.errors import ConfigError, Problem, SourceIncomplete
from syncd.mapping import Mapper, RowMapper
from syncd.model import Opportunity, Rejected
from syncd.process import Process
from syncd.store.runs import add_rejections
from syncd.store.snapshots import SnapshotWriter, SourceRow, Stored, is_storable

Progress = Callable[[str, int, int, int], None]
"""Told of progress: source, records read, done and total in one unit; total is 0 where nobody can know."""

Take = Callable[[list[Stored]], None]
"""Given the records of each page, once they are in the store."""

_LISTED = 8
"""Names listed in a note before it says "and so many more"."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One configured source, ready to be read.

    Attributes:
        min_rows_percent: A pull that gives fewer than this percentage of the records known before is incomplete.
    """

    name: str
    adapter_name: str
    adapter: Adapter
    mapper: Mapper
    min_rows_percent: float = 50.0


@dataclass(slots=True, kw_only=True)
class Pulled:
    """What a complete pull gave.

    Attributes:
        row: The source as the store knew it before.
        content: Identifies everything read, in its order.
    """

    row: SourceRow
    read: int = 0
    kept: int = 0
    rejected: int = 0
    repeated: int = 0
    changed: int = 0
    content: str = ""
    notes: list[str] = field(default_factory=list)


async def pull_source(
    connection: Connection,
    source: Source,
    process: Process,
    row: SourceRow,
    *,
    seq: int,
    today: date,
    progress: Progress,
    take: Take,
) -> Pulled:
    """Read a source into the store, inside the connection's transaction.

    Args:
        connection: In a transaction that the caller undoes on any error.
        source: What to read.
        process: The chart.
        row: What the store knows of the source.
        seq: The run's number.
        today: The day of the run, in the business zone.
        progress: Told how far the source has been read.
        take: Given the records of each page. Nothing is to be made of them before the pull has ended.

    Raises:
        SourceIncomplete: It was not read whole, or gave suspiciously little.
        ConfigError: It has no such column as the mapping names.
    """
    pull = _Pull(connection, source, process, row, seq, today, take)
    async for page in source.adapter.pull():
        pull.take(page)
        progress(source.name, pull.pulled.read, page.done, page.total)
    return pull.end()


class _Pull:
    def __init__(
        self,
        connection: Connection,
        source: Source,
        process: Process,
        row: SourceRow,
        seq: int,
        today: date,
        take: Take,
    ) -> None:
        self._connection = connection
        self._source = source
        self._seq = seq
        self._take = take
        self._writer = SnapshotWriter(connection, row, process, seq=seq, today=today)
        self._bound: dict[tuple[tuple[str, ...], bool], RowMapper] = {}
        self._columns: dict[str, None] = {}
        self._refused = hashlib.blake2b(digest_size=16)
        self.pulled = Pulled(row=row)

    def take(self, page: Page) -> None:
        """Map and keep one page."""
        mapped = self._bind(page).map_rows(page.rows)
        opportunities: list[Opportunity] = []
        places: list[int] = []
        refused: list[tuple[int, Rejected]] = []
        for index, said in enumerate(mapped):
            if isinstance(said, str):
                refused.append((index, self._refusal(page, index, said)))
            else:
                opportunities.append(said)
                places.append(index)
        refused += self._write(page, opportunities, places)
        refused.sort(key=lambda one: one[0])
        broken = [_refused(self._source.name, one) for one in page.broken]
        self.pulled.read += len(page.rows) + len(page.broken)
        self._reject(broken + [one for _, one in refused])
        self.pulled.notes += page.notes

    def _write(self, page: Page, opportunities: list[Opportunity], places: list[int]) -> list[tuple[int, Rejected]]:
        """Keep some opportunities; gives those that were refused, by their index in the page."""
        if not opportunities:
            return []
        try:
            stored, repeats = self._writer.add(opportunities)
        except UnicodeEncodeError:
            reason = "it holds text that is no valid Unicode"
            sound = [index for index, one in enumerate(opportunities) if is_storable(one)]
            unsound = sorted(set(range(len(opportunities))) - set(sound))
            refused = [(places[one], self._refusal(page, places[one], reason)) for one in unsound]
            return refused + self._write(page, [opportunities[i] for i in sound], [places[i] for i in sound])
        self._take(stored)
        self.pulled.repeated += sum(one.same for one in repeats)
        reason = "the id was seen before with different content; the first one was kept"
        other = [(places[one.position], opportunities[one.position].id) for one in repeats if not one.same]
        return [(index, self._refusal(page, index, reason, identity)) for index, identity in other]

    def _refusal(self, page: Page, index: int, reason: str, identity: str = "") -> Rejected:
        return Rejected(source=self._source.name, id=identity, reason=reason, place=self._place(page, index))

    def end(self) -> Pulled:
        """The whole source was read: is that believable?"""
        pulled, writer = self.pulled, self._writer
        known, least = pulled.row.records, self._source.min_rows_percent
        if writer.seen < known * least / 100:
            raise SourceIncomplete(
                f"gave {writer.seen:,} records where the last complete pull gave {known:,}",
                f"if that is right, set min_rows_percent below {least:g} for source {self._source.name} and run again",
            )
        self._check_columns()
        writer.finish()
        pulled.kept, pulled.changed = writer.seen, writer.changed
        pulled.content = f"{writer.content}{self._refused.hexdigest()}"
        pulled.notes = self._notes() + pulled.notes
        return pulled

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
        row = self.pulled.row
        add_rejections(
            self._connection, seq=self._seq, source_id=row.source_id, start=self.pulled.rejected, rejected=refused
        )
        self.pulled.rejected += len(refused)
        for one in refused:
            self._refused.update(f"{one.id}\x00{one.place}\x00{one.reason}\x00".encode())

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
