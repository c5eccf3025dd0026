"""What the benchmarks read of the JSON that a run reports, to check it before its time counts.

Not for: what is right (`truth.py`).
"""

from __future__ import annotations

from pathlib import Path

import msgspec


class Found(msgspec.Struct):
    """One discrepancy."""

    rule: str
    id: str


class Source(msgspec.Struct):
    """How one source fared."""

    complete: bool
    increment: bool
    read: int
    judged: int
    rejected: int


class Report(msgspec.Struct):
    """A run; of the floor, which has no sources, its discrepancies alone."""

    discrepancies: list[Found]
    sources: list[Source] = []


def read_report(path: Path) -> Report:
    """The report in a file."""
    return msgspec.json.decode(path.read_bytes(), type=Report)
