"""OWN: owner and virtual teams."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tests.rules.cases import (
    COURT,
    NOT_DUE,
    STAGES,
    Case,
    at_or_after,
    check,
    combinations,
    record,
    told,
    verdict_of,
)

QUALIFICATION, TEAM = "qualify.v_team", "develop.v_team"


def test_owner():
    """OWN001 fires from Solution on where the owner is blank; a source without the field leaves it unknown."""
    owners = {"Ann": ({"owner": "Ann"}, False), "blank": ({}, True), "missing": ({"missing": ("owner",)}, None)}

    def cases() -> Iterator[Case]:
        for stage, status in itertools.product(STAGES, ("open", "won", "lost")):
            for name, (fields, fault) in owners.items():
                due = at_or_after(stage, "solution") and status != "lost"
                expected = verdict_of(fault) if due else NOT_DUE
                yield Case((stage, status, name), record(stage, status=status, **fields), expected)

    check("OWN001", cases())


def test_owner_finding():
    """OWN001 is a warning about `owner` with the chart's words and no fix."""
    finding = COURT.finding("OWN001", record("solution"))

    assert (finding.field, finding.severity, finding.fix) == ("owner", "warning", None)
    assert finding.phrase == "Establish and transition opty ownership as required"


def test_virtual_teams():
    """OWN002 asks for the qualification v-team from Develop on, and for the opportunity's too from Solution on."""

    def cases() -> Iterator[Case]:
        for stage, status, facts in itertools.product(
            STAGES, ("open", "won", "lost"), combinations((QUALIFICATION, TEAM))
        ):
            asked = [QUALIFICATION] if at_or_after(stage, "develop") else []
            asked += [TEAM] if at_or_after(stage, "solution") else []
            lacking = told(lambda *there: not all(there), [facts[name] for name in asked])
            expected = verdict_of(lacking) if asked and status != "lost" else NOT_DUE
            yield Case((stage, status, facts), record(stage, facts, status=status), expected)

    check("OWN002", cases())


def test_virtual_teams_finding():
    """OWN002 is an info naming the team that is missing."""
    finding = COURT.finding("OWN002", record("solution", {QUALIFICATION: True, TEAM: False}))

    assert (finding.field, finding.severity, finding.fix) == (TEAM, "info", None)
    assert finding.phrase == "Establish qualification v-team (including services) · Establish opty v-team"
