"""One pull: all opportunities, or those that changed, with their evidence, their history and those that went.

time         the org's own, from the `Date` of its first answer; ours may be wrong
watermark    that time, or the one up to which the org vouches for `latestDateCovered` when a long transaction is
             under way (https://developer.salesforce.com/docs/platform/api-rest/guide/resources-getupdated.md)
changes      by `SystemModstamp`, which moves with changes by people and by the system, through `queryAll`, which
             shows deleted records too
deletions    those, and `getDeleted` for what has left the recycle bin; it reaches back 15 days
             (https://developer.salesforce.com/docs/platform/api-rest/guide/resources-getdeleted.md)
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from adapters.salesforce import errors, soql
from adapters.salesforce.children import Children
from adapters.salesforce.decode import Row, Shape
from adapters.salesforce.derived import derived_columns, inputs
from adapters.salesforce.history import History
from adapters.salesforce.org import Org
from adapters.salesforce.reading import Reading
from adapters.salesforce.schema import Catalogue, Column, ObjectInfo
from adapters.salesforce.together import all_of
from adapters.salesforce.watermark import Border, Mark
from syncd.adapter import Move, Page, SourceContext
from syncd.errors import WatermarkLost
from syncd.httpkit import Body, Refused

OBJECT: Final = "Opportunity"

_TECHNICAL: Final = (
    Column("", ("Id",), "text"), Column("", ("SystemModstamp",), "moment"), Column("", ("IsDeleted",), "yes_no"),
)  # fmt: skip
"""What every pull asks for, whatever the mapping uses."""

_MINUTE: Final = timedelta(minutes=1)
_HALVED: Final = 6
"""Times the span of an increment may be halved when the org takes too long over it."""


class _Deleted(msgspec.Struct, rename="camel"):
    id: str


class _Deletions(msgspec.Struct, rename="camel"):
    deleted_records: list[_Deleted]
    earliest_date_available: str = ""
    latest_date_covered: str = ""


class Pull:
    """One pull of one source."""

    def __init__(self, org: Org, context: SourceContext) -> None:
        """Args: org and the context of the source."""
        self._org, self._context = org, context
        self._overlap = timedelta(seconds=org.settings.overlap_seconds)
        self._catalogue = Catalogue(org)
        self._given: set[str] = set()
        """The ids an increment gave; a full pull needs none."""
        self._alive: set[str] = set()
        """The ids an increment saw alive."""
        self._done = self._total = 0

    async def pages(self, since: str | None) -> AsyncGenerator[Page, None]:
        """The pages of the pull; see `syncd.adapter.Adapter.pull`.

        Raises:
            Refused: The org does not answer a question.
        """
        mark = Mark.read(since) if since is not None else None
        info = await self._prepare()
        finding = Children.find(self._org, self._catalogue, info, self._context.children)
        self._children, (deletions, covered) = await all_of([finding, self._deletions(mark)])
        self._columns += self._children.natives
        self._border = Border(min(covered, self._started), self._started, self._overlap)
        gone: set[str] = {one.id for one in deletions.deleted_records} if mark else set()
        pages = self._everything() if mark is None else self._increment(mark, gone)
        async with aclosing(pages) as yielded:
            async for page in yielded:
                yield page
        if mark:
            await self._children.probe(mark.unread)
        watermark = self._border.mark(self._unread(mark)).text()
        yield self._page([], gone=sorted(gone - self._alive), notes=self._notes(), watermark=watermark)

    def _unread(self, mark: Mark | None) -> set[str]:
        """The fields and components of which some records that were given, now or before, say nothing.

        Raises:
            WatermarkLost: One can be read again that could not when other records were given.
        """
        history, children = self._history, self._children
        unread: set[str] = {*self._lacking} | children.unread
        there: set[str] = {*self._columns} - {*children.natives} | children.answered
        if history and not history.readable:
            unread.add(history.table)
        if history and history.answered:
            there.add(history.table)
        before: set[str] = {*mark.unread} if mark else set()
        if back := sorted(before & there - unread):
            reason = f"{', '.join(back)} can be read again, and was not for every record"
            raise WatermarkLost(reason, "run once with --full")
        return unread | before

    async def _prepare(self) -> ObjectInfo:
        """Learn what the mapping's names are in this org, and what time it is there."""
        info, answer = await self._catalogue.describe(OBJECT)
        self._started = self._org.time(answer)
        natives = self._context.fields
        self._lacking: list[str] = []
        self._derived = derived_columns(info, natives)
        if natives:
            columns, self._lacking = await self._catalogue.find(OBJECT, natives - {one.native for one in self._derived})
        else:
            columns = await self._catalogue.all_columns(OBJECT)
        asked = {column.path: column for column in columns}
        hidden = {one.path: one for one in (*_TECHNICAL, *inputs(info, self._derived)) if one.path not in asked}
        self._shape = Shape([*hidden.values(), *columns])
        self._hidden = len(hidden)
        place = self._shape.names.index
        self._places = [place(column.name) for column in _TECHNICAL]
        self._makers = [(one.make, [place(name) for name in one.fields]) for one in self._derived]
        made = tuple(one.native for one in self._derived)
        self._columns = self._shape.natives[self._hidden :] + made
        stage = info.field(self._context.roles.get("stage", "StageName"))
        self._history = History(self._org, stage.name) if stage and self._org.settings.history else None
        self._remarks: list[str] = []
        return info

    async def _deletions(self, mark: Mark | None) -> tuple[_Deletions, datetime]:
        """What was deleted since, and up to when the org vouches for having told all.

        Asked for before anything is read: what becomes visible later is stamped after that time.
        """
        began = (mark.at - self._overlap if mark else self._started - timedelta(hours=1)).replace(
            second=0, microsecond=0
        )
        # Seconds do not count, and the span may not be empty.
        end = max(self._started.replace(second=0, microsecond=0), began + _MINUTE)
        span = {"start": began.isoformat(), "end": end.isoformat()}
        try:
            found, _ = await self._org.get(f"sobjects/{OBJECT}/deleted/", span, decode=_read_deletions)
        except Refused:
            if mark:
                raise
            return _Deletions([]), self._started
        earliest = _time(found.earliest_date_available)
        if mark and earliest and earliest - _MINUTE > began:
            raise WatermarkLost("the org no longer knows of every deletion since the last pull", "run once with --full")
        return found, _time(found.latest_date_covered) or self._started

    async def _everything(self) -> AsyncGenerator[Page, None]:
        await self._children.read_few()
        reading = Reading(self._org, OBJECT, self._shape)
        async with aclosing(reading.rows()) as parts:
            async for rows in parts:
                self._total = max(reading.promised, self._done)
                yield await self._filled(rows)
        self._remarks += reading.notes
        if self._history is None:
            return
        settings = self._org.settings
        large = settings.bulk and self._done > settings.bulk_above
        async with aclosing(self._history.all(self._started, large=large)) as found:
            async for moves in found:
                yield self._page([], moves=moves)

    async def _increment(self, mark: Mark, gone: set[str]) -> AsyncGenerator[Page, None]:
        since = mark.at - self._overlap
        async with aclosing(self._changed(since)) as parts:
            async for rows in parts:
                fresh = self._sorted_out(rows, mark, gone)
                if fresh:
                    yield await self._filled(fresh, history=True)
        beside: set[str] = set()
        async with aclosing(self._children.changed(since)) as found:
            async for ids in found:
                beside.update(ids)
        for some in soql.chunks(sorted(beside - self._given - gone)):
            reading = Reading(self._org, OBJECT, self._shape, where=[soql.is_one_of("Id", some)])
            async with aclosing(reading.rows()) as parts:
                async for rows in parts:
                    self._alive.update(row[self._places[0]] for row in rows)
                    yield await self._filled(rows, history=True)

    async def _changed(
        self, since: datetime, until: datetime | None = None, halved: int = 0
    ) -> AsyncGenerator[list[Row], None]:
        """The records stamped in a span, in halves where the org takes too long over it.

        One that is stamped anew meanwhile is found in the last part, which has no end.
        """
        where = [f"SystemModstamp >= {soql.moment(since)}"]
        where += [f"SystemModstamp < {soql.moment(until)}"] if until else []
        reading = Reading(self._org, OBJECT, self._shape, where=where, everything=True)
        try:
            async with aclosing(reading.rows()) as parts:
                async for rows in parts:
                    self._total = max(reading.promised, self._done)
                    yield rows
        except Refused as refused:
            if errors.code_of(refused.answer) != errors.TIMED_OUT or halved == _HALVED:
                raise
        else:
            self._remarks += reading.notes
            return
        middle = since + ((until or self._started) - since) / 2
        for half in (self._changed(since, middle, halved + 1), self._changed(middle, until, halved + 1)):
            async with aclosing(half) as parts:
                async for rows in parts:
                    yield rows

    def _sorted_out(self, rows: list[Row], mark: Mark, gone: set[str]) -> list[Row]:
        """The records that are to be given; notes those that are gone, and leaves out what is known."""
        at, stamped, deleted = self._places
        fresh = []
        for row in rows:
            identity = row[at]
            if row[deleted]:
                gone.add(identity)
                continue
            self._alive.add(identity)
            if mark.known.get(identity) == row[stamped]:
                self._border.note(identity, row[stamped])
            elif identity not in self._given:
                self._given.add(identity)
                fresh.append(row)
        return fresh

    async def _filled(self, rows: list[Row], *, history: bool = False) -> Page:
        """The page of some records, with the rows of their child components and their history."""
        at, stamped, _ = self._places
        ids = [row[at] for row in rows]
        for row in rows:
            self._border.note(row[at], row[stamped])
        beside = await self._children.of(ids) if self._children.natives else None
        hidden, makers = self._hidden, self._makers
        filled = [row[hidden:] + [make(*[row[place] for place in places]) for make, places in makers] for row in rows]
        if beside is not None:
            filled = [row + more for row, more in zip(filled, beside, strict=True)]
        moves = await self._history.of(ids) if history and self._history else ()
        self._done += len(rows)
        return self._page(filled, moves=moves, first=self._done - len(rows) + 1)

    def _page(self, rows: Sequence[Row], *, moves: Sequence[Move] = (), first: int = 0, **more: Any) -> Page:
        total = max(self._total, self._done)
        return Page(self._columns, rows, moves=moves, first=first, done=self._done, total=total, **more)

    def _notes(self) -> list[str]:
        from_history = self._history.notes if self._history else []
        return list(dict.fromkeys([*self._remarks, *self._children.notes, *from_history]))


def _read_deletions(body: Body) -> _Deletions:
    return msgspec.json.decode(body, type=_Deletions)


def _time(text: str) -> datetime | None:
    """A time of the API; None where there is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
