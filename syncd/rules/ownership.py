"""OWN: who owns the opportunity and whether there is a team."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from syncd.facts import Fact
from syncd.form import ANSWER, OWNER
from syncd.model import Finding
from syncd.process import Process
from syncd.rules.base import NOT_MET, Bench, FieldRule, Fields, RuleInfo
from syncd.rules.needs import FactRow, FactRule, Has, Part

OWN001: Final = RuleInfo(
    code="OWN001",
    severity="warning",
    title="no owner",
    phrases=("Establish and transition opty ownership as required",),
    evidence="owner",
    what="From Solution on, the record has no owner although the source has the field.",
    why="Develop establishes who owns the deal; without an owner nobody confirms anything.",
    example="A record in Proof whose owner field is blank.",
)

ROWS: Final = (
    FactRow(
        RuleInfo(
            code="OWN002",
            severity="info",
            title="no virtual team",
            phrases=("Establish qualification v-team (including services)", "Establish opty v-team"),
            evidence="`qualify.v_team`, `develop.v_team`",
            what=(
                "From Develop on there is no qualification v-team with services, or from Solution on no "
                "opportunity v-team."
            ),
            why="Services that join late re-open what was agreed without them.",
            example="A record in Develop with `qualify.v_team` = no.",
        ),
        (Part("develop", Has("qualify.v_team")), Part("solution", Has("develop.v_team"))),
    ),
)


@dataclass(frozen=True)
class NoOwner(FieldRule):
    """OWN001."""

    bench: Bench
    info: RuleInfo = OWN001
    asks: int = ANSWER << OWNER

    @classmethod
    def fits(cls, process: Process) -> bool:
        """Whether the chart has the stage that names the due point."""
        return "solution" in process.stage_index

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - won or open
        """From Solution on."""
        return index >= self.bench.process.stage_index["solution"]

    def check(self, fields: Fields) -> Finding | Fact:
        """A blank owner breaks it; a source without the field says nothing."""
        if fields.owner is not NOT_MET:
            return fields.owner
        stage = self.bench.process.stages[fields.index]
        return self.bench.finding(self.info, message=f"recorded at {stage.name} without an owner", field="owner")


def standing_rules(bench: Bench) -> tuple[NoOwner | FactRule, ...]:
    """The family's rules, in the order of their codes."""
    owner = (NoOwner(bench),) if NoOwner.fits(bench.process) else ()
    return (*owner, *(FactRule(row, bench) for row in ROWS if FactRule.fits(row, bench.process)))
