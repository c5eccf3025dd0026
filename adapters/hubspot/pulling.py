"""One pull, whole or from a watermark on.

Whole: the list of all deals, in real time and page by page. The list does not count, so the search is asked how many
deals there are, before and after; when the list gave fewer than both say, the ids are compared one by one.

From a watermark on: the deals that the search says have changed, and those whose children have. The search only names
them. Its copies may be old, so the deals themselves are read by id. Then the archived deals.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from typing import Any, Final, TypeVar

from adapters.hubspot.api import ID, Api, Batched, changed_property
from adapters.hubspot.children import Children
from adapters.hubspot.decode import Properties, Record
from adapters.hubspot.errors import is_status
from adapters.hubspot.ids import Ids
from adapters.hubspot.rows import MERGED, STAGE, Table, merged_into, milliseconds
from adapters.hubspot.settings import MOST_ASSOCIATED
from adapters.hubspot.watermark import MOST_REMEMBERED, Recent, Watermark
from syncd.adapter import Page, SourceContext
from syncd.errors import ConfigError, Problem, SourceIncomplete
from syncd.httpkit import Refused

_Item = TypeVar("_Item")

_LONGEST_QUERY: Final = 6_000
"""Characters of property names in an address. HubSpot answers 414 to long ones; eight thousand is a usual limit."""

_LISTED: Final = 8
_DAY: Final = 86_400_000


class Pull:
    """One pull of one source."""

    def __init__(
        self,
        api: Api,
        context: SourceContext,
        table: Table,
        children: Children,
        notes: list[str],
        *,
        began: int,
        overlap: int,
        stages: str,
        history: bool,
    ) -> None:
        """Prepare.

        Args:
            api: To ask.
            context: Of the source.
            table: How rows are made.
            children: How child components are read.
            notes: What is to be told with the next page; others add to it.
            began: The time by HubSpot's clock, in milliseconds since 1970.
            overlap: How far the next increment will look back, in milliseconds.
            stages: Digest of the pipelines.
            history: Whether to read each deal's way through the stages.
        """
        self._api = api
        self._context = context
        self._table = table
        self._children = children
        self._notes = notes
        self._began = began
        self._overlap = overlap
        self._stages = stages
        self._history = table.staged if history else ""
        self._recent = Recent(began - overlap)
        self._seen = Ids()
        self._old = 0
        self._total = 0
        self._given = 0
        self._archived: dict[str, int] = {}
        self._absent: dict[str, None] = {}
        self._told = False

    # ----------------------------------------------------------------------------------------------------- whole

    async def whole(self, since: Watermark | None = None) -> AsyncGenerator[Page, None]:
        """Every deal; and what is gone since a watermark, where there is one that no increment can start from."""
        async with aclosing(ahead(self._all())) as groups:
            async for records in groups:
                yield await self._page(records)
        # Listed in any case, so that the first increment notices what is had back by then.
        async for gone in self._newly_archived(self._began if since is None else since.at - self._overlap):
            if since is not None:
                yield self._gone_page(gone)
        async for page in self._had_back():
            yield page
        yield self._last()

    async def keys(self) -> AsyncGenerator[list[str], None]:
        """The id of every deal."""
        async with aclosing(ahead(self._all())) as groups:
            async for records in groups:
                yield [one.id for one in records if self._table.is_wanted(one)]

    async def _all(self) -> AsyncGenerator[list[Record[Any]], None]:
        """Every deal once: those in the list, and those it left out although the search counts them."""
        before = self._total = await self._api.count()
        async for records in self._groups():
            yield records
        if self._old < min(before, await self._api.count(created_before=self._began)):
            async for records in self._left_out():
                yield records

    async def _groups(self) -> AsyncIterator[list[Record[Any]]]:
        """The list of all deals, without repeats, as many at a time as associations are read for."""
        group: list[Record[Any]] = []
        async for listed in self._listed():
            fresh = [one for one in listed if self._seen.add(one.id)]
            if listed and not fresh:
                raise SourceIncomplete("the list of deals gave the same page twice", "run again")
            self._old += sum(self._is_old(one) for one in fresh)
            group += fresh
            if len(group) >= (MOST_ASSOCIATED if self._children.kinds or self._table.looks_up else 1):
                yield group
                group = []
        if group:
            yield group

    async def _listed(self) -> AsyncIterator[list[Record[Any]]]:
        """The list of all deals; where their properties are too many for an address, read by id after it."""
        properties = self._table.properties
        if len(",".join(properties.names)) <= _LONGEST_QUERY:
            first = True
            try:
                async for page in self._api.listed(properties, history=self._history):
                    first = False
                    yield page
            except Refused as refused:
                if not first or not is_status(refused, 414):
                    raise self._api.explained(refused) from None
            else:
                return
        try:
            async for page in self._api.listed(Properties([ID])):
                yield (await self._reread([one.id for one in page])).records
        except Refused as refused:
            raise self._api.explained(refused) from None

    def _is_old(self, record: Record[Any]) -> bool:
        """Whether a deal was there before the pull began. People may date a deal's creation as they like."""
        return not self._began <= milliseconds(record.created_at) <= self._began + _DAY

    async def _left_out(self) -> AsyncIterator[list[Record[Any]]]:
        """The deals that are there and were not in the list; HubSpot's index may also count some that are not."""
        async for found in self._api.found("deals", []):
            unseen = [one.id for one in found if one.id not in self._seen]
            read = await self._reread(unseen)
            self._absent |= dict.fromkeys(read.missing)
            if records := [one for one in read.records if self._seen.add(one.id)]:
                yield records

    # ------------------------------------------------------------------------------------------------- increment

    async def changes(self, since: Watermark) -> AsyncGenerator[Page, None]:
        """What changed since."""
        low, self._absent = since.at - self._overlap, dict.fromkeys(since.archived)
        async with aclosing(ahead(self._named(since, low))) as parts:
            async for ids in parts:
                read = await self._reread(ids)
                for one in read.records:
                    self._absent.pop(one.id, None)
                self._absent |= dict.fromkeys(read.missing)
                yield await self._page(read.records, gone=read.missing)
        async for gone in self._newly_archived(low):
            yield self._gone_page(gone)
        async for page in self._had_back():
            yield page
        for key, version in since.seen.items():
            kind, _, identity = key.partition(":")
            self._recent.keep(kind, identity, version, milliseconds(version))
        yield self._last()

    async def _had_back(self) -> AsyncIterator[Page]:
        """Deals that were not there and are not archived: merged, or had back, which may not count as a change.

        Whether it does is documented nowhere.
        """
        back = [one for one in self._absent if one not in self._archived]
        for start in range(0, len(back), MOST_ASSOCIATED):
            read = await self._reread(back[start : start + MOST_ASSOCIATED])
            for one in read.records:
                self._seen.add(one.id)
            yield await self._page(read.records, gone=read.missing)

    async def _reread(self, ids: Sequence[str]) -> Batched:
        return await self._api.read("deals", ids, self._table.properties, history=self._history)

    def _gone_page(self, gone: Sequence[str]) -> Page:
        return Page(self._table.columns, [], declared=False, gone=gone)

    async def _newly_archived(self, low: int) -> AsyncIterator[list[str]]:
        """Note what is archived, and give the ids of what was archived since a time.

        HubSpot can neither sort nor filter archived deals, and keeps them for 90 days.
        """
        try:
            async for listed in self._api.listed(Properties([MERGED]), archived=True):
                times = {one.id: milliseconds(one.archived_at or "") for one in listed}
                self._archived |= times
                late = [one for one in listed if times[one.id] >= low]
                # Deals may have been merged into one that was then archived, which says so where no other does.
                merged = [went for one in late for went in merged_into(one, Properties.values(one)[0])]
                if late:
                    yield [*(one.id for one in late), *merged]
        except Refused as refused:
            raise self._api.explained(refused) from None

    async def _named(self, since: Watermark, low: int) -> AsyncGenerator[list[str], None]:
        """The ids of deals to read again, once each, some at a time."""
        waiting: list[str] = []
        for kind in ("deals", *self._children.kinds):
            async for found in self._changed(kind, low, since):
                ids = found if kind == "deals" else await self._children.deals_of(kind, found)
                waiting += [one for one in ids if self._seen.add(one)]
                while len(waiting) >= MOST_ASSOCIATED:
                    yield waiting[:MOST_ASSOCIATED]
                    waiting = waiting[MOST_ASSOCIATED:]
        if waiting:
            yield waiting

    async def _changed(self, kind: str, low: int, since: Watermark) -> AsyncIterator[list[str]]:
        changed = changed_property(kind)
        window = [{"propertyName": changed, "operator": "GTE", "value": str(low)}]
        try:
            async for found in self._api.found(kind, window):
                fresh: list[str] = []
                for one in found:
                    version = Properties.values(one)[0]
                    version = version if isinstance(version, str) else ""
                    if not version or since.seen.get(f"{kind}:{one.id}") != version:
                        fresh.append(one.id)
                    if kind != "deals":
                        self._recent.add(kind, one.id, version, milliseconds(version))
                if fresh:
                    yield fresh
        except SourceIncomplete as error:
            if kind == "deals":
                raise
            self._children.cannot_search(kind, error)

    # -------------------------------------------------------------------------------------------------- both

    async def _page(self, records: Sequence[Record[Any]], gone: Sequence[str] = ()) -> Page:
        """Records as a page; those of other pipelines are gone, as far as this source is concerned."""
        table = self._table
        wanted = [one for one in records if table.is_wanted(one)]
        left = [one.id for one in records if not table.is_wanted(one)]
        self._check_columns(records)
        for one in records:
            version = table.version(one)
            self._recent.add("deals", one.id, version, milliseconds(version))
        _, children = await asyncio.gather(table.learn(wanted), self._children.of([one.id for one in wanted]))
        first, self._given = self._given + 1, self._given + len(wanted)
        return Page(
            table.columns,
            [table.row(one, beside) for one, beside in zip(wanted, children, strict=True)],
            declared=False,
            first=first,
            notes=self._noted(),
            done=len(self._seen),
            total=max(self._total, len(self._seen)),
            gone=[*gone, *left, *(merged for one in records for merged in table.merged(one))],
            moves=[move for one in wanted for move in table.moves(one)] if self._history else (),
        )

    def _check_columns(self, records: Sequence[Record[Any]]) -> None:
        """HubSpot says nothing of a property it does not have; without the stage nothing could be judged."""
        if self._told or not records:
            return
        self._told = True
        if lacking := self._table.lacking(records):
            if self._context.roles.get("stage", STAGE) in lacking:
                name = self._context.roles["stage"]
                raise ConfigError(
                    Problem(message=f"source {self._context.name}: HubSpot has no property {name!r} (for stage)")
                )
            more = f" and {len(lacking) - _LISTED} more" if len(lacking) > _LISTED else ""
            self._notes.append(f"HubSpot has no such properties: {', '.join(lacking[:_LISTED])}{more}")

    def _last(self) -> Page:
        latest = sorted(self._archived, key=self._archived.__getitem__, reverse=True)[:MOST_REMEMBERED]
        mark = Watermark(at=self._began, stages=self._stages, seen=self._recent.seen(), archived=latest)
        done = len(self._seen)
        return Page(
            self._table.columns, [], declared=False, notes=self._noted(), done=done, total=done, watermark=mark.text()
        )

    def _noted(self) -> list[str]:
        notes = list(self._notes)
        self._notes.clear()
        return notes


async def ahead(items: AsyncGenerator[_Item, None]) -> AsyncGenerator[_Item, None]:
    """The same items, each asked for while the one before it is used."""

    async def take() -> tuple[_Item] | None:
        async for item in items:
            return (item,)
        return None

    task = asyncio.ensure_future(take())
    try:
        while (taken := await task) is not None:
            task = asyncio.ensure_future(take())
            yield taken[0]
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, SourceIncomplete):
            await task
        await items.aclose()
