"""CHK: what each checkpoint rule says for every combination of its facts in every stage."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.rules.cases import (
    COURT,
    FIRES,
    HOLDS,
    NOT_DUE,
    STAGES,
    UNKNOWN,
    Case,
    at_or_after,
    check,
    combinations,
    day,
    record,
    told,
    verdict_of,
)


class Row(NamedTuple):
    """A rule that asks for facts from a column on, as the catalogue has it."""

    severity: str
    since: str
    phrases: tuple[str, ...]
    holds: Callable[..., bool]
    facts: tuple[str, ...]


ROWS = {
    "CHK001": Row(
        "warning",
        "qualify",
        ("Prospect is in assigned territory or account",),
        lambda placed: placed,
        ("prospect.in_territory_or_account",),
    ),
    "CHK002": Row(
        "warning",
        "qualify",
        ("Opportunity meets sales criteria to pursue",),
        lambda meets: meets,
        ("prospect.meets_criteria",),
    ),
    "CHK003": Row(
        "warning",
        "develop",
        ("Pain admitted by sponsor or Compelling event identified",),
        lambda pain, event: pain or event,
        ("qualify.sponsor_pain", "qualify.compelling_event"),
    ),
    "CHK004": Row(
        "warning",
        "develop",
        ("Sponsor has buying vision", "Sponsor agrees to explore"),
        lambda vision, explores: vision and explores,
        ("qualify.sponsor_vision", "qualify.sponsor_explores"),
    ),
    "CHK005": Row(
        "warning",
        "develop",
        ("Access to power negotiated",),
        lambda negotiated: negotiated,
        ("qualify.power_access_negotiated",),
    ),
    "CHK006": Row(
        "warning",
        "solution",
        ("Access to power", "Pain admitted by power", "Power has buying vision"),
        lambda access, pain, vision: access and pain and vision,
        ("develop.power_access", "develop.power_pain", "develop.power_vision"),
    ),
    "CHK007": Row(
        "warning",
        "solution",
        ("Partner and/ or MS services selected and engagement expectations agreed",),
        lambda partner, services, agreed: (partner or services) and agreed,
        ("develop.partner_selected", "develop.services_selected", "develop.expectations_agreed"),
    ),
    "CHK009": Row(
        "warning",
        "close",
        ("Pre-proposal/ Statement of work (SOW) review conducted", "Proposal/ SOW issued"),
        lambda reviewed, issued: reviewed and issued,
        ("proof.proposal_reviewed", "proof.proposal_issued"),
    ),
    "CHK011": Row(
        "warning",
        "deploy",
        ("Contract, deployment SOW and support plan finalized",),
        lambda contract, sow, plan: contract and sow and plan,
        ("close.contract_final", "close.deployment_sow_final", "close.support_plan_final"),
    ),
    "CHK012": Row(
        "warning",
        "support",
        (
            "Customer deployment conditions of satisfaction determined with partners",
            "Deployment readiness re-assessed",
        ),
        lambda conditions, readiness: conditions and readiness,
        ("deploy.conditions_determined", "deploy.readiness_reassessed"),
    ),
    "CHK013": Row(
        "info",
        "support",
        ("New prospects identified and captured in appropriate system",),
        lambda captured: captured,
        ("deploy.new_prospects_captured",),
    ),
}


@pytest.mark.parametrize("rule", ROWS)
def test_every_combination_of_facts(rule):
    """From its column on the rule answers as its facts combine, for open and won records; before, it is not due."""
    row = ROWS[rule]

    def cases() -> Iterator[Case]:
        for stage, status, facts in itertools.product(STAGES, ("open", "won", "lost"), combinations(row.facts)):
            due = at_or_after(stage, row.since) and status != "lost"
            held = told(row.holds, facts.values())
            expected = verdict_of(None if held is None else not held) if due else NOT_DUE
            yield Case((stage, status, facts), record(stage, facts, status=status), expected)

    check(rule, cases())


@pytest.mark.parametrize("rule", ROWS)
def test_a_fact_of_tomorrow_is_not_met(rule):
    """A fact dated tomorrow counts as not met; dated today, it counts as met."""
    row = ROWS[rule]

    def cases() -> Iterator[Case]:
        for days in combinations(row.facts, (day(0), day(1))):
            expected = HOLDS if row.holds(*(when == day(0) for when in days.values())) else FIRES
            yield Case(days, record(row.since, days), expected)

    check(rule, cases(), answers={FIRES, HOLDS})


@pytest.mark.parametrize("rule", ROWS)
def test_what_the_finding_says(rule):
    """The finding has the catalogue's severity and words of the chart, names the facts, and has no fix."""
    row = ROWS[rule]

    finding = COURT.finding(rule, record(row.since, dict.fromkeys(row.facts, False)))

    assert finding.severity == row.severity
    assert finding.phrase == " · ".join(row.phrases)
    assert finding.fix is None
    assert finding.field == (row.facts[0] if len(row.facts) == 1 else "")
    assert all(fact in finding.message for fact in row.facts)


def test_only_the_facts_that_fail_are_named():
    """Of three facts the finding names the one that is not met, not the met one and not the unknown one."""
    facts = {"develop.power_access": True, "develop.power_pain": False, "develop.power_vision": None}

    finding = COURT.finding("CHK006", record("solution", facts))

    assert (finding.field, finding.actual) == ("develop.power_pain", "not_met")


PROPOSED, AGREED = "develop.eval_plan_proposed", "develop.eval_plan_agreed"
UNDERWAY, COMPLETED = "solution.eval_plan_underway", "proof.eval_plan_completed"
LIFE = (PROPOSED, AGREED, UNDERWAY, COMPLETED)


def reached(step: str, facts: dict[str, bool | None]) -> bool | None:
    """A step of the life cycle: implied by any later one that is met, else as it is recorded itself."""
    later = LIFE[LIFE.index(step) + 1 :]
    return True if any(facts[one] is True for one in later) else facts[step]


def evaluation_plan(stage: str, facts: dict[str, bool | None]) -> str:
    asked = {"solution": PROPOSED, "proof": UNDERWAY, "close": COMPLETED}
    steps = [reached(step, facts) for since, step in asked.items() if at_or_after(stage, since)]
    if not steps:
        return NOT_DUE
    if False in steps:
        return FIRES
    return UNKNOWN if None in steps else HOLDS


def test_evaluation_plan():
    """CHK008 asks for proposed, underway and completed by column; a met later state implies the earlier ones."""
    cases = [
        Case((stage, facts), record(stage, facts), evaluation_plan(stage, facts))
        for stage, facts in itertools.product(STAGES, combinations(LIFE))
    ]

    check("CHK008", cases)


@pytest.mark.parametrize(
    ("stage", "facts", "expected"),
    [
        pytest.param("close", {COMPLETED: True}, HOLDS, id="completed implies all"),
        pytest.param("proof", {PROPOSED: False, UNDERWAY: True}, HOLDS, id="underway implies proposed"),
        pytest.param("solution", {PROPOSED: False, AGREED: True}, HOLDS, id="agreed implies proposed"),
        pytest.param("proof", {PROPOSED: True, AGREED: True}, UNKNOWN, id="agreed does not imply underway"),
        pytest.param("solution", {COMPLETED: False}, UNKNOWN, id="nothing is denied backwards"),
        pytest.param("solution", {PROPOSED: False, COMPLETED: None}, FIRES, id="a no stays while later is unknown"),
        pytest.param("close", {UNDERWAY: True, COMPLETED: False}, FIRES, id="not completed"),
        pytest.param("proof", {PROPOSED: False, UNDERWAY: None}, FIRES, id="one part not met decides"),
    ],
)
def test_evaluation_plan_examples(stage, facts, expected):
    """CHK008 on single states of the evaluation plan."""
    assert COURT.says("CHK008", record(stage, facts)) == expected


def test_the_implication_is_for_chk008_alone():
    """An evaluation plan that is completed but not recorded as agreed leaves Develop's outcome not met."""
    facts = {AGREED: False, COMPLETED: True}

    assert COURT.says("OUT004", record("solution", facts)) == FIRES
    assert COURT.says("CHK008", record("solution", facts)) == HOLDS


ISSUED = "proof.proposal_issued"
DECISIONS = {
    "future": ({"decision_due": day(1)}, False, False),
    "today": ({"decision_due": day(0)}, False, False),
    "yesterday": ({"decision_due": day(-1)}, False, True),
    "blank": ({}, True, False),
    "missing": ({"missing": ("decision_due",)}, None, None),
    "unreadable": ({"unreadable": (("decision_due", "31.02.2026"),)}, None, None),
}
"""The fields of a record by its decision day: with whether there is no day, and whether it has passed."""


def decision(stage: str, issued: bool | None, none: bool | None, passed: bool | None) -> str:
    if not at_or_after(stage, "proof"):
        return NOT_DUE
    in_proof = stage == "proof"
    fault = told(lambda issued, none, passed: issued and (none or (passed and in_proof)), (issued, none, passed))
    return verdict_of(fault)


@pytest.mark.parametrize("status", ["open", "won"])
def test_decision_due(status):
    """CHK010: a proposal is out and no decision is due, or the day has passed in Proof; today has not passed."""
    cases = [
        Case(
            (stage, issued, name),
            record(stage, {ISSUED: issued}, status=status, **fields),
            decision(stage, issued, none, passed),
        )
        for stage, issued in itertools.product(STAGES, (True, False, None))
        for name, (fields, none, passed) in DECISIONS.items()
    ]

    check("CHK010", cases)


def test_decision_due_says_what_was_found():
    """The finding is about `decision_due`, with the day that passed, or none."""
    passed = COURT.finding("CHK010", record("proof", {ISSUED: True}, decision_due=day(-1)))
    absent = COURT.finding("CHK010", record("proof", {ISSUED: True}))

    assert (passed.field, passed.actual, passed.phrase) == ("decision_due", "2026-01-14", "decision due")
    assert (absent.field, absent.actual, absent.severity, absent.fix) == ("decision_due", None, "warning", None)


def test_a_proposal_of_tomorrow_is_not_issued():
    """CHK010 does not fire for a proposal dated tomorrow."""
    assert COURT.says("CHK010", record("proof", {ISSUED: day(1)})) == HOLDS
    assert COURT.says("CHK010", record("proof", {ISSUED: day(0)})) == FIRES
