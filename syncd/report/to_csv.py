"""A report's discrepancies as CSV (RFC 4180, UTF-8 without a byte order mark), one a row, in store order.

Cells that a spreadsheet would take for a formula get a leading apostrophe.
"""

from __future__ import annotations

import csv
from typing import Any, BinaryIO, Final

import msgspec

from syncd.model import Discrepancy
from syncd.report.hostile import cell, number_cell
from syncd.report.model import Report
from syncd.report.streams import Utf8

COLUMNS: Final = (
    "source", "id", "name", "owner", "territory", "account", "stage", "probability", "amount", "currency",
    "proven_stage", "rule", "severity", "state", "field", "actual", "expected", "message", "phrase", "fix_safety",
    "fix_set", "waiver",
)  # fmt: skip


def to_csv(report: Report, out: BinaryIO) -> None:
    """Write the discrepancies as CSV with a header."""
    text = Utf8(out)
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(map(row, report.discrepancies()))


def row(found: Discrepancy) -> list[str | int | float]:
    """One discrepancy as cells, in the order of `COLUMNS`, safe for a spreadsheet. Numbers stay numbers."""
    fix = found.fix
    return [
        cell(found.source),
        cell(found.id),
        cell(found.name or ""),
        cell(found.owner or ""),
        cell(found.territory or ""),
        cell(found.account or ""),
        cell(found.stage or ""),
        "" if found.probability is None else found.probability,
        number_cell(found.amount or ""),
        cell(found.currency or ""),
        found.proven_stage or "",
        cell(found.rule),
        found.severity,
        found.state,
        cell(found.field),
        _plain(found.actual),
        _plain(found.expected),
        cell(found.message),
        cell(found.phrase),
        fix.safety if fix else "",
        msgspec.json.encode(fix.set).decode() if fix else "",
        "",
    ]


def _plain(value: Any) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, str):
        return cell(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return msgspec.json.encode(value).decode()
