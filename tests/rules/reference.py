"""A second, naive reading of the process chart, to hold the judge against.

Written from the chart and the rule catalogue alone. It shares no code and no data with the product, on purpose: what
both get wrong in the same way is then a defect of the catalogue, not of a common helper. Plain loops over nine columns.

Not for: dated facts (STG005 never fires here), checkpoints, revenue, or speed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

PROBABILITY: Mapping[str, int | None] = {
    "demand_generation": None,
    "prospect": 0,
    "qualify": 10,
    "develop": 20,
    "solution": 40,
    "proof": 60,
    "close": 80,
    "deploy": 100,
    "support": None,
}
"""The chart's second row; None where it says NA."""

STAGES = tuple(PROBABILITY)

OUTCOME: Mapping[str, tuple[str, ...]] = {
    "prospect": ("prospect.sponsor_identified",),
    "qualify": ("qualify.sponsor_letter_agreed", "qualify.assessment_completed"),
    "develop": ("develop.eval_plan_agreed",),
    "solution": ("solution.preliminary_solution_agreed",),
    "proof": ("proof.verbal_approval",),
    "close": ("close.documents_signed",),
    "deploy": ("deploy.deployed",),
}
"""The facts that make each column's outcome, either of two for Qualify. Those of the NA columns hold nobody back."""

OUTCOME_RULE: Mapping[str, str] = {
    "prospect": "OUT002",
    "qualify": "OUT003",
    "develop": "OUT004",
    "solution": "OUT005",
    "proof": "OUT006",
    "close": "OUT007",
    "deploy": "OUT008",
}
"""The rule that asks for each column's outcome."""

FACTS = tuple(fact for facts in OUTCOME.values() for fact in facts)

RULES = frozenset({"PRB001", "PRB002", "PRB003", "PRB004", "STG004", "STG005", "STG006", *OUTCOME_RULE.values()})
"""The rules this reference decides. Whether STG005 is *unknown* it leaves open."""

Fix = tuple[str | None, frozenset[tuple[str, object]]]
"""A fix: safe, unsafe or None, and the fields that change with their new values."""

NO_FIX: Fix = (None, frozenset())


@dataclass(frozen=True)
class Expected:
    """What the catalogue says about one opportunity.

    Attributes:
        fired: The rules it breaks, each with its fix.
        unknown: The rules that are due but cannot be decided.
        proven: The highest stage the evidence supports.
        possible: The same with unknown counted as met.
    """

    fired: dict[str, Fix]
    unknown: frozenset[str]
    proven: str
    possible: str


class _Case(NamedTuple):
    """One opportunity, with its facts already read as outcomes."""

    stage: str
    probability: float | None
    status: str
    outcomes: Mapping[str, bool | None]
    proven: str
    possible: str

    def move_to(self, stage: str, safety: str) -> Fix:
        """The fix that leaves the record in a stage with that stage's probability."""
        changed: set[tuple[str, object]] = set()
        if stage != self.stage:
            changed.add(("stage", stage))
        if PROBABILITY[stage] != self.probability:
            changed.add(("probability", PROBABILITY[stage]))
        return safety, frozenset(changed)

    def is_before(self, stage: str) -> bool:
        """Whether the recorded stage is an earlier column than this one."""
        return STAGES.index(self.stage) < STAGES.index(stage)

    def is_after(self, stage: str) -> bool:
        """Whether the recorded stage is a later column than this one."""
        return STAGES.index(self.stage) > STAGES.index(stage)

    def earlier_outcomes(self) -> list[bool | None]:
        """The outcomes of the columns before the recorded one, from Prospect on."""
        return [self.outcomes[stage] for stage in columns_before(self.stage)]


def expected(
    stage: str,
    probability: float | None,
    facts: Mapping[str, bool | None],
    *,
    status: str = "open",
    entry: bool = False,
) -> Expected:
    """Judge one opportunity whose facts carry no dates.

    Args:
        stage: The recorded stage's id.
        probability: In percent; None when the source has the field and it is blank.
        facts: Each of `FACTS` as met (True), not met (False) or unknown (None).
        status: `open`, `won` or `lost`.
        entry: Whether the recorded stage's own outcome is due too.
    """
    outcomes = {column: outcome_of(column, facts) for column in OUTCOME}
    proven = proven_stage(outcomes)
    possible = possible_stage(outcomes)
    case = _Case(stage, probability, status, outcomes, proven, possible)
    fired: dict[str, Fix] = {}
    unknown: set[str] = set()
    if stg004_fires(case):
        fired["STG004"] = stg004_fix(case)
    if status == "lost":  # frozen: nothing else judges it
        return Expected(fired, frozenset(), proven, possible)
    if stg006_is_due(case):
        if False in case.earlier_outcomes():
            fired["STG006"] = stg006_fix(case)
        elif None in case.earlier_outcomes():
            unknown.add("STG006")
    if rule := broken_probability_rule(stage, probability):
        fired[rule] = prb003_fix(case) if rule == "PRB003" else figure_fix(case)
    for column in due_columns(stage, entry=entry):
        if outcomes[column] is False:
            fired[OUTCOME_RULE[column]] = NO_FIX
        elif outcomes[column] is None:
            unknown.add(OUTCOME_RULE[column])
    return Expected(fired, frozenset(unknown), proven, possible)


@cache
def columns_before(stage: str) -> tuple[str, ...]:
    """The columns before a stage, from Prospect on."""
    return tuple(column for column in STAGES[1:] if STAGES.index(column) < STAGES.index(stage))


@cache
def due_columns(stage: str, *, entry: bool) -> tuple[str, ...]:
    """The columns whose outcome a record in this stage must show."""
    if entry and stage in OUTCOME:
        return (*columns_before(stage), stage)
    return columns_before(stage)


def outcome_of(column: str, facts: Mapping[str, bool | None]) -> bool | None:
    """A column's outcome: either of its facts suffices, and no beside unknown is unknown."""
    seen = [facts[fact] for fact in OUTCOME[column]]
    if True in seen:
        return True
    return None if None in seen else False


def proven_stage(outcomes: Mapping[str, bool | None]) -> str:
    """The highest of Prospect...Support before which every outcome is met."""
    reached = "prospect"
    for column in OUTCOME:
        if outcomes[column] is not True:
            break
        reached = STAGES[STAGES.index(column) + 1]
    return reached


def possible_stage(outcomes: Mapping[str, bool | None]) -> str:
    """The highest of Prospect...Support before which no outcome is not met."""
    reached = "prospect"
    for column in OUTCOME:
        if outcomes[column] is False:
            break
        reached = STAGES[STAGES.index(column) + 1]
    return reached


def broken_probability_rule(stage: str, probability: float | None) -> str | None:
    """The one PRB rule a stage and its probability break, if any."""
    figure = PROBABILITY[stage]
    if figure is None:
        return None if probability is None else "PRB003"
    if probability is None:
        return "PRB004"
    if probability not in PROBABILITY.values():
        return "PRB002"
    return None if probability == figure else "PRB001"


def figure_fix(case: _Case) -> Fix:
    """The fix of PRB001, PRB002 and PRB004: the first table of "What a fix may do", row by row."""
    if case.status == "won":
        return won_figure_fix(case)
    if case.is_after(case.possible):
        return case.move_to(case.possible, "unsafe")
    if case.is_after(case.proven):
        return case.move_to(case.stage, "unsafe")
    if case.stage == case.proven:
        return case.move_to(case.stage, "safe")
    return case.move_to(STAGES[STAGES.index(case.stage) + 1], "unsafe")


def won_figure_fix(case: _Case) -> Fix:
    """The fix of PRB001, PRB002 and PRB004 for a won record: STG004's where it has one, else the stage stays."""
    if stg004_fires(case) and stg004_fix(case) != NO_FIX:
        return stg004_fix(case)
    return case.move_to(case.stage, "safe" if case.stage == case.proven else "unsafe")


def prb003_fix(case: _Case) -> Fix:
    """PRB003 clears the probability, unless a stage rule has a fix for the same record."""
    if stg006_is_due(case) and False in case.earlier_outcomes():
        return stg006_fix(case)
    if stg004_fires(case) and stg004_fix(case) != NO_FIX:
        return stg004_fix(case)
    return "unsafe", frozenset({("probability", None)})


def stg004_fires(case: _Case) -> bool:
    """Won before Deploy, or lost at Deploy or Support."""
    if case.status == "won":
        return case.is_before("deploy")
    return case.status == "lost" and case.stage in {"deploy", "support"}


def stg004_fix(case: _Case) -> Fix:
    """A won record whose evidence reaches Deploy moves there; nothing else of STG004 has a fix."""
    if case.status == "won" and case.proven in {"deploy", "support"}:
        return case.move_to("deploy", "unsafe")
    return NO_FIX


def stg006_is_due(case: _Case) -> bool:
    """An open record in Qualify...Support."""
    return case.status == "open" and case.is_after("prospect")


def stg006_fix(case: _Case) -> Fix:
    """Back to the possible stage and its probability."""
    return case.move_to(case.possible, "unsafe")
