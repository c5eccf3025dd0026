"""Reads the first or a named sheet of an xlsx workbook, row by row.

Cells keep their types: numbers, booleans, dates, texts. A cell that Excel shows as a percentage is handed on as
its user sees it (0.4 as `40%`). Formulas count by the value Excel last saved with them; one that was never calculated
is handed on as `#FORMULA`, which no typed field can read. Error cells are handed on as their text (`#N/A`).

A sheet is streamed, but openpyxl holds the table of all distinct texts of the workbook.
External entities in its XML are not fetched: openpyxl streams with the standard library's parser, which never does, and
expat bounds the expansion of internal ones; a DTD, which no workbook holds, is refused all the same.

Not for: the old .xls and .xlsb formats, and workbooks with a password; they are refused with the remedy.
"""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from itertools import repeat
from typing import Any, Final

import openpyxl
from openpyxl.styles.numbers import is_datetime
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException

from adapters.file import cells
from adapters.file.delimited import check_header
from adapters.file.files import OpenFile
from adapters.file.settings import FileSettings
from syncd.adapter import Broken, Page, Percent
from syncd.errors import ConfigError, Problem, SourceIncomplete, SourceUnavailable

PAGE_ROWS: Final = 500

NOT_CALCULATED: Final = "#FORMULA"
"""Stands for a formula without a saved value."""

_LAST_ROW: Final = 1 << 20
"""The most rows a sheet can have."""

_MAX_UNPACKED: Final = 4 << 30
_MAX_RATIO: Final = 200
_RATIO_COUNTS_FROM: Final = 64 << 20
"""Bytes. Smaller parts may pack as well as they like."""

_FORMULA: Final = re.compile(rb"<(?:\w+:)?f[\s/>]")
_DTD: Final = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_SCAN: Final = 1 << 16

_LITERAL: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
"""What a number format shows as it stands, so that a percent sign in it does not scale the number."""

_REMEDY: Final = "Open it in Excel and save it as .xlsx without a password, or as CSV."

# openpyxl has no error of its own for a damaged workbook: whatever its parser trips over comes through.
_DAMAGE: Final = (
    ArithmeticError, AttributeError, EOFError, InvalidFileException, LookupError, OSError, RuntimeError, SyntaxError,
    TypeError, ValueError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def read(file: OpenFile, settings: FileSettings) -> Iterator[Page]:
    """Yield the records of one sheet.

    Raises:
        ConfigError: It has no such sheet, or the header names a column twice or leaves one without a name.
        SourceUnavailable: It is no workbook, has a password, is damaged, or would unpack to an absurd size.
        SourceIncomplete: The sheet has no header, or its rows cannot be read to the end.
    """
    formulas = _inspect(file)
    books = [_load(file, data_only=True)]
    if formulas:
        books.append(_load(file, data_only=False))
    try:
        name = _sheet_name(books[0], file, settings)
        yield from _Sheet(file, settings, name, [_rows(book[name]) for book in books]).pages()
    finally:
        for book in books:
            book.close()


def _inspect(file: OpenFile) -> bool:
    """Whether the workbook holds formulas; refuses what is not a sound workbook before openpyxl sees it."""
    signature = file.stream.read(4) if file.regular else b""
    if signature == b"\xd0\xcf\x11\xe0":
        raise SourceUnavailable(f"{file.name} has a password or is in the old .xls format", _REMEDY)
    if signature != b"PK\x03\x04":
        raise SourceUnavailable(f"{file.name} is not an xlsx workbook", _REMEDY)
    try:
        with zipfile.ZipFile(file.stream) as archive:
            parts = archive.infolist()
            _refuse_bomb(file, parts)
            formulas = [_holds_formulas(file, archive, part) for part in parts if part.filename.endswith(".xml")]
    except _DAMAGE as exc:
        raise SourceUnavailable(f"{file.name} is damaged and cannot be opened", _REMEDY) from exc
    return any(formulas)


def _refuse_bomb(file: OpenFile, parts: Sequence[zipfile.ZipInfo]) -> None:
    absurd = any(
        part.file_size > _RATIO_COUNTS_FROM and part.file_size > _MAX_RATIO * max(part.compress_size, 1)
        for part in parts
    )
    if absurd or sum(part.file_size for part in parts) > _MAX_UNPACKED:
        raise SourceUnavailable(
            f"{file.name} would unpack to an absurd size and is not opened", "Export it again, as CSV."
        )


def _holds_formulas(file: OpenFile, archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> bool:
    """Whether a part of the workbook holds formulas; of other parts only the top is looked at, for a DTD."""
    sheet = part.filename.startswith("xl/worksheets/")
    found, tail = False, b""
    with archive.open(part) as stream:
        while block := stream.read(_SCAN):
            text = tail + block
            if _DTD.search(text):
                raise SourceUnavailable(
                    f"{file.name} holds a document type, as no workbook does, and is not opened", _REMEDY
                )
            found = found or bool(sheet and _FORMULA.search(text))
            if not sheet or found:
                break
            tail = block[-32:]
    return found


def _load(file: OpenFile, *, data_only: bool) -> openpyxl.Workbook:
    file.stream.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and extensions, which do not concern the values
            return openpyxl.load_workbook(file.stream, read_only=True, data_only=data_only, keep_links=False)
    except _DAMAGE as exc:
        raise SourceUnavailable(f"{file.name} is damaged and cannot be opened", _REMEDY) from exc


def _sheet_name(book: openpyxl.Workbook, file: OpenFile, settings: FileSettings) -> str:
    names = [sheet.title for sheet in book.worksheets]
    if settings.sheet is None and names:
        return names[0]
    if settings.sheet not in names:
        known = ", ".join(f'"{name}"' for name in names)
        raise ConfigError(
            Problem(message=f'there is no sheet "{settings.sheet}"; there are {known or "none"}', file=file.name)
        )
    return settings.sheet


def _rows(sheet: Any) -> Iterator[Sequence[Any]]:
    sheet.reset_dimensions()  # what a file says of its own extent is often wrong, and would cut rows off
    rows: Iterator[Sequence[Any]] = sheet.iter_rows()
    return rows


class _Sheet:
    """One reading of one sheet, from its rows with saved values and, where it has any, its rows with formulas."""

    def __init__(
        self, file: OpenFile, settings: FileSettings, name: str, rows: Sequence[Iterator[Sequence[Any]]]
    ) -> None:
        self._file = file
        self._settings = settings
        self._name = name
        self._cells = rows[0]
        self._formulas: Iterator[Sequence[Any]] = rows[1] if len(rows) > 1 else repeat(())
        self._row = 0
        self._width = 0
        self._advised = False

    def pages(self) -> Iterator[Page]:
        columns = self._header()
        position = cells.id_position(columns)
        yielded = False
        while taken := self._take(PAGE_ROWS):
            whole, places, broken, notes = [], [], [], []
            for place, values in taken:
                reason = self._fault(values, len(columns))
                if reason:
                    found = cells.id_text(values[position]) if position >= 0 else ""
                    broken.append(Broken(f"row {place} of sheet {self._name}", reason, found))
                    continue
                if NOT_CALCULATED in values and not self._advised:
                    self._advised = True
                    notes.append(self._advice(place))
                whole.append(values)
                places.append(place)
            first = places[0] if places else taken[0][0]
            follow = not places or places[-1] - first == len(places) - 1
            yield Page(columns, whole, first=first, places=() if follow else places, broken=broken, notes=notes)
            yielded = True
        if not yielded:
            yield Page(columns, [])

    def _header(self) -> tuple[str, ...]:
        taken = self._take(1)
        if not taken:
            raise SourceIncomplete(
                f"sheet {self._name} of {self._file.name} is empty: not even a header", "Check the export."
            )
        row, values = taken[0]
        names = tuple("" if value is None else str(value).strip() for value in values)
        check_header(names, self._file.name, row)
        self._width = len(names)
        return names

    def _take(self, number: int) -> list[tuple[int, list[Any]]]:
        """The next rows that are not wholly empty, with their numbers, padded to the width of the header."""
        taken: list[tuple[int, list[Any]]] = []
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a date out of range comes as the error cell it is
                for row, formulas in zip(self._cells, self._formulas, strict=False):
                    self._row += 1
                    if self._row > _LAST_ROW:
                        raise ValueError("a row number beyond the last row of a sheet")
                    values = _values(row, formulas)
                    if values:
                        values += [None] * (self._width - len(values))
                        taken.append((self._row, values))
                    if len(taken) == number:
                        break
        except _DAMAGE as exc:
            raise SourceIncomplete(
                f"{self._file.name} is damaged after row {self._row} of sheet {self._name}", _REMEDY
            ) from exc
        return taken

    def _fault(self, values: list[Any], width: int) -> str:
        if len(values) > width:
            return f"it has a value in column {get_column_letter(len(values))}, to the right of the header"
        return cells.fault(values, self._settings.max_cell)

    def _advice(self, row: int) -> str:
        return (
            f"sheet {self._name} of {self._file.name} holds formulas that were never calculated, first in row {row}; "
            "open it in Excel and save it"
        )


def _values(row: Sequence[Any], formulas: Sequence[Any]) -> list[Any]:
    """The values of a row up to the last one that is not empty."""
    values = [None if cell.value is None else _value(cell) for cell in row]
    for index, cell in enumerate(formulas):
        # A saved empty text is typed "str"; a formula without any saved value keeps the type of a number.
        if cell.data_type == "f" and values[index] is None and row[index].data_type != "str":
            values[index] = NOT_CALCULATED
    while values and (values[-1] is None or values[-1] == ""):
        values.pop()
    return values


def _value(cell: Any) -> Any:
    value = cell.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _percent(value) if _is_percent(cell.number_format) else value
    if isinstance(value, datetime):
        return value.date() if _is_day(cell.number_format) and value.time() == time.min else value
    if isinstance(value, time | timedelta):
        return str(value)
    return value


@lru_cache(maxsize=1024)
def _is_percent(number_format: str) -> bool:
    return "%" in number_format and "%" in _LITERAL.sub("", number_format)


@lru_cache(maxsize=1024)
def _is_day(number_format: str) -> bool:
    return is_datetime(number_format) == "date"


def _percent(value: float) -> Percent:
    """What Excel shows for a fraction, exactly; through the shortest text, since 0.07 * 100 is not 7 in binary."""
    return Percent((Decimal(str(value)) * 100).normalize())
