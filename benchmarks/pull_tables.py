"""What the figures of one system's pulls come to: ratios against the targets, absolute figures, requests.

Not for: running anything (`pull_bench.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from figures import Spread, table
from pull_bench import PullBench, Run

Runs = Mapping[str, Sequence[Run]]

HTTPX: Final = "floor, httpx"
PLAIN: Final = "floor, http.client"
FIRST: Final = "first pull"
AGAIN: Final = "full pull, nothing changed"
NOTHING: Final = "increment, nothing changed"
SOME: Final = "increment, 1 % changed"

_RATIOS: Final = (
    (FIRST, HTTPX, "wall", "<= 1.5"),
    (FIRST, HTTPX, "CPU", "<= 1.5"),
    (FIRST, PLAIN, "wall", "<= 2.0"),
    (FIRST, PLAIN, "CPU", "<= 2.0"),
    (AGAIN, FIRST, "wall", "<= 1.0"),
    (AGAIN, FIRST, "CPU", "<= 1.0"),
    (NOTHING, FIRST, "wall", ""),
    (SOME, FIRST, "wall", ""),
)


def of_pairs(bench: PullBench, runs: Runs, peers: Runs) -> list[str]:
    """The lines about floor, pulls and peers."""
    lines = [
        f"{above} / {below}, {what} | {target} | {_spread(runs[above], runs[below], what).cells()}"
        for above, below, what, target in _RATIOS
    ]
    lines += [
        f"{peer} / {FIRST}, wall | {_PEER_TARGETS.get(peer, '')} | {_spread(found, runs[FIRST], 'wall').cells()}"
        for peer, found in peers.items()
    ]
    every = {**runs, **peers}
    return [
        _head(bench, runs),
        "",
        *table(("ratio", "target", "median", "min", "max"), lines),
        *table(
            ("run", "wall, s", "CPU, s", "wall, us a row", "peak, MiB", "requests"),
            (_absolute(kind, found, bench.rows) for kind, found in every.items()),
        ),
    ]


_PEER_TARGETS: Final = {"dlt to sqlite": ">= 12", "dlt to duckdb": ">= 8"}


def of_latency(bench: PullBench, runs: Sequence[Run], milliseconds: float, target: str) -> list[str]:
    """The line about slow answers: the least is each page after the last, or as many at once as may be."""
    least = bench.pages * milliseconds / 1_000 / bench.width
    ratio = Spread.of(run.cost.wall / least for run in runs)
    line = (
        f"With {milliseconds:g} ms a request, first pull / (pages x latency / at once) = {ratio.median:.2f} "
        f"({ratio.low:.2f} to {ratio.high:.2f}){target}: {bench.pages:,} pages, {bench.width} at once, so "
        f"{least:.2f} s; {runs[0].requests:,} requests, at most {max(run.at_once for run in runs)} under way together."
    )
    return [line, ""]


def of_faults(clean: Run, faulty: Run) -> list[str]:
    """The line about answers that go wrong; the stores were compared before."""
    extra = faulty.requests - clean.requests
    ratio = extra / faulty.faults if faulty.faults else 0.0
    line = (
        f"With one answer in twenty a 429, a 500 or cut short: {faulty.faults} faults, {extra} extra requests, "
        f"extra / faults = {ratio:.2f} (target <= 1.1); what is stored equals, row by row, what a run without faults "
        "stores."
    )
    return [line, ""]


def of_memory(sizes: Sequence[tuple[int, Run]]) -> list[str]:
    """The lines about memory at two sizes."""
    lines = [
        f"{rows:,} | {run.cost.peak:.1f} | {run.cost.wall:.1f} | {run.cost.wall / rows * 1e6:.1f}"
        for rows, run in sizes
    ]
    ratio = sizes[1][1].cost.peak / sizes[0][1].cost.peak
    return [
        *table(("rows", "peak, MiB", "wall, s", "wall, us a row"), lines),
        f"Peak memory at {sizes[1][0]:,} rows / at {sizes[0][0]:,}: {ratio:.3f} (target <= 1.05, and <= 100 MiB).",
        "",
    ]


def _head(bench: PullBench, runs: Runs) -> str:
    floor = runs[HTTPX][0]
    share = 100 * bench.truths["base"].flawed / bench.rows
    misses = sum(run.misses for found in runs.values() for run in found)
    late = f" {misses} answers were rendered while they were waited for." if misses else ""
    return (
        f"{bench.rows:,} rows in {bench.pages:,} pages, {floor.sent / bench.rows / 1_000:.2f} KB a row, "
        f"{len(runs[FIRST])} pairs. {share:.1f} % of the rows break a rule; a run reports {bench.discrepancies:,} "
        f"discrepancies.{late}"
    )


def _spread(above: Sequence[Run], below: Sequence[Run], what: str) -> Spread:
    return Spread.ratios([_figure(run, what) for run in above], [_figure(run, what) for run in below])


def _figure(run: Run, what: str) -> float:
    return run.cost.wall if what == "wall" else run.cost.cpu


def _absolute(kind: str, runs: Sequence[Run], rows: int) -> str:
    wall = Spread.of(run.cost.wall for run in runs).median
    cpu = Spread.of(run.cost.cpu for run in runs).median
    peak, requests = max(run.cost.peak for run in runs), max(run.requests for run in runs)
    return f"{kind} | {wall:.2f} | {cpu:.2f} | {wall / rows * 1e6:.1f} | {peak:.1f} | {requests:,}"
