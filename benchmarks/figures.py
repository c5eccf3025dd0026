"""Turns measurements into the lines people read: ratios with their spread, the machine, the sections of RESULTS.md.

Not for: taking measurements (`measure.py`).
"""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, smallest and largest of some figures."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: Iterable[float]) -> Spread:
        """Of at least one figure."""
        ordered = sorted(figures)
        return cls(statistics.median(ordered), ordered[0], ordered[-1])

    @classmethod
    def ratios(cls, above: Sequence[float], below: Sequence[float]) -> Spread:
        """Of the quotients, pair by pair; never of the quotient of two medians, which hides drift."""
        return cls.of(one / other for one, other in zip(above, below, strict=True))

    def cells(self, places: int = 2) -> str:
        """As three cells of a Markdown table row."""
        return " | ".join(f"{figure:,.{places}f}" for figure in (self.median, self.low, self.high))


def table(head: Sequence[str], lines: Iterable[str]) -> list[str]:
    """A Markdown table of lines whose cells are already joined by bars."""
    return [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *(f"| {line} |" for line in lines), ""]


def machine(*packages: str) -> list[str]:
    """What was measured where: time, processor, system, and the versions of Python, SQLite and some packages."""
    versions = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    for package in packages:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{package} (not installed)")
    load = ", ".join(f"{figure:.2f}" for figure in os.getloadavg())
    return [
        f"- Measured: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC; load average at the end: {load}",
        f"- Machine: {_processor()}, {os.cpu_count()} cores, {_memory()}, {platform.platform()}",
        f"- Versions: {', '.join(versions)}",
        "",
    ]


def write_section(name: str, title: str, lines: Sequence[str], place: Path = RESULTS) -> None:
    """Replace one benchmark's section of the results and leave the others as they are."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    section = "\n".join([begin, f"## {title}", "", *lines]).rstrip("\n") + f"\n{end}\n"
    text = place.read_text(encoding="utf-8") if place.exists() else "# Results of the benchmarks\n"
    if begin in text:
        before, _, rest = text.partition(begin)
        text = before + section + rest.partition(f"{end}\n")[2]
    else:
        text = f"{text}\n{section}"
    place.write_text(text, encoding="utf-8")


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.processor() or platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
