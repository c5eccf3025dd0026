"""PRB: the probability against the chart's figure, in every stage and for every kind of value."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from syncd.model import Edit
from tests.rules.cases import (
    COURT,
    FIGURES,
    FIRES,
    HOLDS,
    NOT_DUE,
    STAGES,
    UNKNOWN,
    Case,
    check,
    record,
    through,
    verdict_of,
)

ILLEGAL = (50, 33.3, 101, -1, 0.4)
VALUES = {
    **{value: {"probability": value} for value in (0, 10, 20, 40, 60, 80, 100, *ILLEGAL)},
    "blank": {"probability": None},
    "missing": {"missing": ("probability",)},
    "unreadable": {"unreadable": (("probability", "high"),)},
}
"""The fields of a record by its probability."""

RULES = ("PRB001", "PRB002", "PRB003", "PRB004")


def broken(stage: str, value: object) -> str | None:
    """The one rule a probability breaks in a stage; `?` where the source has no such field."""
    figure = FIGURES[stage]
    if value == "missing":
        return "?"
    if figure is None:
        return {"blank": None, "unreadable": "?"}.get(str(value), "PRB003")
    if value == "blank":
        return "PRB004"
    if value in (*ILLEGAL, "unreadable"):
        return "PRB002"
    return None if value == figure else "PRB001"


@pytest.mark.parametrize("rule", RULES)
def test_every_probability_in_every_stage(rule):
    """Exactly the rule that names the fault fires, in its own columns; a source without the field decides none."""

    def cases() -> Iterator[Case]:
        for stage, status, (value, fields) in itertools.product(STAGES, ("open", "won", "lost"), VALUES.items()):
            due = (FIGURES[stage] is None) == (rule == "PRB003") and status != "lost"
            fault = broken(stage, value)
            expected = verdict_of(None if fault == "?" else fault == rule) if due else NOT_DUE
            yield Case((stage, status, value), record(stage, status=status, **fields), expected)

    check(rule, cases())


def test_whole_numbers_in_any_type():
    """40.0 is 40, in Solution and nowhere else."""
    seen = {stage: COURT.fired(record(stage, probability=40.0)) & set(RULES) for stage in STAGES}

    assert {stage for stage, fired in seen.items() if not fired} == {"solution"}


@pytest.mark.parametrize(
    ("rule", "severity", "phrase"),
    [
        ("PRB001", "error", "0% 10% 20% 40% 60% 80% 100%"),
        ("PRB002", "error", "0% 10% 20% 40% 60% 80% 100%"),
        ("PRB004", "error", "Probability NA 0% 10%"),
    ],
)
def test_what_the_finding_says(rule, severity, phrase):
    """The finding is about `probability`, with what is recorded and what the chart gives."""
    value = {"PRB001": 20, "PRB002": 50, "PRB004": None}[rule]

    finding = COURT.finding(rule, record("solution", probability=value))

    assert (finding.severity, finding.phrase) == (severity, phrase)
    assert (finding.field, finding.actual, finding.expected) == ("probability", value, 40)


@pytest.mark.parametrize("stage", ["demand_generation", "support"])
def test_clearing_is_unsafe(stage):
    """PRB003 is a warning that proposes, unsafely, to clear the probability."""
    finding = COURT.finding("PRB003", record(stage, through("deploy"), probability=0))

    assert (finding.severity, finding.phrase) == ("warning", "Probability NA · 100% NA")
    assert finding.fix is not None
    assert (finding.fix.safety, finding.fix.set) == ("unsafe", {"probability": Edit(0, None)})


def test_clearing_gives_way_to_the_stage():
    """In Support ahead of its evidence PRB003 proposes what STG006 proposes."""
    opportunity = record("support", through("close"), probability=80)

    fixes = [COURT.finding(rule, opportunity).fix for rule in ("PRB003", "STG006")]

    assert fixes[0] == fixes[1]
    assert fixes[0].set == {"stage": Edit("support", "deploy"), "probability": Edit(80, 100)}


EVIDENCE = {
    "not met": (through("qualify", rest=None, develop=False), "unsafe", ("develop", 20)),
    "unknown": (through("qualify", rest=None), "unsafe", (None, 40)),
    "proven": (through("develop"), "safe", (None, 40)),
    "ahead": (through("close"), "unsafe", ("proof", 60)),
}
"""Evidence for a record in Solution: with the grade of the fix, and the stage and probability it sets."""


@pytest.mark.parametrize("row", EVIDENCE)
@pytest.mark.parametrize(
    ("rule", "value"),
    [("PRB001", 80), ("PRB002", 50), ("PRB004", "blank"), ("PRB002", "unreadable")],
)
def test_fix_table(rule, value, row):
    """The fixes of PRB001, PRB002 and PRB004 follow the table of the catalogue, row by row."""
    facts, safety, (stage, figure) = EVIDENCE[row]

    fix = COURT.finding(rule, record("solution", facts, **VALUES[value])).fix

    before = value if isinstance(value, int) else None
    wanted = {"probability": Edit(before, figure)} | ({"stage": Edit("solution", stage)} if stage else {})
    assert fix is not None
    assert (fix.safety, fix.set) == (safety, wanted)


@pytest.mark.parametrize(("reach", "safety"), [("develop", "safe"), ("qualify", "unsafe"), ("proof", "unsafe")])
def test_a_won_record_keeps_its_stage(reach, safety):
    """A won record that proves less than Deploy gets its stage's figure, safely only where that stage is proven."""
    fix = COURT.finding("PRB001", record("solution", through(reach), status="won", probability=80)).fix

    assert fix is not None
    assert (fix.safety, fix.set) == (safety, {"probability": Edit(80, 40)})


def test_a_stage_fix_writes_no_field_the_source_lacks():
    """Where the source has no probability, the fix of STG006 moves the stage alone."""
    fix = COURT.finding("STG006", record("proof", through("qualify"), missing=("probability",))).fix

    assert fix is not None
    assert fix.set == {"stage": Edit("proof", "develop")}


def test_forecast():
    """PRB005 fires where an NA column counts in the forecast; numeric columns are not due, no flag is unknown."""
    flags = {
        "yes": ({"forecast": True}, FIRES),
        "no": ({"forecast": False}, HOLDS),
        "missing": ({"missing": ("forecast",)}, UNKNOWN),
        "unreadable": ({"unreadable": (("forecast", "perhaps"),)}, UNKNOWN),
    }

    def cases() -> Iterator[Case]:
        for stage, status, (name, (fields, said)) in itertools.product(STAGES, ("open", "won", "lost"), flags.items()):
            expected = said if FIGURES[stage] is None and status != "lost" else NOT_DUE
            yield Case((stage, status, name), record(stage, status=status, **fields), expected)

    check("PRB005", cases())


def test_forecast_finding():
    """PRB005 is a warning about `forecast` that proposes, unsafely, to take the record out."""
    finding = COURT.finding("PRB005", record("support", through("deploy"), forecast=True))

    assert (finding.field, finding.severity, finding.phrase) == ("forecast", "warning", "Probability NA")
    assert finding.fix is not None
    assert (finding.fix.safety, finding.fix.set) == ("unsafe", {"forecast": Edit(before=True, after=False)})
