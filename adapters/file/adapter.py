"""The file adapter: opportunities exported to delimited text, JSON Lines, JSON or xlsx.

Facts and limits
    files       one, or all that match a pattern, sorted by name; together they are one source
    whole       a file is whole when it ends well, did not change while it was read, and holds as many records as
                `expect_rows` or a `<file>.count` beside it promises
    memory      pages of 500 records; never a whole file
    writing     none: files are exports
    increments  none: a file is always read whole

Not for: the layout of each format (`delimited`, `jsonlines`, `jsondoc`, `workbook`) and what columns mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import replace
from typing import Any, ClassVar, Final

from adapters.file import delimited, jsondoc, jsonlines
from adapters.file.files import Found, OpenFile, find, opened, promised, size_of
from adapters.file.settings import FileSettings, Format, check, format_of, unknown_format
from syncd.adapter import Broken, Capabilities, Check, Page, SourceContext
from syncd.errors import ConfigError, SourceIncomplete


def _read_workbook(file: OpenFile, settings: FileSettings) -> Iterator[Page]:
    # openpyxl takes 0.1 s to import, which only those who have workbooks should wait for.
    from adapters.file import workbook  # noqa: PLC0415

    return workbook.read(file, settings)


_LISTED: Final = 8
"""Names listed before a message says "and more"."""

_READERS: Final[dict[Format, Callable[[OpenFile, FileSettings], Iterator[Page]]]] = {
    "csv": delimited.read,
    "jsonl": jsonlines.read,
    "json": jsondoc.read,
    "xlsx": _read_workbook,
}


class FileAdapter:
    """Reads one source of files."""

    Settings: ClassVar[type[Any]] = FileSettings
    capabilities: ClassVar[Capabilities] = Capabilities(place="line")

    def __init__(self, settings: FileSettings, context: SourceContext) -> None:
        """Args: settings, already checked (`create` does), and context."""
        self._settings = settings
        self._context = context
        self._pulls: list[Generator[Page, None, None]] = []
        self._closed = False

    @classmethod
    def create(cls, settings: FileSettings, context: SourceContext) -> FileAdapter:
        """Make the adapter of one source. Does no I/O.

        Raises:
            ConfigError: The settings contradict one another.
        """
        return _BY_FORMAT.get(check(settings), cls)(settings, context)

    async def pull(self, since: str | None = None) -> AsyncIterator[Page]:  # noqa: ARG002 - files know no watermark
        """Yield every record of the source, file by file; see `syncd.adapter.Adapter.pull`."""
        pages = self._pages()
        self._pulls.append(pages)
        try:
            for page in pages:
                yield page
                await asyncio.sleep(0)  # reading blocks; others get their turn between pages
            if self._closed:
                raise SourceIncomplete(f"{self._settings.path} was closed before it was read whole")
        finally:
            pages.close()
            self._pulls.remove(pages)

    async def examine(self) -> AsyncIterator[Check]:
        """Look whether the files are there, and whether their first page has the columns of the mapping."""
        try:
            first = await anext(aiter(self.pull()), None)
        except (ConfigError, SourceIncomplete) as error:
            remedy = getattr(error, "remedy", "")
            yield Check(name="file", outcome="failed", says=str(error), remedy=remedy or "correct the configuration")
            return
        yield Check(name="file", outcome="ok", says=f"{self._settings.path} can be read")
        columns = first.columns if first is not None else ()
        if lacking := sorted(self._context.fields - set(columns)) if columns else []:
            says = f"no column {', '.join(lacking[:_LISTED])}" + (" and more" if len(lacking) > _LISTED else "")
            remedy = "correct the mapping; what a source does not have is unknown to the rules"
            yield Check(name="columns of the mapping", outcome="warning", says=says, remedy=remedy)
        else:
            yield Check(name="columns of the mapping", outcome="ok", says="all there")

    async def close(self) -> None:
        """Let go of the files. Safe to call twice."""
        self._closed = True
        for pages in self._pulls:
            pages.close()

    def _pages(self) -> Generator[Page, None, None]:
        settings = self._settings
        files = find(self._context.folder, settings.path)
        sizes = [size_of(file) for file in files]
        shared: dict[tuple[str, ...], tuple[str, ...]] = {}
        rows = before = 0
        for file, size in zip(files, sizes, strict=True):
            for page in self._read(file):
                rows += len(page.rows) + len(page.broken)
                yield replace(
                    page,
                    columns=shared.setdefault(page.columns, page.columns),
                    broken=_placed(page, file) if len(files) > 1 else page.broken,
                    done=before + page.done,
                    total=sum(sizes),
                )
            before += size
        if settings.expect_rows is not None and rows < settings.expect_rows:
            raise SourceIncomplete(
                f"{settings.path} holds {rows:,} records, and {settings.expect_rows:,} are expected",
                "Check whether the export was cut, or correct `expect_rows`.",
            )

    def _read(self, file: Found) -> Iterator[Page]:
        """The pages of one file, with its promises kept."""
        wanted = format_of(self._settings, file.name)
        if wanted is None:
            raise ConfigError(unknown_format(file.name))
        expected = promised(file)
        rows = 0
        with opened(file) as stream:
            for page in _READERS[wanted](stream, self._settings):
                rows += len(page.rows) + len(page.broken)
                yield page
        if expected is not None and rows != expected:
            raise SourceIncomplete(
                f"{file.name} holds {rows:,} records, and {file.name}.count promises {expected:,}", "Export both again."
            )


class _WorkbookAdapter(FileAdapter):
    capabilities = Capabilities(place="row")


class _DocumentAdapter(FileAdapter):
    capabilities = Capabilities(place="record")


_BY_FORMAT: Final[dict[Format | None, type[FileAdapter]]] = {"xlsx": _WorkbookAdapter, "json": _DocumentAdapter}


def _placed(page: Page, file: Found) -> list[Broken]:
    return [replace(broken, place=f"{file.name} {broken.place}") for broken in page.broken]
