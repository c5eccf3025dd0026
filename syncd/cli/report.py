"""`report`: the compliance discrepancy report of a run that was made."""

from __future__ import annotations

from typing import Annotated

import typer

from syncd.cli.options import ConfigOption, OutputOption, ReportFormat, parse_day
from syncd.errors import UsageError


def report(
    config: ConfigOption = None,
    output_format: Annotated[ReportFormat, typer.Option("--format", help="How to write it.")] = ReportFormat.html,
    output: OutputOption = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", metavar="DATE", help="The run with the nearest day, on or before this one, as it was then."
        ),
    ] = None,
) -> None:
    """Write the report of the last run, or of the one with the nearest day on or before a day. Reads no source."""
    from syncd.bootstrap import find_config, load_workspace  # noqa: PLC0415 - keeps `syncd --help` quick
    from syncd.cli.output import write_report  # noqa: PLC0415
    from syncd.cli.reading import read_run  # noqa: PLC0415
    from syncd.report import FORMATS  # noqa: PLC0415
    from syncd.store.runs import last_finished, summary_of  # noqa: PLC0415

    day = parse_day(as_of)
    workspace = load_workspace(find_config(config))
    store = workspace.open_store()
    try:
        with store.read() as connection:
            last = last_finished(connection, on_or_before=day)
            summary = None if last is None else summary_of(connection, last.seq)
        if last is None or summary is None:
            when = f" on or before {day.isoformat()}" if day else ""
            raise UsageError(f"there is no finished run{when} to report; `syncd check` makes one")
        with read_run(store, workspace.infos, last.seq, summary) as made:
            write_report(FORMATS[output_format.value], made, output)
    finally:
        store.close()
