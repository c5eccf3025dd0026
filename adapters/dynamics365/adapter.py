"""The adapter of Dynamics 365 Sales: the Dataverse Web API, or any other OData v4 service.

Facts and limits
    pages       up to 5,000 rows in the order of their ids; each leads to the next by a link that is followed as it is
    increments  by change tracking, whose feed tells deletions as well; or by time of change with an overlap, deletions
                then by a sweep of the ids
    versions    the ETag of a row; it says nothing of the flow or of child rows, which are therefore looked at as well
    proof       after a full pull the service counts the records created before it began, and none may be missing
    history     when the active stage of a flow began; from the audit log where that is asked for
    writing     none in this version

Not for: what is in a query (`queries`), related rows (`related`), the audit log (`history`), counting (`counting`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, ClassVar, Final

import httpx

from adapters.dynamics365.chain import Chain
from adapters.dynamics365.counting import Tally, check_count
from adapters.dynamics365.errors import explained, has_expired, is_untracked, react
from adapters.dynamics365.examination import examined
from adapters.dynamics365.history import read_moves
from adapters.dynamics365.queries import plan_of
from adapters.dynamics365.related import Related
from adapters.dynamics365.settings import DynamicsSettings
from adapters.dynamics365.watermark import Watermark, earlier, keep, literal, mark_of, server_time
from syncd.adapter import Capabilities, Check, Move, Page, SourceContext
from syncd.errors import SourceIncomplete
from syncd.httpkit import Clock, HttpClient, Refused

_REFUSES_TRACKING: Final = (
    "the system refuses change tracking, so that every pull reads all; turn it on for the table, or set "
    "`change_tracking = false` to read what changed by time"
)
_FULL: Final = "read the source once from the start, with `--full`"


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
        except Refused as refused:
            raise explained(refused, self._context.name, self._plan.asked) from None
        finally:
            if self._closed:
                # A request that was under way may have opened connections again.
                await self._client.close()

    async def keys(self) -> AsyncIterator[Sequence[str]]:
        """Yield every id; see `syncd.adapter.KeyReader`."""
        plan = self._plan
        chain = Chain(self._client, plan.key_shape.decode, plan.headers(tracked=False, shape=plan.key_shape))
        try:
            async with aclosing(chain.pages(plan.address(shape=plan.key_shape))) as pages:
                async for page, _ in pages:
                    rows = plan.key_shape.rows(page)
                    yield [identity for row in rows if (identity := plan.key_shape.id(row)) is not None]
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
            SourceIncomplete: It is of another mapping, or of another way to learn of changes.
        """
        mark = Watermark.read(since)
        if mark is None or mark.asked != self._plan.digest:
            raise SourceIncomplete("the mapping or the settings changed since the last pull", _FULL)
        if (mark.delta is not None) != self._settings.change_tracking:
            raise SourceIncomplete("`change_tracking` changed since the last pull", _FULL)
        return mark

    async def _whole(self) -> AsyncGenerator[Page]:
        """Every record, with a watermark at the end."""
        if self._settings.change_tracking:
            reading = _Reading(self, tracked=True)
            try:
                async with aclosing(reading.records(self._plan.address(ordered=False))) as pages:
                    async for page in pages:
                        yield page
            except Refused as refused:
                if reading.rows or not is_untracked(refused):
                    raise
            else:
                yield await reading.end_whole()
                return
            yield Page(
                self._plan.columns, [], declared=False,
                notes=[_REFUSES_TRACKING],
            )  # fmt: skip
        reading = _Reading(self, tracked=False)
        async with aclosing(reading.records(self._plan.address())) as pages:
            async for page in pages:
                yield page
        yield await reading.end_whole()

    async def _increment(self, mark: Watermark) -> AsyncGenerator[Page]:
        """What changed since a watermark."""
        plan, settings = self._plan, self._settings
        reading = _Reading(self, tracked=mark.delta is not None, mark=mark)
        if mark.delta is not None:
            path = mark.delta
        else:
            path = plan.address(where=f"{plan.modified} ge {earlier(mark.at, settings.overlap_seconds)}")
        try:
            async with aclosing(reading.records(path)) as pages:
                async for page in pages:
                    yield page
        except Refused as refused:
            if mark.delta is not None and not reading.rows and has_expired(refused):
                raise SourceIncomplete("the system no longer knows what changed since the last pull", _FULL) from None
            raise
        async with aclosing(reading.touched(mark)) as pages:
            async for page in pages:
                yield page
        yield await reading.end()


class _Reading:
    """One pull under way.

    Attributes:
        rows: Records yielded.
    """

    def __init__(self, adapter: Dynamics365, *, tracked: bool, mark: Watermark | None = None) -> None:
        self._adapter = adapter
        self._plan = adapter._plan  # noqa: SLF001 - a part of the adapter with the life of one pull
        self._client = adapter._client  # noqa: SLF001
        self._settings = adapter._settings  # noqa: SLF001
        self._clock = adapter._clock  # noqa: SLF001
        self._tracked = tracked
        self._mark = mark
        shape = self._plan.shape
        self._chain = Chain(self._client, shape.decode, self._plan.headers(tracked=tracked, shape=shape))
        self._related = Related(self._client, self._plan)
        self._tally = Tally()
        self._began: datetime | None = None
        self._before: frozenset[str] = frozenset()
        self._pages: set[int] = set()
        self._given: set[str] = set()
        self._known: set[str] = set()
        self.rows = 0

    async def records(self, path: str) -> AsyncGenerator[Page]:
        """Yield the pages of a query, with what belongs to their records."""
        async with aclosing(self._chain.pages(path)) as pages:
            async for page, answer in pages:
                if self._began is None:
                    self._began = server_time(answer, self._clock.now())
                self._tally.declared = page.count if page.count is not None else self._tally.declared
                rows, gone = self._sorted_out(self._plan.shape.rows(page))
                yield await self._page(rows, gone)

    def _sorted_out(self, rows: list[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], list[str]]:
        """The records of a page that are new to this pull, and the ids that are gone."""
        shape, mark = self._plan.shape, self._mark
        gone = [identity for row in rows if (identity := shape.gone(row)) is not None] if mark or self._tracked else []
        if gone:
            rows = [row for row in rows if shape.gone(row) is None]
        ids = [shape.id(row) or "" for row in rows]
        self._check_repeats(ids)
        if self._before.intersection(ids):
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
        if identity in self._given:
            return False
        self._given.add(identity)
        version = str(self._plan.version(row))
        mark = mark_of(identity, version)
        self._known.add(mark)
        assert self._mark is not None  # noqa: S101 - only increments ask
        return mark not in self._mark.known

    def _remember(self, rows: list[tuple[Any, ...]]) -> None:
        """Keep in mind what the next increment will see again."""
        plan = self._plan
        if plan.modified is None or self._began is None:
            return
        since = earlier(literal(self._began), self._settings.overlap_seconds)
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
        since = earlier(mark.at, self._settings.overlap_seconds)
        ids = [one for one in await self._related.touched_since(since) if one not in self._given]
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
        assert self._began is not None  # noqa: S101 - there was an answer
        notes = await check_count(self._client, self._plan, self._tally, literal(self._began))
        return await self.end(notes)

    async def end(self, notes: Sequence[str] = ()) -> Page:
        """The last page of any pull."""
        plan, settings = self._plan, self._settings
        assert self._began is not None  # noqa: S101 - there was an answer
        at = literal(self._began)
        moves: list[Move] = []
        if settings.history == "audit":
            since = earlier(self._mark.at, settings.overlap_seconds) if self._mark else None
            moves, more = await read_moves(self._client, plan, self._began, since)
            notes = [*notes, *more]
        watermark = None
        if self._tracked:
            if self._chain.delta is None:
                if self._mark is not None:
                    raise SourceIncomplete("the system gave no link to later changes", _FULL)
                notes = [*notes, "the system gave no link to later changes, so that every pull reads all"]
            else:
                watermark = Watermark(at=at, asked=plan.digest, delta=plan.without_host(self._chain.delta)).text()
        elif plan.modified is not None and not settings.change_tracking:
            watermark = Watermark(at=at, asked=plan.digest, known=keep(self._known)).text()
        return Page(
            plan.columns, [], declared=False, done=self.rows, total=self.rows, notes=notes, moves=moves,
            watermark=watermark,
        )  # fmt: skip
