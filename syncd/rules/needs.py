"""Rules that are nothing but facts due by a stage: what they need, as rows of a family's table, bound to a chart.

Not for: the rows themselves, which stand in their families.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from syncd.facts import Fact, all_of, any_of
from syncd.model import Finding
from syncd.process import Process
from syncd.rules.base import MET, NOT_MET, Bench, EvidenceRule, Facts, RuleInfo


class Need(Protocol):
    """A condition over evidence."""

    def ids(self) -> Iterator[str]:
        """The evidence ids it mentions."""
        ...

    def state(self, facts: dict[str, Fact]) -> Fact:
        """Its Kleene value."""
        ...


@dataclass(frozen=True)
class Has:
    """One fact."""

    id: str

    def ids(self) -> Iterator[str]:
        """The fact's id."""
        yield self.id

    def state(self, facts: dict[str, Fact]) -> Fact:
        """The fact's state."""
        return facts[self.id]


@dataclass(frozen=True)
class All:
    """Several conditions, all needed."""

    parts: tuple[Need, ...]

    def ids(self) -> Iterator[str]:
        """The ids of every part."""
        for part in self.parts:
            yield from part.ids()

    def state(self, facts: dict[str, Fact]) -> Fact:
        """Kleene's *and*."""
        return all_of(part.state(facts) for part in self.parts)


@dataclass(frozen=True)
class Either:
    """Several conditions, any one of which suffices."""

    parts: tuple[Need, ...]

    def ids(self) -> Iterator[str]:
        """The ids of every part."""
        for part in self.parts:
            yield from part.ids()

    def state(self, facts: dict[str, Fact]) -> Fact:
        """Kleene's *or*."""
        return any_of(part.state(facts) for part in self.parts)


@dataclass(frozen=True)
class Reached:
    """A step of a life cycle: met when it or a later step is met, otherwise what is said of the step itself.

    Not the same as `Either`: a step that is *not met* stays so while the later ones are unknown (settled reading 15).
    """

    step: str
    later: tuple[str, ...]

    def ids(self) -> Iterator[str]:
        """The step and those that imply it."""
        yield self.step
        yield from self.later

    def state(self, facts: dict[str, Fact]) -> Fact:
        """Met by the step or any later one."""
        if any(facts[step] is MET for step in self.later):
            return MET
        return facts[self.step]


def has_all(*ids: str) -> All:
    """All of these facts."""
    return All(tuple(Has(one) for one in ids))


def has_any(*ids: str) -> Either:
    """Any of these facts."""
    return Either(tuple(Has(one) for one in ids))


@dataclass(frozen=True)
class Part:
    """What a fact rule asks for from a column on.

    Attributes:
        since: The stage id from which it is due.
        need: What must hold.
    """

    since: str
    need: Need


@dataclass(frozen=True)
class FactRow:
    """A rule that is nothing but facts due by a stage: a row of a family's table."""

    info: RuleInfo
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class FactRule(EvidenceRule):
    """A row of a table, bound to a chart."""

    row: FactRow
    bench: Bench
    sinces: tuple[int, ...] = field(init=False)
    bits: tuple[tuple[str, int], ...] = field(init=False)
    info: RuleInfo = field(init=False)
    reads: int = field(init=False)

    def __post_init__(self) -> None:
        process = self.bench.process
        ids = dict.fromkeys(one for part in self.row.parts for one in part.need.ids())
        object.__setattr__(self, "sinces", tuple(process.stage_index[part.since] for part in self.row.parts))
        object.__setattr__(self, "bits", tuple((one, process.evidence_index[one]) for one in ids))
        object.__setattr__(self, "info", self.row.info)
        object.__setattr__(self, "reads", sum(1 << bit for _, bit in self.bits))

    @classmethod
    def fits(cls, row: FactRow, process: Process) -> bool:
        """Whether the chart has every stage and every fact the row speaks of."""
        ids = {one for part in row.parts for one in part.need.ids()}
        return ids <= process.evidence_index.keys() and all(part.since in process.stage_index for part in row.parts)

    def due(self, index: int, *, won: bool) -> bool:  # noqa: ARG002 - checkpoints do not ask for the status
        """From the earliest column on at which any part is asked for."""
        return index >= min(self.sinces)

    def check(self, facts: Facts) -> Finding | Fact:
        """All parts that are due by now, by Kleene's *and*."""
        due = [part for part, since in zip(self.row.parts, self.sinces, strict=True) if facts.index >= since]
        seen = {one: facts.fact(bit) for one, bit in self.bits}
        states = [part.need.state(seen) for part in due]
        state = all_of(states)
        if state is not NOT_MET:
            return state
        failing = [part for part, said in zip(due, states, strict=True) if said is NOT_MET]
        lacking = dict.fromkeys(one for part in failing for one in part.need.ids() if seen[one] is NOT_MET)
        stage = self.bench.process.stages[facts.index]
        return self.bench.finding(
            self.info,
            message=f"{self.info.title}: recorded at {stage.name}, but not met: {', '.join(lacking)}",
            field=next(iter(lacking)) if len(lacking) == 1 else "",
            actual="not_met" if len(lacking) == 1 else dict.fromkeys(lacking, "not_met"),
            expected="met",
        )
