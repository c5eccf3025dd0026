"""The HubSpot adapter: deals of one account, by the CRM API.

Facts and limits
    whole        the list of deals is real time and goes by cursor, 100 a page, 50 with history; see `pulling`
    increments   by `hs_lastmodifieddate` through the search, which is late by seconds to minutes, so each looks back
    deletions    archived deals are listed for 90 days; merged ones are named by the deal they went into
    history      every stage a deal came to, when
    stages       deals hold ids; labels, status and probability come from the pipelines, see `stages` and `rows`
    children     any type that can be associated with deals, see `children`
    values       all texts; blank is null or an empty text, and a property nobody defined is absent without a word
    limits       100 to 190 requests in ten seconds by the plan, five searches a second, a number of requests a day
    writing      none yet

Not for: what stages and properties mean (`mappings/hubspot.toml`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, ClassVar

import httpx

from adapters.hubspot.api import Api
from adapters.hubspot.children import Children
from adapters.hubspot.decode import Definition, Owner
from adapters.hubspot.errors import Forbidden
from adapters.hubspot.pulling import Pull, ahead
from adapters.hubspot.rows import OWNED, Table
from adapters.hubspot.settings import HubSpotSettings, check
from adapters.hubspot.stages import Stages, stages_of
from adapters.hubspot.watermark import read_watermark
from syncd.adapter import Capabilities, Check, Page, SourceContext
from syncd.errors import SourceIncomplete
from syncd.httpkit import Clock, Refused


class HubSpotAdapter:
    """Reads the deals of one HubSpot account."""

    Settings: ClassVar[type[Any]] = HubSpotSettings
    capabilities: ClassVar[Capabilities] = Capabilities(incremental=True, deletions=True, history=True)

    def __init__(
        self,
        settings: HubSpotSettings,
        context: SourceContext,
        *,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Prepare; nothing is opened before `pull`.

        Args:
            settings: Already checked (`create` does).
            context: Of the source.
            clock: Time and chance.
            transport: In place of the network.
        """
        self._settings = settings
        self._context = context
        self._api = Api(settings, context, clock=clock, transport=transport)
        self._closed = False

    @classmethod
    def create(cls, settings: HubSpotSettings, context: SourceContext) -> HubSpotAdapter:
        """Make the adapter of one source. Does no I/O.

        Raises:
            ConfigError: The settings contradict one another.
        """
        check(settings)
        return cls(settings, context)

    async def pull(self, since: str | None = None) -> AsyncIterator[Page]:
        """Yield every deal, or those that changed; see `syncd.adapter.Adapter.pull`."""
        stages, now = await self._stages()
        children = Children(self._api, self._context.children)
        pull = Pull(
            self._api,
            self._context,
            Table(self._context, await self._definitions(), stages, await self._owners(children.notes)),
            children,
            began=int(now.timestamp() * 1_000),
            overlap=int(self._settings.overlap_seconds * 1_000),
            stages=stages.digest,
            history=self._settings.history,
        )
        mark = read_watermark(since)
        if mark is not None and mark.stages == stages.digest:
            async for page in self._until_closed(pull.changes(mark)):
                yield page
            return
        if mark is not None:
            # A stage was renamed or the mapping reads other pipelines: every deal may read differently now.
            async for page in self._until_closed(pull.gone(mark)):
                yield page
        async for page in self._until_closed(pull.whole()):
            yield page

    async def keys(self) -> AsyncIterator[Sequence[str]]:
        """Yield the id of every deal; for what `pull` cannot learn of, such as deals archived for good."""
        stages, _ = await self._stages()
        table = Table(SourceContext(name=self._context.name, folder=self._context.folder), {}, stages, {})
        try:
            async for records in ahead(self._api.listed(table.properties)):
                yield [one.id for one in records if table.is_wanted(one)]
        except Refused as refused:
            raise self._api.explained(refused) from None

    async def examine(self) -> AsyncIterator[Check]:
        """Look at everything a pull needs; see `examination`."""
        yield Check(name="connection", outcome="ok", says="")

    async def close(self) -> None:
        """Let go of the connections; a pull under way ends as incomplete. Safe to call twice."""
        self._closed = True
        await self._api.close()

    async def _until_closed(self, pages: AsyncIterator[Page]) -> AsyncIterator[Page]:
        async for page in pages:
            if self._closed:
                break
            yield page
        if self._closed:
            raise SourceIncomplete(f"source {self._context.name} was closed before it was read whole")

    async def _stages(self) -> tuple[Stages, datetime]:
        answer, now = await self._api.pipelines()
        return stages_of(answer, self._settings.pipelines, self._context.name), now

    async def _definitions(self) -> dict[str, Definition] | None:
        return await self._api.definitions("deals")

    async def _owners(self, notes: list[str]) -> dict[str, Owner]:
        """The owners by id, those who left included; none where nobody asks or the app may not see them."""
        if not self._context.fields & OWNED:
            return {}
        found: dict[str, Owner] = {}
        try:
            for archived in (True, False):
                async for page in self._api.owners(archived=archived):
                    found |= {one.id: one for one in page}
        except Forbidden as error:
            notes.append(f"owners are shown by their ids: {error.reason}")
        return found
