"""The rules as a team would write them in pydantic: a model with a typed field for all they ask, and a validator.

Not for: the records they are given (`peers.py`), or saying what is right (`truth.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final, Literal, Self

from peers import GRACE_DAYS, QUALIFIED, day_of
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator

PROSPECT, QUALIFY, DEVELOP, SOLUTION, PROOF, CLOSE, DEPLOY, SUPPORT = range(1, 9)

FIGURES: Final[Mapping[int, float]] = {
    PROSPECT: 0.0, QUALIFY: 10.0, DEVELOP: 20.0, SOLUTION: 40.0, PROOF: 60.0, CLOSE: 80.0, DEPLOY: 100.0,
}  # fmt: skip
"""The probability of each column that has one."""

_CHART: Final = frozenset(FIGURES.values())
_GRACE: Final = timedelta(days=GRACE_DAYS)
_Fact = bool | None
_Day = date | None


def _fact(name: str) -> Any:
    return Field(default=None, alias=name)


def _day(name: str) -> Any:
    return Field(default=None, alias=day_of(name))


class Deal(BaseModel):
    """One opportunity whose validation leaves the codes of the rules it breaks in `broken`.

    The context of the validation is the day to judge by.
    """

    model_config = ConfigDict(extra="ignore")

    status: Literal["open", "won", "lost"]
    stage: int
    probability: float | str | None
    owner: str | None
    source_type: str | None
    closed: bool
    decision_due: _Day
    unreadable: list[str]
    qualified_prospect: _Fact = _fact("demand_generation.qualified_prospect")
    sponsor_identified: _Fact = _fact("prospect.sponsor_identified")
    sponsor_identified_on: _Day = _day("prospect.sponsor_identified")
    in_territory_or_account: _Fact = _fact("prospect.in_territory_or_account")
    meets_criteria: _Fact = _fact("prospect.meets_criteria")
    sponsor_letter_agreed: _Fact = _fact("qualify.sponsor_letter_agreed")
    sponsor_letter_agreed_on: _Day = _day("qualify.sponsor_letter_agreed")
    assessment_completed: _Fact = _fact("qualify.assessment_completed")
    assessment_completed_on: _Day = _day("qualify.assessment_completed")
    sponsor_pain: _Fact = _fact("qualify.sponsor_pain")
    compelling_event: _Fact = _fact("qualify.compelling_event")
    sponsor_vision: _Fact = _fact("qualify.sponsor_vision")
    sponsor_explores: _Fact = _fact("qualify.sponsor_explores")
    power_access_negotiated: _Fact = _fact("qualify.power_access_negotiated")
    eval_plan_agreed: _Fact = _fact("develop.eval_plan_agreed")
    eval_plan_agreed_on: _Day = _day("develop.eval_plan_agreed")
    power_access: _Fact = _fact("develop.power_access")
    power_pain: _Fact = _fact("develop.power_pain")
    power_vision: _Fact = _fact("develop.power_vision")
    partner_selected: _Fact = _fact("develop.partner_selected")
    services_selected: _Fact = _fact("develop.services_selected")
    expectations_agreed: _Fact = _fact("develop.expectations_agreed")
    eval_plan_proposed: _Fact = _fact("develop.eval_plan_proposed")
    preliminary_solution_agreed: _Fact = _fact("solution.preliminary_solution_agreed")
    preliminary_solution_agreed_on: _Day = _day("solution.preliminary_solution_agreed")
    eval_plan_underway: _Fact = _fact("solution.eval_plan_underway")
    verbal_approval: _Fact = _fact("proof.verbal_approval")
    verbal_approval_on: _Day = _day("proof.verbal_approval")
    eval_plan_completed: _Fact = _fact("proof.eval_plan_completed")
    proposal_reviewed: _Fact = _fact("proof.proposal_reviewed")
    proposal_issued: _Fact = _fact("proof.proposal_issued")
    documents_signed: _Fact = _fact("close.documents_signed")
    documents_signed_on: _Day = _day("close.documents_signed")
    contract_final: _Fact = _fact("close.contract_final")
    deployment_sow_final: _Fact = _fact("close.deployment_sow_final")
    support_plan_final: _Fact = _fact("close.support_plan_final")
    deployed: _Fact = _fact("deploy.deployed")
    deployed_on: _Day = _day("deploy.deployed")
    new_prospects_captured: _Fact = _fact("deploy.new_prospects_captured")
    conditions_determined: _Fact = _fact("deploy.conditions_determined")
    readiness_reassessed: _Fact = _fact("deploy.readiness_reassessed")
    supportability_review: _Fact = _fact("support.supportability_review")
    supportability_review_on: _Day = _day("support.supportability_review")

    broken: list[str] = Field(default_factory=list)
    """The codes of the rules it breaks."""

    @model_validator(mode="after")
    def check(self, info: ValidationInfo) -> Self:
        """Run every rule."""
        stage, today, broken = self.stage, info.context, self.broken
        if self.status == "lost":
            if stage >= DEPLOY:
                broken.append("STG004")
        elif stage < 0:
            broken.append("STG001")
        else:
            self._probability_rules(stage, broken)
            self._stage_rules(stage, today, broken)
            self._early_outcomes(stage, broken)
            self._late_outcomes(stage, broken)
            if self._dates_impossible(today):
                broken.append("OUT011")
            self._checkpoints_to_qualify(stage, broken)
            self._checkpoints_to_proof(stage, today, broken)
            self._checkpoints_to_deploy(stage, broken)
            if self.unreadable:
                broken.append("DAT001")
            if stage >= SOLUTION and not self.owner:
                broken.append("OWN001")
        return self

    def _probability_rules(self, stage: int, broken: list[str]) -> None:
        due = FIGURES.get(stage)
        if due is None:
            if self.probability is not None:
                broken.append("PRB003")
        elif self.probability is None:
            broken.append("PRB004")
        elif self.probability not in _CHART:
            broken.append("PRB002")
        elif self.probability != due:
            broken.append("PRB001")

    def _stage_rules(self, stage: int, today: date, broken: list[str]) -> None:
        if self.status == "won":
            if stage < DEPLOY:
                broken.append("STG004")
            return
        if stage < PROSPECT:
            return
        outcomes = self._outcomes()
        if False in outcomes[: stage - 1]:
            broken.append("STG006")
        elif stage <= DEPLOY and all(outcomes[:stage]):
            day = self._outcome_days()[stage - 1]
            if day is not None and today - day > _GRACE:
                broken.append("STG005")

    def _outcomes(self) -> tuple[_Fact, ...]:
        """The outcome of each column from Prospect on; that of Qualify is met by either of two facts."""
        letter, assessment = self.sponsor_letter_agreed, self.assessment_completed
        denied = letter is False and assessment is False
        return (
            self.sponsor_identified,
            True if letter or assessment else False if denied else None,
            self.eval_plan_agreed,
            self.preliminary_solution_agreed,
            self.verbal_approval,
            self.documents_signed,
            self.deployed,
            self.supportability_review,
        )

    def _outcome_days(self) -> tuple[_Day, ...]:
        """The day of each of those outcomes; of two facts, the earlier day."""
        letter, assessment = self.sponsor_letter_agreed_on, self.assessment_completed_on
        qualified = min(letter, assessment) if letter and assessment else letter or assessment
        return (
            self.sponsor_identified_on,
            qualified,
            self.eval_plan_agreed_on,
            self.preliminary_solution_agreed_on,
            self.verbal_approval_on,
            self.documents_signed_on,
            self.deployed_on,
            self.supportability_review_on,
        )

    def _early_outcomes(self, stage: int, broken: list[str]) -> None:
        if stage >= QUALIFY:
            qualified = self.qualified_prospect
            if qualified is None and self.source_type:
                qualified = self.source_type.lower() in QUALIFIED
            if qualified is False:
                broken.append("OUT001")
            if self.sponsor_identified is False:
                broken.append("OUT002")
        if stage >= DEVELOP and self.sponsor_letter_agreed is False and self.assessment_completed is False:
            broken.append("OUT003")

    def _late_outcomes(self, stage: int, broken: list[str]) -> None:
        if stage >= SOLUTION and self.eval_plan_agreed is False:
            broken.append("OUT004")
        if stage >= PROOF and self.preliminary_solution_agreed is False:
            broken.append("OUT005")
        if stage >= CLOSE and self.verbal_approval is False:
            broken.append("OUT006")
        if stage >= DEPLOY and self.documents_signed is False:
            broken.append("OUT007")
        if stage >= SUPPORT:
            if self.deployed is False:
                broken.append("OUT008")
            if self.closed and self.supportability_review is False:
                broken.append("OUT009")

    def _dates_impossible(self, today: date) -> bool:
        """Whether an outcome is dated in the future, or before that of an earlier column."""
        latest = date.min
        for day in self._outcome_days():
            if day is not None:
                if day < latest or day > today:
                    return True
                latest = day
        letter, assessment = self.sponsor_letter_agreed_on, self.assessment_completed_on
        return letter is not None and assessment is not None and max(letter, assessment) > today

    def _checkpoints_to_qualify(self, stage: int, broken: list[str]) -> None:
        if stage < QUALIFY:
            return
        if self.in_territory_or_account is False:
            broken.append("CHK001")
        if self.meets_criteria is False:
            broken.append("CHK002")
        if stage < DEVELOP:
            return
        if self.sponsor_pain is False and self.compelling_event is False:
            broken.append("CHK003")
        if self.sponsor_vision is False or self.sponsor_explores is False:
            broken.append("CHK004")
        if self.power_access_negotiated is False:
            broken.append("CHK005")

    def _checkpoints_to_proof(self, stage: int, today: date, broken: list[str]) -> None:
        if stage < SOLUTION:
            return
        if self.assessment_completed is False:
            broken.append("ASM001")
        if self.power_access is False or self.power_pain is False or self.power_vision is False:
            broken.append("CHK006")
        no_help = self.partner_selected is False and self.services_selected is False
        if no_help or self.expectations_agreed is False:
            broken.append("CHK007")
        completed, underway = self.eval_plan_completed is True, self.eval_plan_underway is True
        if (
            (self.eval_plan_proposed is False and not (completed or underway or self.eval_plan_agreed is True))
            or (stage >= PROOF and self.eval_plan_underway is False and not completed)
            or (stage >= CLOSE and self.eval_plan_completed is False)
        ):
            broken.append("CHK008")
        if stage >= CLOSE and (self.proposal_reviewed is False or self.proposal_issued is False):
            broken.append("CHK009")
        if stage >= PROOF and self.proposal_issued:
            due = self.decision_due
            if due is None or (stage == PROOF and due < today):
                broken.append("CHK010")

    def _checkpoints_to_deploy(self, stage: int, broken: list[str]) -> None:
        if stage < DEPLOY:
            return
        if self.contract_final is False or self.deployment_sow_final is False or self.support_plan_final is False:
            broken.append("CHK011")
        if stage < SUPPORT:
            return
        if self.conditions_determined is False or self.readiness_reassessed is False:
            broken.append("CHK012")
        if self.new_prospects_captured is False:
            broken.append("CHK013")


def rules(today: date) -> Callable[[Mapping[str, Any]], list[str]]:
    """What gives the codes of the rules that one record breaks, as of a day."""
    validate = Deal.model_validate
    return lambda given: validate(given, context=today).broken
