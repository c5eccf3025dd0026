"""An org on the loopback address, and adapters over it that need not wait."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from adapters.salesforce import SalesforceAdapter
from adapters.salesforce.double import SalesforceDouble
from syncd.adapter import SourceContext
from syncd.rehearsal import no_faults, serving
from tests.httpkit.servers import Time

FIELDS = frozenset({"Id", "Name", "StageName", "Probability", "SystemModstamp", "Owner.Name"})
ROLES = {"id": "Id", "stage": "StageName", "probability": "Probability", "version": "SystemModstamp"}


def deal(number, **fields):
    """An opportunity as `load` takes it."""
    return {"Name": f"Deal {number}", "StageName": "Qualify", "Probability": "10", "Owner.Name": "Zoë", **fields}


class Org:
    """A double behind a server; use as a context."""

    def __init__(self, monkeypatch, records=(), *, faults=no_faults, latency=0.0, **double):
        self.double = SalesforceDouble(**double)
        self.double.load(list(records))
        for name, value in SalesforceDouble.secrets.items():
            monkeypatch.setenv(name, value)
        self.stack = ExitStack()
        self.server = self.stack.enter_context(serving(self.double.handle, faults=faults, latency_seconds=latency))
        self.time = Time()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def adapter(self, *, fields=FIELDS, children=None, roles=ROLES, labels=None, chart=None, **settings):
        given = {"base_url": self.server.url, **SalesforceDouble.settings, **settings}
        context = SourceContext(
            name="crm", folder=Path(), fields=frozenset(fields), children=children or {}, roles=roles,
            labels=labels or {}, chart=chart or {}, timezone=ZoneInfo("UTC"),
        )  # fmt: skip
        return SalesforceAdapter.create(
            msgspec.convert(given, SalesforceAdapter.Settings), context, clock=self.time.clock()
        )

    def pull(self, since=None, **options):
        """The pages of a pull."""
        return pages_of(self.adapter(**options), since)

    def rows(self, since=None, **options):
        return rows_of(self.pull(since, **options))

    def asked(self, part):
        """The requests of which the path holds a text."""
        return [path for _, path in self.double.asked if part in path]


def pages_of(adapter, since=None):
    async def gather():
        try:
            return [page async for page in adapter.pull(since)]
        finally:
            await adapter.close()

    return asyncio.run(gather())


def rows_of(pages):
    """The records of some pages, as dicts."""
    return [dict(zip(page.columns, row, strict=True)) for page in pages for row in page.rows]


def by_id(pages):
    """The records of some pages by id; each comes once."""
    rows = rows_of(pages)
    found = {row["Id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def mark_of(pages):
    return pages[-1].watermark


def checks_of(adapter):
    async def gather():
        try:
            return {check.name: check async for check in adapter.examine()}
        finally:
            await adapter.close()

    return asyncio.run(gather())
