"""DAT: values that cannot be read."""

from __future__ import annotations

import pytest

from tests.rules.cases import COURT, FIGURES, FIRES, HOLDS, NOT_DUE, STAGES, UNKNOWN, record, through

AMOUNT, PROBABILITY = ("amount", "about 50k"), ("probability", "high")
DAY = ("decision_due", "31.02.2026")
FACT = ("prospect.sponsor_identified", "maybe")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("fault", [AMOUNT, DAY, FACT, ("status", "paused"), ("closed", "x"), ("forecast", "x")])
def test_one_unreadable_value(stage, fault):
    """DAT001 fires in every stage for a value that cannot be read, naming field and text; else it holds."""
    opportunity = record(stage, unreadable=(fault,))

    finding = COURT.finding("DAT001", opportunity)
    assert (finding.field, finding.actual) == fault
    assert (finding.severity, finding.phrase, finding.fix) == ("warning", "", None)
    assert COURT.says("DAT001", record(stage)) == HOLDS


def test_one_discrepancy_names_them_all():
    """Several unreadable values make one finding that names each."""
    finding = COURT.finding("DAT001", record("develop", unreadable=(AMOUNT, DAY, FACT)))

    assert (finding.field, finding.actual) == ("", dict((AMOUNT, DAY, FACT)))
    assert all(text in finding.message for fault in (AMOUNT, DAY, FACT) for text in fault)


@pytest.mark.parametrize("stage", STAGES)
def test_unreadable_probability(stage):
    """An unreadable probability is PRB002 alone in a column with a figure, and DAT001 alone in an NA column."""
    fired = COURT.fired(record(stage, unreadable=(PROBABILITY,)))

    assert fired & {"DAT001", "PRB001", "PRB002", "PRB003", "PRB004", "PRB005"} == (
        {"DAT001"} if FIGURES[stage] is None else {"PRB002"}
    )


def test_beside_an_unreadable_probability():
    """Another unreadable value beside the probability is DAT001, which leaves the probability to PRB002."""
    finding = COURT.finding("DAT001", record("develop", unreadable=(PROBABILITY, AMOUNT)))

    assert (finding.field, finding.actual) == AMOUNT


def test_an_unknown_status_is_judged_as_open():
    """A status word nobody knows leaves the record judged as open, and STG004 undecided."""
    opportunity = record("close", through("qualify"), unreadable=(("status", "paused"),))

    assert COURT.fired(opportunity) >= {"DAT001", "STG006", "OUT004"}
    assert COURT.says("STG004", opportunity) == UNKNOWN


def test_who_is_not_judged():
    """DAT001 judges neither a lost record nor one whose stage is not recognised."""
    assert COURT.says("DAT001", record("develop", status="lost", unreadable=(AMOUNT,))) == NOT_DUE
    assert COURT.says("DAT001", record(None, stage_label="Negotiation", unreadable=(AMOUNT,))) == NOT_DUE


def test_an_unreadable_fact_is_unknown():
    """A fact that cannot be read leaves its rules unknown while DAT001 names it."""
    opportunity = record("qualify", unreadable=(FACT,))

    assert COURT.says("OUT002", opportunity) == UNKNOWN
    assert COURT.says("DAT001", opportunity) == FIRES
