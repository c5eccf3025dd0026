"""OUT: each column's verifiable outcome, once the record has left the column; and whether outcomes can be verified.

OUT001 to OUT009 follow from the chart, one a column, so they work on any process; OUT010 and OUT011 look at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from syncd.facts import Fact
from syncd.form import ANSWER, BARE, CLOSED, DATED, DISORDERLY, QUALIFIED, UNTOLD
from syncd.model import Finding, Opportunity, Severity
from syncd.process import Process, Stage
from syncd.rules.base import (
    DOUBTFUL,
    MET,
    NOT_MET,
    ORDERLY,
    UNKNOWN,
    Bench,
    DatedRule,
    EvidenceRule,
    Facts,
    FieldRule,
    Fields,
    Rank,
    RuleInfo,
    Trail,
)
from syncd.rules.fixes import outcome_bits, outcome_state, pipeline_outcomes

_EXTRA_PHRASES: Final[Mapping[str, tuple[str, ...]]] = {"OUT001": ("Validate MQP/ SQP",)}
"""Words of the chart that a rule enforces beside its column's outcome, used where the chart has them."""

_LONG_AGO: Final = date.min

OUT010: Final = RuleInfo(
    code="OUT010",
    severity="warning",
    title="outcome not verifiable",
    phrases=("Verifiable Outcomes",),
    evidence="date, by and ref of the outcomes that are met",
    what="An outcome from Prospect on is met but carries none of a date, a confirmer and a document.",
    why="The chart calls its outcomes verifiable: a bare tick cannot be checked by anybody.",
    example="`proof.verbal_approval` says yes, while its date, by and ref fields are empty.",
)
OUT011: Final = RuleInfo(
    code="OUT011",
    severity="warning",
    title="outcome dates impossible",
    phrases=("Confirm verifiable outcome",),
    evidence="the dates of the outcomes",
    what=(
        "An outcome from Prospect on is dated in the future (then an error, and the fact is not met until that day), "
        "or earlier than the outcome of an earlier column. Equal dates are in order."
    ),
    why="Outcomes are confirmed one after the other; dates that say otherwise were typed in later, or by guess.",
    example="Documents signed on 3 March, verbal approval on 9 March.",
)


def outcome_info(process: Process, stage: Stage) -> RuleInfo:
    """The catalogue entry of the rule that asks for a column's outcome."""
    code, name = stage.outcome_rule, stage.name
    chart = {text for column in process.stages for _, text, _ in column.phrases()}
    phrases = (stage.outcome, *(one for one in _EXTRA_PHRASES.get(code, ()) if one in chart))
    ids = ", ".join(f"`{stage.id}.{one.fact}`" for one in stage.outcomes)
    lead = stage.index < process.first_index
    closing = stage.index == len(process.stages) - 1 and stage.probability is None
    either = " Any one of its facts suffices." if len(stage.outcomes) > 1 else ""
    due = _due_text(process, stage, lead=lead, closing=closing)
    return RuleInfo(
        code=code,
        severity="warning" if lead or closing else "error",
        title=f"{name} outcome missing",
        phrases=phrases,
        evidence=ids + ("; where that is unknown, `source_type`" if lead else ""),
        what=f"{due}, the outcome of {name}, “{stage.outcome}”, is not met.{either}",
        why=f"The outcome is what ends {name}: a record that left the column claims that somebody verified it.",
        example=f"{due} with {ids} recorded as no.",
    )


def _due_text(process: Process, stage: Stage, *, lead: bool, closing: bool) -> str:
    if closing:
        return f"A record in {stage.name} that is closed"
    last = len(process.stages) - 1
    if stage.index == last:
        return f"A record in {stage.name}, under entry semantics"
    since = process.stages[min(process.first_index + 1, last) if lead else stage.index + 1]
    return f"A record in {since.name}" + ("" if since.index == last else " or later")


@dataclass(frozen=True)
class OutcomeMissing(EvidenceRule):
    """The rule of one column's outcome, from the column after it on (under entry semantics, from the column itself)."""

    info: RuleInfo
    bench: Bench
    stage: Stage
    reads: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reads", self.bench.process.outcome_mask(self.stage.index))

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - won or open
        """The chart's due point."""
        own = self.bench.policy.outcome_semantics == "entry" and self.bench.process.in_pipeline(self.stage.index)
        return index >= self.stage.index + (0 if own else 1)

    def check(self, facts: Facts) -> Finding | Fact:
        """Kleene's *or* over the alternatives."""
        state = outcome_state(self.bench.process, facts, self.stage.index)
        if state is not NOT_MET:
            return state
        earlier = self.bench.process.first_index <= self.stage.index < facts.index
        headline = "STG006" if earlier and not facts.won and self.bench.policy.selected("STG006") else ""
        return _missing(self.bench, self.info, self.stage, facts.index, headline)


@dataclass(frozen=True)
class LeadOutcomeMissing(FieldRule):
    """The rule of a column before the pipeline (Demand Generation), due past the pipeline's start."""

    info: RuleInfo
    bench: Bench
    stage: Stage
    asks: int = ANSWER << QUALIFIED
    reads: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reads", self.bench.process.outcome_mask(self.stage.index))

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - won or open
        """After the first column of the pipeline."""
        return index > self.bench.process.first_index

    def check(self, fields: Fields) -> Finding | Fact:
        """Kleene's *or* over the alternatives; where that is unknown, the source type tells."""
        state = outcome_state(self.bench.process, fields, self.stage.index)
        if state is UNKNOWN:
            state = fields.source_type
        if state is not NOT_MET:
            return state
        return _missing(self.bench, self.info, self.stage, fields.index)


@dataclass(frozen=True)
class ReviewMissing(FieldRule):
    """The rule of the last, NA column (Support): due once the record is closed there."""

    info: RuleInfo
    bench: Bench
    stage: Stage
    asks: int = ANSWER << CLOSED
    reads: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reads", self.bench.process.outcome_mask(self.stage.index))

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - won or open
        """In the last column, unless it is known to be still open."""
        return index == self.stage.index

    def check(self, fields: Fields) -> Finding | Fact:
        """Closed *and* not reviewed, by Kleene's logic."""
        state = outcome_state(self.bench.process, fields, self.stage.index)
        if fields.closed is NOT_MET or state is MET:
            return MET
        if fields.closed is UNKNOWN or state is UNKNOWN:
            return UNKNOWN
        return _missing(self.bench, self.info, self.stage, fields.index)


def _missing(bench: Bench, info: RuleInfo, stage: Stage, index: int, headline: str = "") -> Finding:
    ids = [f"{stage.id}.{one.fact}" for one in stage.outcomes]
    recorded = bench.process.stages[index]
    return bench.finding(
        info,
        message=f"recorded at {recorded.name}, but the outcome of {stage.name} is not met: “{stage.outcome}”",
        field=ids[0] if len(ids) == 1 else "",
        actual="not_met" if len(ids) == 1 else dict.fromkeys(ids, "not_met"),
        expected="met",
        headline=headline,
    )


@dataclass(frozen=True)
class OutcomeNotVerifiable(FieldRule):
    """OUT010."""

    bench: Bench
    info: RuleInfo = OUT010
    asks: int = UNTOLD | BARE

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - due for every judged record
        """Always."""
        return True

    def check(self, fields: Fields) -> Finding | Fact:
        """Only outcomes that are claimed can lack a proof; where nothing is known, nothing can be said."""
        if fields.bare:
            ids = [name for index, name in enumerate(self.bench.process.evidence) if fields.bare >> index & 1]
            return self.bench.finding(
                self.info,
                message=f"met, but without date, confirmer or document: {', '.join(ids)}",
                field=ids[0] if len(ids) == 1 else "",
                actual=ids,
                expected="a date, a confirmer or a document",
            )
        if fields.untold:
            return UNKNOWN
        return MET if fields.outcome_met or fields.outcome_denied else UNKNOWN


@dataclass(frozen=True)
class OutcomeDatesImpossible(DatedRule):
    """OUT011."""

    bench: Bench
    info: RuleInfo = OUT011
    asks: int = DATED | DISORDERLY
    groups: tuple[tuple[int, ...], ...] = field(init=False)
    order: tuple[int, ...] = field(init=False)
    mask: int = field(init=False)

    def __post_init__(self) -> None:
        process = self.bench.process
        groups = tuple(outcome_bits(process, stage) for stage in process.stages[process.first_index :])
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "order", tuple(bit for bits in groups for bit in bits))
        object.__setattr__(self, "mask", pipeline_outcomes(self.bench.process))

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - due for every judged record
        """Always."""
        return True

    def settle(self, fields: Fields) -> Fact | None:
        """Dates in order are fine; without any there is nothing to compare."""
        if fields.timing == DOUBTFUL:
            return None
        if fields.timing == ORDERLY:
            return MET
        return _undated(met=fields.outcome_met, denied=fields.outcome_denied)

    def check(self, opportunity: Opportunity, rank: Rank, trail: Trail | None) -> Finding | Fact:  # noqa: ARG002
        """The future first, then every column against the ones before it."""
        dates = opportunity.dates
        dated = [bit for bit in self.order if bit in dates]
        if not dated:
            return _undated(met=bool(opportunity.met & self.mask), denied=bool(opportunity.not_met & self.mask))
        if future := [bit for bit in dated if dates[bit] > self.bench.today]:
            # Without the day of the run, or a finding would change every day although the record did not.
            return self._finding(opportunity, future, "dated in the future", severity="error")
        return self._disorder(opportunity) or MET

    def _disorder(self, opportunity: Opportunity) -> Finding | None:
        dates, latest, where = opportunity.dates, _LONG_AGO, -1
        for bits in self.groups:
            day, at = None, -1  # of several facts, the earliest (settled reading 3)
            for bit in bits:
                if bit in dates and (day is None or dates[bit] < day):
                    day, at = dates[bit], bit
            if day is None:
                continue
            if day < latest:
                said = "the later outcome is dated before the earlier one"
                return self._finding(opportunity, [where, at], said)
            latest, where = day, at
        return None

    def _finding(self, opportunity: Opportunity, bits: list[int], said: str, severity: Severity = "warning") -> Finding:
        found = {self.bench.process.evidence[bit]: opportunity.dates[bit].isoformat() for bit in bits}
        listed = ", ".join(f"{name} on {day}" for name, day in found.items())
        return self.bench.finding(
            self.info,
            message=f"{said}: {listed}",
            field=next(iter(found)) if len(found) == 1 else "",
            actual=found,
            expected="no date in the future, and dates in the order of the columns",
            severity=severity,
        )


def _undated(*, met: bool, denied: bool) -> Fact:
    """Without dates: fine where every known outcome is not met, else nothing can be said."""
    return MET if denied and not met else UNKNOWN


def standing_rules(
    bench: Bench,
) -> tuple[OutcomeMissing | LeadOutcomeMissing | ReviewMissing | OutcomeNotVerifiable, ...]:
    """One rule a column that has an outcome, then OUT010."""
    process = bench.process
    last = len(process.stages) - 1
    made: list[OutcomeMissing | LeadOutcomeMissing | ReviewMissing] = []
    for stage in process.stages:
        if not stage.outcomes:
            continue
        info = outcome_info(process, stage)
        if stage.index < process.first_index:
            made.append(LeadOutcomeMissing(info, bench, stage))
        elif stage.index == last and stage.probability is None:
            made.append(ReviewMissing(info, bench, stage))
        else:
            made.append(OutcomeMissing(info, bench, stage))
    return (*made, OutcomeNotVerifiable(bench))


def dated_rules(bench: Bench) -> tuple[OutcomeDatesImpossible, ...]:
    """The rule that needs dates."""
    return (OutcomeDatesImpossible(bench),)
