"""The Salesforce adapter: opportunities of one org over REST, and over Bulk API 2.0 where there are many.

Facts and limits
    whole        every page follows the one before; the number of records is compared with what the org promises, and
                 what did not come although it is there is fetched
    memory       pages of up to 2,000 records; of the ids that came about three bytes each
    increments   by `SystemModstamp`, from some minutes before the watermark on; formulas over other objects change
                 without it and are only seen by a full pull
    deletions    told, up to 15 days back; what the user may no longer see is not among them and is found by a full pull
    merges       opportunities cannot be merged; those of merged accounts count as changed
    history      `OpportunityHistory`, or `OpportunityFieldHistory` for a stage field of one's own
    writing      none yet
    hosts        `base_url` alone; the token's `instance_url` is compared with it and never followed

Not for: what fields, labels and evidence mean (the mapping).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, ClassVar

from adapters.salesforce import errors
from adapters.salesforce.decode import Shape
from adapters.salesforce.examination import examine
from adapters.salesforce.org import Org
from adapters.salesforce.pulling import OBJECT, Pull
from adapters.salesforce.reading import Reading
from adapters.salesforce.schema import Column
from adapters.salesforce.settings import SalesforceSettings, check
from syncd.adapter import Capabilities, Check, Page, SourceContext
from syncd.httpkit import Clock, Refused


class SalesforceAdapter:
    """Reads one source of Salesforce."""

    Settings: ClassVar[type[Any]] = SalesforceSettings
    capabilities: ClassVar[Capabilities] = Capabilities(incremental=True, deletions=True, history=True)

    def __init__(self, settings: SalesforceSettings, context: SourceContext, *, clock: Clock | None = None) -> None:
        """Args: settings, already checked (`create` does), and context; clock, time and chance."""
        self._context = context
        self._org = Org(settings, name=context.name, folder=context.folder, clock=clock)

    @classmethod
    def create(
        cls, settings: SalesforceSettings, context: SourceContext, *, clock: Clock | None = None
    ) -> SalesforceAdapter:
        """Make the adapter of one source. Does no I/O.

        Raises:
            ConfigError: A setting cannot work, or the mapping names what is no field's name.
        """
        check(settings, context)
        return cls(settings, context, clock=clock)

    async def pull(self, since: str | None = None) -> AsyncGenerator[Page, None]:
        """Yield every opportunity, or those that changed; see `syncd.adapter.Adapter.pull`."""
        try:
            async with aclosing(Pull(self._org, self._context).pages(since)) as pages:
                async for page in pages:
                    yield page
        except Refused as refused:
            raise errors.explained(refused) from None

    async def keys(self) -> AsyncGenerator[Sequence[str], None]:
        """Yield the id of every opportunity; see `syncd.adapter.KeyReader`."""
        shape = Shape([Column("Id", ("Id",), "text")])
        try:
            async with aclosing(Reading(self._org, OBJECT, shape).sweep()) as found:
                async for ids in found:
                    yield ids
        except Refused as refused:
            raise errors.explained(refused) from None

    async def examine(self) -> AsyncGenerator[Check, None]:
        """Look at what must be right for a pull; see `syncd.adapter.Adapter.examine`."""
        async with aclosing(examine(self._org, self._context)) as checks:
            async for check_ in checks:
                yield check_

    async def close(self) -> None:
        """Let go of the connections. Safe to call twice."""
        await self._org.close()
