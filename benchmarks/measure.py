"""Runs one command as a process of its own and says what it took: wall time, CPU time, peak memory.

A process inherits the peak memory of the one that starts it, as the kernel counts it. So the benchmark, which has grown
large, starts this file as a small process, and this file starts the command.

    python benchmarks/measure.py REPORT.json COMMAND [ARGUMENT...]

Not for: comparing runs (`figures.py`). Works on POSIX systems only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PROJECT = Path(__file__).resolve().parent.parent


class RunFailed(Exception):
    """A benchmarked command ended with a status it should not."""


class WrongResult(Exception):
    """A run did not find or keep what it must, so its time means nothing."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process took.

    Attributes:
        wall: Seconds from start to end.
        cpu: Seconds of CPU, user and system, with those of its own children.
        peak: The largest resident set, in MiB.
        status: The exit status.
        messages: What it wrote to standard error.
    """

    wall: float
    cpu: float
    peak: float
    status: int
    messages: str


def environment(folder: Path) -> dict[str, str]:
    """The environment of a benchmarked command that works in a folder.

    It has compiled modules, as pip installs them: a checkout may be unable, or told not, to keep its own. All runs
    share them, or the first over each pipeline would compile, which takes some memory more.
    """
    compiled = {"PYTHONPYCACHEPREFIX": str(folder.parent / "compiled"), "PYTHONDONTWRITEBYTECODE": ""}
    return {**os.environ, **compiled, "PYTHONPATH": str(_PROJECT), "NO_COLOR": "1"}


def measure(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str], accept: Sequence[int] = (0,)
) -> Cost:
    """Run a command in a folder and wait for it; its standard output is dropped.

    What earlier runs left for the disk to write is written before the clock starts.

    Raises:
        RunFailed: It ended with another status than those accepted.
    """
    report = folder / "cost.json"
    os.sync()
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(report), *command],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RunFailed(f"{' '.join(command)} could not be measured: {done.stderr}")
    cost = Cost(**json.loads(report.read_text()), messages=done.stderr)
    if cost.status not in accept:
        raise RunFailed(f"{' '.join(command)} ended with status {cost.status}:\n{done.stderr}")
    return cost


def main() -> None:
    """Start the command, wait for it, and write down what it took."""
    report, *command = sys.argv[1:]
    start = time.perf_counter()
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(process, 0)
    wall = time.perf_counter() - start
    # The kernel counts in KiB, macOS in bytes.
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    cost = {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss / unit,
        "status": os.waitstatus_to_exitcode(status),
    }
    Path(report).write_text(json.dumps(cost))


if __name__ == "__main__":
    main()
