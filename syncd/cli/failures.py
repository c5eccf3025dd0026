"""From an error to a sentence, what to do next, and an exit code: the one place that does it."""

from __future__ import annotations

import os
import sys
from typing import Final

import typer

from syncd.errors import (
    ConfigError,
    SourceIncomplete,
    StoreBusy,
    StoreFailed,
    StoreUnreachable,
    SyncdError,
    UsageError,
)

CLEAN: Final = 0
FOUND: Final = 1
USAGE: Final = 2
INCOMPLETE: Final = 3
REFUSED: Final = 4
TRY_AGAIN: Final = 75
INTERRUPTED: Final = 130


def explain_failure(error: Exception) -> int:
    """Say on stderr what went wrong and what to do next.

    Returns:
        The exit code.
    """
    if isinstance(error, ConfigError):
        for problem in error.problems:
            _say(str(problem))
        count = len(error.problems)
        _say(f"{count} problem{'s' if count != 1 else ''} in the configuration; nothing was read or written")
        return USAGE
    if isinstance(error, UsageError):
        _say(str(error))
        return USAGE
    if isinstance(error, SourceIncomplete):
        _say(f"{error.reason}{f'; {error.remedy}' if error.remedy else ''}")
        return INCOMPLETE
    if isinstance(error, StoreBusy | StoreFailed):
        return _explain_store(error)
    if isinstance(error, SyncdError):
        _say(str(error))
        return USAGE
    if isinstance(error, OSError):
        # Without a name it was the writing of a result that failed: sources and the database have errors of their own.
        _say(f"{error.filename or 'the result could not be written'}: {error.strerror}")
        return USAGE
    return _internal(error)


def _explain_store(error: StoreBusy | StoreFailed) -> int:
    if isinstance(error, StoreUnreachable):
        _say(f"the database cannot be reached ({error}); see that its server runs, and try again")
        return TRY_AGAIN
    if isinstance(error, StoreBusy):
        _say(f"the database is in use by another process ({error}); nothing was changed, try again in a moment")
        return TRY_AGAIN
    _say(f"the database cannot be used: {error}")
    if error.remedy:
        _say(error.remedy)
    return USAGE


def _internal(error: Exception) -> int:
    if os.environ.get("SYNCD_DEBUG"):
        raise error
    place = ""
    if error.__traceback__ is not None:
        last = error.__traceback__
        while last.tb_next is not None:
            last = last.tb_next
        place = f" at {os.path.basename(last.tb_frame.f_code.co_filename)}:{last.tb_lineno}"  # noqa: PTH119
    # Only the kind of the error: its text may quote a record.
    _say(f"internal error: {type(error).__name__}{place}. Please report it; SYNCD_DEBUG=1 shows where it comes from")
    return USAGE


def _say(sentence: str) -> None:
    typer.echo(f"syncd: {sentence}", err=True, file=sys.stderr)
