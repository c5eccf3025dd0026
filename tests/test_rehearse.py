"""The rehearsal: records put into a system's fields by its mapping backwards mean the same when read forwards."""

import json
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import pytest

from syncd.bootstrap import mapping_folders
from syncd.mapping import load_mapping
from syncd.rehearse import known_doubles, native_record, pipeline, truth_of
from tests.store.runs import MSSP

DAY = date(2026, 11, 23)


def test_the_canonical_mapping_there_and_back():
    """Through the canonical mapping nothing is lost: the truth is what the pipeline itself breaks."""
    mapping = load_mapping("canonical", MSSP, mapping_folders(Path.cwd()), Path.cwd())
    records = pipeline(1)
    there = truth_of(mapping, MSSP, records, DAY)

    assert len(there) > 20
    assert truth_of(mapping, MSSP, [native_record(mapping, one) for one in records], DAY) == there


def test_copies_differ_by_id_alone():
    """Repeating the pipeline gives other records with the same faults."""
    once, twice = pipeline(1), pipeline(2)

    assert twice[: len(once)] == once
    assert len({one["id"] for one in twice}) == 2 * len(once)
    assert [{**one, "id": ""} for one in twice[len(once) :]] == [{**one, "id": ""} for one in once]


HEEDING_CTRL_C = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from syncd.cli import main
main()
"""
"""Where the tests run in the background of a shell, Ctrl-C is ignored, and would be by whatever they start."""

CRMS = ("siebel", "dynamics365", "salesforce", "hubspot", "rest")


def test_every_system_is_read_and_the_truth_is_found(tmp_path):
    """`syncd rehearse`, then `syncd check`: every system is read over HTTP, and exactly what was planted is found."""
    syncd = [sys.executable, "-m", "syncd"]
    sources = [word for name in CRMS for word in ("--source", name)]
    with (tmp_path / "log").open("w") as log:
        command = [sys.executable, "-c", HEEDING_CTRL_C, "rehearse", *sources]
        rehearsal = subprocess.Popen(command, cwd=tmp_path, stdout=log)
    try:
        deadline = time.monotonic() + 60
        while "Ctrl-C" not in (tmp_path / "log").read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        check = [*syncd, "check", "-c", "rehearsal/syncd.toml", "--output-format", "json"]
        done = [subprocess.run(check, cwd=tmp_path, capture_output=True, check=False, timeout=120) for _ in range(2)]
        doctor = [*syncd, "doctor", "-c", "rehearsal/syncd.toml"]
        examined = subprocess.run(doctor, cwd=tmp_path, capture_output=True, check=False, timeout=120)
    finally:
        rehearsal.send_signal(signal.SIGINT)
        try:
            rehearsal.wait(timeout=20)
        finally:
            rehearsal.kill()
            rehearsal.wait()

    truth = json.loads((tmp_path / "rehearsal" / "truth.json").read_text())
    assert [one.returncode for one in done] == [1, 1]
    for one in done:
        assert found(json.loads(one.stdout)) == {(name, *pair) for name in CRMS for pair in pairs(truth[name])}
    first, second = (json.loads(one.stdout)["sources"] for one in done)
    assert [(one["name"], one["complete"], one["read"], one["increment"]) for one in first] == [
        (name, True, len(pipeline(1)), False) for name in CRMS
    ]
    assert [(one["complete"], one["increment"], one["judged"]) for one in second] == [
        (True, True, len(pipeline(1)))
    ] * len(CRMS)
    assert examined.returncode == 0
    assert rehearsal.returncode == 0


def found(report):
    return {(one["source"], one["id"], one["rule"]) for one in report["discrepancies"]}


def pairs(truth):
    return {(identity, code) for identity, codes in truth.items() for code in codes}


@pytest.mark.parametrize("name", sorted(known_doubles()))
def test_every_double_is_given_a_pipeline_worth_reading(name):
    """Put into a system's own fields, the pipeline still shows faults of most families."""
    mapping = load_mapping(known_doubles()[name].mapping, MSSP, mapping_folders(Path.cwd()), Path.cwd())
    records = [native_record(mapping, one) for one in pipeline(1)]
    found = truth_of(mapping, MSSP, records, DAY)
    families = {code[:3] for codes in found.values() for code in codes}

    assert {"PRB", "STG", "OUT", "CHK"} <= families
