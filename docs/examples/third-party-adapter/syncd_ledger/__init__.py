"""An adapter of syncd in a package of its own: reads opportunities from a ledger.

A ledger is a text file with one paragraph for each opportunity, and a last line that says how many there are:

    id: "L-1"
    name: "New boiler"
    stage: "Qualify"

    end: 1

Values are JSON. The last line is what makes it an honest source: without it, half a file would look whole.

Facts and limits
    whole       the last line is there, and promises as many paragraphs as were read
    broken      a paragraph with a line that is no `name: value`
    increments  none: a ledger is read from beginning to end
    memory      one page
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, ClassVar, Final, TextIO

import msgspec

from syncd.adapter import MISSING, Broken, Capabilities, Check, Page, SourceContext
from syncd.errors import SourceIncomplete, SourceUnavailable, SyncdError

PAGE: Final = 100


class LedgerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one ledger.

    Attributes:
        path: The file, relative to the folder of the configuration.
    """

    path: str


class LedgerAdapter:
    """Reads one ledger."""

    Settings: ClassVar[type[Any]] = LedgerSettings
    capabilities: ClassVar[Capabilities] = Capabilities(place="paragraph")

    def __init__(self, settings: LedgerSettings, context: SourceContext) -> None:
        """Args: settings and context, as syncd gives them."""
        self._path = context.folder / settings.path
        self._fields = context.fields
        self._file: TextIO | None = None

    @classmethod
    def create(cls, settings: LedgerSettings, context: SourceContext) -> LedgerAdapter:
        """Make the adapter of one source. Does no I/O."""
        return cls(settings, context)

    async def pull(self, since: str | None = None) -> AsyncIterator[Page]:  # noqa: ARG002 - ledgers know no watermark
        """Yield every paragraph; see `syncd.adapter.Adapter.pull`."""
        columns: tuple[str, ...] = ()
        records: list[dict[str, Any]] = []
        broken: list[Broken] = []
        read, promised = 0, None
        for number, paragraph in enumerate(self._paragraphs(), 1):
            record = _parsed(paragraph)
            if record is not None and [*record] == ["end"]:
                promised = record["end"]
                break
            read = number
            if record is None:
                broken.append(Broken(f"paragraph {number}", "it has a line that is no `name: value`"))
            else:
                records.append(record)
            if len(records) + len(broken) >= PAGE:
                columns, page = self._page(columns, records, broken, read)
                yield page
                records, broken = [], []
                await asyncio.sleep(0)  # reading blocks; others get their turn between pages
        if promised != read:
            raise SourceIncomplete(f"{self._path.name} was cut after paragraph {read}", "export it again")
        yield self._page(columns, records, broken, read)[1]

    async def examine(self) -> AsyncIterator[Check]:
        """Say whether the ledger can be opened, and whether its first page has the fields of the mapping."""
        try:
            page = await anext(aiter(self.pull()))
        except SyncdError as error:
            yield Check(name="ledger", outcome="failed", says=str(error), remedy=getattr(error, "remedy", ""))
            return
        yield Check(name="ledger", outcome="ok", says=f"{self._path.name} can be read")
        if page.rows and (lacking := sorted(self._fields - {*page.columns})):
            remedy = "correct the mapping; what a source does not have is unknown to the rules"
            says = f"no paragraph has {', '.join(lacking)}"
            yield Check(name="fields of the mapping", outcome="warning", says=says, remedy=remedy)

    async def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        if self._file is not None:
            self._file.close()

    def _paragraphs(self) -> Iterator[list[str]]:
        try:
            self._file = self._path.open(encoding="utf-8", newline="\n")
        except OSError as error:
            raise SourceUnavailable(f"{self._path.name} cannot be opened: {error.strerror}", "check `path`") from error
        with self._file:
            lines: list[str] = []
            for line in self._file:
                if line.strip():
                    lines.append(line)
                elif lines:
                    yield lines
                    lines = []
            if lines:
                yield lines

    def _page(
        self, columns: tuple[str, ...], records: list[dict[str, Any]], broken: list[Broken], read: int
    ) -> tuple[tuple[str, ...], Page]:
        """A page, and its columns: the same object as before unless there are new ones."""
        names = tuple(dict.fromkeys((*columns, *(name for record in records for name in record))))
        columns = columns if names == columns else names
        rows = [[record.get(name, MISSING) for name in columns] for record in records]
        first = read - len(records) - len(broken) + 1
        return columns, Page(columns, rows, declared=False, first=first, broken=broken, done=read)


def _parsed(paragraph: list[str]) -> dict[str, Any] | None:
    """The fields of a paragraph; None where it is broken."""
    record = {}
    for line in paragraph:
        name, colon, value = line.partition(": ")
        try:
            record[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return None
        if not colon:
            return None
    return record
