"""Reads named pipes without waiting for ever: opening one for reading blocks until somebody writes to it.

Not for: ordinary files, which never make anybody wait.
"""

from __future__ import annotations

import io
import os
import select
import time
from typing import Any, Final

from syncd.errors import SourceUnavailable

PATIENCE: Final = 30.0
"""Seconds that a pipe may be without any writer. Once there is one, it may take its time."""

_LOOK: Final = 0.1
"""Seconds between two looks whether a writer has come: nothing announces one that has not written yet."""


class PipeReader(io.RawIOBase):
    """A pipe, opened without blocking; reads block, and Ctrl-C ends them."""

    def __init__(self, descriptor: int, name: str) -> None:
        """Args: descriptor, which is closed with the reader, and name for messages."""
        super().__init__()
        self._descriptor = descriptor
        self._name = name
        self._begun = False
        self._ready = select.poll()
        self._ready.register(descriptor, select.POLLIN)

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Wait for the next bytes; 0 at the end, when the last writer has gone.

        Raises:
            SourceUnavailable: Nobody has come to write.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                size = os.readv(self._descriptor, [buffer])
            except BlockingIOError:
                self._begun = True
                self._ready.poll()
                continue
            if size or self._begun:
                self._begun = True
                return size
            # Without a writer a pipe looks as if it were at its end. One that came and went has left a sign.
            if self._ready.poll(_LOOK * 1000):
                self._begun = True
            elif time.monotonic() >= deadline:
                raise SourceUnavailable(
                    f"{self._name} is a pipe, and nobody wrote to it for {PATIENCE:g} seconds",
                    "Start what writes to it at the same time as syncd, or name an ordinary file.",
                )

    def close(self) -> None:
        """Let go of the pipe."""
        if not self.closed:
            super().close()
            os.close(self._descriptor)
