"""A Siebel on loopback, and adapters that read it."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import msgspec

from adapters.siebel import SiebelAdapter
from adapters.siebel.double import SiebelDouble
from syncd.adapter import MISSING, SourceContext
from syncd.httpkit import Clock
from syncd.rehearsal import no_faults, serving

FIELDS = frozenset({"Id", "Name", "Sales Stage", "Primary Revenue Win Probability", "Primary Sales Rep Login"})
ROLES = {
    "id": "Id", "name": "Name", "stage": "Sales Stage", "probability": "Primary Revenue Win Probability",
    "updated_at": "Updated", "version": "Mod Id",
}  # fmt: skip


class FastClock:
    """Time that jumps instead of passing while somebody waits."""

    def __init__(self):
        self.ahead, self.waits = 0.0, []

    async def sleep(self, seconds):
        self.waits.append(seconds)
        self.ahead += seconds
        await asyncio.sleep(0)

    def clock(self):
        return Clock(
            monotonic=lambda: time.monotonic() + self.ahead,
            now=lambda: datetime.now(UTC),
            sleep=self.sleep,
            random=lambda: 1.0,
        )


class Scene:
    """One double behind one server.

    Attributes:
        waits: Seconds that adapters waited for.
    """

    def __init__(self, double, server):
        self.double, self.server = double, server
        self.clock = FastClock()

    @property
    def waits(self):
        return self.clock.waits

    def context(self, *, fields=FIELDS, zone="America/New_York", **more):
        given = {"roles": ROLES, **more}
        return SourceContext(name="crm", folder=Path(), fields=frozenset(fields), timezone=ZoneInfo(zone), **given)

    def adapter(self, *, password=None, context=None, clock=None, **settings):
        literal = password or self.double.secrets["SYNCD_DOUBLE_SIEBEL_PASSWORD"]
        auth = {"type": "basic", "username": "SYNCD", "password": {"command": ["printf", "%s", literal]}}
        base = f"{self.server.url}/siebel/v1.0"
        values = msgspec.convert({"base_url": base, "auth": auth, **settings}, SiebelAdapter.Settings)
        # Loading the certificates of the world takes longer than most of these tests.
        transport = httpx.AsyncHTTPTransport(verify=False)
        return SiebelAdapter(values, context or self.context(), clock=clock or self.clock.clock(), transport=transport)


@contextmanager
def siebel(records=(), *, faults=no_faults, latency_seconds=0.0, double=None, **made):
    """A scene with some records."""
    double = double or SiebelDouble(**made)
    double.load(records)
    with serving(double.handle, faults=faults, latency_seconds=latency_seconds) as server:
        double.connections = lambda: server._under_way
        yield Scene(double, server)


def deals(count, **more):
    """Opportunities 1-000, 1-001 ..."""
    return [
        {"Id": f"1-{number:05}", "Name": f"Deal {number}", "Sales Stage": "Develop",
         "Primary Revenue Win Probability": "20", "Primary Sales Rep Login": "KAI", **more}
        for number in range(count)
    ]  # fmt: skip


def pages_of(adapter, since=None):
    async def gather():
        try:
            async with aclosing(adapter.pull(since)) as pages:
                return [page async for page in pages]
        finally:
            await adapter.close()

    return asyncio.run(gather())


def rows_of(pages):
    """Records as dicts; what is missing is left out."""
    return [
        {name: value for name, value in zip(page.columns, row, strict=True) if value is not MISSING}
        for page in pages
        for row in page.rows
    ]


def pulled(adapter, since=None):
    return rows_of(pages_of(adapter, since))


def ids_of(rows):
    return [row["Id"] for row in rows]


def mark_of(pages):
    return next(page.watermark for page in reversed(pages) if page.watermark)


def keys_of(adapter):
    async def gather():
        try:
            found = adapter.keys()
            return [key async for keys in found for key in keys]
        finally:
            await adapter.close()

    return asyncio.run(gather())


def checks_of(adapter):
    async def gather():
        try:
            return {check.name: check async for check in adapter.examine()}
        finally:
            await adapter.close()

    return asyncio.run(gather())
