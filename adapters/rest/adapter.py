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

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Final

import msgspec

from adapters.rest import templates
from adapters.rest.ahead import Ahead
from adapters.rest.decode import Answered, Decoder
from adapters.rest.examination import examine
from adapters.rest.mark import Mark, read_mark
from adapters.rest.paging import body_paths, walk
from adapters.rest.reading import Reading
from adapters.rest.settings import LinkHeader, RestSettings, check, page_size
from syncd.adapter import Broken, Capabilities, Check, Page, SourceContext
from syncd.httpkit import Answer, Clock, HttpClient

_MOST_ROUNDS: Final = 3
"""Times the records are listed before a count that never fits makes the source incomplete."""


class RestAdapter:
    """Reads one REST source. Used for one pull, sweep or examination at a time."""

    Settings: ClassVar[type[Any]] = RestSettings
    capabilities: ClassVar[Capabilities] = Capabilities()

    def __init__(self, settings: RestSettings, context: SourceContext, *, clock: Clock | None = None) -> None:
        """Args: settings, already checked (`create` does); context; clock, for tests that need not wait."""
        self._settings = settings
        self._context = context
        self._clock = clock or Clock()
        self._ahead = Ahead()
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
        reading = Reading(mark, settings.overlap_seconds, begun, bounded=self._bounded())
        try:
            if mark is not None and settings.deletions is not None:
                async with aclosing(self.deleted(mark)) as deleted:
                    async for gone in deleted:
                        reading.gone.update(gone)
                        yield Page(self.decoder().columns, [], declared=False, gone=gone)
            # The record that is missing when the count does not fit may have been inserted while the others were read;
            # so the list is read again for those that were not there, before the source counts as incomplete.
            for _ in range(_MOST_ROUNDS):
                async with aclosing(self._ahead.of(self._listed(mark, begun))) as pages:
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

    async def keys(self) -> AsyncIterator[Sequence[Any]]:
        """Yield the id of every record there is; see `syncd.adapter.KeyReader.keys`."""
        reading = Reading(None, 0, 0)
        try:
            for _ in range(_MOST_ROUNDS):
                async with aclosing(self._ahead.of(self._listed(None, 0, [self._id]))) as pages:
                    async for answered in pages:
                        new = reading.take(answered)
                        yield [None if index in answered.faults else answered.keys[index] for index in new]
                if reading.fits():
                    return
            raise reading.short()
        finally:
            reading.close()

    def examine(self) -> AsyncIterator[Check]:
        """Look at everything a pull needs; see `syncd.adapter.Adapter.examine`."""
        return examine(self, self._settings, self._context, self._clock)

    async def close(self) -> None:
        """Let go of the connections; a pull under way ends as incomplete. Safe to call twice."""
        await self._ahead.break_off()
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

    def _page(self, answered: Answered, reading: Reading) -> Page | None:
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
