"""OUT: each column's outcome by stage and reading, and whether outcomes are verifiable and dated in order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from syncd.policy import Policy
from tests.rules.cases import (
    ASSESSMENT,
    BARE,
    COURT,
    FIGURES,
    FIRES,
    HOLDS,
    LETTER,
    NOT_DUE,
    OUTCOME_RULE,
    OUTCOMES,
    PIPELINE,
    STAGES,
    STATES,
    TODAY,
    UNKNOWN,
    UNTOLD,
    Case,
    Court,
    at_or_after,
    check,
    combinations,
    day,
    record,
    through,
    told,
    verdict_of,
)

ENTRY = Court(Policy(outcome_semantics="entry"))
BY_READING = {"exit": COURT, "entry": ENTRY}
SPONSOR, PLAN, SIGNED = OUTCOMES["prospect"][0], OUTCOMES["develop"][0], OUTCOMES["close"][0]
REVIEW = OUTCOMES["support"][0]

CHART = {
    "prospect": "Potential Sponsor identified",
    "qualify": "Sponsor letter agreed upon OR Opportunity Assessment completed",
    "develop": "Evaluation (Eval) plan agreed",
    "solution": "Preliminary solution agreed upon",
    "proof": "Verbal approval received",
    "close": "Signed documents",
    "deploy": "Deployed products/ solutions",
}


@pytest.mark.parametrize("reading", BY_READING)
@pytest.mark.parametrize("column", PIPELINE)
def test_every_combination_of_outcome_facts(column, reading):
    """OUT002 to OUT008 are due past their column (by entry, from it on) and met by either of their facts."""

    def cases() -> Iterator[Case]:
        facts_of_column = combinations(OUTCOMES[column])
        for stage, status, facts in itertools.product(STAGES, ("open", "won", "lost"), facts_of_column):
            past = STAGES.index(stage) - STAGES.index(column)
            due = past >= (0 if reading == "entry" else 1) and status != "lost"
            held = told(lambda *states: any(states), facts.values())
            expected = verdict_of(None if held is None else not held) if due else NOT_DUE
            yield Case((stage, status, facts), record(stage, facts, status=status), expected)

    check(OUTCOME_RULE[column], cases(), court=BY_READING[reading])


@pytest.mark.parametrize("column", PIPELINE)
def test_what_the_finding_says(column):
    """The finding is an error, quotes the chart's outcome, names the fact where there is one, and has no fix."""
    names = OUTCOMES[column]
    stage = STAGES[STAGES.index(column) + 1]

    finding = COURT.finding(OUTCOME_RULE[column], record(stage, dict.fromkeys(names, False)))

    assert (finding.severity, finding.phrase, finding.fix) == ("error", CHART[column], None)
    assert finding.field == (names[0] if len(names) == 1 else "")
    assert finding.headline == "STG006"


@pytest.mark.parametrize("column", PIPELINE)
def test_an_outcome_of_tomorrow_is_not_met(column):
    """An outcome dated tomorrow is not met until that day, when it is."""
    stage = STAGES[STAGES.index(column) + 1]
    opportunity = record(stage, dict.fromkeys(OUTCOMES[column], day(1)))

    assert COURT.says(OUTCOME_RULE[column], opportunity) == FIRES
    assert Court(today=day(1)).says(OUTCOME_RULE[column], opportunity) == HOLDS


def test_entry_moves_seven_rules_and_nothing_else():
    """The readings differ in the due rules by each column's own outcome, Prospect to Deploy, and by nothing else."""
    for stage in STAGES:
        opportunity = record(stage, through("deploy"))
        moved = ENTRY.verdict(opportunity).due ^ COURT.verdict(opportunity).due
        assert moved == ({OUTCOME_RULE[stage]} if FIGURES[stage] is not None else set()), stage


def test_entry_leaves_proven_and_possible_alone():
    """By entry the proven and the possible stage are read by exit, and STG006 is no headline of the own outcome."""
    opportunity = record("develop", through("qualify", develop=False, rest=None))

    verdict = ENTRY.verdict(opportunity)

    assert (verdict.proven, verdict.possible) == ("develop", "develop")
    assert ENTRY.fired(opportunity) & {"OUT004", "STG006"} == {"OUT004"}
    assert ENTRY.finding("OUT004", opportunity).headline == ""


def test_prospect_handed_over():
    """OUT001 asks for the qualified prospect from Qualify on; only where that is unknown the source type speaks."""
    sources = {"MQP": True, "sqp": True, "Sales Qualified Prospect": True, "Trade fair": False, None: None}

    def cases() -> Iterator[Case]:
        for stage, known, (text, named) in itertools.product(STAGES, STATES, sources.items()):
            said = named if known is None else known
            due = at_or_after(stage, "qualify")
            expected = verdict_of(None if said is None else not said) if due else NOT_DUE
            facts = {OUTCOMES["demand_generation"][0]: known}
            yield Case((stage, known, text), record(stage, facts, source_type=text), expected)

    check("OUT001", cases())


def test_prospect_handed_over_is_a_warning_beside_the_headline():
    """OUT001 is a warning with both phrases of the chart, and STG006 is not its headline."""
    finding = COURT.finding("OUT001", record("close", through(None)))

    assert (finding.severity, finding.headline, finding.fix) == ("warning", "", None)
    assert finding.phrase == "Qualified Prospects (MQP/SQP) generated · Validate MQP/ SQP"


CLOSED = {
    "yes": ({"closed": True}, True),
    "no": ({"closed": False}, False),
    "blank": ({}, False),
    "missing": ({"missing": ("closed",)}, None),
    "unreadable": ({"unreadable": (("closed", "perhaps"),)}, None),
}


def test_supportability_review():
    """OUT009 fires for a closed Support record without review; a blank `closed` is no, a missing one unknown."""

    def cases() -> Iterator[Case]:
        for stage, status, review in itertools.product(STAGES, ("open", "won", "lost"), STATES):
            for name, (fields, closed) in CLOSED.items():
                due = stage == "support" and status != "lost"
                fault = told(lambda closed, review: closed and not review, (closed, review))
                expected = verdict_of(fault) if due else NOT_DUE
                yield Case(
                    (stage, status, review, name), record(stage, {REVIEW: review}, status=status, **fields), expected
                )

    check("OUT009", cases())
    check("OUT009", cases(), court=ENTRY)


def verifiable(column: dict[str, object]) -> bool | None:
    """Whether one column's outcome can be verified: one fact that can suffices; None where that cannot be told."""
    claims = [value for value in column.values() if value not in (False, None)]
    if not claims or any(claim not in (BARE, UNTOLD) for claim in claims):
        return True
    return None if UNTOLD in claims else False


def test_outcomes_are_verifiable():
    """OUT010 fires where a column's outcome is met by bare facts alone; where proof is no field it is unknown."""
    columns = ("prospect", "qualify", "develop")

    def cases() -> Iterator[Case]:
        for facts in combinations((SPONSOR, LETTER, ASSESSMENT, PLAN), (TODAY, BARE, UNTOLD, False, None)):
            seen = [verifiable({name: facts[name] for name in OUTCOMES[column]}) for column in columns]
            nothing_known = set(facts.values()) == {None}
            expected = FIRES if False in seen else UNKNOWN if None in seen or nothing_known else HOLDS
            yield Case(facts, record("develop", facts), expected)

    check("OUT010", cases(), answers={FIRES, HOLDS, UNKNOWN})


@pytest.mark.parametrize("column", STAGES)
@pytest.mark.parametrize("stage", STAGES)
def test_bare_outcomes_whatever_the_stage(stage, column):
    """OUT010 looks at the outcomes of every column from Prospect on, in every stage, and at no other fact."""
    facts = dict.fromkeys(OUTCOMES[column], BARE) | {"prospect.meets_criteria": BARE}
    expected = UNKNOWN if column == "demand_generation" else FIRES

    assert COURT.says("OUT010", record(stage, facts)) == expected
    assert COURT.says("OUT010", record(stage, facts, status="lost")) == NOT_DUE


def test_bare_outcomes_are_named():
    """OUT010 is one warning that names every bare outcome, without a fix."""
    finding = COURT.finding("OUT010", record("solution", {SPONSOR: BARE, PLAN: BARE, SIGNED: TODAY}))

    assert finding.actual == [SPONSOR, PLAN]
    assert (finding.severity, finding.phrase, finding.fix) == ("warning", "Verifiable Outcomes", None)


def date_fault(facts: dict[str, object]) -> str:
    """What is wrong with the dates: the future first, else any earlier column dated after a later one."""
    if any(when is not None and when > TODAY for when in facts.values()):
        return "error"
    days = []
    for names in OUTCOMES.values():
        dated = [facts[name] for name in names if facts.get(name) is not None]
        days += [min(dated)] if dated else []
    return "warning" if any(later < earlier for earlier, later in itertools.combinations(days, 2)) else ""


DATED = tuple(
    facts
    for facts in combinations((SPONSOR, LETTER, ASSESSMENT, SIGNED), (None, day(-9), day(-2), day(0), day(1)))
    if any(facts.values())
)


def test_outcome_dates():
    """OUT011 fires for a date in the future and for any two columns out of order; equal dates are in order."""
    cases = [Case(facts, record("qualify", facts), FIRES if date_fault(facts) else HOLDS) for facts in DATED]

    check("OUT011", cases, answers={FIRES, HOLDS})


def test_outcome_dates_severity():
    """OUT011 is an error when any date is in the future, and otherwise a warning."""
    faults = [(facts, date_fault(facts)) for facts in DATED if date_fault(facts)]

    seen = [(facts, COURT.finding("OUT011", record("qualify", facts)).severity) for facts, _ in faults]

    assert {fault for _, fault in faults} == {"error", "warning"}
    assert seen == faults


@pytest.mark.parametrize(("earlier", "later"), tuple(itertools.combinations(STAGES[1:], 2)))
def test_any_two_columns(earlier, later):
    """OUT011 compares any two columns from Prospect to Support, however far apart, in every stage."""
    for stage in STAGES:
        swapped = dict.fromkeys(OUTCOMES[earlier], day(-1)) | dict.fromkeys(OUTCOMES[later], day(-2))
        equal = dict.fromkeys((*OUTCOMES[earlier], *OUTCOMES[later]), day(-1))
        assert COURT.says("OUT011", record(stage, swapped)) == FIRES
        assert COURT.says("OUT011", record(stage, equal)) == HOLDS


def test_the_earliest_date_of_qualify_counts():
    """Qualify's outcome has the earliest date among its met facts; a date of a fact denied today does not count."""
    late_letter = {LETTER: day(-1), ASSESSMENT: day(-8), PLAN: day(-5)}

    assert COURT.says("OUT011", record("solution", late_letter)) == HOLDS
    assert COURT.says("OUT011", record("solution", late_letter | {ASSESSMENT: False})) == FIRES
    assert COURT.says("OUT011", record("solution", {SPONSOR: day(-6), LETTER: day(-1), ASSESSMENT: day(-8)})) == FIRES


def test_disorder_names_both_outcomes():
    """OUT011 names the two outcomes and their days, and has no fix."""
    finding = COURT.finding("OUT011", record("close", {SPONSOR: day(-9), SIGNED: day(-12)}))

    assert finding.actual == {SPONSOR: "2026-01-06", SIGNED: "2026-01-03"}
    assert (finding.severity, finding.phrase, finding.fix) == ("warning", "Confirm verifiable outcome", None)


def test_a_date_in_the_future_is_one_fault_until_it_comes():
    """OUT011 says of a future date the same on every day until then, so that nothing seems to change meanwhile."""
    promised = record("qualify", {SPONSOR: day(9)})
    now, later = COURT.finding("OUT011", promised), Court(today=day(8)).finding("OUT011", promised)

    assert now == later
    assert now.message == "dated in the future: prospect.sponsor_identified on 2026-01-24"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(through(None), HOLDS, id="nothing met, nothing to date"),
        pytest.param(through("develop"), UNKNOWN, id="met without a date"),
        pytest.param(through(None, rest=None), UNKNOWN, id="nothing known"),
        pytest.param({"demand_generation.qualified_prospect": day(1)}, UNKNOWN, id="before Prospect"),
        pytest.param(through(None) | {"prospect.meets_criteria": day(1)}, HOLDS, id="a checkpoint's date"),
    ],
)
def test_outcome_dates_without_dates(facts, expected):
    """OUT011 looks at dates of outcomes from Prospect on; without any it holds only where no outcome is met."""
    assert COURT.says("OUT011", record("develop", facts)) == expected
