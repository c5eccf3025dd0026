"""The HubSpot adapter: deals of one account, by the CRM API.

Facts and limits
    whole        the list of deals is real time and goes by cursor, 100 a page, 50 with history; see `pulling`
    increments   by `hs_lastmodifieddate` through the search, which is late by seconds to minutes, so each looks back
    deletions    archived deals are listed for 90 days, merged ones are named by the deal they went into, and both are
                 told with each increment; `keys` is for what was archived longer ago than that
    history      every stage a deal came to, when
    stages       deals hold ids; labels, status and probability come from the pipelines, see `stages` and `rows`
    children     any type that can be associated with deals, see `children`
    values       all texts; blank is null or an empty text, and a property nobody defined is absent without a word
    limits       100 to 190 requests in ten seconds by the plan, five searches a second, a number of requests a day
    writing      none yet

Not for: what stages and properties mean (`mappings/hubspot.toml`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, ClassVar

import httpx

from adapters.hubspot.api import ID, Api
from adapters.hubspot.children import Children
from adapters.hubspot.companies import Companies
from adapters.hubspot.decode import Definition, Owner
from adapters.hubspot.errors import Forbidden
from adapters.hubspot.examination import Examination
from adapters.hubspot.pulling import Pull
from adapters.hubspot.rows import OWNED, Table
from adapters.hubspot.settings import HubSpotSettings, check
from adapters.hubspot.stages import Stages, stages_of
from adapters.hubspot.watermark import read_watermark
from syncd.adapter import Capabilities, Check, Page, SourceContext
from syncd.errors import ConfigError, Problem, SourceIncomplete
from syncd.httpkit import Clock


class HubSpotAdapter:
    """Reads the deals of one HubSpot account."""

    Settings: ClassVar[type[Any]] = HubSpotSettings
    capabilities: ClassVar[Capabilities] = Capabilities(incremental=True, history=True)

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
            ConfigError: The settings contradict one another, or the mapping takes another property for the id.
        """
        check(settings)
        if context.roles.get("id", ID) != ID:
            # Deals that went and stages of the past are told by this id alone.
            raise ConfigError(Problem(message=f"source {context.name}: the mapping's id must be {ID!r} in HubSpot"))
        return cls(settings, context)

    async def pull(self, since: str | None = None) -> AsyncIterator[Page]:
        """Yield every deal, or those that changed; see `syncd.adapter.Adapter.pull`."""
        stages, pull = await self._begun(self._context)
        mark = read_watermark(since)
        # When a stage was renamed or other pipelines are to be read, every deal may read differently now.
        part = pull.changes(mark) if mark is not None and mark.stages == stages.digest else pull.whole(mark)
        # What was asked for ahead is called off when the pull is left early, not when somebody collects garbage.
        async with aclosing(part) as pages:
            async for page in pages:
                self._check_open()
                yield page
        self._check_open()

    async def keys(self) -> AsyncIterator[Sequence[str]]:
        """Yield the id of every deal, for what no feed tells: deals that were archived more than 90 days ago."""
        _, pull = await self._begun(SourceContext(name=self._context.name, folder=self._context.folder), bare=True)
        async with aclosing(pull.keys()) as parts:
            async for ids in parts:
                yield ids

    async def examine(self) -> AsyncIterator[Check]:
        """Look at everything a pull needs; see `examination`."""
        async for found in Examination(self._api, self._settings, self._context).checks():
            yield found

    async def close(self) -> None:
        """Let go of the connections; a pull under way ends as incomplete. Safe to call twice."""
        self._closed = True
        await self._api.close()

    def _check_open(self) -> None:
        if self._closed:
            raise SourceIncomplete(f"source {self._context.name} was closed before it was read whole")

    async def _begun(self, context: SourceContext, *, bare: bool = False) -> tuple[Stages, Pull]:
        """The pipelines as they are now, and a pull that begins now; a bare one gives no more than ids."""
        answer, now = await self._api.pipelines()
        stages = stages_of(answer, self._settings.pipelines, context.name)
        notes: list[str] = []
        definitions: dict[str, Definition] | None = None
        owners: dict[str, Owner] = {}
        if not bare:
            definitions, owners = await asyncio.gather(self._api.definitions("deals"), self._owners(context, notes))
        pull = Pull(
            self._api,
            context,
            Table(context, definitions, stages, owners, Companies(self._api, notes)),
            Children(self._api, context.children, notes),
            notes,
            began=int(now.timestamp() * 1_000),
            overlap=int(self._settings.overlap_seconds * 1_000),
            stages=stages.digest,
            history=self._settings.history and not bare,
        )
        return stages, pull

    async def _owners(self, context: SourceContext, notes: list[str]) -> dict[str, Owner]:
        """The owners by id, those who left included; none where nobody asks or the app may not see them."""
        if not context.fields & OWNED:
            return {}
        found: dict[str, Owner] = {}
        try:
            for archived in (True, False):
                async for page in self._api.owners(archived=archived):
                    found |= {one.id: one for one in page}
        except Forbidden as error:
            notes.append(f"owners are shown by their ids: {error.reason}")
        return found
