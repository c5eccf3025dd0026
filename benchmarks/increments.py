"""Measures increments in process: what a run costs when nothing or little changed, however many records are stored.

A service makes such a run every few minutes, so it must not cost more the more records are stored. The system answers
from memory: what counts is all that syncd does besides asking. Every run is checked: the discrepancies it reports are
those the truth knows for the records as they are then, by rule.

    python benchmarks/increments.py --sizes 20000,1000000 --rounds 7 --write-results

Not for: requests and their cost (`pull.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from columns import AT, COLUMNS
from figures import Spread, machine, table, write_section
from generate import AS_OF, rows
from measure import WrongResult
from truth import RULES, fired

from syncd.adapter import Capabilities, Page
from syncd.mapping import Mapper, load_mapping
from syncd.mapping.values import Reading
from syncd.policy import Policy
from syncd.process import load_process
from syncd.pull import Source
from syncd.run import Assignment, RunResult, perform
from syncd.store import Store, open_store

_MAPPINGS: Final = Path(__file__).resolve().parent.parent / "mappings"
_PAGE: Final = 5_000
_NOON: Final = datetime(2026, 1, 15, 12, tzinfo=UTC)
_UTC: Final = ZoneInfo("UTC")
_TARGET: Final = "<= 25"
"""Milliseconds in process when nothing changed."""

Row = Sequence[str]


class Feed:
    """A system that tells what changed, and holds nothing of it longer than it must.

    Attributes:
        changed: The rows the next increment gives.
    """

    Settings: ClassVar[type[Any]] = object
    capabilities: ClassVar[Capabilities] = Capabilities(incremental=True, deletions=True)

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed = count, seed
        self.changed: list[Row] = []

    async def pull(self, since: str | None = None) -> AsyncIterator[Page]:
        """Every row, or those that changed."""
        given: Iterator[Row] = iter(self.changed) if since is not None else rows(self._count, self._seed)
        while page := list(itertools.islice(given, _PAGE)):
            yield Page(COLUMNS, page, text=True)
        yield Page(COLUMNS, [], watermark="1")

    async def close(self) -> None:
        """Nothing to let go of."""


class Bench:
    """One store with as many records, kept up to date by increments."""

    def __init__(self, store: Store, count: int, seed: int) -> None:
        process = load_process(_MAPPINGS / "mssp.toml")
        mapping = load_mapping("canonical", process, (_MAPPINGS,), _MAPPINGS)
        self._store = store
        self._feed = Feed(count, seed)
        source = Source(
            name="crm",
            adapter_name="feed",
            adapter=self._feed,  # type: ignore[arg-type]  # no configuration makes it
            mapper=Mapper(mapping, process, Reading(business_zone=_UTC, source_zone=_UTC)),
            digest="benchmark",
        )
        self._assignment = Assignment(
            command="check", process=process, policy=Policy(), sources=(source,), today=AS_OF, pinned=False,
            ruling="benchmark",
        )  # fmt: skip
        self._expected: Counter[str] = Counter()
        for row in rows(count, seed):
            self._expected.update(fired(row, AS_OF.isoformat()))

    def run(self, changed: Sequence[Row] = ()) -> float:
        """Seconds that a run takes which these rows are given to.

        Raises:
            WrongResult: It reports something else than the truth.
        """
        self._feed.changed = list(changed)
        gc.collect()
        start = time.perf_counter()
        result = asyncio.run(perform(self._store, self._assignment, clock=lambda: _NOON, progress=lambda *_: None))
        taken = time.perf_counter() - start
        self._verify(result)
        return taken

    def swapped(self, before: Sequence[Row], after: Sequence[Row]) -> None:
        """Some rows are now others."""
        for row in before:
            self._expected.subtract(fired(row, AS_OF.isoformat()))
        for row in after:
            self._expected.update(fired(row, AS_OF.isoformat()))

    def _verify(self, result: RunResult) -> None:
        said = {rule: count for rule, count in result.summary.by_rule.items() if rule in RULES}
        if said != {rule: count for rule, count in self._expected.items() if count}:
            raise WrongResult(f"a run reports {said}, and the truth is {dict(self._expected)}")


def edited(row: Row, turn: int) -> Row:
    """The same record after somebody worked on it: another amount, and its sponsor found or lost."""
    cells = list(row)
    cells[AT["amount"]] = str(1_000 + turn)
    cells[AT["prospect.sponsor_identified"]] = ("no", "yes")[turn % 2]
    return cells


def measure(sizes: Sequence[int], changes: Sequence[int], rounds: int, seed: int) -> list[str]:
    """Fill a store of each size, time increments on it, and return the lines to report."""
    lines = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="syncd-bench-") as folder:
            store = open_store(f"sqlite:///{Path(folder) / 'syncd.db'}")
            try:
                lines += _lines(Bench(store, size, seed), size, changes, rounds, seed)
            finally:
                store.close()
    head = ("records stored", "changed", "target, ms", "median, ms", "min", "max", "us a changed record")
    return [*table(head, lines), f"{rounds} rounds; the first, full run is not among them.", ""]


def _lines(bench: Bench, size: int, changes: Sequence[int], rounds: int, seed: int) -> list[str]:
    bench.run()
    bench.run()
    quiet = Spread.of([bench.run() * 1_000 for _ in range(rounds)])
    lines = [f"{size:,} | 0 | {_TARGET} | {quiet.cells(1)} | "]
    turn = 0
    now: list[Row] = list(itertools.islice(rows(size, seed), max(changes, default=0)))
    for count in changes:
        taken = []
        for _ in range(rounds):
            turn += 1
            after = [edited(row, turn) for row in now[:count]]
            bench.swapped(now[:count], after)
            taken.append(bench.run(after) * 1_000)
            now[:count] = after
        spread = Spread.of(taken)
        each = (spread.median - quiet.median) * 1_000 / count
        lines.append(f"{size:,} | {count:,} | | {spread.cells(1)} | {each:,.0f}")
    return lines


def main() -> int:
    """Run the benchmark; 0 when every run was right, however long it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sizes", default="20000,1000000", help="how many records are stored")
    parser.add_argument("--changes", default="100,1000", help="how many of them change")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--small", action="store_true", help="a smoke run: 1,000 and 2,000 records, one round")
    parser.add_argument("--write-results", action="store_true", help="replace this benchmark's section of RESULTS.md")
    given = parser.parse_args()
    sizes = [1_000, 2_000] if given.small else [int(one) for one in given.sizes.split(",")]
    changes = [20] if given.small else [int(one) for one in given.changes.split(",")]
    gc.set_threshold(100_000, 50, 50)  # as the tool itself sets it
    try:
        lines = measure(sizes, changes, 1 if given.small else given.rounds, given.seed)
    except WrongResult as error:
        print(f"nothing is reported, because a run is wrong: {error}", file=sys.stderr)
        return 1
    lines = [*lines, *machine("syncd", "msgspec", "SQLAlchemy")]
    print("\n".join(lines))
    if given.write_results:
        write_section("increments", "Increments in process, by the number of records stored", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
