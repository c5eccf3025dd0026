"""The benchmarks work: a small run of each, without thresholds, and the generator and truth they rest on."""

from __future__ import annotations

import csv
import json
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

PROJECT = Path(__file__).parents[1]
BENCHMARKS = PROJECT / "benchmarks"


def start(script: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT), "PYTHONUTF8": "1", "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def generate(folder: Path, *, rows: int, seed: int, name: str = "pipeline") -> tuple[bytes, dict[str, object]]:
    done = start(
        "generate.py",
        "--rows",
        str(rows),
        "--seed",
        str(seed),
        "-o",
        f"{name}.csv",
        "--truth",
        f"{name}.json",
        folder=folder,
    )
    assert done.stderr == ""
    return (folder / f"{name}.csv").read_bytes(), json.loads((folder / f"{name}.json").read_text())


def test_same_seed_same_pipeline(tmp_path):
    """The same seed gives the same bytes and the same truth; another seed gives others."""
    first = generate(tmp_path, rows=300, seed=5)
    again = generate(tmp_path, rows=300, seed=5, name="again")
    other = generate(tmp_path, rows=300, seed=6, name="other")

    assert first == again
    assert first != other


def test_pipeline_is_a_well_formed_export(tmp_path):
    """Every row has a cell for each column, ids are unique, and names hold commas, quotes and letters beyond ASCII."""
    text, _ = generate(tmp_path, rows=2000, seed=7)
    header, *rows = csv.reader(text.decode().splitlines())
    names = "".join(row[header.index("name")] for row in rows)

    assert {len(header)} == {len(row) for row in rows}
    assert len({row[0] for row in rows}) == 2000
    assert all(mark in names for mark in (",", '"', "ü", "日"))


def test_pipeline_has_the_shape_of_a_real_one(tmp_path):
    """A fifth is won or lost, three currencies occur, and a quarter to a third of the rows break a rule."""
    text, truth = generate(tmp_path, rows=4000, seed=7)
    rows = list(csv.DictReader(text.decode().splitlines()))
    status = Counter(row["status"] for row in rows)

    assert 0.14 < (status["won"] + status["lost"]) / 4000 < 0.22
    assert {"USD", "EUR", "GBP"} == {row["currency"] for row in rows}
    assert 0.22 < truth["flawed"] / 4000 < 0.33


def test_truth_tells_other_records_from_the_right_ones(tmp_path):
    """Findings of the right number but for other records are refused, and so is one finding too few."""
    probe = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from truth import Truth\n"
        "truth = Truth()\n"
        "truth.add('A', ['PRB001']); truth.add('B', ['PRB001']); truth.add('C', [])\n"
        "right = [('PRB001', 'A'), ('PRB001', 'B'), ('REV001', 'C')]\n"
        "print([len(truth.differences(found)) for found in (right, right[:1], [('PRB001', 'A'), ('PRB001', 'C')])])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, str(BENCHMARKS)], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert done.stdout == "[0, 1, 1]\n"


def test_measured_peak_is_the_command_s_own(tmp_path):
    """A large benchmark measures a small command as small: the kernel would let it inherit the starter's peak."""
    probe = (
        "import os, pathlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "from measure import measure\n"
        "ballast = bytearray(200 << 20)\n"
        "command = [sys.executable, '-I', '-S', '-c', 'pass']\n"
        "print(measure(command, folder=pathlib.Path(), environment=os.environ).peak < 100)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe, str(BENCHMARKS)], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert done.stdout == "True\n"


def test_floor_keeps_every_row_and_writes_what_it_is_told(tmp_path):
    """The floor stores all rows and spreads exactly the given number of discrepancies over them."""
    generate(tmp_path, rows=777, seed=7)
    done = start(
        "floor.py", "pipeline.csv", "floor.db", "floor.json", "--rows", "777", "--discrepancies", "345", folder=tmp_path
    )
    written = json.loads((tmp_path / "floor.json").read_text())["discrepancies"]
    with closing(sqlite3.connect(tmp_path / "floor.db")) as database:
        stored = database.execute("SELECT count(*), count(DISTINCT id) FROM opportunity").fetchone()

    assert (done.returncode, stored, len(written)) == (0, (777, 777), 345)


def test_small_check_benchmark(tmp_path):
    """A small run of `syncd check` finds the seeded truth and reports the ratios to the floor."""
    done = start("check.py", "--small", folder=tmp_path)

    assert (done.returncode, "first run / floor, wall" in done.stdout) == (0, True), done.stderr


def test_small_judge_benchmark(tmp_path):
    """The judge, pydantic and CEL give the truth's answers, record by record."""
    done = start("judge.py", "--small", folder=tmp_path)

    assert (done.returncode, "CEL / judge" in done.stdout) == (0, True), done.stderr


def test_small_increments_benchmark(tmp_path):
    """A small run of increments reports what the truth says after each."""
    done = start("increments.py", "--small", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "2,000 | 20 |" in done.stdout


def test_small_pull_benchmark(tmp_path):
    """Small pulls find the seeded truth, and a full pull of unchanged rows leaves the store as it was."""
    done = start("pull.py", "--small", "--crm", "rest", folder=tmp_path)

    assert (done.returncode, "increment, nothing changed" in done.stdout) == (0, True), done.stderr
