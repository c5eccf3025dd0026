"""Reads delimited text: comma, semicolon, tab or bar, quoted as the csv module understands it.

In the common case the lists of `csv.reader` are handed on as they are, after one test for a whole page. Records are
looked at one by one only where a page has a blank line, a quoted line break, a wrong number of cells, or comes from a
stretch in which `LineFile` saw something suspicious.

Not for: what the cells mean, not even which are blank.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Final

from adapters.file import cells
from adapters.file.files import OpenFile
from adapters.file.settings import FileSettings
from adapters.file.text import VERBATIM, LineFile, TextFile
from syncd.adapter import Broken, Page
from syncd.errors import ConfigError, Problem, SourceIncomplete

PAGE_ROWS: Final = 500
"""Records a page. Measured: with 2,000, a page of 55 columns outgrows the processor's cache and costs a third more."""

_DELIMITERS: Final = ",;\t|"
_SAMPLE_ROWS: Final = 21
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?\s*\Z', re.IGNORECASE)

_MAX_COLUMNS: Final = 16_384
"""As many as a sheet of Excel has."""


def read(file: OpenFile, settings: FileSettings) -> Iterator[Page]:
    """Yield the records of one delimited file.

    Raises:
        ConfigError: The header names a column twice or leaves one without a name.
        SourceUnavailable: It is not text.
        SourceIncomplete: It holds no header, or was cut.
    """
    yield from _Reading(file, settings).pages()


def find_delimiter(lines: Sequence[str]) -> str:
    """The delimiter of a file that starts with these lines: the one whose header the rows after it agree with most."""
    best, chosen = (0.0, 1), ","
    for delimiter in _DELIMITERS:
        rows = [row for row in islice(csv.reader(lines, delimiter=delimiter), _SAMPLE_ROWS) if row]
        width = len(rows[0]) if rows else 0
        if width > 1:
            agreeing = sum(len(row) == width for row in rows) / len(rows)
            best, chosen = max((best, chosen), ((agreeing * width, width), delimiter), key=lambda choice: choice[0])
    return chosen


@contextmanager
def _cells_up_to(characters: int) -> Iterator[None]:
    """Let csv read cells of this size. Its limit is one for the process, so it is held only while lines are parsed."""
    before = csv.field_size_limit(characters)
    try:
        yield
    finally:
        csv.field_size_limit(before)


class _Reading:
    """One reading of one file."""

    def __init__(self, file: OpenFile, settings: FileSettings) -> None:
        self._file = file
        self._settings = settings
        self._text = TextFile(file, settings.encoding)
        self._lines = LineFile(self._text, settings.max_cell, f'"{settings.delimiter or _DELIMITERS}')
        self._ended = False
        self._advised = False

    def pages(self) -> Iterator[Page]:
        blocks = self._lines.blocks()
        head = next(blocks, [])
        delimiter = self._settings.delimiter
        marked = _SEPARATOR_LINE.match(head[0]) if head else None
        if marked and delimiter is None:
            delimiter = marked[1]
            head[0] = "\n"  # blank, and still counted as a line
        with _cells_up_to(self._lines.ceiling):
            delimiter = delimiter or find_delimiter(head)
        self._delimiter = delimiter
        self._lines.signs = f'"{delimiter}'
        self._reader = csv.reader(chain.from_iterable(self._fed(head, blocks)), delimiter=delimiter, strict=True)
        self._columns = self._header()
        self._width = len(self._columns)
        self._id = cells.id_position(self._columns)
        page = self._page()
        yield page  # even without rows, since it tells the columns
        while not self._ended:
            page = self._page()
            if page.rows or page.broken:
                yield page

    def _fed(self, head: list[str], blocks: Iterator[list[str]]) -> Iterator[list[str]]:
        yield head
        yield from blocks
        self._ended = True

    def _rows(self, number: int) -> tuple[list[list[str]], bool]:
        """The next rows as the csv module parses them.

        Returns:
            The rows, and whether the record after them is torn: text follows a closing quote. The lines up to there
            are used up. Being lenient about it would let a quote that was never closed swallow whole records unseen.
        """
        first = self._reader.line_num + 1
        rows: list[list[str]] = []
        try:
            with _cells_up_to(self._lines.ceiling):
                rows.extend(islice(self._reader, number))
        except csv.Error as exc:
            limited = "limit" in str(exc)
            if not limited and not self._ended:
                return rows, True
            line = first + sum(map(self._height, rows))
            trouble = (
                f"longer than {self._lines.ceiling:,} characters" if limited else "still open at the end of the file"
            )
            raise SourceIncomplete(
                f"{self._file.name} was cut, or a quote is missing: a cell of the record on line {line} is {trouble}",
                "Export it again, or close the quote.",
            ) from exc
        return rows, False

    def _header(self) -> tuple[str, ...]:
        row: list[str] = []
        line = 1
        while not any(map(str.strip, row)):
            line = self._reader.line_num + 1
            found, torn = self._rows(1)
            if torn:
                message = "the header cannot be used: text follows a closing quote"
                raise ConfigError(Problem(message=message, file=self._file.name, line=line))
            if not found:
                reason = f"{self._file.name} holds no header, only blank lines"
                raise SourceIncomplete(reason, "Check whether the export failed.")
            row = found[0]
        names = tuple(name.strip() for name in row)
        check_header(names, self._file.name, line)
        reason = self._lines.too_long(line, self._reader.line_num)
        if reason := reason or cells.fault(names, self._settings.max_cell, self._text.encoding):
            raise ConfigError(Problem(message=f"the header cannot be used: {reason}", file=self._file.name, line=line))
        return names

    def _page(self) -> Page:
        before = self._reader.line_num
        rows, torn = self._rows(PAGE_ROWS)
        tall = self._reader.line_num - before != len(rows)
        if not (torn or tall) and before >= self._lines.suspect and {*map(len, rows)} <= {self._width}:
            return Page(self._columns, rows, text=True, first=before + 1, done=self._file.position)
        whole: list[list[str]] = []
        places: list[int] = []
        broken: list[Broken] = []
        line = before + 1
        for row in rows:
            end = line + (self._height(row) if tall else 1)
            if reason := self._fault(row, line, end - 1):
                broken.append(Broken(f"line {line}", reason, self._id_of(row)))
            elif not self._is_blank(row):
                whole.append(row)
                places.append(line)
            line = end
        if torn:
            broken.append(Broken(f"line {line}", self._torn(line, self._reader.line_num)))
        return Page(
            self._columns,
            whole,
            text=True,
            first=places[0] if places else before + 1,
            places=places,
            broken=broken,
            notes=self._advice(broken),
            done=self._file.position,
            doubtful=self._is_cut(rows, line - 1),
        )

    def _is_cut(self, rows: list[list[str]], end: int) -> bool:
        """Whether the file ends without a line break in a row, on the line `end`, that has too few cells."""
        unfinished = self._ended and self._lines.unfinished and end == self._lines.count
        return unfinished and bool(rows) and 0 < len(rows[-1]) < self._width and not self._is_blank(rows[-1])

    def _is_blank(self, row: list[str]) -> bool:
        return not row or (len(row) == 1 < self._width and not row[0].strip())

    def _height(self, row: list[str]) -> int:
        """The number of lines a row stands on: line breaks can only be inside its quoted cells."""
        text = self._delimiter.join(row)
        return 1 + text.count("\n") + text.count("\r") - text.count("\r\n")

    def _fault(self, row: list[str], line: int, end: int) -> str:
        """Why the row on these lines is broken, for people; empty when it is whole or blank."""
        if reason := self._lines.too_long(line, end):
            return reason
        if len(row) == self._width:
            return cells.fault(row, self._settings.max_cell, self._text.encoding)
        if self._is_blank(row):
            return ""
        reason = f"it has {len(row)} cells and the header has {self._width}"
        if end > line:
            reason += f"; a quoted cell in it runs to line {end}"
        if self._ended and self._lines.unfinished and end == self._lines.count:
            reason += "; the file ends there without a line break and may have been cut"
        return reason

    def _torn(self, line: int, end: int) -> str:
        lost = f", and lines {line} to {end} cannot be told apart" if end > line else ""
        return f"text follows a closing quote: a quote is missing or not doubled{lost}"

    def _id_of(self, row: list[str]) -> str:
        """The id of a broken row, where no missing or surplus cell can have moved another into its place."""
        sure = self._id >= 0 and (len(row) == self._width or self._id == 0)
        if self._lines.squeezed and sum(map(len, row[: self._id + 1])) > VERBATIM // 8:
            return ""  # perhaps no longer as it was
        return cells.id_text(row[self._id]) if sure else ""

    def _advice(self, broken: list[Broken]) -> tuple[str, ...]:
        if self._advised or not self._text.undecodable or not any("not valid" in each.reason for each in broken):
            return ()
        self._advised = True
        return (f"{self._file.name} {cells.ENCODING_REMEDY.format(encoding=self._text.encoding)}",)


def check_header(names: Sequence[str], file: str, line: int) -> None:
    """Refuse column names that cannot be told apart.

    Raises:
        ConfigError: With every name that is missing or there twice, or because there are far too many.
    """
    if len(names) > _MAX_COLUMNS:
        message = f"there are {len(names):,} columns, more than {_MAX_COLUMNS:,}; check the delimiter"
        raise ConfigError(Problem(message=message, file=file, line=line))
    problems = [
        Problem(message=f"column {number} has no name", file=file, line=line)
        for number, name in enumerate(names, 1)
        if not name
    ]
    problems += [
        Problem(message=f'there are {times} columns named "{name[:100]}"', file=file, line=line)
        for name, times in Counter(names).items()
        if name and times > 1
    ]
    if problems:
        raise ConfigError(*problems)
