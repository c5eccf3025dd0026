"""What the tests of the rules share: records in the words of the catalogue, and what one rule says of them.

The stages, figures and facts stand here as literals, so that a chart which lost one is noticed. A rule's table is an
iterable of cases; `check` walks it in one test and tells the first few that are judged otherwise.

Not for: the independent model of the whole judge, which is `tests.rules.reference`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

from syncd.judge import Judge, Verdict
from syncd.model import FIELD_BIT, Finding, Opportunity
from syncd.policy import Policy
from syncd.process import Process, load_process
from syncd.rules.base import Trail, Visit

MSSP: Final = load_process(Path(str(files("mappings") / "mssp.toml")))
OTHER: Final = load_process(Path(__file__).parent.parent / "data" / "other-process.toml")
TODAY: Final = date(2026, 1, 15)

FIGURES: Final[Mapping[str, int | None]] = {
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
STAGES: Final = tuple(FIGURES)
PIPELINE: Final = STAGES[1:-1]

OUTCOMES: Final[Mapping[str, tuple[str, ...]]] = {
    "demand_generation": ("demand_generation.qualified_prospect",),
    "prospect": ("prospect.sponsor_identified",),
    "qualify": ("qualify.sponsor_letter_agreed", "qualify.assessment_completed"),
    "develop": ("develop.eval_plan_agreed",),
    "solution": ("solution.preliminary_solution_agreed",),
    "proof": ("proof.verbal_approval",),
    "close": ("close.documents_signed",),
    "deploy": ("deploy.deployed",),
    "support": ("support.supportability_review",),
}
LETTER, ASSESSMENT = OUTCOMES["qualify"]
OUTCOME_RULE: Final = {stage: f"OUT{number:03d}" for number, stage in enumerate(STAGES, 1)}

STATES: Final = (True, False, None)
"""Met, not met, unknown."""

BARE: Final = "bare"
"""Met, while its date, confirmer and document exist as fields and are blank."""

UNTOLD: Final = "untold"
"""Met, without date, confirmer and document, at least one of which the source has no field for."""

FIRES, HOLDS, UNKNOWN, NOT_DUE = "fires", "holds", "unknown", "not due"
ANSWERS: Final = frozenset({FIRES, HOLDS, UNKNOWN, NOT_DUE})

SHOWN: Final = 5


class Case(NamedTuple):
    """One record, and what the catalogue says the rule answers."""

    label: object
    opportunity: Opportunity
    expected: str
    trail: Trail | None = None


def day(offset: int) -> date:
    """The day so many days after today."""
    return TODAY + timedelta(days=offset)


def record(
    stage: str | None = "qualify",
    facts: Mapping[str, object] | None = None,
    *,
    process: Process = MSSP,
    missing: Collection[str] = (),
    **fields: Any,
) -> Opportunity:
    """An opportunity; its probability is the stage's unless given.

    Args:
        stage: The recorded stage's id.
        facts: Evidence by id: True (met, with a confirmer), a date (met on that day), `BARE`, `UNTOLD`, False or None.
        process: The chart.
        missing: The fields the source does not have.
        **fields: Further fields of the opportunity.
    """
    bits = dict.fromkeys(("met", "not_met", "bare", "untold"), 0)
    dates: dict[int, date] = {}
    by: dict[int, str] = {}
    for name, value in (facts or {}).items():
        index = process.evidence_index[name]
        if value is None:
            continue
        bits["not_met" if value is False else "met"] |= 1 << index
        if value is True:
            by[index] = "Ann"
        elif isinstance(value, date):
            dates[index] = value
        elif value in (BARE, UNTOLD):
            bits[str(value)] |= 1 << index
    if "probability" not in {*fields, *missing, *(name for name, _ in fields.get("unreadable", ()))}:
        column = process.stage_index.get(stage or "")
        fields["probability"] = None if column is None else process.stages[column].probability
    lacks = sum(FIELD_BIT[name] for name in missing)
    return Opportunity(**{"id": "1", "stage": stage, "missing": lacks, "dates": dates, "by": by, **bits, **fields})


def through(stage: str | None, rest: object = False, met: object = True, **changed: object) -> dict[str, object]:
    """Every outcome `met` up to and including a column, the later ones `rest`; `changed` by column."""
    last = -1 if stage is None else STAGES.index(stage)
    seen: dict[str, object] = {}
    for column, names in OUTCOMES.items():
        value = met if STAGES.index(column) <= last else rest
        seen.update(dict.fromkeys(names, changed.get(column, value)))
    return seen


def visit(stage: str, seen: date, entered: date | None = None, assessed: date | None = None) -> Visit:
    """A stay in a stage, by default entered before syncd watched."""
    return Visit(stage, seen, entered, assessed)


def trail_of(*stages: str, from_creation: bool = False) -> Trail:
    """A history through these stages, a week apart, the last one seen today."""
    first = -7 * (len(stages) - 1)
    visits = [visit(stage, day(first + 7 * step), day(first + 7 * step)) for step, stage in enumerate(stages)]
    return Trail(tuple(visits), from_creation)


class Court:
    """A judge with every rule, and what it says of a record in the words of the tables."""

    def __init__(self, policy: Policy | None = None, *, process: Process = MSSP, today: date = TODAY) -> None:
        self.judge = Judge(process, policy or Policy(), today=today)

    def verdict(self, opportunity: Opportunity, trail: Trail | None = None) -> Verdict:
        """The verdict, after making sure that it does not contradict itself."""
        verdict = self.judge.judge(opportunity, trail)
        codes = [finding.rule for finding in verdict.findings]
        assert codes == sorted(set(codes)), f"more than one finding a rule, or out of order: {codes}"
        assert set(codes) <= verdict.due, "a rule fired that was not due"
        assert verdict.unknown <= verdict.due - set(codes), "a rule is unknown although it fired or was not due"
        return verdict

    def fired(self, opportunity: Opportunity, trail: Trail | None = None) -> set[str]:
        """The codes of the rules the record breaks."""
        return {finding.rule for finding in self.verdict(opportunity, trail).findings}

    def finding(self, rule: str, opportunity: Opportunity, trail: Trail | None = None) -> Finding:
        """The finding of a rule the record is known to break."""
        return next(one for one in self.verdict(opportunity, trail).findings if one.rule == rule)

    def says(self, rule: str, opportunity: Opportunity, trail: Trail | None = None) -> str:
        """What one rule answers: one of `ANSWERS`."""
        verdict = self.verdict(opportunity, trail)
        if any(finding.rule == rule for finding in verdict.findings):
            return FIRES
        if rule in verdict.unknown:
            return UNKNOWN
        return HOLDS if rule in verdict.due else NOT_DUE


COURT: Final = Court()


def check(rule: str, cases: Iterable[Case], *, court: Court = COURT, answers: Collection[str] = ANSWERS) -> None:
    """Judge a whole table; `answers` are those it must reach, so that a table cannot become empty unnoticed."""
    reached: set[str] = set()
    wrong: list[str] = []
    for case in cases:
        seen = court.says(rule, case.opportunity, case.trail)
        reached.add(case.expected)
        if seen != case.expected:
            wrong.append(f"\n{case.label}: expected {case.expected}, judged {seen}")

    assert not wrong, f"{rule}: {len(wrong)} cases differ, such as{''.join(wrong[:SHOWN])}"
    assert reached == set(answers)


def verdict_of(broken: bool | None) -> str:
    """The answer of a rule whose fault is there, is not, or cannot be told."""
    return UNKNOWN if broken is None else FIRES if broken else HOLDS


def told(condition: Callable[..., bool], values: Iterable[bool | None]) -> bool | None:
    """What a condition over facts comes to with some unknown: its value where every way to fill them in agrees."""
    worlds = itertools.product(*((True, False) if value is None else (value,) for value in values))
    seen = {condition(*world) for world in worlds}
    return seen.pop() if len(seen) == 1 else None


def combinations(names: Iterable[str], states: Iterable[object] = STATES) -> Iterator[dict[str, Any]]:
    """Every way to give each of these facts one of these states."""
    wanted = tuple(names)
    for values in itertools.product(tuple(states), repeat=len(wanted)):
        yield dict(zip(wanted, values, strict=True))


def at_or_after(stage: str, since: str) -> bool:
    """Whether a stage is a column or a later one."""
    return STAGES.index(stage) >= STAGES.index(since)
