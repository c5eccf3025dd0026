"""The reference itself, against the literal examples of the rule catalogue. Imports nothing of the product."""

from __future__ import annotations

import itertools

import pytest

from tests.rules.reference import FACTS, NO_FIX, PROBABILITY, STAGES, Expected, expected

FIGURES = (0, 10, 20, 40, 60, 80, 100, None, 50)
LETTER, ASSESSMENT = "qualify.sponsor_letter_agreed", "qualify.assessment_completed"
OUTCOME_RULES = ("OUT002", "OUT003", "OUT004", "OUT005", "OUT006", "OUT007", "OUT008")


def facts(through=None, rest=False, **changed):
    """Every fact met up to and including the column `through`, the later ones `rest`; `changed` by column."""
    last = -1 if through is None else STAGES.index(through)
    seen = {fact: True if STAGES.index(fact.split(".")[0]) <= last else rest for fact in FACTS}
    for column, value in changed.items():
        seen.update({fact: value for fact in FACTS if fact.startswith(f"{column}.")})
    return seen


def to(safety, **values):
    return safety, frozenset(values.items())


@pytest.mark.parametrize(
    ("letter", "assessment", "reading"),
    [
        (True, True, "pass"),
        (True, False, "pass"),
        (True, None, "pass"),
        (False, True, "pass"),
        (False, False, "fail"),
        (False, None, "unknown"),
        (None, True, "pass"),
        (None, False, "unknown"),
        (None, None, "unknown"),
    ],
)
def test_qualify_table(letter, assessment, reading):
    """OUT003 reads the nine pairs of letter and assessment as the catalogue's table does."""
    seen = expected("develop", 20, facts("prospect") | {LETTER: letter, ASSESSMENT: assessment})

    assert (reading == "fail", reading == "unknown") == ("OUT003" in seen.fired, "OUT003" in seen.unknown)
    assert ("develop" if reading == "pass" else "qualify") == seen.proven
    assert ("qualify" if reading == "fail" else "develop") == seen.possible


def test_headline_of_a_hollow_close():
    """At Close with every earlier outcome failing, OUT002 to OUT006 fire and STG006 says Prospect."""
    seen = expected("close", 80, facts())

    assert {*OUTCOME_RULES[:5], "STG006"} == set(seen.fired)
    assert to("unsafe", stage="prospect", probability=0) == seen.fired["STG006"]
    assert (seen.proven, seen.possible) == ("prospect", "prospect")


def test_wrong_side_overstated():
    """40 in Proof without Solution's outcome: the stage is overstated, and the probability is not raised."""
    seen = expected("proof", 40, facts("develop"))

    back = to("unsafe", stage="solution")
    assert {"PRB001": back, "STG006": back, "OUT005": NO_FIX} == seen.fired


def test_wrong_side_lagging_figure():
    """40 in Proof with outcomes met through Solution: the probability is 60, safely."""
    seen = expected("proof", 40, facts("solution"))

    assert {"PRB001": to("safe", probability=60)} == seen.fired


@pytest.mark.parametrize(
    ("evidence", "fix"),
    [
        pytest.param(facts("prospect"), to("unsafe", stage="qualify", probability=10), id="something not met"),
        pytest.param(
            facts("prospect", develop=None), to("unsafe", stage="qualify", probability=10), id="not met, then unknown"
        ),
        pytest.param(facts("qualify", develop=None), to("unsafe", probability=40), id="something unknown"),
        pytest.param(facts("develop"), to("safe", probability=40), id="proven is recorded"),
        pytest.param(
            facts("develop", rest=None), to("safe", probability=40), id="proven is recorded, more is possible"
        ),
        pytest.param(facts("solution"), to("unsafe", stage="proof", probability=60), id="proven one above recorded"),
        pytest.param(facts("deploy"), to("unsafe", stage="proof", probability=60), id="proven far above recorded"),
    ],
)
@pytest.mark.parametrize(("probability", "rule"), [(20, "PRB001"), (50, "PRB002"), (None, "PRB004")])
def test_fix_table(probability, rule, evidence, fix):
    """In Solution, PRB001, PRB002 and PRB004 get the fix of the row the evidence belongs to."""
    seen = expected("solution", probability, evidence)

    assert fix == seen.fired[rule]
    assert {"PRB001", "PRB002", "PRB003", "PRB004"} & set(seen.fired) == {rule}


def test_unchanged_fields_are_no_part_of_a_fix():
    """Advancing a record that already has the next stage's figure changes the stage alone."""
    assert to("unsafe", stage="proof") == expected("solution", 60, facts("solution")).fired["PRB001"]
    assert to("unsafe", stage="support") == expected("deploy", None, facts("deploy")).fired["PRB004"]


def test_advancing_to_support_clears_the_probability():
    """The next stage after Deploy is NA: its probability is none."""
    seen = expected("deploy", 60, facts("deploy"))

    assert to("unsafe", stage="support", probability=None) == seen.fired["PRB001"]


def test_zero_is_a_value_at_prospect():
    """0 % is right at Prospect, an empty one is PRB004, and 0 in an NA column is PRB003."""
    assert expected("prospect", 0, facts()).fired == {}
    assert {"PRB004": to("safe", probability=0)} == expected("prospect", None, facts()).fired
    assert {"PRB003": to("unsafe", probability=None)} == expected("demand_generation", 0, facts()).fired


@pytest.mark.parametrize("stage", ["demand_generation", "support"])
@pytest.mark.parametrize("probability", FIGURES)
def test_na_columns(stage, probability):
    """In an NA column only PRB003 can fire of its family, on any number, and it clears the probability."""
    seen = expected(stage, probability, facts("deploy"))

    assert ({} if probability is None else {"PRB003": to("unsafe", probability=None)}) == seen.fired


def test_prb003_proposes_the_stage_fix():
    """PRB003 beside STG006 or STG004 proposes what that rule proposes, without fields that stay as they are."""
    back = to("unsafe", stage="deploy")
    forward = to("unsafe", stage="deploy", probability=100)

    overstated = expected("support", 100, facts("close")).fired
    won = expected("demand_generation", 20, facts("close"), status="won").fired
    assert (back, back) == (overstated["PRB003"], overstated["STG006"])
    assert {"PRB003": forward, "STG004": forward} == won


@pytest.mark.parametrize(("index", "rule"), list(enumerate(OUTCOME_RULES, 1)))
def test_due_points(index, rule):
    """OUT002 is due from Qualify, ... OUT008 at Support; by the entry reading each is due one column earlier."""
    by_exit = {stage for stage in STAGES if rule in expected(stage, None, facts()).fired}
    by_entry = {stage for stage in STAGES if rule in expected(stage, None, facts(), entry=True).fired}

    assert set(STAGES[index + 1 :]) == by_exit
    assert set(STAGES[index:]) == by_entry


def test_entry_moves_nothing_but_the_due_point():
    """By the entry reading the proven stage, the possible stage, STG006 and every fix stay as by exit."""
    by_exit = expected("proof", 20, facts("solution"))
    by_entry = expected("proof", 20, facts("solution"), entry=True)

    assert Expected({**by_exit.fired, "OUT006": NO_FIX}, by_exit.unknown, "proof", "proof") == by_entry


def test_unknown_is_neither_pass_nor_failure():
    """With nothing known, whatever is due is unknown, and so is STG006; Prospect is proven and Support possible."""
    seen = expected("close", 80, facts(rest=None))

    assert Expected({}, frozenset({*OUTCOME_RULES[:5], "STG006"}), "prospect", "support") == seen


def test_one_failure_decides_stg006():
    """One earlier outcome not met makes STG006 fire, however many others are unknown."""
    seen = expected("close", 80, facts(rest=None, proof=False))

    assert to("unsafe", stage="proof", probability=60) == seen.fired["STG006"]
    assert frozenset(OUTCOME_RULES[:4]) == seen.unknown


def test_stg006_is_due_from_qualify():
    """STG006 fires from Qualify to Support, on open records only."""
    by_status = {
        status: {stage for stage in STAGES if "STG006" in expected(stage, None, facts(), status=status).fired}
        for status in ("open", "won", "lost")
    }

    assert by_status == {"open": set(STAGES[2:]), "won": set(), "lost": set()}


def test_won_record():
    """Won before Deploy is STG004, fixed only where Deploy is proven; PRB001 then shares the fix; STG006 is silent."""
    forward = to("unsafe", stage="deploy", probability=100)

    assert {"STG004": forward, "PRB001": forward} == expected("close", 60, facts("close"), status="won").fired
    assert {"STG004": NO_FIX, "PRB001": to("safe", probability=60)} == expected(
        "proof", 40, facts("solution"), status="won"
    ).fired
    assert {"STG004": NO_FIX, "OUT005": NO_FIX, "PRB001": to("unsafe", probability=60)} == expected(
        "proof", 40, facts("develop"), status="won"
    ).fired
    assert {"PRB001": to("unsafe", probability=100)} == expected("deploy", 80, facts("deploy"), status="won").fired


@pytest.mark.parametrize("stage", STAGES)
def test_lost_record(stage):
    """A lost record is frozen: STG004 alone judges it, fires at Deploy and Support, and has no fix."""
    seen = expected(stage, 50, facts(rest=None), status="lost")

    assert ({"STG004": NO_FIX} if stage in {"deploy", "support"} else {}, frozenset()) == (seen.fired, seen.unknown)


@pytest.mark.parametrize("status", ["open", "won"])
@pytest.mark.parametrize("stage", STAGES)
def test_fixes_agree_and_cure(stage, status):
    """The fixes of one record never contradict one another; once written, no further fix is left to propose."""
    for values, probability in itertools.product(ladders(), FIGURES):
        evidence = dict(zip(FACTS, values, strict=True))
        before = expected(stage, probability, evidence, status=status)
        fixes = {fix for fix in before.fired.values() if fix != NO_FIX}
        wanted = {edit for _, edits in fixes for edit in edits}
        after = {"stage": stage, "probability": probability, **dict(wanted)}
        again = expected(after["stage"], after["probability"], evidence, status=status)

        assert len(wanted) == len(dict(wanted)), (stage, probability, values, fixes)
        assert {NO_FIX} >= set(again.fired.values()), (stage, probability, values, again.fired)


def ladders():
    """Facts met for a while, then two in any state, then all the rest in one state."""
    states = (True, False, None)
    for met, first, second, rest in itertools.product(range(len(FACTS)), states, states, states):
        yield ((True,) * met + (first, second) + (rest,) * len(FACTS))[: len(FACTS)]


def test_figures_of_the_chart():
    """The second row of the chart: NA, then 0, 10, 20, 40, 60, 80 and 100 %, then NA."""
    assert list(PROBABILITY.values()) == [None, 0, 10, 20, 40, 60, 80, 100, None]
