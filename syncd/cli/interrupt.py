"""Ctrl-C that ends a run at once.

asyncio's own way is to cancel the task at its next pause. A run has none while it waits for a slow file or judges, so
the wish would be heard late or not at all.

Not for: what is said about it (`syncd.cli.app`).
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

_T = TypeVar("_T")


@contextlib.contextmanager
def interrupted_at_once() -> Iterator[Callable[[Coroutine[Any, Any, _T]], Coroutine[Any, Any, _T]]]:
    """For as long as the block runs, Ctrl-C raises where the program stands.

    Yields:
        What to wrap the coroutine in that `asyncio.run` is given.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    pressed: list[KeyboardInterrupt] = []

    async def guarded(run: Coroutine[Any, Any, _T]) -> _T:
        try:
            return await run
        except KeyboardInterrupt as error:
            # A task that ends with it would be complained about once more, with a traceback, when the loop is closed.
            pressed.append(error)
            raise _Interrupted from error

    # asyncio puts its own handler only in the place of Python's, never in that of another.
    own = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, _raise) if own else signal.SIG_DFL
    try:
        yield guarded
    except _Interrupted:
        raise pressed[0] from None
    finally:
        if own:
            signal.signal(signal.SIGINT, before)


class _Interrupted(Exception):
    """Carries the interruption out of the task."""


def _raise(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
