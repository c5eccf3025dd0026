"""The REST adapter: any CRM that lists its opportunities as JSON over HTTP, by configuration alone.

Facts and limits
    pages       none, a link in the answer or its header, an offset, a number, a cursor; each page is joined to the last
    whole       the chain of pages came to its end, and as many records were given as the answer says there are
    repeats     a record that comes twice, because others moved in mid-pull, is given once, as it was read first
    increments  where the configuration has a filter; the watermark is the system's own time (the header `Date`,
                RFC 9110 section 6.6.1) at the beginning of the pull
    deletions   from a list of deleted ids where there is one, else by comparing ids
    evidence    from lists inside a record; other addresses are not asked
    writing     none in this version
    memory      two pages, and a temporary file with the ids given

Not for: systems whose answers are not JSON, or whose records must be asked for one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, suppress
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Final, TypeVar

import msgspec

from adapters.rest import templates
from adapters.rest.decode import Answered, Decoder
from adapters.rest.examination import examine
from adapters.rest.mark import Mark, Overlap, read_mark
from adapters.rest.paging import body_paths, walk
from adapters.rest.seen import Seen
from adapters.rest.settings import LinkHeader, RestSettings, check, page_size
from syncd.adapter import Broken, Capabilities, Check, Page, SourceContext
from syncd.errors import SourceIncomplete, SyncdError
from syncd.httpkit import Answer, Clock, HttpClient

_MOST_ROUNDS: Final = 3
"""Times the records are listed before a count that never fits makes the source incomplete."""

_Value = TypeVar("_Value")


class RestAdapter:
    """Reads one REST source."""

    Settings: ClassVar[type[Any]] = RestSettings
    capabilities: ClassVar[Capabilities] = Capabilities()

    def __init__(self, settings: RestSettings, context: SourceContext, *, clock: Clock | None = None) -> None:
        """Args: settings, already checked (`create` does); context; clock, for tests that need not wait."""
        self._settings = settings
        self._context = context
        self._clock = clock or Clock()
        self._client = HttpClient(settings, name=context.name, folder=context.folder, clock=self._clock)
        self._id = settings.id_field or context.roles.get("id", "id")
        self._version = settings.version_field or context.roles.get("version", "")
        self._modified = settings.modified_field or context.roles.get("updated_at", "")

    @classmethod
    def create(cls, settings: RestSettings, context: SourceContext, *, clock: Clock | None = None) -> RestAdapter:
        """Make the adapter of one source. Does no I/O.

        Raises:
            ConfigError: The settings contradict one another, or a template is wrong.
        """
        check(settings)
        if settings.increment is None:
            return cls(settings, context, clock=clock)
        kind = _Incremental if settings.deletions is None else _Informed
        return kind(settings, context, clock=clock)

    async def pull(self, since: str | None = None) -> AsyncIterator[Page]:
        """Yield every record, or those that changed; see `syncd.adapter.Adapter.pull`."""
        settings = self._settings
        mark = read_mark(since) if settings.increment is not None else None
        begun = self._clock.now().timestamp()
        reading = _Reading(mark, settings.overlap_seconds, begun, bounded=self._bounded())
        try:
            if mark is not None and settings.deletions is not None:
                async with aclosing(self.deleted(mark)) as deleted:
                    async for gone in deleted:
                        reading.gone.update(gone)
                        yield Page(self.decoder().columns, [], declared=False, gone=gone)
            # The record that is missing when the count does not fit may have been inserted while the others were read;
            # so the list is read again for those that were not there, before the source counts as incomplete.
            for _ in range(_MOST_ROUNDS):
                async with aclosing(ahead(self._listed(mark, begun))) as pages:
                    async for answered in pages:
                        if page := self._page(answered, reading):
                            yield page
                if reading.fits():
                    break
            else:
                raise reading.short()
            last = reading.overlap.mark(reading.at) if settings.increment is not None else None
            yield Page(reading.columns, [], declared=False, done=reading.given, total=reading.given, watermark=last)
        finally:
            reading.close()

    async def keys(self) -> AsyncIterator[Sequence[str]]:
        """Yield the id of every record there is; see `syncd.adapter.KeyReader.keys`."""
        reading = _Reading(None, 0, 0)
        try:
            for _ in range(_MOST_ROUNDS):
                async with aclosing(ahead(self._listed(None, 0, [self._id]))) as pages:
                    async for answered in pages:
                        new = reading.take(answered)
                        yield [answered.keys[index] for index in new if index not in answered.faults]
                if reading.fits():
                    return
            raise reading.short()
        finally:
            reading.close()

    def examine(self) -> AsyncIterator[Check]:
        """Look at everything a pull needs; see `syncd.adapter.Adapter.examine`."""
        return examine(self, self._settings, self._context, self._clock)

    async def close(self) -> None:
        """Let go of the connections. Safe to call twice."""
        await self._client.close()

    async def ask(
        self, decoder: Decoder, path: str, params: Mapping[str, str], link: str | None = None
    ) -> tuple[Answered, Answer]:
        """One page and the answer it came in.

        Args:
            decoder: Takes it apart.
            path: Below the base URL.
            params: Of the request.
            link: The address an answer gave, in place of both.

        Raises:
            As `HttpClient.get_json`; and SourceIncomplete where the answer holds no records.
        """
        where = self._settings.total
        answered, answer = await self._client.get_json(link or path, None if link else params, decode=decoder)
        answered.date = _date(answer.headers.get("date"))
        if isinstance(self._settings.paging, LinkHeader):
            answered.links = answer.headers.get_list("link")
        if where is not None:
            said = answer.headers.get(where.header) if where.header else answered.said.get(where.path or "")
            answered.total = _whole(said)
        return answered, answer

    def decoder(self, fields: Sequence[str] | None = None) -> Decoder:
        """What takes a page of records apart; fields, those wanted in place of the mapping's."""
        total = self._settings.total
        return Decoder(
            records=self._settings.records,
            fields=sorted(self._wanted() if fields is None else fields),
            id_field=self._id,
            version_field=self._version,
            modified_field=self._modified,
            said=[*body_paths(self._settings.paging), *([total.path] if total and total.path else [])],
        )

    def params(self, mark: Mark | None = None, until: float = 0, fields: Sequence[str] | None = None) -> dict[str, str]:
        """The parameters of a request for records, but for those of paging."""
        settings = self._settings
        params = {**settings.params, **settings.sort}
        wanted = {*(self._wanted() if fields is None else fields)}
        if settings.select is not None and wanted:
            wanted |= {one for one in (self._id, self._version, self._modified) if one}
            names = {name.partition(".")[0] for name in wanted} if settings.select.whole else wanted
            params |= templates.filled(
                settings.select.params, {"fields": settings.select.separator.join(sorted(names))}
            )
        if mark is not None and settings.increment is not None:
            kind = settings.increment.format
            since = templates.written(mark.at - settings.overlap_seconds, kind)
            params |= templates.filled(
                settings.increment.params, {"since": since, "until": templates.written(until, kind)}
            )
        return params

    def _wanted(self) -> set[str]:
        """The fields the mapping uses, child components among them; none means all."""
        return {*self._context.fields, *self._context.children} if self._context.fields else set()

    def _bounded(self) -> bool:
        increment = self._settings.increment
        return increment is not None and templates.uses(increment.params, "until")

    def _listed(
        self, mark: Mark | None, until: float, fields: Sequence[str] | None = None
    ) -> AsyncGenerator[Answered, None]:
        decoder = self.decoder(fields)
        params = self.params(mark, until, fields)

        async def ask(link: str | None, more: Mapping[str, str]) -> Answered:
            return (await self.ask(decoder, self._settings.path, {**params, **more}, link))[0]

        return self._walk(ask, self._settings.path)

    def _walk(self, ask: Any, path: str) -> AsyncGenerator[Answered, None]:
        settings = self._settings
        return walk(settings.paging, ask, base_url=self._client.base_url, path=path, size=page_size(settings))

    async def one(self, key: str) -> None:
        """Ask for one record by its id, to see whether that can be done."""
        path = templates.filled_path(self._settings.detail or "", {"id": key})
        await self._client.get_json(path, decode=msgspec.json.decode)

    async def deleted(self, mark: Mark) -> AsyncGenerator[list[str], None]:
        """The ids the system lists as deleted since a watermark."""
        deletions, increment = self._settings.deletions, self._settings.increment
        assert deletions is not None and increment is not None  # noqa: S101, PT018 - `check` saw to it
        since = templates.written(mark.at - self._settings.overlap_seconds, increment.format)
        params = templates.filled(deletions.params, {"since": since})
        decoder = Decoder(
            records=deletions.records,
            fields=[deletions.id_field or "id"],
            id_field=deletions.id_field,
            said=body_paths(self._settings.paging),
            setting="deletions.records",
        )

        async def ask(link: str | None, more: Mapping[str, str]) -> Answered:
            return (await self.ask(decoder, deletions.path, {**params, **more}, link))[0]

        async for answered in self._walk(ask, deletions.path):
            yield [key for index, key in enumerate(answered.keys) if index not in answered.faults]

    def _page(self, answered: Answered, reading: _Reading) -> Page | None:
        """What of an answer has not been given yet; None where that is nothing."""
        first = reading.given + 1
        new = reading.take(answered)
        increment = self._settings.increment
        rows: list[list[Any]] = []
        broken: list[Broken] = []
        for index in new:
            key, stamp = answered.keys[index], answered.stamps[index]
            if index in answered.faults:
                broken.append(Broken(f"record {first + len(rows) + len(broken)}", answered.faults[index]))
                continue
            if increment is not None:
                moment = templates.read(answered.moments[index], increment.format, self._context.timezone)
                if moment is not None:
                    reading.overlap.note(key, stamp, moment, reading.at)
            if not reading.was_given(key, stamp):
                rows.append(answered.rows[index])
        reading.given += len(rows) + len(broken)
        if not rows and not broken and not answered.notes:
            return None
        total = answered.total or 0
        return Page(
            answered.columns, rows, declared=False, first=first, broken=broken, notes=answered.notes,
            done=reading.given, total=max(total, reading.given) if total else 0,
        )  # fmt: skip


class _Incremental(RestAdapter):
    capabilities = Capabilities(incremental=True)


class _Informed(RestAdapter):
    capabilities = Capabilities(incremental=True, deletions=True)


class _Reading:
    """What one pull has come to know.

    Attributes:
        columns: Of the last answer.
        at: When the pull began, by the system's clock where it tells, else by ours.
        given: Records given, broken ones included.
        gone: Ids that are known to be gone.
        overlap: What the next increment will read again.
    """

    def __init__(self, mark: Mark | None, overlap_seconds: float, begun: float, *, bounded: bool = False) -> None:
        self._kept: Mapping[str, str] = mark.kept if mark is not None else {}
        self._seen = Seen()
        self._alike = 0
        self._totals: list[int] = []
        self.columns: tuple[str, ...] = ()
        self.at = begun
        self._dated, self._bounded = False, bounded
        self.given = 0
        self.gone: set[str] = set()
        self.overlap = Overlap(overlap_seconds)

    def take(self, answered: Answered) -> list[int]:
        """An answer came; gives the indexes of the records in it that were not there before."""
        self.columns = answered.columns
        if answered.date is not None and not self._dated:
            # What was asked for up to a moment of our clock was not given beyond it.
            self.at, self._dated = min(self.at, answered.date) if self._bounded else answered.date, True
        if answered.total is not None:
            self._totals.append(answered.total)
            self._totals = [self._totals[0], self._totals[-1]]
        new = self._seen.add(answered.keys)
        if len(new) == len(answered.keys):
            return list(range(len(answered.keys)))
        # Two records without an id may be alike and yet be two; the count must not fail for that.
        self._alike += sum(answered.keys[index] not in new for index in answered.faults)
        found = []
        for index, key in enumerate(answered.keys):
            if key in new:
                found.append(index)
                new.discard(key)  # of one that is twice in the same answer, the first counts
        return found

    def was_given(self, key: str, stamp: str) -> bool:
        """Whether an earlier pull gave a record just as it is."""
        return bool(stamp) and self._kept.get(key) == stamp and key not in self.gone

    def fits(self) -> bool:
        """Whether as many records were read as there were, at the beginning or at the end."""
        return not self._totals or self._seen.count + self._alike >= min(self._totals)

    def short(self) -> SourceIncomplete:
        """What to say where they do not."""
        return SourceIncomplete(
            f"the system gave {self._seen.count + self._alike:,} records and says there are {min(self._totals):,}",
            "check `total` and `paging`, and whether the account may read every record",
        )

    def close(self) -> None:
        self._seen.close()


async def ahead(values: AsyncGenerator[_Value, None]) -> AsyncGenerator[_Value, None]:
    """The same values, each asked for while the one before it is made use of."""
    task: asyncio.Task[_Value | None] | None = None
    try:
        while True:
            value = await (task or asyncio.ensure_future(_next(values)))
            if value is None:
                return
            task = asyncio.ensure_future(_next(values))
            await asyncio.sleep(0)  # so that the request is on its way before the value is worked on
            yield value
    finally:
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError, SyncdError):
                await task
        await values.aclose()


async def _next(values: AsyncGenerator[_Value, None]) -> _Value | None:
    return await anext(values, None)


def _date(header: str | None) -> float | None:
    try:
        return parsedate_to_datetime(header).timestamp() if header else None
    except ValueError:
        return None


def _whole(value: Any) -> int | None:
    try:
        return int(value)
    except (ValueError, TypeError):
        return None
