"""The options many commands share, each defined once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from syncd.errors import UsageError


class OutputFormat(StrEnum):
    """The formats of `check` and `reconcile`."""

    text = "text"
    json = "json"
    csv = "csv"
    sarif = "sarif"
    junit = "junit"
    github = "github"


class ReportFormat(StrEnum):
    """The formats of `report`."""

    text = "text"
    html = "html"
    xlsx = "xlsx"
    csv = "csv"
    json = "json"
    md = "md"
    sarif = "sarif"
    junit = "junit"


ConfigOption = Annotated[
    Path | None,
    typer.Option("-c", "--config", metavar="FILE", help="Configuration; default syncd.toml, then config.example.toml."),
]
SourceOption = Annotated[
    list[str] | None, typer.Option("--source", metavar="NAME", help="Only this source. May be repeated.")
]
SelectOption = Annotated[
    list[str] | None, typer.Option("--select", metavar="RULE", help="Only these rules or families: PRB,OUT003.")
]
IgnoreOption = Annotated[
    list[str] | None, typer.Option("--ignore", metavar="RULE", help="Not these rules or families: CHK013.")
]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="Judge as on this day (2026-11-23) instead of today.")
]
OutputOption = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write there, not to stdout.")
]
FormatOption = Annotated[OutputFormat, typer.Option("--output-format", help="How to print the result.")]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="No progress bar.")]
VerboseOption = Annotated[
    int, typer.Option("-v", "--verbose", count=True, help="Show every opportunity or change, not only the first 50.")
]
FullOption = Annotated[
    bool, typer.Option("--full", help="Read every source whole, even where it can tell what changed.")
]
NoWaiversOption = Annotated[bool, typer.Option("--no-waivers", help="Count waived discrepancies as if they were not.")]


def split(values: Iterable[str] | None) -> tuple[str, ...]:
    """The parts of a repeatable option that may also hold several values with commas between."""
    return tuple(part.strip() for value in values or () for part in value.split(",") if part.strip())


def parse_day(text: str | None) -> date | None:
    """A day of the command line.

    Raises:
        UsageError: It is no day.
    """
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--as-of: {text!r} is not a day such as 2026-11-23") from error
