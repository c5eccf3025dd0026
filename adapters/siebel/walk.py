"""Reading all records of a query, several pages at once, while others insert, change and delete.

Pages are asked for by row number, sorted by id, and each begins with the last record of the page before it.

Why nothing is lost
    A page holds every record between its first and its last id, at the moment it was read. Ids never change, so the
    records that are there throughout keep their order whatever is inserted and deleted around them. Two pages that
    share a record therefore leave no gap between them, and it does not matter which of them was read first. The first
    page begins with the first record. The last one says itself that as many records are selected as it reaches to. So
    a record that is there throughout lies on some page.
Why nothing comes twice
    Records of pages lately passed are known by their ids and left out. A page that reaches back further than that is
    an error.
What happens on a change
    An insert shifts later pages to the right: some records come again and are left out. A delete shifts them to the
    left: a page no longer shares a record with those before it, and the rows in between are read again.
    Nothing here compares two ids by size, since how a database sorts them is its own business.

Changes of records in mid-pull are not waited for: a record is as it was when its page was read, and the next increment
starts before this pull did.

Not for: how a query is put (`queries`), or what its pages hold (`records`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Final

from adapters.siebel.records import Answered
from adapters.siebel.settings import USUAL_PAGE
from syncd.errors import SourceIncomplete

Ask = Callable[[int, bool], Awaitable[Answered]]
"""Reads the page that begins at a row number, from 0; whether to have the records counted as well."""

_REMEMBERED: Final = 64
"""Pages whose ids are known: 6,400 records, inserted between the reading of two neighbouring pages, are more than any
pipeline sees in that time."""
_TRIES: Final = 4
"""Times an answer that contradicts itself is asked for: counting and reading are two statements to a database."""
_LEAST: Final = 0.5
"""The share of the records counted at first that must be left at the end: nobody deletes more in a minute, but an
account that lost its position, or became a guest, sees less."""
_REPAIRS: Final = 20
"""Pages to go back for records that went before it counts as hopeless."""


class Walk:
    """One reading of one query.

    Attributes:
        total: How many records it selects, as far as is known.
        done: How many rows it has passed.
    """

    def __init__(self, ask: Ask, *, size: int, ahead: int, counted: bool = True) -> None:
        """Prepare.

        Args:
            ask: Reads a page.
            size: Records a page, at least 2.
            ahead: Pages asked for at once.
            counted: Have the records counted. Without it, one page is asked for ahead and no more.
        """
        self._ask, self._size, self._ahead, self._counted = ask, size, ahead, counted
        self._step = size - 1
        self._known: dict[str, int] = {}
        self._pages: deque[list[str]] = deque()
        self._oldest = 0
        self._under_way: deque[tuple[int, asyncio.Task[Answered]]] = deque()
        self._next = 0
        self._most = 0
        self.total = 0
        self.done = 0

    async def pages(self) -> AsyncGenerator[Answered, None]:
        """Yield the records of each page that did not come before.

        Raises:
            SourceIncomplete: The pages contradict one another, or change faster than they can be read.
        """
        stale = reached = 0
        try:
            async for offset, page in self._steps():
                fresh = self._fresh(page)
                stale = 0 if fresh.rows else stale + 1
                if stale > _REPAIRS:
                    raise SourceIncomplete(
                        "Siebel gives the same records again and again", "check whether a gateway drops `StartRowNum`"
                    )
                reached = offset + len(page.rows)
                self.done = max(self.done, reached)
                if page.more:
                    self._fill()
                yield fresh
            left = self.total if self._counted else reached
            if left < max(self._most, self.done) * _LEAST:
                raise SourceIncomplete(*_OUT_OF_SIGHT)
        finally:
            await self._drop()

    async def _steps(self) -> AsyncIterator[tuple[int, Answered]]:
        """Yield each page and its row number, every one of them leading on from those before."""
        page = await self._sure(0)
        if not page.rows:
            return
        offset, self._next = 0, self._step
        yield offset, page
        while page.more:
            start, found = await self._after(offset)
            if not found.rows:
                # Siebel answers alike whether there is nothing or the account sees nothing any longer.
                raise SourceIncomplete(*_OUT_OF_SIGHT)
            async for offset, page in self._joined(start, found):
                yield offset, page
                if not page.more:
                    return

    def _fill(self) -> None:
        """Ask for pages ahead, as many as there are likely to be."""
        most = self._ahead if self._counted else 1
        while len(self._under_way) < most and (not self._counted or self._next + 1 < self.total):
            self._under_way.append((self._next, asyncio.create_task(self._sure(self._next))))
            self._next += self._step

    async def _drop(self) -> None:
        """Give up the pages asked for ahead."""
        tasks = [task for _, task in self._under_way]
        self._under_way.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _after(self, offset: int) -> tuple[int, Answered]:
        """The page after one, or where there are not as many records any longer, the last there is."""
        if self._under_way:
            start, task = self._under_way.popleft()
            page = await task
        else:
            start = offset + self._step
            page = await self._sure(start)
        if not page.rows:
            await self._drop()
            start, page = await self._last(start)
            self._next = 0
        self._next = max(self._next, start + self._step)
        return start, page

    async def _last(self, start: int) -> tuple[int, Answered]:
        """The last page there is, now that there is none at a row where one was expected; empty where all went."""
        if self._counted:
            page = await self._sure(0, last=True)
            start = max(0, (self.total - 1) // self._step * self._step)
            if start > 0 and page.rows:
                page = await self._sure(start, last=True)
            return (start, page) if page.rows else (0, page)
        for _ in range(_REPAIRS):
            start = max(0, start - self._step)
            page = await self._sure(start)
            if page.rows or start == 0:
                return start, page
        raise SourceIncomplete(*_TOO_FAST)

    async def _joined(self, start: int, page: Answered) -> AsyncIterator[tuple[int, Answered]]:
        """Yield the page, after those that must be read again for it to share a record with the ones before."""
        for back in range(1, _REPAIRS + 1):
            if self._leads_on(start, page):
                yield start, page
                return
            for between in range(max(0, start - back * self._step), start, self._step):
                found = await self._sure(between)
                if not self._leads_on(between, found):
                    break
                yield between, found
            if not self._leads_on(start, page):
                page = await self._sure(start)
        raise SourceIncomplete(*_TOO_FAST)

    def _leads_on(self, start: int, page: Answered) -> bool:
        """Whether no record is left out between the pages before and this one.

        That holds as well for a page that begins with the first record of all, as long as nothing is forgotten yet.
        """
        return any(row[0] in self._known for row in page.rows) or (start == 0 and self._oldest == 0)

    def _fresh(self, page: Answered) -> Answered:
        """The page without the records that came before, which it makes known."""
        known, number = self._known, self._oldest + len(self._pages)
        fresh = [row for row in page.rows if row[0] not in known]
        reaches_back = any(known.get(row[0]) == self._oldest for row in page.rows)
        if reaches_back and self._oldest:
            # What this page holds further to the left may have come before, and is not known any longer.
            raise SourceIncomplete(*_TOO_FAST)
        if fresh:
            ids = [row[0] for row in fresh]
            known.update(dict.fromkeys(ids, number))
            self._pages.append(ids)
        if len(self._pages) > _REMEMBERED:
            for identity in self._pages.popleft():
                known.pop(identity, None)
            self._oldest += 1
        return replace(page, rows=fresh) if len(fresh) < len(page.rows) else page

    async def _sure(self, offset: int, *, last: bool = False) -> Answered:
        """The page that begins at a row, in agreement with itself: full, or proven to be the last."""
        page = None
        for _ in range(_TRIES):
            counted = self._counted and (last or offset == 0 or offset + self._size >= self.total)
            page = await self._ask(offset, counted)
            if page.total is not None:
                self.total = page.total
                self._most = max(self._most, page.total)
            elif counted and page.rows:
                self._counted = False  # this Siebel does not count
            if not page.rows:
                return page
            settled = await self._settled(offset, page)
            if settled is not None:
                return settled
            last = True  # to be told how many there are
        assert page is not None  # noqa: S101 - there is at least one try
        raise _contradiction(page, self._size)

    async def _settled(self, offset: int, page: Answered) -> Answered | None:
        """The page, with whether it is the last one; None where what it holds, says and counts do not agree.

        Some builds may have no link to the next page, so that its absence alone does not end a query.
        """
        reached, full = offset + len(page.rows), len(page.rows) >= self._size
        if page.total is not None:
            more = page.total > reached
            agrees = full if more else page.total == reached and not page.more
        elif page.more:
            more, agrees = True, full
        elif self._counted:
            more, agrees = True, full and reached < self.total
        else:
            # Versions before 24.1 may give children ten at a time, whatever is asked for, and say no more than that.
            suspicious = full or (len(page.rows) == USUAL_PAGE and not page.last)
            more = suspicious and bool((await self._ask(reached, False)).rows)
            agrees = full or not more
        if page.next_start is not None and page.next_start <= offset:
            return None
        return replace(page, more=more) if agrees else None


_OUT_OF_SIGHT: Final = (
    "most records went out of sight while they were read",
    "run again; if it stays, look whether the session of the account ends early, or its position changes",
)
_TOO_FAST: Final = (
    "the records change faster than they can be read",
    "run again when fewer are imported or deleted at once",
)


def _contradiction(page: Answered, size: int) -> SourceIncomplete:
    if len(page.rows) < size and (page.more or len(page.rows) == USUAL_PAGE):
        return SourceIncomplete(
            f"Siebel gives {len(page.rows):,} records a page and not {size:,}",
            "set `page_size` to what it allows; 100 unless an administrator raised it",
        )
    if page.more:
        return SourceIncomplete(
            "a page of Siebel leads to itself, or past the last record", "check whether a gateway answers from a cache"
        )
    return SourceIncomplete(
        "the records that Siebel counts and those that it gives are not as many",
        "check whether a gateway cuts answers short, and run again",
    )
