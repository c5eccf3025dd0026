"""A report as GitHub workflow commands, which show up as annotations of the job."""

from __future__ import annotations

from typing import BinaryIO, Final

from syncd.model import Discrepancy, Severity
from syncd.report.hostile import clean
from syncd.report.model import Report
from syncd.report.streams import Utf8

_COMMAND: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "info": "notice"}

# How they are escaped: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def to_github(report: Report, out: BinaryIO) -> None:
    """Write one workflow command for each incomplete source, discrepancy and rejected record."""
    text = Utf8(out)
    for source in report.summary.sources:
        if not source.complete:
            told = f"{source.reason} {source.remedy}".strip()
            text.write(_line("error", f"source {source.name} is incomplete and was not judged", told))
    for found in report.discrepancies():
        text.write(_line(_COMMAND[found.severity], f"{found.rule} {report.title(found.rule)}", _message(found)))
    for refused in report.rejected():
        place = f" ({refused.place})" if refused.place else ""
        title = f"record rejected by {refused.source}"
        text.write(_line("warning", title, f"{refused.id or 'no id'}{place}: {refused.reason}"))


def _message(found: Discrepancy) -> str:
    name = f" {found.name}" if found.name else ""
    return f"{found.source}/{found.id}{name}: {found.message}"


def _line(command: str, title: str, message: str) -> str:
    return f"::{command} title={clean(title).translate(_PROPERTY)}::{clean(message).translate(_DATA)}\n"
