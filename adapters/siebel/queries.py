"""Putting queries: the one form in which this adapter asks Siebel for records.

Not for: the order of pages (`walk`), or what answers hold (`records`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from adapters.siebel.dialect import HEADERS, is_nothing, react, with_query
from adapters.siebel.records import NOTHING, Answered, Decoder
from adapters.siebel.settings import LARGEST_PAGE, SiebelSettings
from adapters.siebel.walk import Ask, Walk
from syncd.adapter import SourceContext
from syncd.httpkit import Body, Clock, HttpClient, Refused


class Queries:
    """Asks one Siebel.

    Attributes:
        client: What requests go through.
        server_time: What the `Date` of the first answer said; None where it said nothing.
    """

    def __init__(
        self,
        settings: SiebelSettings,
        context: SourceContext,
        *,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Args: settings, context, clock, and a transport in place of the network."""
        self._settings = settings
        self.client = HttpClient(
            settings, name=context.name, folder=context.folder, react=react, clock=clock, transport=transport
        )
        self.server_time: datetime | None = None
        self._decoders: dict[tuple[str, ...], Decoder] = {}

    @property
    def size(self) -> int:
        """Records a page."""
        return self._settings.page_size or LARGEST_PAGE

    def walk(
        self,
        path: str,
        fields: Sequence[str],
        *,
        search: str = "",
        view_mode: str | None = None,
        counted: bool = True,
        ahead: int | None = None,
    ) -> Walk:
        """All records of a query, page by page.

        Args:
            path: Of the resource.
            fields: What to ask for; the first is the id.
            search: The search expression; empty for all records.
            view_mode: Another than that of the source.
            counted: Have the records counted.
            ahead: Pages asked for at once; None for as many as connections are allowed.
        """
        # Twice as many as there are connections, so that none waits while an early page is late.
        at_once = 2 * self._settings.max_connections if ahead is None else ahead
        return Walk(self._asker(path, fields, search, view_mode), size=self.size, ahead=at_once, counted=counted)

    async def one_page(
        self,
        path: str,
        fields: Sequence[str],
        *,
        search: str = "",
        view_mode: str | None = None,
        size: int = 2,
        counted: bool = False,
    ) -> Answered:
        """The first records of a query; arguments are those of `walk`.

        Raises:
            Refused, SourceIncomplete: As `HttpClient.get_json`.
        """
        return await self._asker(path, fields, search, view_mode, size)(0, counted)

    async def anything(self, path: str, decode: Callable[[Body], Any]) -> Any:
        """Something that is no list of records; None where Siebel says that there is nothing.

        Raises:
            Refused, SourceIncomplete: As `HttpClient.get_json`.
        """
        try:
            found, answer = await self.client.get_json(path, decode=decode, headers=HEADERS)
        except Refused as refused:
            self._look_at_clock(refused.answer.headers)
            if is_nothing(refused.answer):
                return None
            raise
        self._look_at_clock(answer.headers)
        return found

    def _asker(
        self, path: str, fields: Sequence[str], search: str, view_mode: str | None, size: int | None = None
    ) -> Ask:
        decode = self._decoder(tuple(fields))
        # Ids come without being asked for, and only they do.
        asked = ",".join(fields[1:] or fields)
        params = {
            "uniformresponse": "y",
            "childlinks": "None",
            "ViewMode": view_mode or self._settings.view_mode,
            # Without it a query of more than 9,900 records fails, and a set may grow past that in mid-pull.
            # REST API Guide, "Querying Records Using the ExecutionMode Parameter". Object Interfaces Reference,
            # "ExecuteQuery Method", asks for it wherever possible.
            "ExecutionMode": "ForwardOnly",
            # Without it no order is applied. REST API Guide, "Querying ... with a Sort Specification".
            "sortspec": f"{fields[0]}:asc",
            "fields": asked,
            **({"searchspec": search} if search else {}),
            "PageSize": str(size or self.size),
        }

        async def ask(start: int, counted: bool) -> Answered:
            # Only the lower-case word counts; any other is read as false. REST API Guide, "Querying a Root Business
            # Component Using the recordcountneeded Parameter".
            more = {"recordcountneeded": "true"} if counted else {}
            address = with_query(path, {**params, "StartRowNum": str(start), **more})
            try:
                found, answer = await self.client.get_json(address, decode=decode, headers=HEADERS)
            except Refused as refused:
                self._look_at_clock(refused.answer.headers)
                if is_nothing(refused.answer):
                    return NOTHING
                raise
            self._look_at_clock(answer.headers)
            total = answer.headers.get("total-record-count", "")
            return replace(found, total=int(total)) if total.isdigit() else found

        return ask

    def _decoder(self, fields: tuple[str, ...]) -> Decoder:
        """A decoder takes a while to make, and children of many opportunities are asked for with the same fields."""
        if fields not in self._decoders:
            self._decoders[fields] = Decoder(fields)
        return self._decoders[fields]

    def _look_at_clock(self, headers: httpx.Headers) -> None:
        if self.server_time is None and (said := headers.get("date")):
            try:
                moment = parsedate_to_datetime(said)
            except (ValueError, OverflowError):
                return
            self.server_time = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
