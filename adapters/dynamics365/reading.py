"""One pull under way: its pages sorted out, what belongs to them, its end.

Terminology
    settled     created long enough before the pull began that no transaction still hides it

Not for: which query is asked, and what follows from a refusal (`adapters.dynamics365.adapter`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.dynamics365.chain import Chain
from adapters.dynamics365.counting import Tally, check_count
from adapters.dynamics365.history import read_moves
from adapters.dynamics365.queries import Plan
from adapters.dynamics365.related import Related
from adapters.dynamics365.watermark import Watermark, earlier, keep, literal, mark_of, server_time
from syncd.adapter import Move, Page
from syncd.errors import SourceIncomplete, WatermarkLost
from syncd.httpkit import Clock, HttpClient

READ_WHOLE: Final = "read the source once from the start, with `--full`"
_SETTLED: Final = 300.0
"""Seconds after its creation that a record is surely seen. The time is set before the transaction ends."""


class Reading:
    """One pull under way.

    Attributes:
        rows: Records yielded.
    """

    def __init__(
        self, client: HttpClient, plan: Plan, clock: Clock, *, tracked: bool, mark: Watermark | None = None
    ) -> None:
        """Prepare.

        Args:
            client: Of the source.
            plan: What is asked for.
            clock: The time here.
            tracked: Whether the service's own feed is asked for.
            mark: What an increment starts from; None for a full pull.
        """
        self._client = client
        self._plan = plan
        self._clock = clock
        self._overlap = plan.settings.overlap_seconds
        self._tracked = tracked
        self._mark = mark
        self._chain = Chain(client, plan.shape.decode, plan.headers(tracked=tracked))
        self._related = Related(client, plan)
        self._tally = Tally()
        self._began: datetime | None = None
        self._before: frozenset[str] = frozenset()
        self._pages: set[int] = set()
        self._given: set[str] = set()
        self._whole: set[str] = set()
        """Those given with their flow and child rows, so that a change of these is no news."""
        self._known: set[str] = set()
        self._outdated = False
        self.rows = 0

    async def records(self, path: str) -> AsyncGenerator[Page]:
        """Yield the pages of a query, with what belongs to their records."""
        asked = self._clock.monotonic()
        async with aclosing(self._chain.pages(path)) as pages:
            async for page, answer in pages:
                if self._began is None:
                    # The answer is dated when it is sent, and shows what there was some time before.
                    waited = timedelta(seconds=self._clock.monotonic() - asked)
                    self._began = server_time(answer, self._clock.now()) - waited
                    self._tally.begin(earlier(literal(self._began), _SETTLED))
                if page.count is not None:
                    self._tally.declared = max(page.count, self._tally.declared or 0)
                rows, gone = self._sorted_out(self._plan.shape.rows(page))
                del page, answer  # megabytes, which would be held until the next page is read whole
                yield await self._page(rows, gone)
                del rows

    def _sorted_out(self, rows: list[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], list[str]]:
        """The records of a page that are new to this pull, and the ids that are gone."""
        shape, mark = self._plan.shape, self._mark
        gone = [identity for row in rows if (identity := shape.gone(row)) is not None] if mark or self._tracked else []
        if gone:
            rows = [row for row in rows if shape.gone(row) is None]
        ids = [shape.id(row) or "" for row in rows]
        self._check_repeats(ids)
        if mark is None and self._before.intersection(ids):
            # Rows move while the chain is read; the state that was given first is as good, and the next increment
            # tells of a later one.
            fresh = [place for place, identity in enumerate(ids) if identity not in self._before]
            rows, ids = [rows[place] for place in fresh], [ids[place] for place in fresh]
        self._before = frozenset(ids)
        if mark is not None:
            rows = [row for row, identity in zip(rows, ids, strict=True) if self._is_news(row, identity)]
        elif not self._tracked:
            self._remember(rows)
        if mark is None:
            self._tally.add(rows, shape, self._plan.created)
        self.rows += len(rows)
        return rows, gone

    def _check_repeats(self, ids: list[str]) -> None:
        """A page that came before is an error, wherever in the chain it stands."""
        if len(ids) <= 1:
            return
        signature = hash((ids[0], ids[-1], len(ids)))
        if signature in self._pages:
            raise SourceIncomplete("the system gave the same page twice", "run again")
        self._pages.add(signature)

    def _is_news(self, row: tuple[Any, ...], identity: str) -> bool:
        """Whether an increment has not given this record yet, in this version."""
        mark = mark_of(identity, str(self._plan.version(row)))
        if identity in self._given:
            self._outdated = self._outdated or mark not in self._known
            return False
        self._given.add(identity)
        self._known.add(mark)
        assert self._mark is not None  # noqa: S101 - only increments ask
        if mark in self._mark.known:
            return False
        self._whole.add(identity)
        return True

    def _remember(self, rows: list[tuple[Any, ...]]) -> None:
        """Keep in mind what the next increment will see again."""
        plan = self._plan
        if plan.modified is None or self._began is None:
            return
        since = earlier(literal(self._began), self._overlap)
        for row in rows:
            if str(plan.shape.get(row, plan.modified) or "") >= since:
                self._known.add(mark_of(plan.shape.id(row) or "", str(plan.version(row))))

    async def _page(self, rows: list[tuple[Any, ...]], gone: Sequence[str] = ()) -> Page:
        plan = self._plan
        values = [plan.shape.values(row) for row in rows]
        notes: list[str] = []
        moves: list[Move] = []
        if plan.tail and rows:
            ids = [plan.shape.id(row) for row in rows]
            tails = await self._related.of(ids, rows)
            values = [value + tail for value, tail in zip(values, tails.values, strict=True)]
            notes, moves = tails.notes, tails.moves
        total = self._tally.declared or 0
        first = self.rows - len(rows) + 1
        return Page(
            plan.columns, values, declared=False, first=first, done=self.rows, total=total, gone=gone, moves=moves,
            notes=notes,
        )  # fmt: skip

    async def touched(self, mark: Watermark) -> AsyncGenerator[Page]:
        """Yield the records of which only the flow or child rows changed: their own version does not tell."""
        if not self._plan.watches:
            return
        since = earlier(mark.at, self._overlap)
        ids = [one for one in await self._related.touched_since(since, mark.unread) if one not in self._whole]
        size = self._plan.page_size
        for start in range(0, len(ids), size):
            rows = await self._related.records(ids[start : start + size])
            self.rows += len(rows)
            yield await self._page(rows)

    async def end_whole(self) -> Page:
        """The last page of a full pull: the proof that it was one, the history, the watermark.

        Raises:
            SourceIncomplete: The system has records that were not given.
        """
        return await self.end(await check_count(self._client, self._plan, self._tally))

    async def end(self, notes: Sequence[str] = ()) -> Page:
        """The last page of any pull."""
        plan = self._plan
        assert self._began is not None  # noqa: S101 - there was an answer
        notes = [*notes, *self._related.notes()]
        moves: list[Move] = []
        if plan.settings.history == "audit":
            since = earlier(self._mark.at, self._overlap) if self._mark else None
            moves, more = await read_moves(self._client, plan, self._began, since)
            notes = [*notes, *more]
        if self._tracked and self._chain.delta is None:
            if self._mark is not None:
                raise WatermarkLost("the system gave no link to later changes", READ_WHOLE)
            notes = [*notes, "the system gave no link to later changes, so that every pull reads all"]
        return Page(
            plan.columns, [], declared=False, done=self.rows, total=self.rows, notes=notes, moves=moves,
            watermark=self._watermark(literal(self._began), self._unread()),
        )  # fmt: skip

    def _unread(self) -> frozenset[str]:
        """The child tables of which some records that were given, now or before, say nothing.

        Raises:
            WatermarkLost: One can be read again that could not when other records were given.
        """
        before, related = self._mark.unread if self._mark else frozenset[str](), self._related
        if back := sorted((before & related.answered) - related.unread):
            raise WatermarkLost(f"{', '.join(back)} can be read again, and was not for every record", READ_WHOLE)
        return before | related.unread

    def _watermark(self, at: str, unread: frozenset[str]) -> str | None:
        """What the next increment starts from; None where it can start from no later point than this one did."""
        plan = self._plan
        if self._tracked:
            # A record that changed again while it was read came in its older state: the next increment begins where
            # this one did, and gives the newer one.
            if self._chain.delta is None or self._outdated:
                return None
            delta = plan.without_host(self._chain.delta)
            return Watermark(at=at, asked=plan.digest, delta=delta, unread=unread).text()
        if plan.modified is None or plan.settings.change_tracking:
            return None
        return Watermark(at=at, asked=plan.digest, unread=unread, known=keep(self._known)).text()
