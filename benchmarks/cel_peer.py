"""The rules as a team would write them in CEL: one expression a rule, over typed variables.

A fact is 1, 0 or -1: met, unknown or not met. A day is its ISO 8601 text, which compares as days do, or empty.

Not for: the records they are given (`peers.py`), or saying what is right (`truth.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from cel_expr_python import cel  # type: ignore[import-untyped]
from columns import OUTCOMES
from peers import DATED, FACTS, GRACE_DAYS, QUALIFIED, day_of

_DUE: Final = 'status != "lost" && stage >= {stage} && '
_NUMERIC: Final = _DUE.format(stage=1) + "stage <= 7 && "
_ON_CHART: Final = "probability in [0.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0]"
_FIGURE: Final = "{1: 0.0, 2: 10.0, 3: 20.0, 4: 40.0, 5: 60.0, 6: 80.0, 7: 100.0}[stage]"

_OUTCOMES: Final = OUTCOMES[1:]
"""Those from Prospect on."""

_STANDING: Final[Mapping[str, str]] = {
    "PRB001": f"{_NUMERIC}{_ON_CHART} && probability != {_FIGURE}",
    "PRB002": f"{_NUMERIC}probability != null && !({_ON_CHART})",
    "PRB003": 'status != "lost" && (stage == 0 || stage == 8) && probability != null',
    "PRB004": f"{_NUMERIC}probability == null",
    "STG001": 'status != "lost" && stage < 0',
    "STG004": '(status == "won" && stage >= 0 && stage < 7) || (status == "lost" && stage >= 7)',
    "OUT001": _DUE.format(stage=2)
    + "(demand_generation.qualified_prospect == -1 || (demand_generation.qualified_prospect == 0"
    + f' && source_type != "" && !(source_type in {list(QUALIFIED)})))',
    "OUT002": _DUE.format(stage=2) + "prospect.sponsor_identified == -1",
    "OUT003": _DUE.format(stage=3) + "qualify.sponsor_letter_agreed == -1 && qualify.assessment_completed == -1",
    "OUT004": _DUE.format(stage=4) + "develop.eval_plan_agreed == -1",
    "OUT005": _DUE.format(stage=5) + "solution.preliminary_solution_agreed == -1",
    "OUT006": _DUE.format(stage=6) + "proof.verbal_approval == -1",
    "OUT007": _DUE.format(stage=7) + "close.documents_signed == -1",
    "OUT008": _DUE.format(stage=8) + "deploy.deployed == -1",
    "OUT009": _DUE.format(stage=8) + "closed && support.supportability_review == -1",
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
    "CHK011": _DUE.format(stage=7)
    + "(close.contract_final == -1 || close.deployment_sow_final == -1 || close.support_plan_final == -1)",
    "CHK012": _DUE.format(stage=8) + "(deploy.conditions_determined == -1 || deploy.readiness_reassessed == -1)",
    "CHK013": _DUE.format(stage=8) + "deploy.new_prospects_captured == -1",
    "ASM001": _DUE.format(stage=4) + "qualify.assessment_completed == -1",
    "OWN001": _DUE.format(stage=4) + 'owner == ""',
    "DAT001": _DUE.format(stage=0) + "size(unreadable) > 0",
}
"""The rules that the day does not matter to."""


def _dated(today: date) -> Iterator[tuple[str, str]]:
    """The other rules."""
    day, grace_over = f'"{today}"', f'"{today - timedelta(days=GRACE_DAYS)}"'
    yield "STG005", f'status == "open" && stage >= 1 && stage <= 7 && ({_lagging(grace_over)})'
    yield "STG006", f'status == "open" && stage >= 2 && ({_ahead()})'
    ahead = " || ".join(f"{day_of(name)} > {day}" for name in DATED)
    yield "OUT011", _DUE.format(stage=0) + f"({ahead} || {_disorder()})"
    yield (
        "CHK010",
        _DUE.format(stage=5)
        + (f'proof.proposal_issued == 1 && (decision_due == "" || (stage == 5 && decision_due < {day}))'),
    )


def _lagging(grace_over: str) -> str:
    """Every outcome up to the recorded column's is met, and that one longer ago than the grace lasts."""
    met = ["(" + " || ".join(f"{name} == 1" for name in names) + ")" for names in _OUTCOMES]
    old = [
        "(" + " || ".join(f'({day_of(name)} != "" && {day_of(name)} < {grace_over})' for name in names) + ")"
        for names in _OUTCOMES
    ]
    # Later columns ask for more, so what an earlier one asks for is asked first, once.
    text = f"stage == 7 && {met[6]} && {old[6]}"
    for stage in range(6, 0, -1):
        text = f"{met[stage - 1]} && (stage == {stage} ? {old[stage - 1]} : {text})"
    return text


def _ahead() -> str:
    """The outcome of a column before the recorded one is not met."""
    denied = [" && ".join(f"{name} == -1" for name in names) for names in _OUTCOMES]
    return " || ".join(f"(stage > {stage} && {text})" for stage, text in enumerate(denied[:-1], start=1))


def _disorder() -> str:
    """An outcome is dated before that of an earlier column; of two facts, the earlier day counts."""
    return " || ".join(f"({_before(later, earlier)})" for earlier, later in itertools.combinations(_OUTCOMES, 2))


def _before(later: tuple[str, ...], earlier: tuple[str, ...]) -> str:
    """Some fact of the later column is dated before all of the earlier one."""
    first = day_of(earlier[0])
    if len(earlier) == 1:  # an empty text is less than any day
        return " || ".join(f'({day_of(name)} != "" && {day_of(name)} < {first})' for name in later)
    (late,), (one, other) = later, earlier
    late, one, other = day_of(late), day_of(one), day_of(other)
    both = f'{late} < {one} && ({other} == "" || {late} < {other})'
    return f'{late} != "" && (({both}) || ({one} == "" && {late} < {other}))'


@dataclass(frozen=True, slots=True)
class CelRules:
    """The rules as compiled CEL expressions."""

    environment: cel.Env
    expressions: tuple[tuple[str, cel.Expression], ...]

    @classmethod
    def compile(cls, today: date) -> CelRules:
        """Compile each rule once, as of a day."""
        text, variables = cel.Type.STRING, dict.fromkeys(FACTS, cel.Type.INT)
        variables |= dict.fromkeys(map(day_of, DATED), text)
        variables |= {"status": text, "stage": cel.Type.INT, "probability": cel.Type.DYN, "closed": cel.Type.BOOL}
        variables |= {"owner": text, "source_type": text, "decision_due": text}
        environment = cel.NewEnv(variables={**variables, "unreadable": cel.Type.List(text)})
        texts = {**_STANDING, **dict(_dated(today))}
        return cls(environment, tuple((rule, environment.compile(one)) for rule, one in texts.items()))

    def broken(self, given: Mapping[str, Any]) -> list[str]:
        """The codes of the rules one record breaks; the record as `cel_record` makes it."""
        bound = self.environment.Activation(given)
        return [rule for rule, expression in self.expressions if expression.eval(bound).value()]


_LEVEL: Final[Mapping[bool | None, int]] = {True: 1, None: 0, False: -1}


def cel_record(given: Mapping[str, Any]) -> dict[str, Any]:
    """A record of `peers.record` with its facts, days and texts as the expressions compare them."""
    made = {**given, **{name: _LEVEL[given[name]] for name in FACTS}}
    for name in ("decision_due", *map(day_of, DATED)):
        made[name] = "" if given[name] is None else given[name].isoformat()
    return {**made, "owner": given["owner"] or "", "source_type": (given["source_type"] or "").lower()}
