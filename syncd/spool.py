"""Keeps changes aside until it is known what becomes of them, in memory while few, in a temporary file when many.

Not for: plans that are to last; those are files of their own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Final, Self

import msgspec

from syncd.model import Change

_IN_MEMORY: Final = 4 << 20


class ChangeSpool:
    """Some changes, in the order they were added."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed by `__exit__`
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Change)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def keep(self, change: Change) -> None:
        """Add one change."""
        self._file.write(self._encoder.encode(change) + b"\n")

    def clear(self) -> None:
        """Drop every change so far."""
        self._file.seek(0)
        self._file.truncate()

    def changes(self) -> Iterator[Change]:
        """Every change so far."""
        self._file.seek(0)
        for line in self._file:
            yield self._decoder.decode(line)
