"""`check` and `reconcile`: the commands that make a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syncd.cli.failures import CLEAN, FOUND, INCOMPLETE, REFUSED
from syncd.cli.options import (
    AsOfOption,
    ConfigOption,
    FormatOption,
    FullOption,
    IgnoreOption,
    NoWaiversOption,
    OutputFormat,
    OutputOption,
    QuietOption,
    SelectOption,
    SourceOption,
    VerboseOption,
    parse_day,
    split,
)
from syncd.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncd.bootstrap import Workspace
    from syncd.model import Change
    from syncd.run import RunResult
    from syncd.store import Store


def check(
    config: ConfigOption = None,
    source: SourceOption = None,
    select: SelectOption = None,
    ignore: IgnoreOption = None,
    output_format: FormatOption = OutputFormat.text,
    output: OutputOption = None,
    as_of: AsOfOption = None,
    full: FullOption = False,
    no_waivers: NoWaiversOption = False,  # noqa: ARG001 - nothing is waived yet
    quiet: QuietOption = False,
    verbose: VerboseOption = 0,
) -> None:
    """Read the sources, judge every opportunity, print the discrepancies. Cannot write to a CRM."""
    from syncd.cli.reading import read_run  # noqa: PLC0415 - keeps `syncd --help` quick
    from syncd.report import FORMATS  # noqa: PLC0415

    workspace = _load(config, source, select, ignore, quiet=quiet, verbose=verbose)
    store = workspace.open_store()
    try:
        result = _perform(workspace, store, "check", as_of, quiet=quiet, full=full)
        with read_run(store, workspace.infos, result.seq, result.summary) as report:
            _write(FORMATS[output_format.value], report, output, verbose)
    finally:
        store.close()
    raise typer.Exit(_exit_code(result))


def reconcile(
    config: ConfigOption = None,
    source: SourceOption = None,
    select: SelectOption = None,
    ignore: IgnoreOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan; write nothing.")] = False,
    unsafe: Annotated[bool, typer.Option("--unsafe", help="Plan for unsafe changes as allowed, too.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="PLAN", help="Save the plan to this file as well.")
    ] = None,
    output_format: FormatOption = OutputFormat.text,
    output: OutputOption = None,
    as_of: AsOfOption = None,
    full: FullOption = False,
    no_waivers: NoWaiversOption = False,  # noqa: ARG001 - nothing is waived yet
    quiet: QuietOption = False,
    verbose: VerboseOption = 0,
) -> None:
    """Read, judge, and print the plan: which field of which opportunity would change, by which rule and why."""
    from syncd.cli.planning import plan_of  # noqa: PLC0415 - keeps `syncd --help` quick
    from syncd.cli.reading import read_run  # noqa: PLC0415
    from syncd.report import PLAN_FORMATS  # noqa: PLC0415
    from syncd.spool import ChangeSpool  # noqa: PLC0415

    if not dry_run:
        raise UsageError("this version of syncd does not write to a CRM; say `reconcile --dry-run` to see the plan")
    if output_format.value not in PLAN_FORMATS:
        raise UsageError(
            f"--output-format: a plan is printed as {' or '.join(PLAN_FORMATS)}; `syncd check` prints the rest"
        )
    workspace = _load(config, source, select, ignore, quiet=quiet, verbose=verbose)
    store = workspace.open_store()
    try:
        with ChangeSpool() as spool:
            result = _perform(
                workspace, store, "reconcile", as_of, quiet=quiet, keep=spool.keep, unsafe=unsafe, full=full
            )
            with read_run(store, workspace.infos, result.seq, result.summary) as report:
                plan = plan_of(result, report, spool, workspace.settings.limits)
                if out is not None:
                    _write(PLAN_FORMATS["json"], plan, out, verbose)
                _write(PLAN_FORMATS[output_format.value], plan, output, verbose)
    finally:
        store.close()
    raise typer.Exit(_exit_code(result, refused=bool(plan.exceeded)))


def _load(
    config: Path | None,
    source: list[str] | None,
    select: list[str] | None,
    ignore: list[str] | None,
    *,
    quiet: bool,
    verbose: int,
) -> Workspace:
    from syncd.bootstrap import find_config, load_workspace  # noqa: PLC0415 - keeps `syncd --help` quick
    from syncd.logs import configure_logs  # noqa: PLC0415

    configure_logs(-1 if quiet else verbose)
    return load_workspace(find_config(config), only=split(source), select=split(select), ignore=split(ignore))


def _perform(
    workspace: Workspace,
    store: Store,
    command: str,
    as_of: str | None,
    *,
    quiet: bool,
    keep: Callable[[Change], None] | None = None,
    unsafe: bool = False,
    full: bool = False,
) -> RunResult:
    import asyncio  # noqa: PLC0415 - keeps `syncd --help` quick
    from datetime import UTC, datetime  # noqa: PLC0415

    from syncd.cli.interrupt import interrupted_at_once  # noqa: PLC0415
    from syncd.cli.progress import shown_progress  # noqa: PLC0415
    from syncd.run import perform  # noqa: PLC0415

    day = parse_day(as_of)
    today = day or datetime.now(workspace.settings.timezone).date()
    assignment = workspace.assignment(
        command, today=today, pinned=day is not None, plan=command == "reconcile", unsafe=unsafe, full=full
    )
    with shown_progress(quiet=quiet) as progress, interrupted_at_once() as guarded:
        run = perform(store, assignment, clock=lambda: datetime.now(UTC), progress=progress, keep=keep)
        result = asyncio.run(guarded(run))
    typer.echo(f"run {result.summary.run}", err=True)
    return result


def _write(chosen: Any, value: Any, target: Path | None, verbose: int) -> None:
    from syncd.cli.output import write_report  # noqa: PLC0415 - keeps `syncd --help` quick

    options = {"limit": None} if not chosen.binary and verbose else {}
    write_report(chosen, value, target, **options)


def _exit_code(result: RunResult, *, refused: bool = False) -> int:
    from syncd.run import exit_rank  # noqa: PLC0415 - keeps `syncd --help` quick

    summary = result.summary
    found = any(summary.by_rule.values()) or any(one.rejected for one in summary.sources)
    planned = result.plan is not None and result.plan.changes
    whole = all(one.complete for one in summary.sources)
    codes = (FOUND if found or planned else CLEAN, CLEAN if whole else INCOMPLETE, REFUSED if refused else CLEAN)
    return exit_rank(codes)
