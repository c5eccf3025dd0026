"""Another company's chart: the rules that follow from any chart work, those about MSSP's own facts stay away."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from syncd.facts import Fact
from syncd.judge import Judge
from syncd.model import Edit
from syncd.policy import Policy
from syncd.rules import catalogue
from tests.rules.cases import (
    FIRES,
    HOLDS,
    NOT_DUE,
    OTHER,
    STATES,
    TODAY,
    UNKNOWN,
    Case,
    Court,
    check,
    combinations,
    day,
    record,
    told,
    trail_of,
    verdict_of,
)

COURT = Court(process=OTHER)
FIGURES = {"lead": None, "discovery": 5, "evaluation": 35, "contract": 75, "live": 100}
STAGES = tuple(FIGURES)
OUTCOMES = {
    "lead": ("lead.fit_confirmed",),
    "discovery": ("discovery.need_confirmed", "discovery.trial_requested"),
    "evaluation": ("evaluation.trial_passed",),
    "contract": ("contract.order_signed",),
    "live": ("live.in_use",),
}
RULES = {"lead": "OUT001", "discovery": "OUT002", "evaluation": "OUT003", "contract": "OUT004", "live": "OUT005"}


def deal(stage, facts=None, **fields):
    return record(stage, facts, process=OTHER, **fields)


def through(stage, met=True, rest=False, **changed):
    seen = {}
    for column, names in OUTCOMES.items():
        value = met if stage is not None and STAGES.index(column) <= STAGES.index(stage) else rest
        seen |= dict.fromkeys(names, changed.get(column, value))
    return seen


def test_which_rules_judge():
    """Of the catalogue the families PRB, STG, OUT and DAT judge another chart, with one OUT rule a column."""
    codes = set(Judge(OTHER, Policy(), today=TODAY).codes)

    assert codes == {
        *(f"PRB{number:03d}" for number in range(1, 6)),
        *(f"STG{number:03d}" for number in range(1, 7)),
        *RULES.values(),
        "OUT010",
        "OUT011",
        "DAT001",
    }


@pytest.mark.parametrize("rule", ["PRB001", "PRB002", "PRB003", "PRB004"])
def test_probabilities(rule):
    """The figures are the chart's own: MSSP's 40 is no figure here, and 35 belongs in Evaluation."""

    def cases() -> Iterator[Case]:
        for stage, value in itertools.product(STAGES, (0, 5, 35, 40, 75, 100, None)):
            figure = FIGURES[stage]
            fault = "PRB003" if value is not None else None
            if figure is not None:
                fault = "PRB004" if value is None else "PRB002" if value in (0, 40) else "PRB001"
                fault = None if value == figure else fault
            due = (figure is None) == (rule == "PRB003")
            yield Case((stage, value), deal(stage, probability=value), verdict_of(fault == rule) if due else NOT_DUE)

    check(rule, cases(), court=COURT, answers={FIRES, HOLDS, NOT_DUE})


@pytest.mark.parametrize("column", STAGES)
@pytest.mark.parametrize("semantics", ["exit", "entry"])
def test_outcomes(column, semantics):
    """Each column's outcome is due past it (by entry, in it); that of the last column only by entry."""

    def cases() -> Iterator[Case]:
        for stage, facts in itertools.product(STAGES, combinations(OUTCOMES[column])):
            since = STAGES.index(column) + (0 if semantics == "entry" and column != "lead" else 1)
            since = max(since, STAGES.index("evaluation")) if column == "lead" else since
            held = told(lambda *legs: any(legs), facts.values())
            expected = verdict_of(None if held is None else not held)
            yield Case((stage, facts), deal(stage, facts), expected if STAGES.index(stage) >= since else NOT_DUE)

    never = column == "live" and semantics == "exit"
    answers = {NOT_DUE} if never else {FIRES, HOLDS, UNKNOWN, NOT_DUE}
    check(RULES[column], cases(), court=Court(Policy(outcome_semantics=semantics), process=OTHER), answers=answers)


@pytest.mark.parametrize("rest", STATES)
def test_ahead_of_the_evidence(rest):
    """STG006 sends a record back to the possible stage of this chart, with its figure."""
    fix = COURT.finding("STG006", deal("live", through("discovery", rest=rest, evaluation=False))).fix

    assert fix.set == {"stage": Edit("live", "evaluation"), "probability": Edit(100, 35)}


def test_behind_the_evidence():
    """STG005 advances one stage of this chart; the last column can lag behind nothing."""
    fix = COURT.finding("STG005", deal("discovery", through("live", met=day(-30)))).fix

    assert fix.set == {"stage": Edit("discovery", "evaluation"), "probability": Edit(5, 35)}
    assert COURT.says("STG005", deal("live", through("live", met=day(-30)))) == HOLDS
    assert COURT.says("STG005", deal("lead", through("live", met=day(-30)))) == NOT_DUE


@pytest.mark.parametrize("stage", STAGES)
def test_status_against_stage(stage):
    """STG004 reads the chart's own column of won records."""
    live = stage == "live"

    assert COURT.says("STG004", deal(stage, status="won")) == (HOLDS if live else FIRES)
    assert COURT.says("STG004", deal(stage, status="lost")) == (FIRES if live else HOLDS)


def test_a_won_record_moves_to_the_charts_own_column():
    """A won record whose order is signed moves to Live."""
    fix = COURT.finding("STG004", deal("contract", through("contract"), status="won")).fix

    assert fix.set == {"stage": Edit("contract", "live"), "probability": Edit(75, 100)}


def test_history():
    """STG002 and STG003 count this chart's columns."""
    late = trail_of("evaluation", "live", from_creation=True)
    early = trail_of("lead", "discovery", from_creation=True)

    assert {rule: COURT.says(rule, deal("live"), late) for rule in ("STG002", "STG003")} == {
        "STG002": FIRES,
        "STG003": FIRES,
    }
    assert {COURT.says(rule, deal("discovery"), early) for rule in ("STG002", "STG003")} == {HOLDS}


def test_dates_and_proofs():
    """OUT010 and OUT011 look at this chart's outcomes, from its first column with a figure on."""
    swapped = {"discovery.need_confirmed": day(-1), "contract.order_signed": day(-2)}

    assert COURT.says("OUT011", deal("live", swapped)) == FIRES
    assert COURT.says("OUT010", deal("live", {"contract.order_signed": "bare"})) == FIRES
    assert COURT.says("OUT010", deal("live", {"lead.fit_confirmed": "bare"})) == UNKNOWN


def every_finding():
    """Findings of every rule that can fire on this chart."""
    bad = {name: False for names in OUTCOMES.values() for name in names}
    lag, late = through("live", met=day(-30)), {"discovery.need_confirmed": day(-1), "contract.order_signed": day(-2)}
    records = [
        (deal(None, stage_label="Talks"), None),
        (
            deal("live", bad, probability=5, unreadable=(("amount", "x"),)),
            trail_of("evaluation", "live", from_creation=True),
        ),
        (deal("live", late | {"evaluation.trial_passed": "bare"}, probability=40), None),
        (deal("live", status="lost"), None),
        (deal("discovery", lag, probability=None), None),
        (deal("lead", probability=0, forecast=True), None),
    ]
    court = Court(Policy(outcome_semantics="entry"), process=OTHER)
    return [finding for opportunity, trail in records for finding in court.verdict(opportunity, trail).findings]


def test_phrases_are_words_of_this_chart():
    """Whatever a finding quotes stands in this company's chart; MSSP's words appear nowhere."""
    findings = every_finding()

    quoted = {finding.rule: finding.phrase.split(" · ") for finding in findings if finding.phrase}
    assert {finding.rule for finding in findings} == set(COURT.judge.codes)
    assert quoted["OUT002"] == ["Need written down and confirmed, or trial requested"]
    assert quoted["OUT004"] == ["Order signed"]
    assert all(OTHER.quotes(phrase) for phrases in quoted.values() for phrase in phrases)
    assert not any(word in text for texts in quoted.values() for text in texts for word in ("Siebel", "MQP", "60%"))


def test_the_catalogue_of_this_chart():
    """The catalogue lists this chart's rules beside those that need a second source, and no CHK, ASM or OWN."""
    families = {info.code[:3] for info in catalogue(OTHER)}

    assert families == {"PRB", "STG", "OUT", "REV", "DAT", "SYN"}


def test_qualifies_by_any_fact():
    """Either fact of Discovery proves it, and one unknown leg beside one not met is unknown."""
    assert COURT.verdict(deal("lead", {"discovery.trial_requested": True})).proven == "evaluation"
    assert COURT.says("OUT002", deal("evaluation", {"discovery.need_confirmed": False})) == UNKNOWN
    index = OTHER.evidence_index["discovery.need_confirmed"]
    assert deal("lead", {"discovery.need_confirmed": False}).fact(index) is Fact.NOT_MET
