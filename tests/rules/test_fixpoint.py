"""What a fix may do: whatever a record looks like, its change cures it, and planning again yields nothing new."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.model import FIELDS, Change, Edit, Opportunity
from syncd.plan import WriteRights, change_for, changed
from syncd.policy import Policy
from syncd.rules.base import Trail, Visit
from tests.rules.cases import BARE, FIGURES, MSSP, OUTCOMES, STAGES, UNTOLD, Court, day, record, through, trail_of

COURT = Court()
ENOUGH = len(STAGES)
"""A record can advance through every column once; more changes than that never end."""

RIGHTS = WriteRights(
    source="crm",
    mode="all",
    adapter_writes=True,
    fields=frozenset(FIELDS),
    na_probability=True,
    unsafe=True,
    builtin=frozenset(COURT.judge.codes),
)
PROPOSING = ("PRB001", "PRB002", "PRB003", "PRB004", "PRB005", "STG004", "STG005", "STG006")

thorough = settings(max_examples=250, deadline=None, derandomize=True, database=None)

# Mostly met and long ago: only then does the evidence reach the late columns.
states = st.sampled_from([True, *[day(-40)] * 4, day(-3), day(1), BARE, UNTOLD, False, None])
probabilities = st.sampled_from(
    [
        *({"probability": one} for one in (0, 10, 20, 40, 60, 80, 100, 50, 33.3, 101, -1, None)),
        {"missing": ("probability",)},
        {"unreadable": (("probability", "high"),)},
    ]
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Opportunity, Trail | None]:
    """An arbitrary record and its history."""
    reach = draw(st.sampled_from((None, *STAGES[1:])))
    facts = through(reach, rest=draw(st.sampled_from((True, False, None))), met=draw(states))
    names = st.sampled_from(MSSP.evidence)
    facts |= draw(st.dictionaries(names, states, max_size=3))
    facts |= draw(
        st.dictionaries(st.sampled_from([one for two in OUTCOMES.values() for one in two]), states, max_size=2)
    )
    fields: dict[str, Any] = {
        "status": draw(st.sampled_from(("open", "open", "open", "won", "lost"))),
        "decision_due": draw(st.sampled_from((None, day(-1), day(1)))),
        "closed": draw(st.sampled_from((None, True, False))),
        "forecast": draw(st.sampled_from((None, True, False))),
        "owner": draw(st.sampled_from((None, "Ann"))),
    }
    stage = draw(st.sampled_from(STAGES))
    history = draw(st.none() | st.lists(st.sampled_from(STAGES), max_size=3))
    trail = None if history is None else trail_of(*history, stage, from_creation=draw(st.booleans()))
    return record(stage, facts, **fields, **draw(probabilities)), trail


def planned(court: Court, opportunity: Opportunity, trail: Trail | None) -> Change | None:
    return change_for(MSSP, opportunity, court.verdict(opportunity, trail), RIGHTS)


def applied(opportunity: Opportunity, trail: Trail | None, change: Change) -> tuple[Opportunity, Trail | None]:
    """The record as the next pull would read it, with the stay it then begins."""
    after = changed(opportunity, change)
    if trail is not None and after.stage is not None and after.stage != opportunity.stage:
        trail = Trail((*trail.visits, Visit(after.stage, day(0), day(0))), trail.from_creation)
    return after, trail


@thorough
@given(cases())
def test_a_change_cures_what_it_names(case):
    """Afterwards no PRB or STG rule that the change names fires, but STG005, which may ask for the next step."""
    change = planned(COURT, *case)
    if change is None:
        return

    again = COURT.fired(*applied(*case, change))

    cured = {rule for rule in change.rules if rule.startswith(("PRB", "STG"))}
    assert again & cured <= {"STG005"}
    assert not again & set(PROPOSING[:4])


@thorough
@given(cases())
def test_planning_again_yields_at_most_one_more_step(case):
    """Once a change is applied, the next plan is empty, or STG005 alone moving the record one column up; it ends."""
    change = planned(COURT, *case)
    steps = 0
    while change is not None:
        steps += 1
        assert steps <= ENOUGH
        case = applied(*case, change)
        change = planned(COURT, *case)
        if change is not None:
            assert change.rules == ["STG005"]
            edit = change.set["stage"]
            assert STAGES.index(edit.after) == STAGES.index(edit.before) + 1


@thorough
@given(cases())
def test_a_change_writes_derived_values_only(case):
    """A change sets stage, probability or forecast, from what is recorded, and leaves every fact as it was."""
    opportunity, _ = case
    change = planned(COURT, *case)
    if change is None:
        return

    after = changed(opportunity, change)

    assert set(change.set) <= {"stage", "probability", "forecast"}
    assert set(change.set).isdisjoint(MSSP.evidence)
    assert {name: edit.before for name, edit in change.set.items()} == {
        name: getattr(opportunity, name) for name in change.set
    }
    for name in ("met", "not_met", "bare", "untold", "dates", "by", "ref", "status", "decision_due", "closed"):
        assert getattr(after, name) == getattr(opportunity, name)


@thorough
@given(cases())
def test_a_change_takes_everything_that_has_a_fix(case):
    """Fixes of the catalogue never conflict; the change is their union, with the lowest of their grades.

    Only the forecast follows the stage: it ends with a move into a column without a probability, and not with one out.
    """
    opportunity, trail = case
    fixes = {one.rule: one.fix for one in COURT.verdict(opportunity, trail).findings if one.fix is not None}
    change = planned(COURT, opportunity, trail)
    if change is None:
        assert not fixes
        return

    assert change.left_out == []
    assert sorted(change.rules) == sorted(fixes)
    union = {name: edit for fix in fixes.values() for name, edit in fix.set.items()}
    if "stage" in union and opportunity.forecast:
        union.pop("forecast", None)
        if MSSP.stages[MSSP.stage_index[union["stage"].after]].probability is None:
            union["forecast"] = Edit(before=True, after=False)
    assert change.set == union
    assert change.safety == ("safe" if {fix.safety for fix in fixes.values()} == {"safe"} else "unsafe")


@thorough
@given(cases())
def test_safe_means_that_the_evidence_is_complete(case):
    """A safe change touches the probability alone, and only where proven and recorded stage are the same."""
    opportunity, trail = case
    verdict = COURT.verdict(opportunity, trail)
    change = planned(COURT, opportunity, trail)
    if change is None or change.safety != "safe":
        return

    assert set(change.set) == {"probability"}
    assert verdict.proven == opportunity.stage
    assert change.set["probability"].after == FIGURES[opportunity.stage or ""]


@thorough
@given(cases())
def test_lost_records_are_never_changed(case):
    """A lost record has no change."""
    opportunity, trail = case

    assert opportunity.status != "lost" or planned(COURT, opportunity, trail) is None


@pytest.mark.parametrize("grade", ["safe", "unsafe", "none"])
@pytest.mark.parametrize("rule", ["PRB001", "PRB003", "STG005", "STG006"])
def test_grades_are_settings(rule, grade):
    """A fix promoted or demoted in configuration has that grade, and the change the lowest grade of its parts."""
    examples = {
        "PRB001": record("solution", through("develop"), probability=10),
        "PRB003": record("support", through("deploy"), probability=100),
        "STG005": record("develop", through("develop", met=day(-30))),
        "STG006": record("proof", through("develop")),
    }
    court = Court(Policy(fix={rule: grade}))

    change = planned(court, examples[rule], None)

    fix = court.finding(rule, examples[rule]).fix
    assert (fix.safety if fix else "none") == grade
    assert (change.safety if change else "none") == grade


def test_one_unsafe_part_makes_the_change_unsafe():
    """Promoting one of two fixes leaves the change unsafe; promoting both makes it safe."""
    opportunity = record("proof", through("develop"), probability=80)

    grades = [
        planned(Court(Policy(fix=dict.fromkeys(rules, "safe"))), opportunity, None).safety
        for rules in (("PRB001",), ("STG006",), ("PRB001", "STG006"))
    ]

    assert grades == ["unsafe", "unsafe", "safe"]


def test_the_examples_reach_every_fix():
    """Every rule that proposes a fix does so among plain records, so the properties above are not about nothing."""
    seen: set[str] = set()
    for stage in STAGES:
        for reach in STAGES[1:]:
            for status in ("open", "won"):
                for probability in (0, 50, None, 20):
                    facts = through(reach, met=day(-40))
                    opportunity = record(stage, facts, status=status, probability=probability, forecast=True)
                    change = planned(COURT, opportunity, None)
                    seen |= set(change.rules) if change else set()

    assert seen == set(PROPOSING)
