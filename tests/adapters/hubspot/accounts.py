"""A double that is served, and adapters of it that need not wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from adapters.hubspot import HubSpotAdapter
from adapters.hubspot.double import HubSpotDouble
from adapters.hubspot.settings import HubSpotSettings, check
from syncd.adapter import SourceContext
from syncd.httpkit import Clock
from syncd.rehearsal import Faults, no_faults, serving

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

FIELDS = frozenset({"hs_object_id", "dealname", "dealstage.label", "dealstage.status", "amount", "hs_lastmodifieddate"})
ROLES = {"id": "hs_object_id", "name": "dealname", "stage": "dealstage.label", "status": "dealstage.status",
         "amount": "amount", "updated_at": "hs_lastmodifieddate", "version": "hs_lastmodifieddate"}  # fmt: skip

LABELS = {"prospect": ["prospect"], "qualify": ["qualify"], "develop": ["develop"], "solution": ["solution"],
          "proof": ["proof"], "close": ["close"], "deploy": ["deploy"], "support": ["support"],
          "demand_generation": ["demand generation"]}  # fmt: skip
CHART = {"demand_generation": None, "prospect": 0, "qualify": 10, "develop": 20, "solution": 40, "proof": 60,
         "close": 80, "deploy": 100, "support": None}  # fmt: skip


class Time:
    """A clock that jumps instead of waiting, and notes each wait."""

    def __init__(self) -> None:
        self.at = 1_000.0
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.at += seconds
        await asyncio.sleep(0)

    def clock(self, now: datetime | None = None) -> Clock:
        """A clock that is right, or shows one time."""
        return Clock(
            monotonic=lambda: self.at, now=lambda: now or datetime.now(UTC), sleep=self.sleep, random=lambda: 1.0
        )


class Account:
    """A served double."""

    def __init__(self, monkeypatch: Any) -> None:
        self.double = HubSpotDouble()
        self.double.clock.set(NOON)
        self.time = Time()
        self.servers = contextlib.ExitStack()
        self.server: Any = None
        for name, value in HubSpotDouble.secrets.items():
            monkeypatch.setenv(name, value)

    def serve(self, faults: Faults = no_faults, **more: Any) -> Account:
        self.server = self.servers.enter_context(serving(self.double.handle, faults=faults, **more))
        return self

    def adapter(self, *, fields=FIELDS, children=None, roles=ROLES, now=None, **settings) -> HubSpotAdapter:
        if self.server is None:
            self.serve()
        given = {"base_url": self.server.url, **HubSpotDouble.settings, **settings}
        made = msgspec.convert(given, HubSpotSettings)
        check(made)
        where = SourceContext(
            name="hubspot", folder=Path(), fields=frozenset(fields), children=children or {}, roles=roles,
            labels=LABELS, chart=CHART,
        )  # fmt: skip
        return HubSpotAdapter(made, where, clock=self.time.clock(now))

    def deals(self, count: int, **more: Any) -> list[dict[str, Any]]:
        return [
            {"hs_object_id": str(1_000 + number), "dealname": f"Deal {number}", "dealstage.label": "Qualify",
             "dealstage.status": "open", "amount": "1000", **more}
            for number in range(count)
        ]  # fmt: skip


def pages(adapter: HubSpotAdapter, since: str | None = None) -> list[Any]:
    """Every page of a pull."""

    async def gather() -> list[Any]:
        try:
            return [page async for page in adapter.pull(since)]
        finally:
            await adapter.close()

    return asyncio.run(gather())


def rows(given: list[Any]) -> list[dict[str, Any]]:
    """The rows of pages by column."""
    return [dict(zip(page.columns, row, strict=True)) for page in given for row in page.rows]


def mark(given: list[Any]) -> str:
    """The last watermark of some pages."""
    return next(page.watermark for page in reversed(given) if page.watermark is not None)


def gone(given: list[Any]) -> set[str]:
    """The ids that pages say are gone."""
    return {identity for page in given for identity in page.gone}


def checks(adapter: HubSpotAdapter) -> dict[str, Any]:
    """What an examination found, by name."""

    async def gather() -> dict[str, Any]:
        try:
            return {one.name: one async for one in adapter.examine()}
        finally:
            await adapter.close()

    return asyncio.run(gather())


@contextlib.contextmanager
def opened(monkeypatch: Any) -> Iterator[Account]:
    """An account for as long as the block runs."""
    account = Account(monkeypatch)
    try:
        yield account
    finally:
        account.servers.close()
