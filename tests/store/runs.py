"""Runs over records in memory, for tests of what the store makes of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import func, select

from syncd.mapping import Mapper, load_mapping
from syncd.mapping.values import Reading
from syncd.policy import Policy
from syncd.process import Process, load_process
from syncd.pull import Source
from syncd.run import Assignment, RunResult, perform
from syncd.store import Store
from syncd.store.discrepancies import DiscrepancyReader
from syncd.store.schema import source
from syncd.testing import MemoryAdapter, MemorySettings

MAPPINGS = Path(str(files("mappings")))
MSSP = load_process(MAPPINGS / "mssp.toml")
UTC_ZONE = ZoneInfo("UTC")
FIRST_DAY = date(2026, 3, 2)


def day(number: int) -> date:
    """The day of the run with this number; runs come one a day."""
    return FIRST_DAY + timedelta(days=number - 1)


class Onlooker:
    """Follows a pull and does nothing of it."""

    wants_all = True

    def before(self, keys):
        pass

    def leaving(self, keys, read):
        pass

    def after(self, records):
        pass


class Runs:
    """Makes runs in one store, one a day unless told otherwise."""

    def __init__(self, store: Store, *, process: Process = MSSP) -> None:
        self.store = store
        self.process = process
        self._days = 0

    def source(self, records, *, name="crm", cut_after=None) -> Source:
        mapping = load_mapping("canonical", self.process, (MAPPINGS,), MAPPINGS)
        settings = MemorySettings(records=list(records), cut_after=cut_after)
        return Source(
            name=name,
            adapter_name="memory",
            adapter=MemoryAdapter(settings),
            mapper=Mapper(mapping, self.process, Reading(business_zone=UTC_ZONE, source_zone=UTC_ZONE)),
            min_rows_percent=0,
        )

    def run(
        self, *records, select=("ALL",), today=None, pinned=False, sources=None, clock=None, full=True, ruling=None
    ) -> RunResult:
        self._days += 1
        today = today or day(self._days)
        assignment = Assignment(
            command="check",
            process=self.process,
            policy=Policy(select=tuple(select)),
            sources=tuple(sources) if sources is not None else (self.source(records),),
            today=today,
            pinned=pinned,
            full=full,
            digest=self.process.digest + repr(select),
            ruling=self.process.digest + repr(select) if ruling is None else ruling,
        )
        moment = clock or datetime(today.year, today.month, today.day, 12, self._days % 60, tzinfo=UTC)
        return asyncio.run(perform(self.store, assignment, clock=lambda: moment, progress=lambda *_: None))

    def _reader(self, connection, result: RunResult) -> DiscrepancyReader:
        ids = list(connection.scalars(select(source.c.source_id)))
        return DiscrepancyReader(connection, seq=result.seq, rules=result.summary.rules, sources=ids)

    def open(self, result: RunResult):
        """The discrepancies that were there after a run."""
        with self.store.read() as connection:
            return list(self._reader(connection, result).open())

    def open_raw(self, result: RunResult) -> list[bytes]:
        """The same, as JSON."""
        with self.store.read() as connection:
            return list(self._reader(connection, result).open_raw())

    def closed(self, result: RunResult):
        """The discrepancies that a run no longer found."""
        with self.store.read() as connection:
            return list(self._reader(connection, result).closed())

    def states(self, result: RunResult) -> dict[tuple[str, str], str]:
        """State by id and rule, `fixed` with its reason."""
        states = {(one.id, one.rule): one.state for one in self.open(result)}
        return states | {(one.id, one.rule): f"fixed: {one.ended}" for one in self.closed(result)}

    def count(self, table) -> int:
        with self.store.read() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def rows(self, table, *columns):
        with self.store.read() as connection:
            return [tuple(row) for row in connection.execute(select(*columns).select_from(table).order_by(*columns))]


def deal(identity, **fields):
    """A record that breaks no rule, but for the fields given."""
    return {"id": identity, "stage": "prospect", "probability": "0", "status": "open", "owner": "ann"} | fields
