"""The Siebel adapter: opportunities, and evidence from their child components, over the Siebel REST API.

Facts and limits
    whole       every page shares a record with those before it, and the last one reaches exactly as far as Siebel
                counts; see `walk`, which also says why changes in mid-pull lose nothing
    requests    99 records each: 253 for 25,000. A child component costs one for each opportunity, or one for twenty
                where `children` says how
    increments  by `[Updated]`, which works in searches also where answers do not hold the field; from the start of the
                pull before, less an overlap, since rows may become visible late
    children    a new activity does not touch its opportunity, so an increment learns of it only where `children` says
                how to ask
    deletions   Siebel tells none: `keys` reads all ids
    history     none over REST; the stage's date is a field
    versions    `Mod Id` and `Updated` are asked for where the mapping names them and Siebel has them; as delivered, the
                integration object of opportunities has neither
    dates       handed on as they are, month first; the mapping's `date_formats` read them
    writing     none yet

Not for: how Siebel is asked (`queries`, `dialect`), and what its answers look like (`records`, `described`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, Final

import httpx

from adapters.siebel import watermark
from adapters.siebel.described import absent, describe, every_field
from adapters.siebel.dialect import UNKNOWN_FIELD, error_code, explained, resource
from adapters.siebel.examination import Examination
from adapters.siebel.queries import Queries
from adapters.siebel.reading import READ_WHOLE, Reading
from adapters.siebel.settings import SiebelSettings, check
from adapters.siebel.watermark import Watermark
from syncd.adapter import Capabilities, Check, Page, SourceContext
from syncd.errors import SourceIncomplete, WatermarkLost
from syncd.httpkit import Clock, Refused

_CLOSED: Final = "the source was closed before it was read whole"


class SiebelAdapter:
    """Reads one Siebel."""

    Settings: ClassVar[type[Any]] = SiebelSettings
    capabilities: ClassVar[Capabilities] = Capabilities(incremental=True)

    def __init__(
        self,
        settings: SiebelSettings,
        context: SourceContext,
        *,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Prepare.

        Args:
            settings: Already checked (`create` does).
            context: Of the source.
            clock: Time and chance.
            transport: In place of the network.
        """
        self._settings = settings
        self._context = context
        self._clock = clock or Clock()
        self._transport = transport
        self._queries = self._asking(settings)
        self._path = resource(settings.business_object, settings.business_component)
        self._id = context.roles.get("id", "Id")
        self._closed = False

    @classmethod
    def create(cls, settings: SiebelSettings, context: SourceContext) -> SiebelAdapter:
        """Make the adapter of one source. Does no I/O.

        Raises:
            ConfigError: The settings contradict one another.
        """
        check(settings, context)
        return cls(settings, context)

    async def pull(self, since: str | None = None) -> AsyncIterator[Page]:
        """Yield every record, or those that changed; see `syncd.adapter.Adapter.pull`."""
        mark, context = watermark.read(since), self._context
        started = watermark.whole(self._clock.now())
        try:
            if not context.fields:
                context = replace(context, fields=await every_field(self._queries, self._path, context))
            async with aclosing(self._pages(context, mark, started)) as pages:
                async for page in pages:
                    if self._closed:
                        raise SourceIncomplete(_CLOSED)
                    yield page
        except Refused as refused:
            raise explained(refused) from None
        except RuntimeError:
            # The client says so of requests that were under way when it was closed.
            if not self._closed:
                raise
            raise SourceIncomplete(_CLOSED) from None
        finally:
            if self._closed:
                await self._queries.client.close()

    async def _pages(
        self, context: SourceContext, mark: Watermark | None, started: datetime
    ) -> AsyncGenerator[Page, None]:
        """The pages of a pull.

        Raises:
            WatermarkLost: A field is there that was not when other records were given.
        """
        given = False
        if mark is not None:
            described = await describe(self._queries, self._path, mark.absent) if mark.absent else None
            if described and (came := sorted(described.intersection(mark.absent))):
                raise WatermarkLost(f"Siebel has a field now that it had not: {', '.join(came)}", READ_WHOLE)
            try:
                reading = Reading(
                    self._settings, context, self._queries, mark=mark, lacking=mark.absent, started=started
                )
                async with aclosing(reading.pages()) as pages:
                    async for page in pages:
                        given = True
                        yield page
            except Refused as refused:
                # A field that went since: the next lines find out which.
                if given or error_code(refused.answer) != UNKNOWN_FIELD:
                    raise
            else:
                return
        lacking = await absent(self._queries, self._path, context)
        reading = Reading(self._settings, context, self._queries, mark=mark, lacking=lacking, started=started)
        async with aclosing(reading.pages()) as pages:
            async for page in pages:
                yield page

    async def keys(self) -> AsyncIterator[Sequence[str]]:
        """Yield the id of every record; see `syncd.adapter.KeyReader`."""
        walk = self._queries.walk(self._path, (self._id,), search=self._settings.searchspec)
        try:
            async with aclosing(walk.pages()) as pages:
                async for page in pages:
                    yield [str(row[0]) for row in page.rows]
        except Refused as refused:
            raise explained(refused) from None

    async def examine(self) -> AsyncIterator[Check]:
        """Look at what must be right for a pull; see `syncd.adapter.Adapter.examine`."""
        examination = Examination(self._settings, self._context, self._clock, self._asking)
        try:
            async for found in examination.checks():
                yield found
        finally:
            await examination.close()

    async def close(self) -> None:
        """Let go of the connections. Safe to call twice."""
        self._closed = True
        await self._queries.client.close()

    def _asking(self, settings: SiebelSettings) -> Queries:
        return Queries(settings, self._context, clock=self._clock, transport=self._transport)
