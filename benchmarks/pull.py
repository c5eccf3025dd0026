"""Measures pulls over HTTP against the floor, as whole processes, in turn: `syncd check` of a system on this machine.

Each pair is the floor with httpx and with http.client, a first pull into a fresh database, a full pull of the same
rows, an increment of nothing and an increment of one row in a hundred, in this order, after a warm-up of each. Every
run is checked against the seeded truth before its time counts. The system answers from memory (`pages.py`).

    python benchmarks/pull.py --rows 100000 --pairs 5 --memory-rows 1000000 --latency-ms 50 --faults --write-results
    python benchmarks/pull.py --crm dynamics365 --peer dlt --peer-python peers/bin/python

Not for: reading files (`check.py`), or child rows beside the opportunities.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pull_tables as tables
from dialects import DIALECTS, SELECTIONS
from figures import machine, write_section
from measure import RunFailed, WrongResult
from pull_bench import PullBench, Run

_SMOKE: Final = "dynamics365"
_SHARE: Final = 0.05
_HOW_TO_PEER: Final = (
    "dlt is left out: say where it is with `--peer-python`, after\n"
    "    python -m venv peers && peers/bin/pip install 'dlt[sqlalchemy,duckdb]' pyarrow"
)
_PEERS: Final = ("sqlite", "duckdb")
_PEERS_READ: Final = ("dynamics365", "rest")
_LATENCY_TARGETS: Final = {"siebel": ", target <= 1.15", "dynamics365": ", target <= 1.5"}


def _one_round(bench: PullBench) -> Mapping[str, Run]:
    """Each kind of run once, in turn; a full pull of unchanged rows must leave the store as it was."""
    runs = {
        tables.HTTPX: bench.floor("httpx"),
        tables.PLAIN: bench.floor("http.client"),
        tables.FIRST: bench.check(fresh=True),
    }
    return {**runs, **_later_runs(bench)}


def _later_runs(bench: PullBench) -> Mapping[str, Run]:
    before = bench.digests()
    runs = {tables.AGAIN: bench.check(full=True)}
    if written := [table for table, digest in bench.digests().items() if digest != before[table]]:
        raise WrongResult(f"{bench.crm}: a full pull of unchanged rows changed {', '.join(written)}")
    runs[tables.NOTHING] = bench.check()
    runs[tables.SOME] = bench.check(state="changed")
    return runs


def _measure(bench: PullBench, given: argparse.Namespace) -> list[str]:
    """All that is measured of one system."""
    peer = _peer(bench, given)
    first = bench.learn_pages()
    rounds: list[Mapping[str, Run]] = []
    peers: list[Mapping[str, Run]] = []
    if given.small:
        later = _later_runs(bench)
        floors = {tables.HTTPX: bench.floor("httpx"), tables.PLAIN: bench.floor("http.client")}
        rounds = [{tables.FIRST: first, **later, **floors}]
    else:
        _one_round(bench)
        for number in range(1, given.pairs + 1):
            rounds.append(_one_round(bench))
            peers.append(peer())
            floor, pull = rounds[-1][tables.HTTPX].cost, rounds[-1][tables.FIRST].cost
            _note(f"{bench.crm}, pair {number} of {given.pairs}: floor {floor.wall:.2f} s, syncd {pull.wall:.2f} s")
    kinds = [tables.HTTPX, tables.PLAIN, tables.FIRST, tables.AGAIN, tables.NOTHING, tables.SOME]
    lines = tables.of_pairs(bench, _columns(rounds, kinds), _columns(peers, [*peers[0]] if peers else []))
    if given.latency_ms:
        slow = [bench.check(fresh=True, latency=given.latency_ms / 1_000) for _ in range(min(given.pairs, 3))]
        lines += tables.of_latency(bench, slow, given.latency_ms, _LATENCY_TARGETS.get(bench.crm, ""))
    return lines + (_faults(bench) if given.faults else [])


def _columns(rounds: list[Mapping[str, Run]], kinds: list[str]) -> Mapping[str, list[Run]]:
    return {kind: [one[kind] for one in rounds] for kind in kinds}


def _peer(bench: PullBench, given: argparse.Namespace) -> Callable[[], Mapping[str, Run]]:
    if given.peer is None or given.peer_python is None or bench.crm not in _PEERS_READ:
        return dict
    return lambda: {f"dlt to {place}": bench.peer(given.peer_python, place) for place in _PEERS}


def _faults(bench: PullBench) -> list[str]:
    clean = bench.check(fresh=True)
    expected = bench.digests()
    faulty = bench.check(fresh=True, faults=_SHARE)
    if differing := [table for table, digest in bench.digests().items() if digest != expected[table]]:
        raise WrongResult(f"{bench.crm}: after faults, {', '.join(differing)} differ from a run without")
    return tables.of_faults(clean, faulty)


def _memory(crm: str, base: Path, given: argparse.Namespace) -> list[str]:
    """One first pull at each size, each verified."""
    sizes = []
    for rows in (given.rows, given.memory_rows):
        _note(f"{crm}: generating {rows:,} rows")
        with PullBench.start(crm, _folder(base, f"memory-{rows}"), rows, given.seed, given.fields) as bench:
            bench.learn_pages()
            sizes.append((rows, bench.check(fresh=True)))
    return tables.of_memory(sizes)


def _note(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=5, help="0 measures memory alone")
    parser.add_argument("--crm", help=f"which systems, in this order; {','.join(DIALECTS)} if absent")
    parser.add_argument("--fields", choices=[*SELECTIONS], default="few", help="20 columns, or every one there is")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="also first pulls with answers this late")
    parser.add_argument("--faults", action="store_true", help="also a first pull with one answer in twenty wrong")
    parser.add_argument("--memory-rows", type=int, default=0, help="also peak memory at this size, of the first system")
    parser.add_argument(
        "--peer", choices=["dlt"], help=f"another tool to compare with, reading {' and '.join(_PEERS_READ)}"
    )
    parser.add_argument("--peer-python", type=Path, help="the Python in whose environment that tool is installed")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--small", action="store_true", help=f"a smoke run: 1,000 rows, one pair, {_SMOKE} unless others are named"
    )
    parser.add_argument("--folder", type=Path, help="where to make the working folder; the system's choice if absent")
    parser.add_argument("--write-results", action="store_true", help="replace what was measured in RESULTS.md")
    given = parser.parse_args()
    given.crm = given.crm or (_SMOKE if given.small else ",".join(DIALECTS))
    if given.small:
        given.rows, given.pairs = 1_000, 1
    if unknown := [crm for crm in given.crm.split(",") if crm not in DIALECTS]:
        parser.error(f"--crm: {', '.join(unknown)}; known: {', '.join(DIALECTS)}")
    if given.peer_python is not None:
        given.peer_python = given.peer_python.absolute()
    if given.peer and not (given.peer_python and given.peer_python.exists()):
        _note(_HOW_TO_PEER)
        given.peer = None
    return given


def main() -> int:
    """Run the benchmark; 0 when every run was right, whatever it took."""
    given = _arguments()
    try:
        with tempfile.TemporaryDirectory(dir=given.folder, prefix="syncd-bench-") as base:
            for crm in given.crm.split(",") if given.pairs else []:
                _note(f"{crm}: generating {given.rows:,} rows")
                with PullBench.start(crm, _folder(Path(base), crm), given.rows, given.seed, given.fields) as bench:
                    _tell(crm, f"Pulls from {crm}", _measure(bench, given), given)
            if given.memory_rows:
                crm = given.crm.split(",")[0]
                _tell(f"{crm}-memory", f"Memory of pulls from {crm}", _memory(crm, Path(base), given), given)
    except (RunFailed, WrongResult) as error:
        _note(f"nothing more is reported, because a run went wrong: {error}")
        return 1
    return 0


def _tell(name: str, title: str, lines: list[str], given: argparse.Namespace) -> None:
    """Print a section, and write it down where that is asked for."""
    if given.fields != "few":
        name, title = f"{name}-{given.fields}", f"{title}, {given.fields} columns"
    lines += machine("syncd", "httpx", "msgspec", "SQLAlchemy")
    print("\n".join([f"## {title}", "", *lines]), flush=True)
    if given.write_results:
        write_section(f"pull-{name}", title, lines)


def _folder(base: Path, name: str) -> Path:
    folder = base / name
    folder.mkdir()
    return folder


if __name__ == "__main__":
    sys.exit(main())
