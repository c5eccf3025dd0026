"""ASM: the opportunity assessment, which Qualify completes and Develop, Solution and Proof each update."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from syncd.facts import Fact
from syncd.model import Finding, Opportunity
from syncd.process import Process
from syncd.rules.base import MET, NOT_MET, UNKNOWN, Bench, DatedRule, Fields, Rank, RuleInfo, Trail, Visit
from syncd.rules.needs import FactRow, FactRule, Has, Part

ASSESSMENT: Final = "qualify.assessment_completed"
UPDATED_IN: Final = ("develop", "solution", "proof")
"""The stages whose last key step says to update the assessment; no other does."""

ROWS: Final = (
    FactRow(
        RuleInfo(
            code="ASM001",
            severity="warning",
            title="no opportunity assessment",
            phrases=("update opty assessment",),
            evidence=f"`{ASSESSMENT}`",
            what=(
                "From Solution on, there is no completed assessment, even where Qualify was passed by the "
                "sponsor letter."
            ),
            why="Develop ends with updating the assessment, so by then there must be one.",
            example="A record in Solution, qualified by letter, with `qualify.assessment_completed` = no.",
        ),
        (Part("solution", Has(ASSESSMENT)),),
    ),
)

ASM002: Final = RuleInfo(
    code="ASM002",
    severity="warning",
    title="assessment not updated",
    phrases=(
        "Confirm verifiable outcome, update opty assessment and Siebel",
        "Confirm verifiable outcome, update opty assessment and update Siebel",
    ),
    evidence="the assessment's date, observed stage history",
    what=(
        "The record has left Develop, Solution or Proof, and no assessment date was seen between the day "
        "it entered that "
        "stage and the day it left. Decided only where both days were observed."
    ),
    why="Each of these stages teaches something the assessment should hold before the next one builds on it.",
    example="A record seen in Develop in March and in Solution in April whose assessment dates from February.",
)


@dataclass(frozen=True)
class AssessmentNotUpdated(DatedRule):
    """ASM002."""

    bench: Bench
    info: RuleInfo = ASM002
    reads: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reads", 1 << self.bench.process.evidence_index[ASSESSMENT])

    @classmethod
    def fits(cls, process: Process) -> bool:
        """Whether the chart has the assessment and the stages that update it."""
        return ASSESSMENT in process.evidence_index and all(stage in process.stage_index for stage in UPDATED_IN)

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - won or open
        """Past Develop."""
        return self._past(index, UPDATED_IN[0])

    def applies(self, fields: Fields) -> bool:
        """Where there is no assessment at all, ASM001 says so and nothing is left to update."""
        return fields.fact(self.bench.process.evidence_index[ASSESSMENT]) is not NOT_MET

    def settle(self, fields: Fields) -> Fact | None:
        """Where no stay was seen to end, none has a known beginning and end."""
        if not fields.path:
            return UNKNOWN
        left = fields.path[:-1]
        return None if any(stage in left and self._past(fields.index, stage) for stage in UPDATED_IN) else UNKNOWN

    def check(self, opportunity: Opportunity, rank: Rank, trail: Trail | None) -> Finding | Fact:
        """Every stay in one of the three stages that was seen to end must hold an assessment date."""
        visits = trail.visits if trail else ()
        stays = itertools.pairwise(visits)
        exited = [
            (stay, left) for stay, left in stays if stay.stage in UPDATED_IN and self._past(rank.index, stay.stage)
        ]
        days = self._assessed(opportunity, visits)
        said = [_updated(stay, left, days) for stay, left in exited]
        if NOT_MET not in said:
            return MET if said and UNKNOWN not in said else UNKNOWN
        stay, left = exited[said.index(NOT_MET)]
        since, until, seen = (stay.entered or stay.seen).isoformat(), _left(left).isoformat(), max(days).isoformat()
        name = self.bench.process.stages[self.bench.process.stage_index[stay.stage]].name
        return self.bench.finding(
            self.info,
            message=f"in {name} from {since} to {until}, but the assessment was not updated then (last dated {seen})",
            field=ASSESSMENT,
            actual=seen,
            expected=f"a day from {since} to {until}",
        )

    def _past(self, recorded: int, stage: str) -> bool:
        return self.bench.process.stage_index[stage] < recorded

    def _assessed(self, opportunity: Opportunity, visits: tuple[Visit, ...]) -> set[date]:
        days = {visit.assessed for visit in visits if visit.assessed is not None}
        now = opportunity.dates.get(self.bench.process.evidence_index[ASSESSMENT])
        return days | {now} if now is not None else days


def _updated(stay: Visit, left: Visit, days: set[date]) -> Fact:
    """Whether an assessment day lies in a stay; unknown where none is dated or the stay's beginning was not seen."""
    if any((stay.entered or stay.seen) <= day <= _left(left) for day in days):
        return MET
    return NOT_MET if days and stay.entered is not None else UNKNOWN


def _left(following: Visit) -> date:
    return following.entered or following.seen


def standing_rules(bench: Bench) -> tuple[FactRule, ...]:
    """The rows the chart has the facts for."""
    return tuple(FactRule(row, bench) for row in ROWS if FactRule.fits(row, bench.process))


def dated_rules(bench: Bench) -> tuple[AssessmentNotUpdated, ...]:
    """The rule that needs history."""
    return (AssessmentNotUpdated(bench),) if AssessmentNotUpdated.fits(bench.process) else ()
