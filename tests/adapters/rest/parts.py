"""What these tests share: the double behind a server, an adapter that reads it, and what came."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from pathlib import Path

import msgspec

from adapters.rest import RestAdapter
from adapters.rest.double import RestDouble
from syncd.adapter import MISSING, SourceContext
from syncd.httpkit import Clock
from syncd.rehearsal import serving

STYLES = ("none", "next_link", "link_header", "offset", "page", "cursor")
FIELDS = frozenset({"id", "title", "value"})


class Time:
    """A clock that jumps instead of waiting; it agrees with the double's."""

    def __init__(self, double=None):
        self.passed = 0.0
        self.double = double

    async def sleep(self, seconds):
        self.passed += seconds
        await asyncio.sleep(0)

    def clock(self):
        now = self.double.now if self.double else None
        return Clock(
            monotonic=lambda: self.passed,
            now=(lambda: self.double.now) if now else Clock().now,
            sleep=self.sleep,
            random=lambda: 1.0,
        )


def deals(number, start=0):
    return [{"id": f"1-{n}", "title": f"Deal {n}", "value": n} for n in range(start, start + number)]


def adapter(double, url, *, fields=FIELDS, children=None, context=None, time=None, **settings):
    """An adapter that reads a double served at `url`."""
    given = {
        **RestDouble.settings, "base_url": f"{url}/api", "paging": double.paging(), "page_size": 50,
        "auth": {"type": "bearer", "token": {"env": "REHEARSAL_REST_TOKEN"}}, **settings,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    values = msgspec.convert(given, RestAdapter.Settings)
    roles = {"id": "id", "version": "version", "updated_at": "updated_at", "stage": "stage"}
    more = {"roles": roles, **(context or {})}
    source = SourceContext(name="crm", folder=Path(), fields=fields, children=children or {}, **more)
    return RestAdapter.create(values, source, clock=(time or Time(double)).clock())


def gathered(source, values):
    async def gather():
        try:
            return [value async for value in values]
        finally:
            await source.close()

    return asyncio.run(gather())


def pull(source, since=None):
    return gathered(source, source.pull(since))


def records(pages):
    return [
        {name: value for name, value in zip(page.columns, row, strict=True) if value is not MISSING}
        for page in pages
        for row in page.rows
    ]


def ids(pages):
    return [record["id"] for record in records(pages)]


@contextmanager
def system(style="cursor", number=0, **more):
    """A double with some deals, and its server."""
    double = RestDouble(style)
    double.load(deals(number))
    with serving(double.handle, **more) as server:
        yield double, server


def mark(pages):
    return next(page.watermark for page in reversed(pages) if page.watermark)
