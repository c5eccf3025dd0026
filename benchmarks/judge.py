"""Measures the judge in one process on one core: opportunities a second, and the same rules in pydantic and in CEL.

The judge runs every rule, with messages, phrases and fixes; the peers run those that `truth.py` knows and answer with
bare codes, given records that are read as far as they can be (`peers.py`). So the ratios flatter the peers. Before any
time counts, the answers of all are compared with the truth, record by record; the peers' for every fifth record.

A judge may remember answers by state, so it is measured twice: on the generated pipeline, which the targets speak of,
and on one whose checkpoints are scattered so that hardly two records share a state. No pipeline is like that; it has no
target, and is reported to show what a record costs at worst, when remembering whole states is of no use. Every round
starts with a judge that remembers nothing.

    python benchmarks/judge.py --rows 100000 --rounds 7 --write-results

Not for: whole runs (`check.py`).
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cel_peer import CelRules, cel_record
from figures import Spread, machine, table, write_section
from generate import AS_OF, rows
from measure import WrongResult
from opportunities import opportunities, scatter
from peers import record
from pydantic_peer import rules as pydantic_rules
from truth import RULES, fired

from syncd.judge import Judge
from syncd.model import Opportunity
from syncd.policy import Policy
from syncd.process import Process, load_process

_CHART: Final = Path(__file__).resolve().parent.parent / "mappings" / "mssp.toml"
_PEER_SHARE: Final = 5
"""The peers take every fifth record: the figures are a record's, and CEL would take most of the time."""
_RATES: Final = {"judge, generated": ">= 800"}
"""Thousand opportunities a second that are aimed at."""
_RATIOS: Final = {"pydantic, generated": ">= 5", "CEL, generated": ">= 20"}
"""How many times as long as the judge the peers should take."""


@dataclass(frozen=True, slots=True)
class Side:
    """One contender: what it is called, its records, and what makes it ready, its rules compiled and no memory."""

    label: str
    records: Sequence[Any]
    ready: Callable[[], Callable[[Any], object]]

    def seconds(self) -> float:
        """CPU seconds a record in one round; CPU and not wall, since other processes share the cores."""
        take, records = self.ready(), self.records
        gc.collect()
        start = time.process_time()
        for one in records:
            take(one)
        return (time.process_time() - start) / len(records)


def verify(cells: Sequence[Sequence[str]], judged: Sequence[Opportunity], process: Process) -> int:
    """Compare every answer with the truth; return how many findings the judge has.

    Raises:
        WrongResult: One differs; the first is named.
    """
    judge, total = _judge(process), 0
    validated, expressions = pydantic_rules(AS_OF), CelRules.compile(AS_OF)
    for number, (row, given) in enumerate(zip(cells, judged, strict=True)):
        right = set(fired(row, AS_OF.isoformat()))
        codes = {finding.rule for finding in judge.judge(given).findings}
        total += len(codes)
        answers = {"the judge": codes & RULES}
        if number % _PEER_SHARE == 0:
            plain = record(row, AS_OF.isoformat())
            answers["pydantic"] = set(validated(plain))
            answers["CEL"] = set(expressions.broken(cel_record(plain)))
        for who, said in answers.items():
            if said != right:
                raise WrongResult(
                    f"{row[0]}: {who} has {sorted(said - right)} too many and lacks {sorted(right - said)}"
                )
    return total


def measure(count: int, rounds: int, seed: int) -> list[str]:
    """Verify, then time all contenders in turn, and return the lines to report."""
    process = load_process(_CHART)
    pipelines = {"generated": list(rows(count, seed))}
    source = random.Random(seed)
    pipelines["scattered"] = [scatter(row, source) for row in pipelines["generated"]]
    sides, notes = [], []
    for name, cells in pipelines.items():
        judged = opportunities(cells, process)
        found = verify(cells, judged, process)
        states = len({(one.stage, one.status, one.probability, one.met, one.not_met) for one in judged})
        notes.append(f"- {name}: {count:,} opportunities in {states:,} states, {found:,} findings, all verified")
        sides += _sides(name, cells, judged, process)
    figures: dict[str, list[float]] = {side.label: [] for side in sides}
    for turn in range(rounds + 1):
        for side in sides:
            taken = side.seconds()
            if turn:
                figures[side.label].append(taken)
    return [*notes, "", *_report(figures)]


def _judge(process: Process) -> Judge:
    return Judge(process, Policy(), today=AS_OF)


def _sides(name: str, cells: Sequence[Sequence[str]], judged: Sequence[Opportunity], process: Process) -> list[Side]:
    plain = [record(row, AS_OF.isoformat()) for row in cells[::_PEER_SHARE]]
    validated, expressions = pydantic_rules(AS_OF), CelRules.compile(AS_OF)
    return [
        Side(f"judge, {name}", judged, lambda: _judge(process).judge),
        Side(f"pydantic, {name}", plain, lambda: validated),
        Side(f"CEL, {name}", [cel_record(one) for one in plain], lambda: expressions.broken),
    ]


def _report(figures: dict[str, list[float]]) -> list[str]:
    rates = []
    for label, taken in figures.items():
        spread = Spread.of(1 / one / 1_000 for one in taken)
        rates.append(f"{label} | {_RATES.get(label, '')} | {spread.cells(1)}")
    ratios = []
    for label, taken in figures.items():
        who, name = label.split(", ")
        if who != "judge":
            spread = Spread.ratios(taken, figures[f"judge, {name}"])
            ratios.append(f"{who} / judge, {name} | {_RATIOS.get(label, '')} | {spread.cells(1)}")
    return [
        *table(("thousand opportunities a second", "target", "median", "min", "max"), rates),
        *table(("time a record", "target", "median", "min", "max"), ratios),
    ]


def main() -> int:
    """Run the benchmark; 0 when every answer was right, however long it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--small", action="store_true", help="a smoke run: 2,000 rows, one round")
    parser.add_argument("--write-results", action="store_true", help="replace this benchmark's section of RESULTS.md")
    given = parser.parse_args()
    count, rounds = (2_000, 1) if given.small else (given.rows, given.rounds)
    gc.set_threshold(100_000, 50, 50)  # as the tool itself sets it
    try:
        lines = measure(count, rounds, given.seed)
    except WrongResult as error:
        print(f"nothing is reported, because an answer is wrong: {error}", file=sys.stderr)
        return 1
    lines = [*lines, *machine("syncd", "msgspec", "pydantic", "cel-expr-python")]
    print("\n".join(lines))
    if given.write_results:
        write_section("judge", "The judge, against pydantic and CEL", lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
