"""An adapter that somebody else ships is found once it is installed, works, and keeps the contract."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent / "docs" / "examples" / "third-party-adapter"

CONFIGURATION = """
[syncd]
database = "sqlite:///store.db"
[sources.mine]
adapter = "ledger"
path = "deals.ledger"
mapping = "canonical"
"""
DEALS = [{"id": "L-1", "stage": "Qualify", "probability": 60}, {"id": "L-2", "stage": "Prospect", "probability": 0}]


def python(*arguments, **more):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, **more)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The environment of a machine on which the example's wheel is installed beside syncd, offline."""
    folder = tmp_path_factory.mktemp("third-party")
    pip = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps"]
    done = python(*pip, "--no-build-isolation", "--target", str(folder), str(EXAMPLE), cwd=folder)
    assert done.returncode == 0, done.stderr
    return {**os.environ, "PYTHONPATH": str(folder)}


def test_it_is_found_and_read(installed, tmp_path):
    """A configuration names it like any other adapter, and its opportunities are judged."""
    (tmp_path / "syncd.toml").write_text(CONFIGURATION, encoding="utf-8")
    paragraphs = ["".join(f"{name}: {json.dumps(value)}\n" for name, value in deal.items()) for deal in DEALS]
    (tmp_path / "deals.ledger").write_text("\n".join([*paragraphs, "end: 2\n"]), encoding="utf-8")

    done = python("-m", "syncd", "check", "--output-format", "json", env=installed, cwd=tmp_path)

    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["sources"][0] | {"complete": True, "read": 2, "judged": 2} == found["sources"][0]
    assert ("L-1", "PRB001") in [(one["id"], one["rule"]) for one in found["discrepancies"]]


def test_a_ledger_that_was_cut_is_not_judged(installed, tmp_path):
    """What the adapter calls incomplete is incomplete for the whole tool."""
    (tmp_path / "syncd.toml").write_text(CONFIGURATION, encoding="utf-8")
    (tmp_path / "deals.ledger").write_text('id: "L-1"\nstage: "Qualify"\n', encoding="utf-8")

    done = python("-m", "syncd", "check", "--output-format", "json", env=installed, cwd=tmp_path)

    assert done.returncode == 3
    assert json.loads(done.stdout)["sources"][0]["complete"] is False
    assert "was cut after paragraph 1" in done.stdout


def test_it_keeps_the_contract(installed):
    """The example's own tests, which subclass the contract, pass against what is installed."""
    tests = str(EXAMPLE / "tests")
    options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", tests]
    done = python("-B", "-m", "pytest", *options, tests, env=installed)

    assert done.returncode == 0, done.stdout
    assert "16 passed" in done.stdout


def test_without_it_the_name_is_unknown(tmp_path):
    """Where it is not installed, the message lists the adapters there are."""
    (tmp_path / "syncd.toml").write_text(CONFIGURATION, encoding="utf-8")

    done = python("-m", "syncd", "check", cwd=tmp_path)

    assert done.returncode == 2
    assert "there is no adapter 'ledger'" in done.stderr
