"""STG: the recorded stage against the evidence, the record's status and its observed history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Final

from syncd.facts import Fact
from syncd.form import DATED, DISORDERLY
from syncd.model import Finding, Fix, Opportunity
from syncd.rules.base import (
    MET,
    NOT_MET,
    UNDATED,
    UNKNOWN,
    Bench,
    DatedRule,
    Fields,
    Rank,
    RankRule,
    RuleInfo,
    Trail,
    Visit,
)
from syncd.rules.fixes import move, outcome_bits, outcome_state, overstated_fix, standing_of, won_fix

STG001: Final = RuleInfo(
    code="STG001",
    severity="error",
    title="stage not recognised",
    phrases=("Sales Cycle Stage",),
    evidence="stage label, the mapping's labels",
    what="The stage is blank, or a label that the mapping gives to no stage. No other rule judges such a record.",
    why="A record without a known stage cannot be weighed, and what the label hides is anybody's guess.",
    example="A record whose stage says `Negotiation/Review` while the mapping knows no such label.",
    fix="None. Add the label to `[stages]` of the mapping.",
)
STG002: Final = RuleInfo(
    code="STG002",
    severity="warning",
    title="first recorded past the first stages",
    phrases=(
        "Enter MQP/SQP into Siebel",
        "Identify SQP via account plan or prospecting",
    ),
    evidence="observed stage history",
    what="The record first appeared in a later stage than Prospect. Decided only for records that syncd saw appear.",
    why=(
        "A deal that enters the system late was worked outside it: nobody could see it, and its early "
        "outcomes are hearsay."
    ),
    example="A record that was not in yesterday's complete pull and is in Solution today.",
)
STG003: Final = RuleInfo(
    code="STG003",
    severity="warning",
    title="stage skipped",
    phrases=("Prospect Qualify Develop Solution Proof Close Deploy Support",),
    evidence="observed stage history, outcomes",
    what=(
        "Between the first observed and the recorded stage lies one the record was never seen in. "
        "An error when the outcome of a skipped stage is known not to be met."
    ),
    why="Each stage ends with an outcome to confirm; a skipped stage is a confirmation nobody made.",
    example="A record seen in Qualify on Monday and in Proof on Tuesday.",
)
STG004: Final = RuleInfo(
    code="STG004",
    severity="error",
    title="status contradicts stage",
    phrases=("Signed documents",),
    evidence="status, stage",
    what="The status is won before Deploy, or lost in Deploy or Support.",
    why=(
        "Documents are signed at the end of Close: a won record before Deploy or a lost one after it is a "
        "contradiction."
    ),
    example="A record in Close whose status is won.",
    fix=(
        "Unsafe, for a won record whose evidence proves Deploy or Support: it moves to Deploy and its "
        "probability. Else none."
    ),
)
STG005: Final = RuleInfo(
    code="STG005",
    severity="warning",
    title="stage lags behind the evidence",
    phrases=("Confirm verifiable outcome and update Siebel",),
    evidence="the date of the recorded stage's outcome",
    what=(
        "An open record in Prospect to Deploy whose evidence proves a later stage, its own outcome being "
        "dated more than "
        "`grace_days` ago (14 unless configured: our choice, the chart names no figure)."
    ),
    why=(
        "Confirming an outcome closes the stage; the record should follow. Until it does, the pipeline is under-stated."
    ),
    example="A record in Develop whose evaluation plan was agreed six weeks ago.",
    fix="Unsafe: the record advances exactly one stage, with that stage's probability.",
)
STG006: Final = RuleInfo(
    code="STG006",
    severity="error",
    title="stage ahead of the evidence",
    phrases=("Verifiable Outcomes",),
    evidence="the outcomes of the earlier columns",
    what="An open record in Qualify to Support with an outcome of an earlier column, from Prospect on, *not met*.",
    why="A stage claims that every earlier outcome holds. This is the headline over the OUT rules that name them.",
    example="A record in Close although the evaluation plan was not agreed.",
    fix="Unsafe: the record goes back to the possible stage, with that stage's probability.",
)

DEFAULT_GRACE_DAYS: Final = 14
"""How long a confirmed outcome may wait for the stage to follow. Our choice; the chart names no figure."""

_LAST: Final = date.max.toordinal()
_ADVANCES: Final = 200
"""Moves to the next column remembered at most; many records need the same one."""


def unrecognised_stage(bench: Bench, label: str | None) -> Finding:
    """STG001 for a record whose stage could not be told from what the source says."""
    said = "stage is blank" if label is None else f"stage {label!r} is none of the chart's and no label of the mapping"
    expected = [stage.id for stage in bench.process.stages]
    return bench.finding(STG001, message=said, field="stage", actual=label, expected=expected)


@dataclass(frozen=True)
class LostAgainstStage(RankRule):
    """STG004 for lost records, the only rule that judges one."""

    bench: Bench
    info: RuleInfo = STG004

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - due for every lost record
        """Always."""
        return True

    def check(self, rank: Rank) -> Finding | Fact:
        """What is signed is not lost."""
        if rank.index < self.bench.process.won_index:
            return MET
        stage = self.bench.process.stages[rank.index]
        message = f"lost, but recorded at {stage.name}, where the documents are signed"
        return self.bench.finding(self.info, message=message, field="status", actual="lost")


@dataclass(frozen=True)
class StatusAgainstStage(RankRule):
    """STG004 for records that are not lost."""

    bench: Bench
    info: RuleInfo = STG004

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - due for every judged record
        """Always."""
        return True

    def check(self, rank: Rank) -> Finding | Fact:
        """Won belongs in Deploy or Support."""
        if not rank.status_known:
            return UNKNOWN
        process = self.bench.process
        if not rank.won or rank.index >= process.won_index:
            return MET
        stage, goal = process.stages[rank.index], process.stages[process.won_index]
        return self.bench.finding(
            self.info,
            message=f"won, but recorded at {stage.name}; a won record belongs in {goal.name} or later",
            field="stage",
            actual=stage.id,
            expected=goal.id,
            fix=won_fix(process, rank),
        )


@dataclass(frozen=True)
class StageAheadOfEvidence(RankRule):
    """STG006."""

    bench: Bench
    info: RuleInfo = STG006

    def due(self, index: int, *, won: bool) -> bool:
        """Open records past the first column of the pipeline."""
        return not won and index > self.bench.process.first_index

    def check(self, rank: Rank) -> Finding | Fact:
        """One earlier outcome not met is enough: the possible column is the first whose outcome is not met."""
        process, verdict = self.bench.process, standing_of(rank)
        if verdict != "overstated":
            return UNKNOWN if verdict == "unproven" else MET
        stage, allowed = process.stages[rank.index], process.stages[rank.possible]
        return self.bench.finding(
            self.info,
            message=f"recorded {stage.name}, evidence allows {allowed.name}",
            field="stage",
            actual=stage.id,
            expected=allowed.id,
            fix=overstated_fix(process, rank),
        )


@dataclass(frozen=True)
class StageBehindEvidence(DatedRule):
    """STG005."""

    bench: Bench
    info: RuleInfo = STG005
    asks: int = DATED | DISORDERLY
    echo: int = field(init=False)
    graced: date = field(init=False)
    outcomes: tuple[tuple[int, ...], ...] = field(init=False)
    advance: Callable[[Rank], Fix] = field(init=False)

    def __post_init__(self) -> None:
        process, policy = self.bench.process, self.bench.policy
        grace_days = int(policy.option("STG005", "grace_days", DEFAULT_GRACE_DAYS))
        # The first day that still has its grace, as far back as days go.
        graced = date.fromordinal(max(self.bench.today.toordinal() - grace_days, 1))
        object.__setattr__(self, "echo", grace_days + 1)
        object.__setattr__(self, "graced", graced)
        object.__setattr__(self, "outcomes", tuple(outcome_bits(process, one) for one in process.stages))
        object.__setattr__(self, "advance", lru_cache(_ADVANCES)(lambda rank: move(process, rank, rank.index + 1)))

    def due(self, index: int, *, won: bool) -> bool:
        """Open records in the pipeline."""
        return not won and self.bench.process.in_pipeline(index)

    def turns(self, opportunity: Opportunity, index: int) -> Iterable[date]:
        """The day after the grace of each fact of the outcome, unless it lies beyond all days."""
        dates = opportunity.dates
        ends = [dates[bit].toordinal() + self.echo for bit in self.outcomes[index] if bit in dates]
        return [date.fromordinal(end) for end in ends if end <= _LAST]

    def settle(self, fields: Fields) -> Fact | None:
        """Only a record of which more is proven than recorded can lag; an undated outcome is never past its grace."""
        if fields.lag is not MET:
            return MET if fields.lag is NOT_MET else UNKNOWN
        return UNKNOWN if fields.timing == UNDATED else None

    def check(self, opportunity: Opportunity, rank: Rank, trail: Trail | None) -> Finding | Fact:  # noqa: ARG002
        """More is proven than recorded: has the grace passed?"""
        process, dates = self.bench.process, opportunity.dates
        day = None  # of several facts, the earliest that is met (settled reading 3)
        for bit in self.outcomes[rank.index]:
            if bit in dates and opportunity.met >> bit & 1 and (day is None or dates[bit] < day):
                day = dates[bit]
        if day is None:
            return UNKNOWN
        if day >= self.graced:
            return MET
        stage, proven = process.stages[rank.index], process.stages[rank.proven]
        return self.bench.finding(
            self.info,
            message=(
                f"recorded {stage.name}, but its outcome was confirmed on {day.isoformat()} "
                f"and the evidence proves {proven.name}"
            ),
            field="stage",
            actual=stage.id,
            expected=process.stages[rank.index + 1].id,
            fix=self.advance(rank),
        )


@dataclass(frozen=True)
class FirstStage(DatedRule):
    """STG002."""

    bench: Bench
    info: RuleInfo = STG002

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - due for every judged record
        """Always."""
        return True

    def settle(self, fields: Fields) -> Fact | None:
        """Only a record that was seen to appear has a known first stage; where that is a late one, its day is told."""
        if not fields.from_creation:
            return UNKNOWN
        first = self.bench.process.stage_index.get(fields.path[0])
        if first is None:
            return UNKNOWN
        return MET if first <= self.bench.process.first_index else None

    def check(self, opportunity: Opportunity, rank: Rank, trail: Trail | None) -> Finding | Fact:  # noqa: ARG002
        """Not settled means broken."""
        process, first = self.bench.process, _visits(trail)[0]
        stage, start = process.stages[process.stage_index[first.stage]], process.stages[process.first_index]
        day = first.seen.isoformat()
        message = f"first seen in {stage.name} on {day}, without having been in {start.name}"
        return self.bench.finding(self.info, message=message, field="stage", actual=stage.id, expected=start.id)


@dataclass(frozen=True)
class SkippedStage(DatedRule):
    """STG003."""

    bench: Bench
    info: RuleInfo = STG003

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - due for every judged record
        """Always."""
        return True

    def settle(self, fields: Fields) -> Fact | None:
        """Without history nothing was seen to be skipped."""
        if not fields.path:
            return UNKNOWN
        return None if self._skipped(fields.path, fields.index) else MET

    def _skipped(self, path: tuple[str, ...], recorded: int) -> list[int]:
        """The columns between the first one visited and the recorded one that were not."""
        index_of = self.bench.process.stage_index
        visited = {index_of[stage] for stage in path if stage in index_of}
        return [index for index in range(min(visited, default=0) + 1, recorded) if index not in visited]

    def check(self, opportunity: Opportunity, rank: Rank, trail: Trail | None) -> Finding | Fact:
        """Not settled means broken; how gravely is for the outcomes of the skipped columns to say."""
        process, path = self.bench.process, tuple(visit.stage for visit in _visits(trail))
        skipped = self._skipped(path, rank.index)
        denied = any(outcome_state(process, opportunity, index) is NOT_MET for index in skipped)
        names = ", ".join(process.stages[index].name for index in skipped)
        return self.bench.finding(
            self.info,
            message=f"moved to {process.stages[rank.index].name} without having been seen in {names}",
            field="stage",
            actual=list(path),
            expected=[process.stages[index].id for index in skipped],
            severity="error" if denied else "warning",
        )


def _visits(trail: Trail | None) -> tuple[Visit, ...]:
    return trail.visits if trail else ()


def standing_rules(bench: Bench) -> tuple[StatusAgainstStage | StageAheadOfEvidence, ...]:
    """The rules decided without dates."""
    return (StatusAgainstStage(bench), StageAheadOfEvidence(bench))


def dated_rules(bench: Bench) -> tuple[FirstStage | SkippedStage | StageBehindEvidence, ...]:
    """The rules that need dates or history."""
    return (FirstStage(bench), SkippedStage(bench), StageBehindEvidence(bench))
