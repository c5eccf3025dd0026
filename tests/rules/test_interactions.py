"""The eight interactions of the catalogue, each by its number."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from syncd.model import Edit
from syncd.plan import PlanSums, WriteRights, change_for
from syncd.policy import Limits, Policy
from tests.rules.cases import (
    ASSESSMENT,
    COURT,
    FIGURES,
    FIRES,
    HOLDS,
    LETTER,
    MSSP,
    OUTCOME_RULE,
    PIPELINE,
    STAGES,
    UNKNOWN,
    Court,
    combinations,
    day,
    record,
    through,
)

ODD = (0, 10, 20, 40, 60, 80, 100, None, 50, 33.3, 101, -1)


def test_interaction_1_one_probability_rule_at_a_time():
    """PRB001, PRB002 and PRB004 exclude one another; in the NA columns only PRB003 and PRB005 fire of their family."""
    seen = set()
    for stage, probability, forecast in itertools.product(STAGES, ODD, (True, False, None)):
        opportunity = record(stage, through("deploy"), probability=probability, forecast=forecast)
        fired = {rule for rule in COURT.fired(opportunity) if rule.startswith("PRB")}
        allowed = {"PRB003", "PRB005"} if FIGURES[stage] is None else {"PRB001", "PRB002", "PRB004"}
        assert fired <= allowed
        assert FIGURES[stage] is None or len(fired) <= 1
        seen |= fired

    assert seen == {"PRB001", "PRB002", "PRB003", "PRB004", "PRB005"}


def test_interaction_2_one_cause_one_headline():
    """At Close with nothing met, STG006 says once what the evidence allows, and each OUT rule points at it."""
    findings = {one.rule: one for one in COURT.verdict(record("close", through(None))).findings}

    beneath = {rule for rule, one in findings.items() if one.headline == "STG006"}
    assert findings["STG006"].message == "recorded Close, evidence allows Prospect"
    assert findings["STG006"].headline == ""
    assert beneath == {"OUT002", "OUT003", "OUT004", "OUT005", "OUT006"}
    assert findings["OUT001"].headline == ""


@pytest.mark.parametrize(("policy", "status"), [(Policy(ignore=("STG006",)), "open"), (Policy(), "won")])
def test_interaction_2_no_headline_without_the_rule(policy, status):
    """Where STG006 is not selected, or does not judge the record, the OUT rules stand alone."""
    findings = Court(policy).verdict(record("close", through(None), status=status)).findings

    assert {one.rule for one in findings} >= {"OUT002", "OUT006"}
    assert {one.headline for one in findings} == {""}


def test_interaction_3_wrong_side():
    """40 in Proof: with Solution's outcome not met the stage goes back, with it met the probability becomes 60."""
    overstated = COURT.finding("PRB001", record("proof", through("develop"), probability=40)).fix
    proven = COURT.finding("PRB001", record("proof", through("solution"), probability=40)).fix

    assert (overstated.safety, overstated.set) == ("unsafe", {"stage": Edit("proof", "solution")})
    assert (proven.safety, proven.set) == ("safe", {"probability": Edit(40, 60)})


def test_interaction_4_one_unknown_leg():
    """OUT003 with one leg not met and the other unknown is unknown, never a pass and never a failure."""
    for stage in STAGES[3:]:
        for legs in ({LETTER: False, ASSESSMENT: None}, {LETTER: None, ASSESSMENT: False}):
            assert COURT.says("OUT003", record(stage, through("deploy") | legs)) == UNKNOWN


@pytest.mark.parametrize("semantics", ["exit", "entry"])
def test_interaction_5_lag_and_missing_outcome(semantics):
    """STG005 and the OUT rule of the recorded stage's outcome never fire together, nor STG005 with STG006."""
    court = Court(Policy(outcome_semantics=semantics))
    columns = PIPELINE[:4]
    lagged = set()
    for values in combinations(columns, (day(-30), False, None)):
        for stage in columns:
            fired = court.fired(record(stage, through(None, rest=None, **values)))
            assert not {"STG005", OUTCOME_RULE[stage]} <= fired
            assert not {"STG005", "STG006"} <= fired
            lagged |= {stage} if "STG005" in fired else set()

    assert lagged == set(columns)


def test_interaction_6_safe_fixes_count_for_the_money_guard():
    """A safe change of the probability moves weighted pipeline and can exceed the limit on money."""
    opportunity = record("solution", through("develop"), probability=10, amount=Decimal(1000), currency="EUR")
    rights = WriteRights(source="crm", mode="safe", adapter_writes=True, fields=frozenset({"probability"}))
    change = change_for(MSSP, opportunity, COURT.verdict(opportunity), rights)
    sums = PlanSums()

    sums.add(change)

    assert (change.safety, change.allowed, change.weighted_change) == ("safe", True, "300.00")
    exceeded = sums.exceeded(Limits(max_percent=100, max_weighted_change={"EUR": Decimal(299)}), 1)
    assert [one["limit"] for one in exceeded] == ["max_weighted_change.EUR"]


def test_interaction_7_time_alone_makes_rules_fire():
    """The same record, judged later: STG005 and CHK010 begin to fire, and a dated outcome begins to count."""
    waiting = record("proof", through("proof", met=day(-14)) | {"proof.proposal_issued": True}, decision_due=day(0))
    promised = record("close", through("solution", proof=day(1)))

    later = Court(today=day(1))
    assert [COURT.says(rule, waiting) for rule in ("STG005", "CHK010")] == [HOLDS, HOLDS]
    assert [later.says(rule, waiting) for rule in ("STG005", "CHK010")] == [FIRES, FIRES]
    assert [COURT.says(rule, promised) for rule in ("OUT006", "OUT011")] == [FIRES, FIRES]
    assert [later.says(rule, promised) for rule in ("OUT006", "OUT011")] == [HOLDS, HOLDS]


def test_interaction_8_discrepancies_stand_alone():
    """OUT006 and OUT007 are separate discrepancies, each about its own fact, and leaving one out keeps the other."""
    opportunity = record("deploy", through("solution"))

    findings = {one.rule: one.field for one in COURT.verdict(opportunity).findings if one.rule in ("OUT006", "OUT007")}
    assert findings == {"OUT006": "proof.verbal_approval", "OUT007": "close.documents_signed"}
    without = Court(Policy(ignore=("OUT006",))).fired(opportunity)
    assert "OUT007" in without
    assert "OUT006" not in without
