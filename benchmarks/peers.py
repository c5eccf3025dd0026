"""The fact and probability rules as a team would write them without syncd: in pydantic, and in CEL.

Both are given records that are easier than a CRM's: the stage already a column number, each fact already true, false or
None for the day in question. Both answer with the codes of the rules broken and nothing else, neither message nor fix.

Not for: saying what is right; `judge.py` compares their answers with `truth.py` before it times them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from cel_expr_python import cel  # type: ignore[import-untyped]
from columns import AT, EVIDENCE, STAGE_INDEX
from pydantic import BaseModel, ConfigDict, Field, model_validator

RULES: Final = (
    "PRB001", "PRB002", "PRB003", "PRB004",
    "OUT001", "OUT002", "OUT003", "OUT004", "OUT005", "OUT006", "OUT007", "OUT008",
    "CHK001", "CHK002", "CHK003", "CHK004", "CHK005", "CHK006", "CHK007", "CHK008", "CHK009",
)  # fmt: skip
"""The rules both peers hold."""

FIGURES: Final[Mapping[int, float]] = {1: 0.0, 2: 10.0, 3: 20.0, 4: 40.0, 5: 60.0, 6: 80.0, 7: 100.0}
"""The probability of each column that has one."""

_CHART: Final = frozenset(FIGURES.values())
_Fact = bool | None


def record(cells: Sequence[str], today: str) -> dict[str, Any]:
    """One generated row as both peers take it, by plain names, facts under their evidence ids."""
    return {
        "status": cells[AT["status"]] or "open",
        "stage": STAGE_INDEX.get(cells[AT["stage"]].lower(), -1),
        "probability": _probability(cells[AT["probability"]]),
        **{name: _fact(cells[AT[name]], today) for name in EVIDENCE},
    }


def _probability(cell: str) -> float | str | None:
    if not cell:
        return None
    try:
        return float(cell.rstrip("%"))
    except ValueError:
        return cell


def _fact(cell: str, today: str) -> bool | None:
    if not cell:
        return None
    return cell == "yes" or (cell != "no" and cell <= today)


def _field(name: str) -> Any:
    return Field(default=None, alias=name)


class Deal(BaseModel):
    """One opportunity whose validation leaves the codes of the rules it breaks in `broken`."""

    model_config = ConfigDict(extra="ignore")

    status: Literal["open", "won", "lost"]
    stage: int
    probability: float | str | None
    qualified_prospect: _Fact = _field("demand_generation.qualified_prospect")
    sponsor_identified: _Fact = _field("prospect.sponsor_identified")
    in_territory_or_account: _Fact = _field("prospect.in_territory_or_account")
    meets_criteria: _Fact = _field("prospect.meets_criteria")
    sponsor_letter_agreed: _Fact = _field("qualify.sponsor_letter_agreed")
    assessment_completed: _Fact = _field("qualify.assessment_completed")
    sponsor_pain: _Fact = _field("qualify.sponsor_pain")
    compelling_event: _Fact = _field("qualify.compelling_event")
    sponsor_vision: _Fact = _field("qualify.sponsor_vision")
    sponsor_explores: _Fact = _field("qualify.sponsor_explores")
    power_access_negotiated: _Fact = _field("qualify.power_access_negotiated")
    eval_plan_agreed: _Fact = _field("develop.eval_plan_agreed")
    power_access: _Fact = _field("develop.power_access")
    power_pain: _Fact = _field("develop.power_pain")
    power_vision: _Fact = _field("develop.power_vision")
    partner_selected: _Fact = _field("develop.partner_selected")
    services_selected: _Fact = _field("develop.services_selected")
    expectations_agreed: _Fact = _field("develop.expectations_agreed")
    eval_plan_proposed: _Fact = _field("develop.eval_plan_proposed")
    preliminary_solution_agreed: _Fact = _field("solution.preliminary_solution_agreed")
    eval_plan_underway: _Fact = _field("solution.eval_plan_underway")
    verbal_approval: _Fact = _field("proof.verbal_approval")
    eval_plan_completed: _Fact = _field("proof.eval_plan_completed")
    proposal_reviewed: _Fact = _field("proof.proposal_reviewed")
    proposal_issued: _Fact = _field("proof.proposal_issued")
    documents_signed: _Fact = _field("close.documents_signed")
    deployed: _Fact = _field("deploy.deployed")

    broken: list[str] = Field(default_factory=list)
    """The codes of the rules it breaks."""

    @model_validator(mode="after")
    def check(self) -> Self:
        """Run every rule."""
        if self.status != "lost" and self.stage >= 0:
            broken = self.broken
            broken.extend(self._probability_rules())
            broken.extend(self._outcome_rules())
            broken.extend(self._early_checkpoints())
            broken.extend(self._late_checkpoints())
        return self

    def _probability_rules(self) -> Iterator[str]:
        due = FIGURES.get(self.stage)
        if due is None:
            if self.probability is not None:
                yield "PRB003"
        elif self.probability is None:
            yield "PRB004"
        elif self.probability not in _CHART:
            yield "PRB002"
        elif self.probability != due:
            yield "PRB001"

    def _outcome_rules(self) -> Iterator[str]:
        stage = self.stage
        if stage >= 2 and self.qualified_prospect is False:
            yield "OUT001"
        if stage >= 2 and self.sponsor_identified is False:
            yield "OUT002"
        if stage >= 3 and self.sponsor_letter_agreed is False and self.assessment_completed is False:
            yield "OUT003"
        if stage >= 4 and self.eval_plan_agreed is False:
            yield "OUT004"
        if stage >= 5 and self.preliminary_solution_agreed is False:
            yield "OUT005"
        if stage >= 6 and self.verbal_approval is False:
            yield "OUT006"
        if stage >= 7 and self.documents_signed is False:
            yield "OUT007"
        if stage >= 8 and self.deployed is False:
            yield "OUT008"

    def _early_checkpoints(self) -> Iterator[str]:
        stage = self.stage
        if stage >= 2 and self.in_territory_or_account is False:
            yield "CHK001"
        if stage >= 2 and self.meets_criteria is False:
            yield "CHK002"
        if stage >= 3 and self.sponsor_pain is False and self.compelling_event is False:
            yield "CHK003"
        if stage >= 3 and (self.sponsor_vision is False or self.sponsor_explores is False):
            yield "CHK004"
        if stage >= 3 and self.power_access_negotiated is False:
            yield "CHK005"

    def _late_checkpoints(self) -> Iterator[str]:
        stage = self.stage
        if stage < 4:
            return
        if self.power_access is False or self.power_pain is False or self.power_vision is False:
            yield "CHK006"
        no_help = self.partner_selected is False and self.services_selected is False
        if no_help or self.expectations_agreed is False:
            yield "CHK007"
        completed, underway = self.eval_plan_completed is True, self.eval_plan_underway is True
        if (
            (self.eval_plan_proposed is False and not (completed or underway or self.eval_plan_agreed is True))
            or (stage >= 5 and self.eval_plan_underway is False and not completed)
            or (stage >= 6 and self.eval_plan_completed is False)
        ):
            yield "CHK008"
        if stage >= 6 and (self.proposal_reviewed is False or self.proposal_issued is False):
            yield "CHK009"


def pydantic_broken(given: Mapping[str, Any]) -> list[str]:
    """The codes of the rules one record breaks."""
    return Deal.model_validate(given).broken


_DUE: Final = 'status != "lost" && stage >= {stage} && '
_NUMERIC: Final = _DUE.format(stage=1) + "stage <= 7 && "
_ON_CHART: Final = "probability in [0.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0]"
_FIGURE: Final = "{1: 0.0, 2: 10.0, 3: 20.0, 4: 40.0, 5: 60.0, 6: 80.0, 7: 100.0}[stage]"

EXPRESSIONS: Final[Mapping[str, str]] = {
    "PRB001": f"{_NUMERIC}{_ON_CHART} && probability != {_FIGURE}",
    "PRB002": f"{_NUMERIC}probability != null && !({_ON_CHART})",
    "PRB003": 'status != "lost" && (stage == 0 || stage == 8) && probability != null',
    "PRB004": f"{_NUMERIC}probability == null",
    "OUT001": _DUE.format(stage=2) + "demand_generation.qualified_prospect == -1",
    "OUT002": _DUE.format(stage=2) + "prospect.sponsor_identified == -1",
    "OUT003": _DUE.format(stage=3) + "qualify.sponsor_letter_agreed == -1 && qualify.assessment_completed == -1",
    "OUT004": _DUE.format(stage=4) + "develop.eval_plan_agreed == -1",
    "OUT005": _DUE.format(stage=5) + "solution.preliminary_solution_agreed == -1",
    "OUT006": _DUE.format(stage=6) + "proof.verbal_approval == -1",
    "OUT007": _DUE.format(stage=7) + "close.documents_signed == -1",
    "OUT008": _DUE.format(stage=8) + "deploy.deployed == -1",
    "CHK001": _DUE.format(stage=2) + "prospect.in_territory_or_account == -1",
    "CHK002": _DUE.format(stage=2) + "prospect.meets_criteria == -1",
    "CHK003": _DUE.format(stage=3) + "qualify.sponsor_pain == -1 && qualify.compelling_event == -1",
    "CHK004": _DUE.format(stage=3) + "(qualify.sponsor_vision == -1 || qualify.sponsor_explores == -1)",
    "CHK005": _DUE.format(stage=3) + "qualify.power_access_negotiated == -1",
    "CHK006": _DUE.format(stage=4)
    + "(develop.power_access == -1 || develop.power_pain == -1 || develop.power_vision == -1)",
    "CHK007": _DUE.format(stage=4)
    + "((develop.partner_selected == -1 && develop.services_selected == -1) || develop.expectations_agreed == -1)",
    "CHK008": _DUE.format(stage=4)
    + "((develop.eval_plan_proposed == -1 && develop.eval_plan_agreed != 1 && solution.eval_plan_underway != 1"
    " && proof.eval_plan_completed != 1)"
    " || (stage >= 5 && solution.eval_plan_underway == -1 && proof.eval_plan_completed != 1)"
    " || (stage >= 6 && proof.eval_plan_completed == -1))",
    "CHK009": _DUE.format(stage=6) + "(proof.proposal_reviewed == -1 || proof.proposal_issued == -1)",
}
"""Each rule in CEL; a fact is 1, 0 or -1: met, unknown or not met."""

_LEVEL: Final[Mapping[bool | None, int]] = {True: 1, None: 0, False: -1}


@dataclass(frozen=True, slots=True)
class CelRules:
    """The rules as compiled CEL expressions."""

    environment: cel.Env
    expressions: tuple[tuple[str, cel.Expression], ...]

    @classmethod
    def compile(cls) -> CelRules:
        """Compile each rule once."""
        facts = dict.fromkeys(EVIDENCE, cel.Type.INT)
        fields = {"status": cel.Type.STRING, "stage": cel.Type.INT, "probability": cel.Type.DYN}
        environment = cel.NewEnv(variables={**fields, **facts})
        compiled = ((rule, environment.compile(text)) for rule, text in EXPRESSIONS.items())
        return cls(environment, tuple(compiled))

    def broken(self, given: Mapping[str, Any]) -> list[str]:
        """The codes of the rules one record breaks; the record as `cel_record` makes it."""
        bound = self.environment.Activation(given)
        return [rule for rule, expression in self.expressions if expression.eval(bound).value()]


def cel_record(given: Mapping[str, Any]) -> dict[str, Any]:
    """A record with its facts as the numbers the expressions compare."""
    return {name: _LEVEL[value] if name in _FACTS else value for name, value in given.items()}


_FACTS: Final = frozenset(EVIDENCE)
