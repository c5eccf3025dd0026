"""The requests to HubSpot that pulls and examinations are made of: lists, searches, batches, metadata.

Facts and limits
    lists      by cursor, real time, every record; 100 a page, 50 with history
    searches   from an index that is seconds to minutes late; 200 a page, 10,000 a query, five a second in an account
    batches    by id, real time; what is not found is told in the body, whatever the status

Not for: which of them are made in which order (`listing`, `changes`, `children`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

import httpx

from adapters.hubspot.chain import AGAIN, Chain
from adapters.hubspot.decode import (
    Definition,
    Definitions,
    Found,
    Listing,
    Mishap,
    Owner,
    Owners,
    Pipelines,
    Properties,
    Record,
    after,
    decoder,
)
from adapters.hubspot.errors import explained, is_status, react
from adapters.hubspot.headers import time_of, whole_number
from adapters.hubspot.ids import Ids
from adapters.hubspot.settings import MOST_FOUND, MOST_LISTED, MOST_WITH_HISTORY, PATHS, HubSpotSettings, Paths
from syncd.adapter import SourceContext
from syncd.errors import SourceIncomplete
from syncd.httpkit import Answer, Body, Budget, Clock, HttpClient, Refused

_Decoded = TypeVar("_Decoded")

FEWEST_LISTED: Final = 10
"""A page is not made smaller than this when HubSpot refuses its size."""

CHANGED: Final = "hs_lastmodifieddate"
"""When a deal, and most other records, last changed."""

_CHANGED_OF: Final = {"contacts": "lastmodifieddate"}
"""The types for which that property has another name
(https://github.com/singer-io/tap-hubspot/blob/master/tap_hubspot/__init__.py)."""

ID: Final = "hs_object_id"

_SETTLING: Final = 5.0
"""Seconds after which an index that contradicted itself is asked again."""
_PASSES: Final = 3
"""How often a search is made before its count is taken to be wrong."""


def changed_property(kind: str) -> str:
    """The property that holds when a record of a type last changed."""
    return _CHANGED_OF.get(kind, CHANGED)


@dataclass(slots=True)
class Batched:
    """What a batch read gave: records that are there, ids that are not."""

    records: list[Record[Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


class Api:
    """Speaks to one HubSpot account."""

    def __init__(
        self,
        settings: HubSpotSettings,
        context: SourceContext,
        *,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Prepare; nothing is opened before the first request."""
        self.paths: Final[Paths] = PATHS[settings.api]
        self.clock: Final = clock or Clock()
        self.page_size = settings.page_size or MOST_LISTED
        self.history_page_size = min(self.page_size, MOST_WITH_HISTORY)
        self._source = context.name
        self._client = HttpClient(
            settings, name=context.name, folder=context.folder, react=react, clock=self.clock, transport=transport
        )
        self._searching = Budget(
            at_once=1,
            per_second=settings.search_per_second,
            monotonic=self.clock.monotonic,
            sleep=self.clock.sleep,
        )
        self._interval = 0.0
        self._reserve = settings.max_connections

    async def close(self) -> None:
        """Let go of the connections. Safe to call twice."""
        await self._client.close()

    async def ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        decode: Callable[[Body], _Decoded],
        json: Any = None,
    ) -> tuple[_Decoded, Answer]:
        """Make one request, which reads whatever its method; as `HttpClient.request_json`."""
        if self._interval:
            # Few requests are left of those HubSpot grants in any ten seconds: a tenth of them come back in one.
            await self.clock.sleep(self._interval / 10)
        decoded, answer = await self._client.request_json(method, path, params, decode=decode, json=json)
        self._heed(answer)
        return decoded, answer

    def explained(self, refused: Refused) -> SourceIncomplete:
        """A refusal as an error that says what to do."""
        return explained(refused, self._source)

    async def get(
        self, path: str, params: Mapping[str, str] | None = None, *, decode: Callable[[Body], _Decoded]
    ) -> _Decoded:
        """Read something.

        Raises:
            SourceIncomplete, SourceUnavailable, AuthFailed: As `HttpClient.get_json`, put in HubSpot's terms.
        """
        try:
            return (await self.ask("GET", path, params, decode=decode))[0]
        except Refused as refused:
            raise self.explained(refused) from None

    async def post(self, path: str, json: Any, *, decode: Callable[[Body], _Decoded]) -> _Decoded:
        """Ask something whose question is a body; errors as `get`."""
        try:
            return (await self.ask("POST", path, decode=decode, json=json))[0]
        except Refused as refused:
            raise self.explained(refused) from None

    async def pipelines(self) -> tuple[Pipelines, datetime]:
        """All pipelines of deals, and the time by HubSpot's clock."""
        try:
            decoded, answer = await self.ask("GET", self.paths.pipelines, decode=decoder(Pipelines))
        except Refused as refused:
            raise self.explained(refused) from None
        return decoded, time_of(answer) or self.clock.now()

    async def definitions(self, kind: str) -> dict[str, Definition] | None:
        """The properties a type of object has, by name; None where the app may not see them."""
        try:
            decoded, _ = await self.ask("GET", self.paths.properties.format(kind=kind), decode=decoder(Definitions))
        except Refused as refused:
            if is_status(refused, 403, 404):
                return None
            raise self.explained(refused) from None
        return {one.name: one for one in decoded.results if not one.archived}

    async def owners(self, *, archived: bool) -> AsyncIterator[Sequence[Owner]]:
        """Every user who owns records, or did."""
        params = {"limit": str(MOST_LISTED), "archived": _word(archived)}
        chain = Chain("the list of owners")
        while True:
            page = await self.get(self.paths.owners, params, decode=decoder(Owners))
            yield page.results
            following = after(page.paging)
            if not chain.goes_on(following):
                return
            params = {**params, "after": following}

    async def listed(
        self, properties: Properties, *, archived: bool = False, history: str = ""
    ) -> AsyncIterator[list[Record[Any]]]:
        """Every deal, page by page, in HubSpot's order.

        Args:
            properties: What is asked for.
            archived: The deals that were archived, in place of those that are there.
            history: The property whose history is asked for as well; empty for none.

        Raises:
            SourceIncomplete: A page came twice, or the pages lead in a circle.
            Refused: HubSpot does not take the question: status 414 where the properties are too many.
        """
        params = {"archived": _word(archived), "properties": ",".join(properties.names)}
        if history:
            params["propertiesWithHistory"] = history
        limit = self.history_page_size if history else self.page_size
        chain, cursor = Chain("the list of deals"), ""
        while True:
            page, limit = await self._list_page(properties, params, limit, cursor)
            cursor = after(page.paging)
            chain.check(page.results, after=cursor)
            yield page.results
            if not chain.goes_on(cursor):
                return

    async def _list_page(
        self, properties: Properties, params: Mapping[str, str], limit: int, cursor: str
    ) -> tuple[Listing[Any], int]:
        """One page, smaller where HubSpot refuses its size; the limit that served."""
        while True:
            asked = {**params, "limit": str(limit), **({"after": cursor} if cursor else {})}
            try:
                page, _ = await self.ask("GET", self.paths.kind("deals"), asked, decode=properties.listing)
            except Refused as refused:
                # The largest page with history is documented nowhere, and it may shrink.
                if not is_status(refused, 400) or "propertiesWithHistory" not in params or limit <= FEWEST_LISTED:
                    raise
                limit = self.history_page_size = max(FEWEST_LISTED, limit // 2)
            else:
                return page, limit

    async def count(self, created_before: int | None = None) -> int:
        """How many deals there are, by the index of the search.

        Args:
            created_before: Count those alone that were created before this time, in milliseconds since 1970.
        """
        filters = [{"propertyName": "createdate", "operator": "LT", "value": str(created_before)}]
        return (await self._search("deals", Properties([ID]), filters if created_before else [], limit=1)).total

    async def found_one(self, kind: str) -> None:
        """Look whether records of a type can be read.

        Raises:
            SourceIncomplete: They cannot.
        """
        await self._search(kind, Properties([changed_property(kind)]), [], limit=1)

    async def found(self, kind: str, filters: Sequence[Mapping[str, str]]) -> AsyncIterator[list[Record[Any]]]:
        """Every record of a type that a search finds, once each, by rising id.

        Each page is a query of its own for what lies above the last id. So no query reaches the 10,000 results after
        which HubSpot gives no more, any number of records may have changed in the same millisecond, and a record that
        changes meanwhile shifts no other (https://github.com/airbytehq/airbyte/pull/44899 tells of the first two).

        Args:
            kind: The type.
            filters: Conditions that must all hold.

        Raises:
            SourceIncomplete: Fewer came than the search counts.
        """
        changed, given = changed_property(kind), Ids()
        properties = Properties([changed])
        for number in range(_PASSES):
            if number:
                await self.clock.sleep(_SETTLING)
            promised, last = -1, ""
            while True:
                above = [{"propertyName": ID, "operator": "GT", "value": last}] if last else []
                page = await self._search(kind, properties, [*filters, *above], limit=MOST_FOUND)
                promised = page.total if promised < 0 else promised
                fresh = [one for one in page.results if given.add(one.id)]
                if fresh:
                    yield fresh
                if page.results and page.results[-1].id == last:
                    raise SourceIncomplete("HubSpot's search gave the same page twice", AGAIN)
                if not page.results or len(page.results) >= page.total:
                    break
                last = page.results[-1].id
            if len(given) >= promised or len(given) >= (await self._search(kind, properties, filters, limit=1)).total:
                return
        raise SourceIncomplete("HubSpot's search gave fewer records than it counts", AGAIN)

    async def _search(
        self, kind: str, properties: Properties, filters: Sequence[Mapping[str, str]], *, limit: int
    ) -> Found[Any]:
        body = {
            "filterGroups": [{"filters": list(filters)}] if filters else [],
            "sorts": [{"propertyName": ID, "direction": "ASCENDING"}],
            "properties": list(properties.names),
            "limit": limit,
            "after": "0",
        }
        async with self._searching.turn():
            return await self.post(self.paths.kind(kind, "/search"), body, decode=properties.found)

    async def read(self, kind: str, ids: Iterable[str], properties: Properties, *, history: str = "") -> Batched:
        """Read records by id, as they are now.

        Raises:
            SourceIncomplete: HubSpot does not say of each id whether it is there.
        """
        most, wanted = self.history_page_size if history else MOST_LISTED, list(ids)
        parts = [wanted[start : start + most] for start in range(0, len(wanted), most)]
        whole = Batched()
        for part in await asyncio.gather(*(self._read_part(kind, one, properties, history) for one in parts)):
            whole.records += part.records
            whole.missing += part.missing
        return whole

    async def _read_part(self, kind: str, ids: list[str], properties: Properties, history: str) -> Batched:
        read, left = Batched(), ids
        for _ in range(2):
            # The schema of this request calls all three lists required.
            body = {
                "inputs": [{"id": one} for one in left],
                "properties": list(properties.names),
                "propertiesWithHistory": [history] if history else [],
            }
            batch = await self.post(self.paths.kind(kind, "/batch/read"), body, decode=properties.batch)
            asked = set(left)
            read.records += [one for one in batch.results if one.id in asked]
            read.missing += asked & _not_found(batch.errors)
            told = {one.id for one in batch.results} | _not_found(batch.errors)
            left = [one for one in left if one not in told]
            if not left:
                return read
        raise SourceIncomplete(
            f"HubSpot left out {len(left)} of the {kind} it was asked for, and did not say why", AGAIN
        )

    def _heed(self, answer: Answer) -> None:
        """Slow down where the headers say that few requests are left.

        Searches carry no such headers (https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines).
        """
        left = whole_number(answer, "x-hubspot-ratelimit-remaining")
        if left is not None:
            interval = whole_number(answer, "x-hubspot-ratelimit-interval-milliseconds")
            self._interval = (interval or 10_000) / 1_000 if left <= self._reserve else 0.0


def _not_found(errors: Sequence[Mishap]) -> set[str]:
    return {identity for one in errors if one.category == "OBJECT_NOT_FOUND" for identity in one.ids("ids")}


def _word(truth: bool) -> str:
    return "true" if truth else "false"
