"""The example pipeline: what the first run of a newcomer shows, on the day it was written for and on later ones."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DAY = "2026-11-23"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A fresh folder as a clone has it."""
    made = tmp_path_factory.mktemp("example")
    (made / "examples").mkdir()
    for name in ("config.example.toml", "examples/pipeline.csv"):
        (made / name).write_bytes((ROOT / name).read_bytes())
    return made


def syncd(folder, *arguments):
    """Run a command as a person would, on a terminal of 100 columns; returns its exit code and what it printed."""
    env = {**os.environ, "COLUMNS": "100"}
    ended = subprocess.run(
        [sys.executable, "-m", "syncd", *arguments], cwd=folder, env=env, capture_output=True, check=False
    )
    return ended.returncode, ended.stdout.decode()


@pytest.fixture(scope="module")
def checked(folder):
    """`check`, as data."""
    code, text = syncd(folder, "check", "--as-of", DAY, "--output-format", "json")
    assert code == 1
    return json.loads(text)


def test_most_families_of_rules_find_something(checked):
    """A newcomer sees every kind of discrepancy that one file can show, and one rejected record."""
    found = set(checked["summary"]["by_rule"])

    single = "PRB001 PRB002 PRB003 PRB004 STG001 STG004 STG005 STG006 OUT001 OUT010 OUT011 ASM001 OWN001 DAT001"
    assert set(single.split()) <= found
    assert len([code for code in found if code.startswith("CHK")]) >= 5
    assert [one["place"] for one in checked["rejected"]] == [f"line {checked['sources'][0]['read'] + 1}"]


def test_most_records_are_clean(checked):
    """The example looks like a pipeline, not like a heap of faults."""
    affected = {one["id"] for one in checked["discrepancies"]}

    assert len(affected) < checked["sources"][0]["judged"] / 2


def test_money_and_gaps_show(checked):
    """Three currencies have over- and under-stated money, and some rules lack their evidence."""
    money = checked["pipeline"]

    assert list(money) == ["EUR", "GBP", "USD"]
    assert all(Decimal(one["over_stated"]) > 0 and Decimal(one["under_stated"]) > 0 for one in money.values())
    assert {"CHK005", "OWN002"} <= {one["rule"] for one in checked["coverage"] if one["unknown"] and not one["judged"]}


@pytest.mark.parametrize("day", [DAY, "2027-09-01", "2036-11-23"])
def test_the_plan_keeps_within_the_limits_on_later_days_too(folder, day, tmp_path):
    """The README's first command ends with 1, whenever it is typed, with safe and unsafe changes to see."""
    (tmp_path / "examples").symlink_to(folder / "examples")
    (tmp_path / "config.example.toml").symlink_to(folder / "config.example.toml")

    code, text = syncd(tmp_path, "reconcile", "--dry-run", "--as-of", day, "--output-format", "json")
    plan = json.loads(text)

    assert code == 1
    assert plan["limits"]["exceeded"] == []
    assert plan["totals"]["safe"] >= 3
    assert plan["totals"]["unsafe"] >= 3


@pytest.mark.parametrize(("number", "command"), [(0, ("reconcile", "--dry-run")), (1, ("check",))])
def test_the_readme_shows_what_is_printed(folder, number, command):
    """The README's excerpts are the real output, and what they leave out is marked by a line with an ellipsis."""
    shown = re.findall(r"```text\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), flags=re.DOTALL)[number]

    _, text = syncd(folder, *command, "--as-of", DAY)
    printed = text.splitlines()

    for part in re.split(r"^ *…\n", shown, flags=re.MULTILINE):
        lines = part.splitlines()
        starts = [at for at in range(len(printed)) if printed[at : at + len(lines)] == lines]
        assert starts, part
        printed = printed[starts[0] + len(lines) :]


def test_every_field_of_the_json_is_documented(folder, checked):
    """The page about JSON names every key of a check and of a plan."""
    page = (ROOT / "docs" / "json.md").read_text("utf-8")
    _, text = syncd(folder, "reconcile", "--dry-run", "--as-of", DAY, "--output-format", "json")
    plan = json.loads(text)
    objects = [
        checked, checked["summary"], checked["sources"][0], checked["discrepancies"][0], checked["coverage"][0],
        checked["rejected"][0], checked["pipeline"]["EUR"], checked["process"], plan, plan["changes"][0],
        plan["totals"], plan["limits"],
    ]  # fmt: skip

    assert [key for one in objects for key in one if f"`{key}`" not in page] == []
