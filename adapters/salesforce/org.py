"""One org: its requests and its queries, page after page.

Terminology
    cursor    what the org keeps of a query while its pages are fetched; it forgets it after two days at the latest

Not for: what the records mean, or whether all came (`reading`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from adapters.salesforce import errors
from adapters.salesforce.settings import LARGEST_PAGE, SalesforceSettings
from syncd.errors import SourceIncomplete
from syncd.httpkit import Answer, Body, Clock, HttpClient, Reaction
from syncd.httpkit.links import taken_apart

_Value = TypeVar("_Value")

_CURSOR: Final = re.compile(r"(?:.*)(/services/data/v[0-9.]+/query(?:All)?/[A-Za-z0-9_-]+)")
"""What `nextRecordsUrl` is: a path, in front of which a gateway may have put its own."""

_EMPTY_PAGES: Final = 3
"""So many pages without a record, one after the other, are no pages any more."""


class Org:
    """The org behind one source. Made for one run and then closed.

    Attributes:
        quota: What of the org's requests of the day is used.
    """

    def __init__(self, settings: SalesforceSettings, *, name: str, folder: Path, clock: Clock | None = None) -> None:
        """Args: settings and name of the source; folder, where paths start; clock, time and chance."""
        self.settings = settings
        self.name = name
        self.clock = clock or Clock()
        self.quota = errors.Quota()
        self.client = HttpClient(settings, name=name, folder=folder, react=self._react, clock=self.clock)
        self._closed = False
        self._data = f"services/data/v{settings.api_version}"
        # Echoed by Change Data Capture, so that changes of our own can be told from others'
        # (https://developer.salesforce.com/docs/atlas.en-us.222.0.apexcode.meta/apexcode/apex_class_eventbus_ChangeEventHeader.htm).
        self._headers = {"Sforce-Call-Options": "client=syncd"}

    async def close(self) -> None:
        """Let go of the connections. Safe to call twice."""
        self._closed = True
        await self.client.close()

    async def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        decode: Callable[[Body], _Value],
        headers: Mapping[str, str] | None = None,
    ) -> tuple[_Value, Answer]:
        """Read something below the data API's root; see `HttpClient.get_json`."""
        self._may_ask()
        given = {**self._headers, **(headers or {})}
        return await self.client.get_json(f"{self._data}/{path}", params, decode=decode, headers=given)

    async def send(self, method: str, path: str, json: Any = None) -> None:
        """Change or take away something of our own below the data API's root, and try no more than once."""
        if self._closed:
            return
        path = f"{self._data}/{path}"
        await self.client.request(method, path, headers=self._headers, json=json, repeatable=False)

    async def post(self, path: str, json: Any, *, decode: Callable[[Body], _Value]) -> _Value:
        """Ask for something to be made that does no harm when made twice; see `HttpClient.request_json`."""
        self._may_ask()
        path = f"{self._data}/{path}"
        return (
            await self.client.request_json(
                "POST", path, decode=decode, headers=self._headers, json=json, repeatable=True
            )
        )[0]

    async def query(self, soql: str, batch: type[Any], *, everything: bool = False) -> AsyncGenerator[Any, None]:
        """The pages of a query, each asked for while the one before it is used.

        Args:
            soql: The query.
            batch: The type of a page: `totalSize`, `done`, `records` and `nextRecordsUrl`.
            everything: Deleted and archived records too.

        Raises:
            Refused: The query is not answered, or its cursor is forgotten.
            SourceIncomplete: The pages do not follow one another.
        """
        decode = msgspec.json.Decoder(batch).decode
        seen: set[str] = set()
        empty = 0
        ahead = asyncio.create_task(self._first(soql, decode, everything=everything))
        try:
            while True:
                page = await ahead
                link = None if page.done else self._next(page.nextRecordsUrl, seen)
                empty = 0 if page.records else empty + 1
                if link is not None:
                    if empty > _EMPTY_PAGES:
                        raise SourceIncomplete("the org gives page after page without a record", "run again")
                    ahead = asyncio.create_task(self._page(link, decode))
                yield page
                if link is None:
                    return
        finally:
            ahead.cancel()
            with suppress(asyncio.CancelledError, SourceIncomplete):
                await ahead

    async def first_page(self, soql: str, batch: type[Any], *, everything: bool = False) -> Any:
        """The first page of a query, for those that need no more; arguments and errors are those of `query`."""
        decode = msgspec.json.Decoder(batch).decode
        return await self._first(soql, decode, everything=everything, size=LARGEST_PAGE)

    async def rows(self, soql: str, batch: type[Any], *, everything: bool = False) -> tuple[int, list[Any]]:
        """What a query promises, and every record it gives; for those that give few."""
        promised, records = 0, []
        async for page in self.query(soql, batch, everything=everything):
            promised = page.totalSize
            records += page.records
        return promised, records

    def time(self, answer: Answer) -> datetime:
        """What the org's clock said when it answered; ours where it does not say."""
        try:
            return parsedate_to_datetime(answer.headers["date"]).astimezone(UTC)
        except (KeyError, ValueError, OverflowError):
            return self.clock.now()

    async def _first(
        self, soql: str, decode: Callable[[Body], Any], *, everything: bool, size: int | None = None
    ) -> Any:
        path = "queryAll" if everything else "query"
        return (await self.get(path, {"q": soql}, decode=decode, headers=self._paging(size)))[0]

    async def _page(self, path: str, decode: Callable[[Body], Any]) -> Any:
        self._may_ask()
        headers = {**self._headers, **self._paging()}
        return (await self.client.get_json(path, decode=decode, headers=headers))[0]

    def _paging(self, size: int | None = None) -> dict[str, str]:
        """How many records are wanted at a time. The org takes it for a hint."""
        return {"Sforce-Query-Options": f"batchSize={size or self.settings.page_size or LARGEST_PAGE}"}

    def _next(self, link: str | None, seen: set[str]) -> str:
        """The path of the next page. The host is always our own, whatever the link says."""
        found = _CURSOR.fullmatch(taken_apart(link or "").path)
        if found is None:
            raise SourceIncomplete("the org says that there are more records, and not where", "run again")
        if found[1] in seen:
            raise SourceIncomplete("the org gives the same page of records twice", "run again")
        seen.add(found[1])
        return found[1]

    def _react(self, answer: Answer) -> Reaction:
        self.quota.note(answer)
        return errors.react(answer)

    def _may_ask(self) -> None:
        if self._closed:
            raise SourceIncomplete("the source was closed before it was read whole")
        if self.quota.percent >= self.settings.quota_percent:
            raise SourceIncomplete(
                f"{self.quota.used:,} of the org's {self.quota.limit:,} requests of 24 hours are used, "
                f"and the source is to leave off at {self.settings.quota_percent:g} %",
                f"run again later or less often, or set `quota_percent` of source {self.name} higher",
            )
