"""A progress bar on stderr for long reads, on a terminal only; elsewhere silence.

Not for: logs (`syncd.logs`).
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

from syncd.pull import Progress

_AFTER_SECONDS: Final = 0.5
"""What takes less needs no bar, and rich's is not imported for it."""


@contextlib.contextmanager
def shown_progress(*, quiet: bool) -> Iterator[Progress]:
    """Something to tell of progress, shown for as long as the block runs."""
    if quiet or not sys.stderr.isatty():
        yield _nothing
        return
    bar = _Bar()
    try:
        yield bar.advance
    finally:
        bar.stop()


def _nothing(source: str, records: int, done: int, total: int) -> None:
    pass


class _Bar:
    def __init__(self) -> None:
        self._started = time.monotonic()
        self._tasks: dict[str, Any] = {}
        self._bars: Any = None

    def advance(self, source: str, records: int, done: int, total: int) -> None:
        """Show how far a source is."""
        if self._bars is None:
            if time.monotonic() - self._started < _AFTER_SECONDS:
                return
            self._bars = _started_bars()
        if source not in self._tasks:
            self._tasks[source] = self._bars.add_task(source, total=total or None, records="")
        self._bars.update(self._tasks[source], completed=done, total=total or None, records=f"{records:,} records")

    def stop(self) -> None:
        """Take the bar away."""
        if self._bars is not None:
            self._bars.stop()


def _started_bars() -> Any:
    from rich.console import Console  # noqa: PLC0415 - see `_AFTER_SECONDS`
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    shape = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[records]}"), TimeRemainingColumn())
    bars = Bars(*shape, console=Console(file=sys.stderr), transient=True)
    bars.start()
    return bars
