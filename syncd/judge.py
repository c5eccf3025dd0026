"""The judge: runs the selected rules on one opportunity after the other. Pure: no I/O, no clock of its own.

Most opportunities of a pipeline share their undated state with others. So the judge makes a key of that state,
remembers what the rules say of it (`syncd.rules.compiled`), and checks anew only what a state leaves open, dates and
texts. The rules see of a state no more than its key, so a remembered verdict is the verdict.

Not for: reading or storing (`syncd.pull`, `syncd.store`), merging fixes (`syncd.plan`), money (`syncd.pipeline`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final, Protocol

import msgspec

from syncd.facts import Fact
from syncd.model import Finding, Opportunity
from syncd.policy import Policy
from syncd.process import Process
from syncd.rules import dated_rules, standing_rules
from syncd.rules.base import DOUBTFUL, ORDERLY, UNDATED, UNKNOWN, Bench, Rank, Trail
from syncd.rules.compiled import BY_RULE, Column, Recall, ranks, union
from syncd.rules.stage import STG001, STG004, lost_record, unrecognised_stage
from syncd.rules.state import Key

_MEMORY: Final = 20_000
"""Answers remembered at most, in each memory; when full it starts anew, so that memory stays flat."""

_FIRST_DAY: Final = date.min
_LAST_DAY: Final = date.max


class ExtraRule(Protocol):
    """A rule a company wrote itself."""

    @property
    def code(self) -> str: ...  # noqa: D102

    def check(self, opportunity: Opportunity, derived: Mapping[str, Any]) -> Finding | Fact:
        """A finding when broken, met when it holds, unknown when it cannot be decided."""
        ...


class Names(msgspec.Struct, frozen=True):
    """What bits and numbers stand for; a part of its own, so that a remembered verdict holds no judge that holds it.

    Attributes:
        codes: The codes of the rules; a rule's place is its bit.
        stages: The ids of the columns.
        known: Sets of codes made before.
    """

    codes: tuple[str, ...]
    stages: tuple[str, ...]
    known: dict[int, frozenset[str]]

    def codes_of(self, bits: int) -> frozenset[str]:
        """The codes a set of bits stands for."""
        known = self.known.get(bits)
        if known is None:
            if len(self.known) >= _MEMORY:
                self.known.clear()
            known = frozenset(code for index, code in enumerate(self.codes) if bits >> index & 1)
            self.known[bits] = known
        return known


class Verdict(msgspec.Struct, frozen=True, eq=False, gc=False):
    """What the judge says of one opportunity; opportunities of one state may share it.

    Attributes:
        findings: One a rule broken, in the order of the rules' codes.
        proven_index, possible_index: The proven and possible column; None where the stage is not recognised.
        due_bits, unknown_bits: Which rules were due, and which of those could not be decided, by `Judge.codes`.
    """

    names: Names
    findings: tuple[Finding, ...]
    due_bits: int
    unknown_bits: int
    proven_index: int | None = None
    possible_index: int | None = None

    @property
    def proven(self) -> str | None:
        """The proven stage's id."""
        return None if self.proven_index is None else self.names.stages[self.proven_index]

    @property
    def possible(self) -> str | None:
        """The possible stage's id."""
        return None if self.possible_index is None else self.names.stages[self.possible_index]

    @property
    def due(self) -> frozenset[str]:
        """The codes of the rules that were due."""
        return self.names.codes_of(self.due_bits)

    @property
    def unknown(self) -> frozenset[str]:
        """The codes of the rules that were due and could not be decided."""
        return self.names.codes_of(self.unknown_bits)


class Judge:
    """Judges opportunities by one chart, one policy and one day.

    Attributes:
        codes: The codes of all selected rules; a rule's place is its bit.
    """

    def __init__(
        self,
        process: Process,
        policy: Policy,
        *,
        today: date,
        extra: Iterable[ExtraRule] = (),
        memory: int = _MEMORY,
    ) -> None:
        """Select and compile the rules.

        Args:
            process: The chart.
            policy: Which rules run, and how.
            today: The day to judge by, in the business zone.
            extra: Rules a company wrote itself.
            memory: Answers remembered at most, in each memory.
        """
        self.process = process
        self.policy = policy
        self.today = today
        self._bench = Bench(process, policy, today)
        standing = [rule for rule in standing_rules(self._bench) if policy.selected(rule.info.code)]
        dated = [rule for rule in dated_rules(self._bench) if policy.selected(rule.info.code)]
        self._extra = [rule for rule in extra if policy.selected(rule.code)]
        own = [code for code in (STG001.code, STG004.code) if policy.selected(code)]
        codes = [*own, *(rule.info.code for rule in (*standing, *dated)), *(rule.code for rule in self._extra)]
        self.codes = tuple(sorted(set(codes)))
        self._bit = {code: 1 << index for index, code in enumerate(self.codes)}
        # Wherever the stage is recognised, STG001 holds; a company's own rules are due for every record.
        self._always_due = union(self._bit.get(code, 0) for code in (STG001.code, *(one.code for one in self._extra)))
        masks = [process.outcome_mask(stage.index) for stage in process.stages[process.first_index :]]
        self._outcomes = union(masks)
        self._outcome_bits = frozenset(bit for bit in range(len(process.evidence)) if self._outcomes >> bit & 1)
        self._alternatives = [mask for mask in masks if mask.bit_count() > 1]
        self._wide, narrow = Recall(memory), Recall(memory)
        self._ranks: dict[tuple[int, int], tuple[int, int]] = self._wide.table()
        self._names = Names(self.codes, tuple(stage.id for stage in process.stages), {})
        self._columns: dict[str, dict[str | None, Column]] = {"open": {}, "won": {}, "lost": {}}
        for status in ("open", "won"):
            for stage in process.stages:
                column = Column(process, stage.index, won=status == "won", wide=self._wide, narrow=narrow)
                self._columns[status][stage.id] = column.compile(standing, dated, self._bit)
        self._lost = {stage.id: lost_record(self._bench, stage.index) for stage in process.stages}

    def codes_of(self, bits: int) -> frozenset[str]:
        """The codes a set of bits stands for."""
        return self._names.codes_of(bits)

    def judge(self, opportunity: Opportunity, trail: Trail | None = None) -> Verdict:
        """Judge one opportunity.

        Args:
            opportunity: As last read.
            trail: Its observed history, where the store has one.
        """
        # This runs once a record, up to a million times, so it makes no call it can do without: the pass over the
        # dates and the look-up of what is remembered stand here, and not in functions of their own.
        column = self._columns[opportunity.status].get(opportunity.stage)
        if column is None:
            return self._outside(opportunity)
        current, timing, today = opportunity, UNDATED, self.today
        if dates := opportunity.dates:
            last, latest = -1, _FIRST_DAY
            for bit, day in dates.items():
                if day < latest or bit < last:
                    latest = _LAST_DAY
                    break
                last, latest = bit, day
            if latest > today:
                current, timing = self._as_of_today(opportunity), DOUBTFUL
            elif not self._outcome_bits.isdisjoint(dates):
                timing = ORDERLY
        met, mask = current.met, column.mask
        bare, untold = opportunity.bare, opportunity.untold
        if bare or untold:
            bare, untold = self._unproven(met, bare, untold)
        unreadable, decision = opportunity.unreadable, opportunity.decision_due
        key: Key = (
            met & mask,
            current.not_met & mask,
            opportunity.probability,
            opportunity.missing,
            tuple([name for name, _ in unreadable]) if unreadable else (),
            opportunity.closed,
            opportunity.forecast,
            opportunity.source_type,
            not opportunity.owner,
            None if decision is None else decision < today,
            bare,
            untold,
            timing,
            None if trail is None else _path(trail),
        )
        verdict: Verdict | None = column.settled.get(key)
        return verdict or self._rule(column, key, opportunity, current, trail)

    def _unproven(self, met: int, bare: int, untold: int) -> tuple[int, int]:
        """The bare and the untold facts among the outcomes, but for those beside an alternative that is proven."""
        bare, untold = bare & met & self._outcomes, untold & met & self._outcomes
        for mask in self._alternatives:
            if met & mask & ~(bare | untold):
                bare, untold = bare & ~mask, untold & ~mask
            elif untold & mask:
                bare &= ~mask
        return bare, untold

    def _rule(
        self, column: Column, key: Key, opportunity: Opportunity, current: Opportunity, trail: Trail | None
    ) -> Verdict:
        """Ask the rules about a state that is not remembered; what it leaves open is asked of the record."""
        ruling = column.rule(key)
        due, rank = ruling.due | self._always_due, ruling.rank
        if not (ruling.open or self._extra):
            settled = Verdict(self._names, ruling.findings, due, ruling.unknown, rank.proven, rank.possible)
            self._wide.keep(column.settled, key, settled)
            return settled
        answers = [(rule.check(current, rank, trail), bit) for rule, bit in ruling.open]
        if self._extra:
            derived = self._derived(rank)
            answers += [(rule.check(opportunity, derived), self._bit[rule.code]) for rule in self._extra]
        findings, unknown = list(ruling.findings), ruling.unknown
        for said, bit in answers:
            if said is UNKNOWN:
                unknown |= bit
            elif isinstance(said, Finding):
                findings.append(said)
        findings.sort(key=BY_RULE)
        return Verdict(self._names, tuple(findings), due, unknown, rank.proven, rank.possible)

    def _derived(self, rank: Rank) -> Mapping[str, Any]:
        """What a company's own rules may ask of the chart."""
        stages = self.process.stages
        return {
            "today": self.today,
            "proven_stage": stages[rank.proven].id,
            "possible_stage": stages[rank.possible].id,
            "stage_index": rank.index,
            "proven_index": rank.proven,
            "possible_index": rank.possible,
        }

    def _as_of_today(self, opportunity: Opportunity) -> Opportunity:
        """A fact dated in the future is not met until that day (settled reading 2)."""
        if max(opportunity.dates.values(), default=self.today) <= self.today:
            return opportunity
        future = union(1 << bit for bit, day in opportunity.dates.items() if day > self.today)
        return msgspec.structs.replace(opportunity, met=opportunity.met & ~future, not_met=opportunity.not_met | future)

    def _outside(self, opportunity: Opportunity) -> Verdict:
        """A record that no column judges: of a stage that is not recognised, or lost."""
        if opportunity.status != "lost":
            return self._alone(STG001.code, unrecognised_stage(self._bench, opportunity))
        said = self._lost.get(opportunity.stage or "")
        if said is None:
            return self._alone(STG004.code, UNKNOWN)
        current = self._as_of_today(opportunity) if opportunity.dates else opportunity
        key = (current.met & self._outcomes, current.not_met & self._outcomes)
        reached = self._ranks.get(key) or self._wide.keep(self._ranks, key, ranks(self.process, *key))
        return self._alone(STG004.code, said, *reached)

    def _alone(
        self, code: str, said: Finding | Fact, proven: int | None = None, possible: int | None = None
    ) -> Verdict:
        bit = self._bit.get(code, 0)
        if not bit or isinstance(said, Fact):
            return Verdict(self._names, (), bit, bit if said is UNKNOWN else 0, proven, possible)
        return Verdict(self._names, (said,), bit, 0, proven, possible)


def _path(trail: Trail) -> tuple[bool, tuple[str, ...]] | None:
    """The stages a record was seen in; None for a single stay that was not seen to begin, which tells nothing."""
    if len(trail.visits) <= 1 and not trail.from_creation:
        return None
    return trail.from_creation, tuple([visit.stage for visit in trail.visits])
