"""The adapter of Dynamics 365 Sales: the Dataverse Web API, or any other OData v4 service.

Facts and limits
    pages       up to 5,000 rows in the order of their ids; each leads to the next by a link that is followed as it is
    increments  by change tracking, whose feed tells deletions as well; or by time of change with an overlap, deletions
                then by a sweep of the ids
    versions    the ETag of a row; it says nothing of the flow or of child rows, which are therefore looked at as well
    proof       after a full pull the service counts the records created before it began, and none may be missing
    history     when the active stage of a flow began; from the audit log where that is asked for
    writing     none in this version

Not for: what is in a query (`queries`), a pull from page to page (`reading`), related rows (`related`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, ClassVar, Final

import httpx

from adapters.dynamics365.chain import keys_of
from adapters.dynamics365.errors import explained, has_expired, is_untracked, react
from adapters.dynamics365.examination import examined
from adapters.dynamics365.queries import plan_of
from adapters.dynamics365.reading import READ_WHOLE, Reading
from adapters.dynamics365.settings import DynamicsSettings
from adapters.dynamics365.watermark import Watermark, earlier
from syncd.adapter import Capabilities, Check, Page, SourceContext
from syncd.errors import SourceIncomplete, WatermarkLost
from syncd.httpkit import Clock, HttpClient, Refused

_REFUSES_TRACKING: Final = (
    "the system refuses change tracking, so that every pull reads all; turn it on for the table, or set "
    "`change_tracking = false` to read what changed by time"
)


class Dynamics365:
    """Reads one source."""

    Settings: ClassVar[type[Any]] = DynamicsSettings
    capabilities: ClassVar[Capabilities] = Capabilities(incremental=True, deletions=True)

    def __init__(
        self,
        settings: DynamicsSettings,
        context: SourceContext,
        *,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Prepare; `create` checks the settings first.

        Args:
            settings: Of the source.
            context: What the mapping needs.
            clock: Time and chance.
            transport: In place of the network.
        """
        self._settings = settings
        self._context = context
        self._clock = clock or Clock()
        self._plan = plan_of(settings, context)
        self._client = HttpClient(
            settings, name=context.name, folder=context.folder, react=react, clock=self._clock, transport=transport
        )
        self._closed = False

    @classmethod
    def create(cls, settings: DynamicsSettings, context: SourceContext, **given: Any) -> Dynamics365:
        """Make the adapter of one source. Does no I/O.

        Raises:
            ConfigError: The settings contradict one another or the mapping.
        """
        plan = plan_of(settings, context)
        capabilities = Capabilities(
            incremental=settings.change_tracking or plan.modified is not None,
            deletions=settings.change_tracking,
            history=plan.has_history,
        )
        made: Dynamics365 = type(cls.__name__, (cls,), {"capabilities": capabilities})(settings, context, **given)
        return made

    async def pull(self, since: str | None = None) -> AsyncIterator[Page]:
        """Yield every record of the source, or those that changed; see `syncd.adapter.Adapter.pull`."""
        try:
            pages = self._increment(self._mark(since)) if since is not None else self._whole()
            async with aclosing(pages):
                async for page in pages:
                    if self._closed:
                        raise SourceIncomplete("the source was closed before it was read whole")
                    yield page
                    del page  # or it would be held until the next one is there
        except Refused as refused:
            raise explained(refused, self._context.name, self._plan.asked) from None
        finally:
            if self._closed:
                # A request that was under way may have opened connections again.
                await self._client.close()

    async def keys(self) -> AsyncIterator[Sequence[str]]:
        """Yield every id; see `syncd.adapter.KeyReader`."""
        try:
            async with aclosing(keys_of(self._client, self._plan)) as pages:
                async for page in pages:
                    yield page
        except Refused as refused:
            raise explained(refused, self._context.name, self._plan.asked) from None

    async def examine(self) -> AsyncIterator[Check]:
        """Look at everything a pull needs; see `syncd.adapter.Adapter.examine`."""
        async for check in examined(self._client, self._plan, self._context, self._clock):
            yield check

    async def close(self) -> None:
        """Let go of the connections. Safe to call twice."""
        self._closed = True
        await self._client.close()

    def _mark(self, since: str) -> Watermark:
        """The watermark in a text.

        Raises:
            WatermarkLost: It is of another mapping, or of another way to learn of changes.
        """
        mark = Watermark.read(since)
        if mark is None or mark.asked != self._plan.digest:
            raise WatermarkLost("the mapping or the settings changed since the last pull", READ_WHOLE)
        if (mark.delta is not None) != self._settings.change_tracking:
            raise WatermarkLost("`change_tracking` changed since the last pull", READ_WHOLE)
        return mark

    async def _whole(self) -> AsyncGenerator[Page]:
        """Every record, with a watermark at the end."""
        if self._settings.change_tracking:
            reading = self._reading(tracked=True)
            try:
                async with aclosing(reading.records(self._plan.address(ordered=False))) as pages:
                    async for page in pages:
                        yield page
                        del page
            except Refused as refused:
                if reading.rows or not is_untracked(refused):
                    raise
            else:
                yield await reading.end_whole()
                return
            yield Page(self._plan.columns, [], declared=False, notes=[_REFUSES_TRACKING])
        reading = self._reading(tracked=False)
        async with aclosing(reading.records(self._plan.address())) as pages:
            async for page in pages:
                yield page
                del page
        yield await reading.end_whole()

    async def _increment(self, mark: Watermark) -> AsyncGenerator[Page]:
        """What changed since a watermark."""
        plan, settings = self._plan, self._settings
        reading = self._reading(tracked=mark.delta is not None, mark=mark)
        if mark.delta is not None:
            path = mark.delta
        else:
            path = plan.address(where=f"{plan.modified} ge {earlier(mark.at, settings.overlap_seconds)}")
        try:
            async with aclosing(reading.records(path)) as pages:
                async for page in pages:
                    yield page
                    del page
        except Refused as refused:
            if mark.delta is not None and not reading.rows and has_expired(refused):
                raise WatermarkLost("the system no longer knows what changed since the last pull", READ_WHOLE) from None
            raise
        async with aclosing(reading.touched(mark)) as pages:
            async for page in pages:
                yield page
        yield await reading.end()

    def _reading(self, *, tracked: bool, mark: Watermark | None = None) -> Reading:
        return Reading(self._client, self._plan, self._clock, tracked=tracked, mark=mark)
