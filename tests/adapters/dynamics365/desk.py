"""A double, a server before it, and adapters that read it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from adapters.dynamics365 import Dynamics365
from adapters.dynamics365.double import Dynamics365Double
from adapters.dynamics365.double.directory import BEARER
from adapters.dynamics365.shape import FORMATTED
from syncd.adapter import Page, SourceContext
from syncd.errors import SourceIncomplete
from syncd.rehearsal import no_faults, serving
from tests.httpkit.servers import Time

STAGE = f"salesstage@{FORMATTED}"
ROLES = {
    "id": "opportunityid",
    "name": "name",
    "stage": STAGE,
    "probability": "closeprobability",
    "version": "@odata.etag",
}
FIELDS = frozenset(ROLES.values())
LABELS = {"qualify": ["Qualify"], "develop": ["Develop"], "solution": ["Propose"], "close": ["Close"]}
CHART = {"qualify": 10, "develop": 20, "solution": 40, "close": 80}


def records(count: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "opportunityid": f"id-{number:06}",
            "name": f"Deal {number}",
            STAGE: "Develop",
            "closeprobability": "20",
            **more,
        }
        for number in range(count)
    ]


def adapter(url: str, *, time: Time | None = None, folder: Path = Path(), **given: Any) -> Dynamics365:
    """An adapter; what is no part of the context is a setting."""
    context: dict[str, Any] = {"fields": FIELDS, "children": {}, "roles": ROLES, "labels": LABELS, "chart": CHART}
    context = {name: given.pop(name, value) for name, value in context.items()}
    given.setdefault("auth", {"type": "bearer", "token": {"env": "SYNCD_REHEARSAL_DYNAMICS365"}})
    settings = msgspec.convert({"base_url": f"{url}/api/data/v9.2", **given}, Dynamics365.Settings)
    source = SourceContext(name="crm", folder=folder, **context)
    return Dynamics365.create(settings, source, clock=(time or Time()).clock())


def pull(made: Dynamics365, since: str | None = None) -> list[Page]:
    async def gather() -> list[Page]:
        try:
            return [page async for page in made.pull(since)]
        finally:
            await made.close()

    return asyncio.run(gather())


def until_cut(made: Dynamics365, since: str | None = None) -> tuple[list[Page], SourceIncomplete]:
    pages: list[Page] = []

    async def gather() -> SourceIncomplete:
        try:
            async for page in made.pull(since):
                pages.append(page)  # noqa: PERF401 - those before the error are kept
        except SourceIncomplete as error:
            return error
        finally:
            await made.close()
        raise AssertionError("the pull ended normally")

    return pages, asyncio.run(gather())


def checks(made: Dynamics365) -> dict[str, Any]:
    async def gather() -> dict[str, Any]:
        try:
            found = [check async for check in made.examine()]
        finally:
            await made.close()
        assert len(found) == len({one.name for one in found})
        return {one.name: one for one in found}

    return asyncio.run(gather())


def keys(made: Dynamics365) -> list[str]:
    async def gather() -> list[str]:
        try:
            return [one async for some in made.keys() for one in some]  # noqa: SIM118 - no dict
        finally:
            await made.close()

    return asyncio.run(gather())


def rows(pages: Iterable[Page]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for page in pages:
        for row in page.rows:
            record = dict(zip(page.columns, row, strict=True))
            assert record["opportunityid"] not in found, "given twice"
            found[record["opportunityid"]] = record
    return found


def mark(pages: list[Page]) -> str:
    assert pages[-1].watermark
    return pages[-1].watermark


@contextmanager
def desk(loaded: list[dict[str, Any]] = (), faults: Any = no_faults, handler: Any = None, **more: Any):
    double = Dynamics365Double()
    double.load(loaded)
    with serving(handler(double) if handler else double.handle, faults=faults, **more) as server:
        yield double, server


__all__ = ["BEARER", "adapter", "checks", "desk", "keys", "mark", "pull", "records", "rows", "until_cut"]
