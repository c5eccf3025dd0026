"""CHK: the checkpoints of the columns a record has left. Mostly rows of facts; the decision due has a date."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from syncd.facts import Fact
from syncd.form import ANSWER, DECISION, OVERDUE
from syncd.model import Finding, Opportunity
from syncd.process import Process
from syncd.rules.base import MET, NOT_MET, UNKNOWN, Bench, DatedRule, Fields, Rank, RuleInfo, Trail
from syncd.rules.needs import All, FactRow, FactRule, Has, Part, Reached, has_all, has_any

_WHY: Final = "Checkpoints are facts that should hold when a stage is left; one that does not is a deal moved on hope."

_PROPOSED, _AGREED = "develop.eval_plan_proposed", "develop.eval_plan_agreed"
_UNDERWAY, _COMPLETED = "solution.eval_plan_underway", "proof.eval_plan_completed"
_ISSUED: Final = "proof.proposal_issued"

ROWS: Final[tuple[FactRow, ...]] = (
    FactRow(
        RuleInfo(
            code="CHK001",
            severity="warning",
            title="outside territory and account list",
            phrases=("Prospect is in assigned territory or account",),
            evidence="`prospect.in_territory_or_account`",
            what="From Qualify on, the account is in neither the owner's territory nor the account list.",
            why="Work outside the assigned territory or account is somebody else's deal, or nobody's.",
            example="A record in Qualify without an account.",
        ),
        (Part("qualify", Has("prospect.in_territory_or_account")),),
    ),
    FactRow(
        RuleInfo(
            code="CHK002",
            severity="warning",
            title="sales criteria not met",
            phrases=("Opportunity meets sales criteria to pursue",),
            evidence="`prospect.meets_criteria`",
            what="From Qualify on, the opportunity is not recorded as meeting the criteria to pursue it.",
            why=_WHY,
            example="A record in Develop with `prospect.meets_criteria` = no.",
        ),
        (Part("qualify", Has("prospect.meets_criteria")),),
    ),
    FactRow(
        RuleInfo(
            code="CHK003",
            severity="warning",
            title="neither pain nor compelling event",
            phrases=("Pain admitted by sponsor or Compelling event identified",),
            evidence="`qualify.sponsor_pain`, `qualify.compelling_event` (either suffices)",
            what="From Develop on, the sponsor has admitted no pain and there is no compelling event.",
            why=_WHY,
            example="A record in Develop with both facts recorded as no.",
        ),
        (Part("develop", has_any("qualify.sponsor_pain", "qualify.compelling_event")),),
    ),
    FactRow(
        RuleInfo(
            code="CHK004",
            severity="warning",
            title="sponsor without vision or agreement",
            phrases=("Sponsor has buying vision", "Sponsor agrees to explore"),
            evidence="`qualify.sponsor_vision`, `qualify.sponsor_explores`",
            what="From Develop on, the sponsor has no buying vision or has not agreed to explore.",
            why=_WHY,
            example="A record in Solution with `qualify.sponsor_vision` = no.",
        ),
        (Part("develop", has_all("qualify.sponsor_vision", "qualify.sponsor_explores")),),
    ),
    FactRow(
        RuleInfo(
            code="CHK005",
            severity="warning",
            title="access to power not negotiated",
            phrases=("Access to power negotiated",),
            evidence="`qualify.power_access_negotiated`",
            what="From Develop on, access to power has not been negotiated.",
            why="A sponsor can want; only power can buy.",
            example="A record in Develop with `qualify.power_access_negotiated` = no.",
        ),
        (Part("develop", Has("qualify.power_access_negotiated")),),
    ),
    FactRow(
        RuleInfo(
            code="CHK006",
            severity="warning",
            title="power not reached",
            phrases=("Access to power", "Pain admitted by power", "Power has buying vision"),
            evidence="`develop.power_access`, `develop.power_pain`, `develop.power_vision`",
            what="From Solution on, there is no access to power, or power has admitted no pain or has no vision.",
            why="A solution presented to people who cannot decide is a demonstration, not a sale.",
            example="A record in Proof with `develop.power_pain` = no.",
        ),
        (Part("solution", has_all("develop.power_access", "develop.power_pain", "develop.power_vision")),),
    ),
    FactRow(
        RuleInfo(
            code="CHK007",
            severity="warning",
            title="partner, services or expectations open",
            phrases=("Partner and/ or MS services selected and engagement expectations agreed",),
            evidence="`develop.partner_selected`, `develop.services_selected` (either), `develop.expectations_agreed`",
            what=(
                "From Solution on, neither partner nor services is selected, or the engagement expectations "
                "are not agreed."
            ),
            why=_WHY,
            example="A record in Solution with a partner, but `develop.expectations_agreed` = no.",
        ),
        (
            Part(
                "solution",
                All(
                    (
                        has_any("develop.partner_selected", "develop.services_selected"),
                        Has("develop.expectations_agreed"),
                    )
                ),
            ),
        ),
    ),
    FactRow(
        RuleInfo(
            code="CHK008",
            severity="warning",
            title="evaluation plan lags behind the stage",
            phrases=("Eval plan proposed", "Eval plan underway", "Eval plan completed"),
            evidence=f"`{_PROPOSED}`, `{_AGREED}`, `{_UNDERWAY}`, `{_COMPLETED}`",
            what=(
                "The evaluation plan is not proposed from Solution on, not underway from Proof on, or not "
                "completed from "
                "Close on. A later state implies the earlier ones."
            ),
            why="The plan is the customer's own road to a decision; a stage ahead of it is ahead of the customer.",
            example="A record in Close with `proof.eval_plan_completed` = no.",
        ),
        (
            Part("solution", Reached(_PROPOSED, (_AGREED, _UNDERWAY, _COMPLETED))),
            Part("proof", Reached(_UNDERWAY, (_COMPLETED,))),
            Part("close", Has(_COMPLETED)),
        ),
    ),
    FactRow(
        RuleInfo(
            code="CHK009",
            severity="warning",
            title="proposal not reviewed or not issued",
            phrases=("Pre-proposal/ Statement of work (SOW) review conducted", "Proposal/ SOW issued"),
            evidence="`proof.proposal_reviewed`, `proof.proposal_issued`",
            what="From Close on, the pre-proposal or SOW review was not held, or the proposal or SOW was not issued.",
            why="There is nothing to negotiate before a reviewed proposal is on the customer's table.",
            example="A record in Close with `proof.proposal_issued` = no.",
        ),
        (Part("close", has_all("proof.proposal_reviewed", _ISSUED)),),
    ),
    FactRow(
        RuleInfo(
            code="CHK011",
            severity="warning",
            title="contract, deployment SOW or support plan not final",
            phrases=("Contract, deployment SOW and support plan finalized",),
            evidence="`close.contract_final`, `close.deployment_sow_final`, `close.support_plan_final`",
            what="From Deploy on, the contract, the deployment SOW or the support plan is not final.",
            why=_WHY,
            example="A record in Deploy with `close.support_plan_final` = no.",
        ),
        (Part("deploy", has_all("close.contract_final", "close.deployment_sow_final", "close.support_plan_final")),),
    ),
    FactRow(
        RuleInfo(
            code="CHK012",
            severity="warning",
            title="deployment conditions or readiness open",
            phrases=(
                "Customer deployment conditions of satisfaction determined with partners",
                "Deployment readiness re-assessed",
            ),
            evidence="`deploy.conditions_determined`, `deploy.readiness_reassessed`",
            what=(
                "In Support, the customer's conditions of satisfaction were not determined or readiness not "
                "re-assessed."
            ),
            why=_WHY,
            example="A record in Support with `deploy.readiness_reassessed` = no.",
        ),
        (Part("support", has_all("deploy.conditions_determined", "deploy.readiness_reassessed")),),
    ),
    FactRow(
        RuleInfo(
            code="CHK013",
            severity="info",
            title="new prospects not captured",
            phrases=("New prospects identified and captured in appropriate system",),
            evidence="`deploy.new_prospects_captured` (met means captured, or explicitly none found)",
            what="In Support, new prospects were neither captured nor explicitly found to be none.",
            why="A deployment is where the next demand starts.",
            example="A record in Support with `deploy.new_prospects_captured` = no.",
        ),
        (Part("support", Has("deploy.new_prospects_captured")),),
    ),
)

CHK010: Final = RuleInfo(
    code="CHK010",
    severity="warning",
    title="decision not due, or overdue",
    phrases=("decision due",),
    evidence="`proof.proposal_issued`, `decision_due`",
    what=(
        "From Proof on, a proposal is issued without a day on which the decision is due; "
        "or that day has passed and the record is still in Proof."
    ),
    why="A proposal without a decision day waits for ever.",
    example="A record in Proof with an issued proposal whose decision was due last month.",
)


@dataclass(frozen=True)
class DecisionDue(DatedRule):
    """CHK010."""

    bench: Bench
    info: RuleInfo = CHK010
    asks: int = ANSWER << DECISION | OVERDUE
    echo: int = 1
    reads: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reads", 1 << self.bench.process.evidence_index[_ISSUED])

    @classmethod
    def fits(cls, process: Process) -> bool:
        """Whether the chart knows proposals."""
        return _ISSUED in process.evidence_index and "proof" in process.stage_index

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - won or open
        """From Proof on."""
        return index >= self.bench.process.stage_index["proof"]

    def turns(self, opportunity: Opportunity, index: int) -> Iterable[date]:  # noqa: ARG002 - as everywhere
        """The day after the one on which the decision is due."""
        day = opportunity.decision_due
        return () if day is None or day == date.max else (day + timedelta(days=1),)

    def settle(self, fields: Fields) -> Fact | None:
        """Issued *and* (no day, or the day has passed in Proof), by Kleene's logic."""
        issued = fields.fact(self.bench.process.evidence_index[_ISSUED])
        if issued is NOT_MET:
            return MET
        if fields.decision is UNKNOWN:
            return UNKNOWN
        passed = fields.overdue and fields.index == self.bench.process.stage_index["proof"]
        if fields.decision is MET and not passed:
            return MET
        return UNKNOWN if issued is UNKNOWN else None

    def check(self, opportunity: Opportunity, rank: Rank, trail: Trail | None) -> Finding:  # noqa: ARG002
        """Not settled means broken."""
        day = opportunity.decision_due
        said = (
            "has no day on which the decision is due" if day is None else f"was due for decision on {day.isoformat()}"
        )
        stage = self.bench.process.stages[rank.index]
        return self.bench.finding(
            self.info,
            message=f"recorded at {stage.name}; the proposal is issued, but {said}",
            field="decision_due",
            actual=day.isoformat() if day else None,
            expected="a day that has not passed",
        )


def standing_rules(bench: Bench) -> tuple[FactRule, ...]:
    """The rows the chart has the facts for."""
    return tuple(FactRule(row, bench) for row in ROWS if FactRule.fits(row, bench.process))


def dated_rules(bench: Bench) -> tuple[DecisionDue, ...]:
    """The rule with a date."""
    return (DecisionDue(bench),) if DecisionDue.fits(bench.process) else ()
