"""Where results go: to stdout or into a file, which appears only once it is whole."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from syncd.errors import UsageError
from syncd.report import Format


def write_report(chosen: Format, value: Any, target: Path | None, **options: Any) -> None:
    """Write a report or a plan.

    Args:
        chosen: The format.
        value: What to write.
        target: The file, or None for stdout.
        options: Passed on to the format.

    Raises:
        UsageError: The format is not for a terminal, and nothing else was named.
    """
    if target is None and chosen.opaque and sys.stdout.isatty():
        raise UsageError("this format is not for a terminal; name a file with -o FILE")
    if target is None and not chosen.binary:
        if isinstance(sys.stdout, io.TextIOWrapper):
            # A terminal that cannot show a character shows a question mark instead of ending the run.
            sys.stdout.reconfigure(errors="replace")
        chosen.write(value, sys.stdout, **options)
        sys.stdout.flush()
        return
    with opened(target) as out:
        if chosen.binary:
            chosen.write(value, out, **options)
            return
        text = io.TextIOWrapper(out, encoding="utf-8", newline="")
        chosen.write(value, text, **options)
        text.flush()
        text.detach()


@contextlib.contextmanager
def opened(target: Path | None) -> Iterator[BinaryIO]:
    """A binary stream: stdout, or a new file that takes the old one's place when everything is written."""
    if target is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if target.exists() and not target.is_file():
        # A device or a pipe, such as /dev/stdout: written to, never replaced.
        with target.open("wb") as out:
            yield out
        return
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except FileNotFoundError as error:
        raise UsageError(f"-o: there is no folder {target.parent}") from error
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            yield cast("BinaryIO", out)
        _take_mode(fresh, target)
        fresh.replace(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _take_mode(fresh: Path, target: Path) -> None:
    """Give the new file the rights an ordinary new file would have, or those of the one it replaces."""
    if target.exists():
        fresh.chmod(target.stat().st_mode & 0o777)
        return
    mask = os.umask(0)
    os.umask(mask)
    fresh.chmod(0o666 & ~mask)
