"""One pull: from the query to pages of records with their children, and the watermark at its end.

Not for: how pages lead from one to the next (`walk`), or what a watermark holds (`watermark`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.siebel.children import Children
from adapters.siebel.dialect import TIME_FORMAT, TOGETHER, any_of, both, literal, resource, since
from adapters.siebel.queries import Queries
from adapters.siebel.records import Answered
from adapters.siebel.settings import SiebelSettings
from adapters.siebel.walk import Walk
from adapters.siebel.watermark import Given, Watermark, likeness, whole
from syncd.adapter import Page, SourceContext
from syncd.errors import WatermarkLost
from syncd.httpkit import Refused

READ_WHOLE: Final = "read the source once from the start, with `--full`"

_LISTED: Final = 8
"""Names listed before a note says "and so many more"."""


class Reading:
    """Reads all records, or those that changed."""

    def __init__(
        self,
        settings: SiebelSettings,
        context: SourceContext,
        queries: Queries,
        *,
        mark: Watermark | None,
        lacking: Sequence[str],
        started: datetime,
    ) -> None:
        """Prepare.

        Args:
            settings: Of the source.
            context: Of the source.
            queries: What to ask through.
            mark: Where the pull before this one ended; None to read everything.
            lacking: Fields of the mapping that Siebel does not have.
            started: When this pull began, by our own clock.
        """
        self._settings, self._context, self._queries = settings, context, queries
        self._mark, self._lacking, self._started = mark, [*lacking], started
        identity = context.roles.get("id", "Id")
        self._fields = (identity, *sorted(context.fields - {identity} - set(lacking)))
        self._path = resource(settings.business_object, settings.business_component)
        self._children = Children(queries, settings, context.children)
        self._columns = self._fields + self._children.names
        stamp = context.roles.get("updated_at")
        self._stamp = self._fields.index(stamp) if stamp in self._fields else None
        self._given = Given()
        self._ids: set[str] = set()

    async def pages(self) -> AsyncGenerator[Page, None]:
        """Yield the pages of the pull.

        Raises:
            Refused, SourceIncomplete: As `Walk.pages` and `HttpClient.get_json`.
            WatermarkLost: A child component can be read again that could not when other records were given.
        """
        done = 0
        async with aclosing(self._walks()) as walks:
            async for walk in walks:
                async with aclosing(walk.pages()) as answers:
                    async for answered in answers:
                        yield await self._page(answered, done + walk.done, done + walk.total)
                done += walk.done
        end = Watermark(at=self._start(), absent=self._lacking, unread=self._unread(), known=self._given.known).text()
        yield Page(self._columns, [], done=done, total=done, notes=self._notes(), watermark=end)

    def _unread(self) -> list[str]:
        """The child components of which some records that were given, now or before, say nothing."""
        before, children = set(self._mark.unread if self._mark else ()), self._children
        if back := sorted(before & children.answered - children.unread):
            raise WatermarkLost(f"{', '.join(back)} can be read again, and was not for every record", READ_WHOLE)
        return sorted((before & {*children.names}) | children.unread)

    async def _walks(self) -> AsyncGenerator[Walk, None]:
        """The queries that together give what is asked for."""
        own, mark = self._settings.searchspec, self._mark
        if mark is None:
            yield self._queries.walk(self._path, self._fields, search=own)
            return
        zone = self._context.timezone
        changed = since(self._settings.updated_field, mark.at, zone)
        yield self._queries.walk(self._path, self._fields, search=both(own, changed))
        touched = sorted({parent async for parent in self._touched(mark.at)} - self._ids)
        for start in range(0, len(touched), TOGETHER):
            group = any_of(self._fields[0], touched[start : start + TOGETHER])
            yield self._queries.walk(self._path, self._fields, search=both(own, group), ahead=1)

    async def _touched(self, moment: datetime) -> AsyncIterator[str]:
        """The opportunities whose children changed, as far as the configuration says how to ask."""
        for name in self._children.names:
            if (source := self._settings.children.get(name)) is None:
                continue
            changed = since(self._settings.updated_field, moment, self._context.timezone)
            path, mode = resource(source.resource), source.view_mode
            # Whether a component that was refused can be read again, only its own fields tell.
            more = self._children.fields(name) if self._mark and name in self._mark.unread else ()
            fields = ("Id", source.parent, *(one for one in more if one not in {"Id", source.parent}))
            walk = self._queries.walk(path, fields, search=changed, view_mode=mode)
            try:
                async for answered in walk.pages():
                    for _, parent, *_ in answered.rows:
                        if isinstance(parent, str) and parent and literal(parent) is not None:
                            yield parent
            except Refused as refused:
                self._children.give_up(name, refused)
            else:
                self._children.answered.add(name)

    async def _page(self, answered: Answered, done: int, total: int) -> Page:
        rows = [*answered.rows]
        if self._children.names and rows:
            found = await self._children.of([str(row[0]) for row in rows])
            rows = [row + more for row, more in zip(rows, found, strict=True)]
        text = answered.text and not self._children.names
        self._remember(rows)
        if self._mark is not None and (known := self._mark.known):
            rows = [row for row in rows if row[0] not in known or known[row[0]] != likeness(row)]
        return Page(self._columns, rows, text=text, done=done, total=max(done, total))

    def _remember(self, rows: Sequence[Sequence[Any]]) -> None:
        """Keep what the next increment will be given again, so that it can be told from what changed."""
        if self._mark is not None and self._settings.children:
            self._ids.update(str(row[0]) for row in rows)
        if self._stamp is not None:
            bound = _sortable(self._start().astimezone(self._context.timezone).strftime(TIME_FORMAT))
            for row in rows:
                if _sortable(str(row[self._stamp])) >= bound:
                    self._given.add(row)
        elif self._mark is not None:
            for row in rows:
                self._given.add(row)

    def _start(self) -> datetime:
        """From when on the next increment asks: before this pull began, by whichever clock is behind."""
        begun = min(self._started, self._queries.server_time or self._started)
        return whole(begun - timedelta(seconds=self._settings.overlap_seconds))

    def _notes(self) -> list[str]:
        if not self._lacking or self._mark is not None:
            return self._children.notes
        more = f" and {len(self._lacking) - _LISTED} more" if len(self._lacking) > _LISTED else ""
        fields = ", ".join(self._lacking[:_LISTED]) + more
        return [f"Siebel has no field {fields}: what the mapping takes from there is unknown", *self._children.notes]


def _sortable(text: str) -> str:
    """A time as Siebel writes it, with the year first."""
    return f"{text[6:10]}{text[:5]}{text[10:]}"
