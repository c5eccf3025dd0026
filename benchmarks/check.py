"""Measures `syncd check` of a canonical CSV file against the floor, as whole processes, in turn.

Each pair is one run of the floor (`floor.py`), one `syncd check` on a fresh database, and one more on the database that
run left, in this order, after a warm-up of each. Every run is checked against the seeded truth before its time counts.

    python benchmarks/check.py --rows 100000 --pairs 7 --memory-rows 1000000 --write-results

Not for: the judge alone (`judge.py`).
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from figures import Spread, machine, table, write_section
from generate import AS_OF, write
from measure import Cost, RunFailed, WrongResult, environment, measure
from reports import read_report
from truth import Truth

_FLOOR: Final = Path(__file__).with_name("floor.py")
_CONFIG: Final = """\
[syncd]
database = "sqlite:///bench.db"

[sources.export]
adapter = "file"
path = "pipeline.csv"
mapping = "canonical"
"""
_HELP_RUNS: Final = 5


@dataclass(slots=True)
class Bench:
    """One pipeline in a folder of its own, its truth, and the runs over it.

    Attributes:
        folder: Holds the file, the configuration, the databases and the reports.
        rows: The size of the pipeline.
        truth: What a correct run must find.
        discrepancies: How many the first judged run reported; the floor writes as many.
        size: Bytes of the JSON of the last run of each kind.
    """

    folder: Path
    rows: int
    truth: Truth
    discrepancies: int = 0
    size: dict[str, int] = field(default_factory=dict)

    @classmethod
    def prepare(cls, folder: Path, rows: int, seed: int) -> Bench:
        """Generate the pipeline and write the configuration."""
        with (folder / "pipeline.csv").open("w", encoding="utf-8", newline="") as stream:
            truth = write(stream, rows, seed)
        (folder / "syncd.toml").write_text(_CONFIG, encoding="utf-8")
        return cls(folder, rows, truth)

    def check(self, *, fresh: bool = True) -> Cost:
        """One `syncd check`, verified; on a fresh database, or on the one the last run left.

        Raises:
            RunFailed: It ended with another status than "discrepancies found", or without a report.
            WrongResult: It found something else than the truth.
        """
        if fresh:
            self._remove("bench.db")
        output = self.folder / "check.json"
        output.unlink(missing_ok=True)
        command = _syncd("check", "-c", "syncd.toml", "--output-format", "json", "-o", output.name)
        command += ["--as-of", AS_OF.isoformat(), "-q"]
        cost = measure(command, folder=self.folder, environment=environment(self.folder), accept=(1,))
        if not output.exists():
            raise RunFailed(f"{' '.join(command)} wrote no report:\n{cost.messages}")
        self.size["syncd check"] = output.stat().st_size
        self._verify(output)
        return cost

    def floor(self) -> Cost:
        """One run of the floor, verified; a judged run must have come before.

        Raises:
            RunFailed: It failed.
            WrongResult: It did not store every row or did not write every discrepancy.
        """
        self._remove("floor.db")
        output = self.folder / "floor.json"
        command = [sys.executable, str(_FLOOR), "pipeline.csv", "floor.db", output.name]
        options = ["--rows", str(self.rows), "--discrepancies", str(self.discrepancies)]
        cost = measure([*command, *options], folder=self.folder, environment=environment(self.folder))
        self.size["floor"] = output.stat().st_size
        connection = sqlite3.connect(self.folder / "floor.db")
        stored = connection.execute("SELECT count(*) FROM opportunity").fetchone()[0]
        connection.close()
        written = len(read_report(output).discrepancies)
        if (stored, written) != (self.rows, self.discrepancies):
            raise WrongResult(f"the floor stored {stored} of {self.rows} rows and wrote {written} discrepancies")
        return cost

    def _verify(self, output: Path) -> None:
        report = read_report(output)
        wrong = self.truth.differences((found.rule, found.id) for found in report.discrepancies)
        for source in report.sources:
            if (source.complete, source.read, source.judged, source.rejected) != (True, self.rows, self.rows, 0):
                wrong.append(f"of {self.rows} rows the source gave {source}")
        if wrong:
            raise WrongResult("; ".join(wrong))
        self.discrepancies = len(report.discrepancies)

    def _remove(self, name: str) -> None:
        for path in self.folder.glob(f"{name}*"):
            path.unlink()


def _syncd(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "syncd", *arguments]


def measure_pairs(bench: Bench, pairs: int) -> list[str]:
    """The lines about time: ratios first, absolute figures after."""
    bench.check()
    bench.floor()
    floors, firsts, seconds = [], [], []
    for number in range(1, pairs + 1):
        floors.append(bench.floor())
        firsts.append(bench.check())
        seconds.append(bench.check(fresh=False))
        _note(f"pair {number} of {pairs}: floor {floors[-1].wall:.2f} s, syncd {firsts[-1].wall:.2f} s")
    helps = [
        measure(_syncd("--help"), folder=bench.folder, environment=environment(bench.folder)) for _ in range(_HELP_RUNS)
    ]
    ratios = [
        _ratio("first run / floor, wall", "<= 2.0", [run.wall for run in firsts], [run.wall for run in floors]),
        _ratio("first run / floor, CPU", "<= 2.0", [run.cpu for run in firsts], [run.cpu for run in floors]),
        _ratio("second run / first, wall", "<= 1.0", [run.wall for run in seconds], [run.wall for run in firsts]),
        _ratio("second run / first, CPU", "<= 1.0", [run.cpu for run in seconds], [run.cpu for run in firsts]),
        f"`syncd --help`, s | <= 0.25 | {Spread.of(run.wall for run in helps).cells()}",
    ]
    kinds = {"floor": floors, "syncd check, first run": firsts, "syncd check, second run": seconds}
    absolute = [
        f"{kind} | {Spread.of(run.wall for run in runs).median:.2f} | {Spread.of(run.cpu for run in runs).median:.2f}"
        f" | {Spread.of(run.wall for run in runs).median / bench.rows * 1e6:.1f} | {max(run.peak for run in runs):.1f}"
        for kind, runs in kinds.items()
    ]
    share = 100 * bench.truth.flawed / bench.rows
    written = ", ".join(f"{kind} {size / 2**20:.1f} MiB" for kind, size in bench.size.items())
    sizes = (
        f"{bench.rows:,} rows, {pairs} pairs. The seeded truth has discrepancies in {share:.1f} % of the rows; a run "
        f"reports {bench.discrepancies:,}. JSON written: {written}."
    )
    return [
        sizes,
        "",
        *table(("ratio", "target", "median", "min", "max"), ratios),
        *table(("run", "wall, s", "CPU, s", "wall, us a row", "peak, MiB"), absolute),
    ]


def _ratio(label: str, target: str, above: Sequence[float], below: Sequence[float]) -> str:
    return f"{label} | {target} | {Spread.ratios(above, below).cells()}"


def measure_memory(small: Bench, large: Bench) -> list[str]:
    """The lines about memory: one run at each size, each verified."""
    costs = [(bench.rows, bench.check()) for bench in (small, large)]
    lines = [f"{rows:,} | {cost.peak:.1f} | {cost.wall:.1f} | {cost.wall / rows * 1e6:.1f}" for rows, cost in costs]
    ratio = costs[1][1].peak / costs[0][1].peak
    return [
        *table(("rows", "peak, MiB", "wall, s", "wall, us a row"), lines),
        f"Peak memory at {large.rows:,} rows / at {small.rows:,}: {ratio:.3f} (target <= 1.05, and <= 100 MiB).",
        "",
    ]


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Run the benchmark; 0 when every run was right, whatever it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--memory-rows", type=int, default=0, help="also compare peak memory with a run of this size")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--small", action="store_true", help="a smoke run: 2,000 rows, one pair")
    parser.add_argument("--folder", type=Path, help="where to make the working folder; the system's choice if absent")
    parser.add_argument("--write-results", action="store_true", help="replace this benchmark's section of RESULTS.md")
    given = parser.parse_args()
    rows, pairs = (2_000, 1) if given.small else (given.rows, given.pairs)
    try:
        with tempfile.TemporaryDirectory(dir=given.folder, prefix="syncd-bench-") as base:
            lines = _run(Path(base), rows, pairs, given.memory_rows, given.seed)
    except (RunFailed, WrongResult) as error:
        _note(f"nothing is reported, because a run went wrong: {error}")
        return 1
    lines = [*lines, *machine("syncd", "msgspec", "SQLAlchemy")]
    print("\n".join(lines))
    if given.write_results:
        write_section("check", "syncd check of a CSV file, against the floor", lines)
    return 0


def _run(base: Path, rows: int, pairs: int, memory_rows: int, seed: int) -> list[str]:
    _note(f"generating {rows:,} rows")
    bench = Bench.prepare(_folder(base, "pairs"), rows, seed)
    lines = measure_pairs(bench, pairs)
    if memory_rows:
        _note(f"generating {memory_rows:,} rows")
        lines += measure_memory(bench, Bench.prepare(_folder(base, "memory"), memory_rows, seed))
    return lines


def _folder(base: Path, name: str) -> Path:
    folder = base / name
    folder.mkdir()
    return folder


if __name__ == "__main__":
    sys.exit(main())
