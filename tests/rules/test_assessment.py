"""ASM: whether there is an assessment from Solution on, and whether Develop, Solution and Proof each updated it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from syncd.rules.base import Trail
from tests.rules.cases import (
    ASSESSMENT,
    COURT,
    FIRES,
    HOLDS,
    LETTER,
    NOT_DUE,
    STAGES,
    UNKNOWN,
    Case,
    at_or_after,
    check,
    combinations,
    day,
    record,
    trail_of,
    verdict_of,
    visit,
)


def test_every_combination_of_letter_and_assessment():
    """ASM001 asks for the assessment from Solution on, whatever the sponsor letter says."""

    def cases() -> Iterator[Case]:
        for stage, status, facts in itertools.product(
            STAGES, ("open", "won", "lost"), combinations((LETTER, ASSESSMENT))
        ):
            due = at_or_after(stage, "solution") and status != "lost"
            state = facts[ASSESSMENT]
            expected = verdict_of(None if state is None else not state) if due else NOT_DUE
            yield Case((stage, status, facts), record(stage, facts, status=status), expected)

    check("ASM001", cases())


def test_qualified_by_letter_alone():
    """A record in Solution that passed Qualify by the letter breaks ASM001 and not OUT003."""
    opportunity = record("solution", {LETTER: True, ASSESSMENT: False})

    finding = COURT.finding("ASM001", opportunity)
    assert (finding.field, finding.severity, finding.fix) == (ASSESSMENT, "warning", None)
    assert finding.phrase == "update opty assessment"
    assert COURT.says("OUT003", opportunity) == HOLDS


ENTERED, LEFT = day(-20), day(-10)
SEEN = {"before": day(-45), "on entry": ENTERED, "within": day(-15), "on exit": LEFT, "after": day(-5)}


def stay(stage: str, left_to: str, *, entered=ENTERED, assessed=None) -> Trail:
    """A stay in one stage from `ENTERED` to `LEFT`, and the present one."""
    first = visit(stage, ENTERED, entered, assessed)
    return Trail((first, visit(left_to, LEFT, LEFT)), from_creation=False)


def test_the_days_are_in_order():
    """The table's days really lie before, within and after the stay."""
    assert SEEN["before"] < ENTERED < SEEN["within"] < LEFT < SEEN["after"]


@pytest.mark.parametrize(
    ("when", "expected"),
    [("before", FIRES), ("on entry", HOLDS), ("within", HOLDS), ("on exit", HOLDS), ("after", FIRES)],
)
@pytest.mark.parametrize(("stage", "left_to"), [("develop", "solution"), ("solution", "proof"), ("proof", "close")])
def test_updated_between_entry_and_exit(stage, left_to, when, expected):
    """ASM002 wants an assessment day between entry and exit, both included, of Develop, Solution and Proof."""
    opportunity = record(left_to, {ASSESSMENT: SEEN[when]})

    assert COURT.says("ASM002", opportunity, stay(stage, left_to)) == expected


@pytest.mark.parametrize(("stage", "left_to"), [("prospect", "develop"), ("qualify", "develop"), ("close", "deploy")])
def test_other_stages_do_not_update_it(stage, left_to):
    """Leaving Prospect, Qualify or Close asks for no update of the assessment."""
    opportunity = record(left_to, {ASSESSMENT: SEEN["before"]})

    assert COURT.says("ASM002", opportunity, stay(stage, left_to)) != FIRES


def test_where_both_days_were_not_seen():
    """With the entry unseen an update is recognised all the same, and its absence is unknown."""
    unseen = stay("develop", "solution", entered=None)

    assert COURT.says("ASM002", record("solution", {ASSESSMENT: SEEN["before"]}), unseen) == UNKNOWN
    assert COURT.says("ASM002", record("solution", {ASSESSMENT: SEEN["within"]}), unseen) == HOLDS


@pytest.mark.parametrize("assessment", [True, None])
@pytest.mark.parametrize("history", [None, stay("develop", "solution")])
def test_without_days_it_is_unknown(assessment, history):
    """Without a day of the assessment, or without history, ASM002 cannot be decided."""
    assert COURT.says("ASM002", record("solution", {ASSESSMENT: assessment}), history) == UNKNOWN


def test_without_history_a_dated_assessment_is_unknown():
    """A dated assessment without an observed history leaves ASM002 unknown."""
    assert COURT.says("ASM002", record("close", {ASSESSMENT: SEEN["within"]})) == UNKNOWN


def test_a_single_stay_has_no_end():
    """A record that was only ever seen in its present stage has left nothing that could be judged."""
    opportunity = record("proof", {ASSESSMENT: SEEN["before"]})

    assert COURT.says("ASM002", opportunity, trail_of("proof")) == UNKNOWN


def test_an_earlier_day_that_was_seen_counts():
    """An assessment day seen during the stay counts, though the record shows a later one by now."""
    opportunity = record("solution", {ASSESSMENT: SEEN["after"]})

    assert COURT.says("ASM002", opportunity, stay("develop", "solution", assessed=SEEN["within"])) == HOLDS
    assert COURT.says("ASM002", opportunity, stay("develop", "solution", assessed=SEEN["before"])) == FIRES


def test_each_stay_is_judged():
    """One stay with an update does not speak for the next one without."""
    visits = (
        visit("develop", day(-40), day(-40), day(-35)),
        visit("solution", day(-30), day(-30), day(-35)),
        visit("proof", day(-20), day(-20)),
    )

    finding = COURT.finding("ASM002", record("proof", {ASSESSMENT: day(-35)}), Trail(visits, from_creation=True))

    assert finding.message.startswith("in Solution from 2025-12-16 to 2025-12-26")
    assert (finding.field, finding.actual, finding.severity) == (ASSESSMENT, "2025-12-11", "warning")


@pytest.mark.parametrize("stage", STAGES)
def test_due_past_develop(stage):
    """ASM002 is due for records past Develop; a lost one is not."""
    expected = NOT_DUE if not at_or_after(stage, "solution") else UNKNOWN

    assert COURT.says("ASM002", record(stage, {ASSESSMENT: True})) == expected
    assert COURT.says("ASM002", record(stage, {ASSESSMENT: True}, status="lost")) == NOT_DUE


def test_no_assessment_is_asm001_alone():
    """Where there is no assessment at all, ASM001 says so and ASM002 does not fire."""
    opportunity = record("solution", {ASSESSMENT: False})

    fired = COURT.fired(opportunity, stay("develop", "solution"))
    assert "ASM001" in fired
    assert "ASM002" not in fired
