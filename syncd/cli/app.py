"""The program: its commands, and what happens when one fails.

Each command's own modules are imported when the command runs, so that `syncd --help` answers at once.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated, Final

import typer

from syncd import __version__
from syncd.cli import config, doctor, inspect, judging, rehearse, report, rules
from syncd.cli.failures import INTERRUPTED, USAGE, explain_failure

app: Final = typer.Typer(
    name="syncd",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 clean, 1 discrepancies or changes pending, 2 usage, configuration or internal error, "
        "3 a source was incomplete, 4 refused by a limit, 75 try again later, 130 interrupted."
    ),
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"syncd {__version__}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Judge a sales pipeline by the MSSP process chart: what is wrong, how much money it is about, what cures it."""


app.command("check")(judging.check)
app.command("reconcile")(judging.reconcile)
app.command("report")(report.report)
app.command("rules")(rules.rules)
app.command("explain")(rules.explain)
app.command("doctor")(doctor.doctor)
app.command("rehearse")(rehearse.rehearse)
app.command("status")(inspect.status)
app.command("history")(inspect.history)
app.command("init")(config.init)
app.add_typer(config.app, name="config")


def main() -> None:
    """Run the command line and exit with its code."""
    # Imports and runs make millions of small values and next to no cycles; looking for some takes a third of the time.
    gc.set_threshold(100_000, 50, 50)
    try:
        code = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        # The reader has gone, as `head` does. Python would complain once more while closing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = USAGE
    except Exception as error:  # noqa: BLE001 - the outermost frame: every error becomes a sentence and a code
        code = _explain(error)
    if code == INTERRUPTED:
        # Said here, as most versions of typer catch Ctrl-C themselves and only give this code.
        typer.echo("interrupted: a run that has not ended leaves nothing in the store", err=True)
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> int:
    # typer's complaints about the command line show themselves; their class has moved between its versions.
    show = getattr(error, "show", None)
    if not callable(show):
        return explain_failure(error)
    show()
    return USAGE
