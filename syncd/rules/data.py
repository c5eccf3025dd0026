"""DAT: values that cannot be read as what their field should hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from syncd.facts import Fact
from syncd.form import UNREADABLE
from syncd.model import Finding, Opportunity
from syncd.rules.base import MET, Bench, DatedRule, Fields, Rank, RuleInfo, Trail

DAT001: Final = RuleInfo(
    code="DAT001",
    severity="warning",
    title="unreadable value",
    phrases=(),
    evidence="every mapped field",
    what=(
        "A mapped field holds a value that cannot be read as its type: date, number, currency, yes/no. "
        "One discrepancy names them all; the value counts as unknown. A probability is PRB002's, a stage STG001's."
    ),
    why="What cannot be read cannot be judged; without this rule it would only be missing from the sums.",
    example="An amount of `about 50k`, a decision day of `31.02.2026`.",
)


@dataclass(frozen=True)
class UnreadableValue(DatedRule):
    """DAT001."""

    bench: Bench
    info: RuleInfo = DAT001
    asks: int = UNREADABLE

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - due for every judged record
        """Always."""
        return True

    def settle(self, fields: Fields) -> Fact | None:
        """Holds where everything could be read."""
        return MET if fields.readable else None

    def check(self, opportunity: Opportunity, rank: Rank, trail: Trail | None) -> Finding | Fact:  # noqa: ARG002
        """Everything unreadable, except a probability where PRB002 speaks of it."""
        numeric = self.bench.process.in_pipeline(rank.index)
        faults = {name: text for name, text in opportunity.unreadable if not (numeric and name == "probability")}
        if not faults:
            return MET
        listed = ", ".join(f"{name} = {text!r}" for name, text in faults.items())
        return self.bench.finding(
            self.info,
            message=f"cannot be read: {listed}",
            field=next(iter(faults)) if len(faults) == 1 else "",
            actual=next(iter(faults.values())) if len(faults) == 1 else faults,
        )


def dated_rules(bench: Bench) -> tuple[UnreadableValue, ...]:
    """The family's rule; it reads texts, so its answer is never shared between opportunities."""
    return (UnreadableValue(bench),)
