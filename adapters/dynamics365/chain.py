"""Pages chained to the next, the next one under way while the current one is worked on.

Links are opaque and followed as they are, on our own host: the cookie in them is quoted twice, and anything done to it
breaks it (https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/page-results).

Not for: what is in a page.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import unquote

from adapters.dynamics365.queries import Plan
from adapters.dynamics365.shape import Decode
from syncd.errors import SourceIncomplete
from syncd.httpkit import Answer, HttpClient
from syncd.httpkit.links import on_own_host

_STEPS: Final = 25
"""Turns of the event loop in which a request gets on its way over a connection that is open: about ten are needed."""
_NUMBER: Final = re.compile(r'pagenumber="(\d+)"')
_AGAIN: Final = "run again; if it stays, ask Microsoft's support or whoever runs the gateway before the service"


class Chain:
    """Asks for the pages of one query.

    Attributes:
        delta: The link to what changes from then on, once all pages have come; None where none was given.
    """

    def __init__(self, client: HttpClient, decode: Decode, headers: Mapping[str, str]) -> None:
        """Args: client, decode for a page (see `Envelope`), headers of every request."""
        self._client = client
        self._decode = decode
        self._headers = headers
        self.delta: str | None = None

    async def pages(self, path: str, *, number: int = 1) -> AsyncGenerator[tuple[Any, Answer]]:
        """Yield each page with its answer.

        Args:
            path: Of the first page.
            number: Of the first page.

        Raises:
            SourceIncomplete: The chain runs in a circle, leaves out a page, or ends although there is more.
            Refused, AuthFailed, SourceUnavailable: As the kit.
        """
        seen: set[int] = set()
        task = self._ask(path)
        try:
            while True:
                page, answer = await task
                # Dataverse gives it with the last page. Others give one with each, of which the first leaves out least.
                self.delta = self.delta or page.delta
                if page.next is None:
                    if page.more:
                        # Seen after an update of the service: https://github.com/XRM-OSS/Xrm-WebApi-Client/issues/37
                        raise SourceIncomplete("the system has more records and gives no link to them", _AGAIN)
                    yield page, answer
                    return
                number = _checked(page.next, number, seen)
                task = self._ask(page.next)
                # The consumer may block for long; the request should be out before.
                for _ in range(_STEPS):
                    await asyncio.sleep(0)
                yield page, answer
                del page, answer  # megabytes, which would be held until the next page is read whole
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _ask(self, path: str) -> asyncio.Task[tuple[Any, Answer]]:
        # A path from the root of the host is a link too; one without a slash is below the base URL.
        link = on_own_host(self._client.base_url, path) if path.startswith("/") else path
        return asyncio.create_task(
            self._client.get_json(link, decode=self._decode, headers=self._headers),
        )


async def keys_of(client: HttpClient, plan: Plan) -> AsyncGenerator[list[str]]:
    """Yield the id of every record there is, a page at a time.

    Raises:
        SourceIncomplete, Refused, AuthFailed, SourceUnavailable: As `Chain.pages`.
    """
    shape = plan.key_shape
    chain = Chain(client, shape.decode, plan.headers(shape=shape))
    async with aclosing(chain.pages(plan.address(shape=shape))) as pages:
        async for page, _ in pages:
            yield [identity for row in shape.rows(page) if (identity := shape.id(row)) is not None]


def _checked(link: str, number: int, seen: set[int]) -> int:
    """The number of the page a link leads to, after the page with this number."""
    # A few bytes a page are enough to know a link again.
    token = hash(link)
    if token in seen:
        raise SourceIncomplete("the system gave the same next page twice", _AGAIN)
    seen.add(token)
    found = _NUMBER.search(unquote(unquote(link)))
    if found is not None and int(found[1]) != number + 1:
        raise SourceIncomplete(f"the system went from page {number} to page {int(found[1])}", _AGAIN)
    return number + 1
