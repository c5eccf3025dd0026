"""A report as an Excel workbook with a sheet each for the summary, the discrepancies, the coverage and the rejected.

Cells that Excel would take for a formula get a leading apostrophe, and text is never stored as a formula.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font

from syncd.report import digest
from syncd.report.entries import Tally, entries_of
from syncd.report.hostile import cell
from syncd.report.model import Report
from syncd.report.to_csv import COLUMNS, row
from syncd.report.wording import currency_words

SHEET_ROWS: Final = 1_048_576
"""How many rows an Excel sheet holds, https://support.microsoft.com/office/1672b34d-7043-467e-8e27-269d656771c3."""

# How many characters an Excel cell holds.
_CELL_LENGTH: Final = 32_767

# Digits that Excel's binary figures keep; a longer figure stays text, so that no digit is lost.
_FIGURE_DIGITS: Final = 15

_Cell = str | int | float | None


def to_xlsx(report: Report, out: BinaryIO, *, sheet_rows: int = SHEET_ROWS) -> None:
    """Write the report as a workbook.

    Args:
        report: The report.
        out: Where to.
        sheet_rows: How many rows a sheet may have; what goes beyond is named in its last row.
    """
    book = Workbook(write_only=True)
    if report.summary.finished_at is not None:
        # Excel's times have no zone.
        book.properties.created = book.properties.modified = report.summary.finished_at.replace(tzinfo=None)
    # The tally of the summary needs a stream of its own: sheets are written in the order they are shown.
    _write_sheet(book, "Summary", _summary_rows(report), (26, 18, 18, 18, 18, 18), sheet_rows, frozen=False)
    _write_sheet(book, "Discrepancies", _discrepancy_rows(report), _WIDTHS, sheet_rows)
    _write_sheet(book, "Coverage", _coverage_rows(report), (18, 10, 60, 10, 10), sheet_rows)
    _write_sheet(book, "Rejected", _rejected_rows(report), (18, 20, 30, 80), sheet_rows)
    book.save(out)


_WIDTHS: Final = (14, 16, 32, 18, 16, 24, 14, 11, 14, 9, 14, 9, 9, 10, 16, 18, 18, 60, 40, 10, 40, 8)


def _write_sheet(
    book: Workbook, title: str, rows: Iterable[list[_Cell]], widths: Iterable[int], limit: int, *, frozen: bool = True
) -> None:
    sheet = book.create_sheet(title)
    for index, width in enumerate(widths):
        sheet.column_dimensions[_letter(index)].width = width
    if frozen:
        sheet.freeze_panes = "A2"
    bold = Font(bold=True)
    over = 0
    last: list[_Cell] | None = None
    for number, values in enumerate(rows):
        # One row is held back, so that the last place can say what did not fit instead.
        if number >= limit:
            over += 1
            continue
        if last is not None:
            sheet.append([_stored(value) for value in last])
        last = values
        if number == 0:
            cells = [WriteOnlyCell(sheet, value=_stored(value)) for value in values]
            for one in cells:
                one.font = bold
            sheet.append(cells)
            last = None
    if over:
        last = [f"{over + 1:,} more rows do not fit on an Excel sheet; the csv and json formats hold all."]
    if last is not None:
        sheet.append([_stored(value) for value in last])


def _letter(index: int) -> str:
    return chr(ord("A") + index)


def _stored(value: _Cell) -> _Cell:
    return cell(value)[:_CELL_LENGTH] if isinstance(value, str) else value


def _discrepancy_rows(report: Report) -> Iterator[list[_Cell]]:
    yield list(COLUMNS)
    for found in report.discrepancies():
        yield _figured(row(found))


def _coverage_rows(report: Report) -> Iterator[list[_Cell]]:
    yield ["source", "rule", "fault", "judged", "unknown"]
    for one in report.summary.coverage:
        yield [one.source, one.rule, report.title(one.rule), one.judged, one.unknown]


def _rejected_rows(report: Report) -> Iterator[list[_Cell]]:
    yield ["source", "id", "place", "reason"]
    for one in report.rejected():
        yield [one.source, one.id, one.place, one.reason]


def _figured(values: list[str | int | float]) -> list[_Cell]:
    """The cells of a CSV row with the amount as a figure, so that Excel can add it up."""
    figured: list[_Cell] = list(values)
    place = COLUMNS.index("amount")
    amount = str(values[place])
    digits = amount.removeprefix("-").replace(".", "", 1)
    if digits.isascii() and digits.isdigit() and len(digits) <= _FIGURE_DIGITS:
        figured[place] = float(amount)
    return figured


def _summary_rows(report: Report) -> Iterator[list[_Cell]]:
    summary = report.summary
    tally = Tally()
    for _ in tally.watch(entries_of(report.discrepancies())):
        pass
    yield ["Pipeline discrepancies", summary.as_of]
    yield ["Run", summary.run]
    yield ["Reading", digest.process_line(summary)]
    yield ["Verdict", digest.verdict(summary, tally)]
    yield ["Opportunities affected", tally.opportunities]
    for severity in ("error", "warning", "info", "waived"):
        yield [severity, summary.counts.get(severity, 0)]
    for told in digest.incomplete_lines(summary):
        yield ["Incomplete", told]
    if settings := digest.settings_words(summary):
        yield ["Settings", settings]
    if since := digest.since_words(summary):
        yield ["Changes", since]
    yield []
    yield ["Weighted pipeline", "recorded", "proven", "possible", "over-stated", "under-stated"]
    for currency, one in summary.pipeline.items():
        figures = (one.recorded, one.proven, one.possible, one.over_stated, one.under_stated)
        yield [currency_words(currency), *(float(figure) for figure in figures)]
    yield ["Records without amount", summary.no_amount]
    yield []
    yield ["Rule", "severity", "count", "fault"]
    for broken in digest.rule_rows(report, tally):
        yield [broken.code, broken.severity, broken.number, broken.title]
    yield []
    yield ["Source", "read", "judged", "rejected", "repeated", "was read"]
    for source in summary.sources:
        judged: _Cell = source.judged if source.complete else "not judged"
        whole = "whole" if source.complete else "incomplete"
        yield [source.name, source.read, judged, source.rejected, source.repeated, whole]
