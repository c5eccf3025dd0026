"""PRB: the probability field against the chart's figure for the recorded stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from syncd.facts import Fact
from syncd.form import ANSWER, FORECAST
from syncd.model import Edit, Finding, Fix, Opportunity
from syncd.rules.base import MET, NOT_MET, UNKNOWN, Bench, FieldRule, Fields, Rank, RankRule, RuleInfo
from syncd.rules.fixes import (
    PROBABILITY_BLANK,
    PROBABILITY_KNOWN,
    PROBABILITY_MISSING,
    PROBABILITY_UNREADABLE,
    clearing_fix,
    probability_fix,
)

_FIX: Final = (
    "Safe when every earlier outcome is met and nothing more is proven: the probability becomes the stage's figure. "
    "Unsafe otherwise: with an earlier outcome *not met* the record goes back to the possible stage and "
    "its figure; with "
    "one *unknown* the probability becomes the recorded stage's; with more proven than recorded the record "
    "advances one stage."
)

_NO_NUMBER: Final = "cannot be read as a number"

PRB001: Final = RuleInfo(
    code="PRB001",
    severity="error",
    title="probability of another stage",
    phrases=("0% 10% 20% 40% 60% 80% 100%",),
    evidence="stage, probability",
    what="The probability is one of the chart's figures, but that of another stage than the recorded one.",
    why="Each stage has one probability; a record that carries another stage's weighs wrongly in every pipeline sum.",
    example="A record in Solution (40 %) with a probability of 60.",
    fix=_FIX,
)
PRB002: Final = RuleInfo(
    code="PRB002",
    severity="error",
    title="probability not in the chart",
    phrases=("0% 10% 20% 40% 60% 80% 100%",),
    evidence="probability",
    what="The probability is no figure of the chart (50, 33.3, 101, -1), or cannot be read as a number.",
    why="A probability set by hand is an opinion; the chart's figures stand for outcomes that somebody verified.",
    example="A record in Proof with a probability of 75.",
    fix=_FIX,
)
PRB003: Final = RuleInfo(
    code="PRB003",
    severity="warning",
    title="probability where the chart has none",
    phrases=("Probability NA", "100% NA"),
    evidence="stage, probability",
    what="A record in a column marked NA (Demand Generation, Support) carries a number; 0 is a number too.",
    why=(
        "Before Prospect there is no deal to weigh; after Deploy it was already counted at 100 %. A number "
        "counts it twice."
    ),
    example="A record in Support with a probability of 100.",
    fix="Unsafe: the probability is cleared, or the record moves where STG004 or STG006 puts it.",
)
PRB004: Final = RuleInfo(
    code="PRB004",
    severity="error",
    title="probability empty",
    phrases=("Probability NA 0% 10%",),
    evidence="stage, probability",
    what="A record in a column with a figure has an empty probability. 0 at Prospect is a value, not empty.",
    why="Without a probability the record drops out of the weighted pipeline unseen.",
    example="A record in Develop whose probability field is blank.",
    fix=_FIX,
)
PRB005: Final = RuleInfo(
    code="PRB005",
    severity="warning",
    title="forecast counts a record without a probability",
    phrases=("Probability NA",),
    evidence="forecast flag",
    what="A record in a column marked NA is counted in the forecast (`forecast` is yes).",
    why="Such records are counts beside the pipeline, never part of it.",
    example="A Demand Generation record with forecast = yes.",
    fix="Unsafe: the forecast flag becomes no.",
)


@dataclass(frozen=True)
class ProbabilityFault(RankRule):
    """PRB001, PRB002 and PRB004: exactly one of them can fire, in the columns that have a figure."""

    info: RuleInfo
    bench: Bench

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - won or open
        """In every column with a figure."""
        return self.bench.process.in_pipeline(index)

    def check(self, rank: Rank) -> Finding | Fact:
        """Compare what is recorded with the chart."""
        if rank.probability_state == PROBABILITY_MISSING:
            return UNKNOWN
        if self._fault(rank) != self.info.code:
            return MET
        stage = self.bench.process.stages[rank.index]
        actual = "unreadable" if rank.probability_state == PROBABILITY_UNREADABLE else rank.probability
        found = {PROBABILITY_BLANK: "is empty", PROBABILITY_UNREADABLE: _NO_NUMBER}
        said = found.get(rank.probability_state, f"is {rank.probability}")
        return self.bench.finding(
            self.info,
            message=f"probability {said}, the chart gives {stage.probability} for {stage.name}",
            field="probability",
            actual=actual,
            expected=stage.probability,
            fix=probability_fix(self.bench.process, rank),
        )

    def _fault(self, rank: Rank) -> str:
        if rank.probability_state == PROBABILITY_BLANK:
            return PRB004.code
        if rank.probability_state == PROBABILITY_UNREADABLE:
            return PRB002.code
        if rank.probability not in self.bench.process.probabilities:
            return PRB002.code
        return PRB001.code if rank.probability != self.bench.process.stages[rank.index].probability else ""


@dataclass(frozen=True)
class ProbabilityInNa(RankRule):
    """PRB003."""

    bench: Bench
    info: RuleInfo = PRB003

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - won or open
        """In the columns without a figure."""
        return not self.bench.process.in_pipeline(index)

    def check(self, rank: Rank) -> Finding | Fact:
        """Any number at all breaks it."""
        if rank.probability_state in (PROBABILITY_MISSING, PROBABILITY_UNREADABLE):
            return UNKNOWN
        if rank.probability_state != PROBABILITY_KNOWN:
            return MET
        stage = self.bench.process.stages[rank.index]
        return self.bench.finding(
            self.info,
            message=f"probability is {rank.probability}, the chart has none (NA) for {stage.name}",
            field="probability",
            actual=rank.probability,
            fix=clearing_fix(self.bench.process, rank),
        )


@dataclass(frozen=True)
class ForecastInNa(FieldRule):
    """PRB005."""

    bench: Bench
    info: RuleInfo = PRB005
    asks: int = ANSWER << FORECAST

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - won or open
        """In the columns without a figure."""
        return not self.bench.process.in_pipeline(index)

    def check(self, fields: Fields) -> Finding | Fact:
        """Counted in the forecast breaks it."""
        if fields.forecast is not MET:
            return MET if fields.forecast is NOT_MET else UNKNOWN
        stage = self.bench.process.stages[fields.index]
        return self.bench.finding(
            self.info,
            message=f"counted in the forecast although {stage.name} has no probability",
            field="forecast",
            actual=True,
            expected=False,
            fix=Fix("unsafe", {"forecast": Edit(before=True, after=False)}),
        )


def with_its_text(findings: tuple[Finding, ...], opportunity: Opportunity) -> tuple[Finding, ...]:
    """The findings of a record with the text of a probability that cannot be read, where PRB002 speaks of one.

    The rule itself sees no texts: what it says of a state is said of every record in that state.
    """
    text = next((text for name, text in opportunity.unreadable if name == "probability"), None)
    if text is None:
        return findings
    return tuple(
        msgspec.structs.replace(one, actual=text, message=one.message.replace(_NO_NUMBER, f"{text!r} {_NO_NUMBER}", 1))
        if one.rule == PRB002.code
        else one
        for one in findings
    )


def rules(bench: Bench) -> tuple[ProbabilityFault | ProbabilityInNa | ForecastInNa, ...]:
    """The family's rules, in the order of their codes."""
    faults = (ProbabilityFault(PRB001, bench), ProbabilityFault(PRB002, bench))
    return (*faults, ProbabilityInNa(bench), ProbabilityFault(PRB004, bench), ForecastInNa(bench))
