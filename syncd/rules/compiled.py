"""The rules of one column, compiled: what they say of the undated state of a record, remembered in layers.

A pipeline's records differ in forty facts and a dozen fields, but a rule looks at four of them at most. So each
evidence rule's answers are kept in a small table of its own (`RulePanel`), those of all in a larger one
(`GroupPanel`); what the outcomes come to, what rank rules and what field rules say in tables of their own (`Column`);
and the judge keeps what all of them say of a whole state. A state that was met with before costs one look-up, a new one
a few, and a rule is asked once for each state of what it looks at.

Not for: what a state leaves open, dates and texts; `syncd.judge` asks for that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, TypeVar

import msgspec

from syncd.facts import Fact
from syncd.model import Finding
from syncd.process import Process
from syncd.rules.base import (
    MET,
    NOT_MET,
    UNKNOWN,
    DatedRule,
    EvidenceRule,
    Facts,
    FieldRule,
    Rank,
    RankRule,
    StandingRule,
)
from syncd.rules.fixes import outcome_state, pipeline_outcomes
from syncd.rules.state import FieldKey, Key, RankKey, Reach, fields_of, rank_of, status_known, without_probability

BY_RULE: Final = attrgetter("rule")
"""The order of findings."""

_Answer = TypeVar("_Answer")


class Recall:
    """How much several tables remember together: when they hold that many answers, all start anew.

    Attributes:
        bound: Answers kept at most, so that memory stays flat however many records there are.
    """

    __slots__ = ("_kept", "_tables", "bound")

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._kept = 0
        self._tables: list[dict[Any, Any]] = []

    def table(self) -> dict[Any, Any]:
        """A new table that is emptied with the others."""
        self._tables.append({})
        return self._tables[-1]

    def keep(self, table: dict[Any, _Answer], key: Hashable, answer: _Answer) -> _Answer:
        """Put an answer into a table: one of these, or one that only answers in these hold on to."""
        if self._kept >= self.bound:
            self._kept = 0
            for one in self._tables:
                one.clear()
        self._kept += 1
        table[key] = answer
        return answer


class Said(msgspec.Struct, frozen=True, gc=False):
    """What some rules say of some facts.

    Attributes:
        findings: In the order of the rules' codes.
        unknown: The bits of the rules that could not be decided.
    """

    findings: tuple[Finding, ...]
    unknown: int


class Panel(ABC):
    """Rules of one column, and what they said of the facts they look at.

    Attributes:
        mask: The bits of those facts.
        table: What they said, by those bits: met and not met. Who asks looks here first, to be spared a call.
    """

    def __init__(self, mask: int, recall: Recall) -> None:
        self.mask = mask
        self.table: dict[tuple[int, int], Said] = recall.table()
        self._recall = recall

    def learn(self, met: int, not_met: int) -> Said:
        """Ask the rules, and remember. No bits but those of `mask` may be given."""
        return self._recall.keep(self.table, (met, not_met), self._ask(met, not_met))

    @abstractmethod
    def _ask(self, met: int, not_met: int) -> Said: ...


class RulePanel(Panel):
    """One rule."""

    def __init__(self, rule: EvidenceRule, bit: int, recall: Recall, index: int, *, won: bool) -> None:
        super().__init__(rule.reads, recall)
        self._rule, self._bit, self._index, self._won = rule, bit, index, won

    def _ask(self, met: int, not_met: int) -> Said:
        facts = Facts(index=self._index, won=self._won, met=met, not_met=not_met)
        return _said([(self._rule.check(facts), self._bit)])


class GroupPanel(Panel):
    """Several rules, in the order of their codes."""

    def __init__(self, panels: Sequence[Panel], recall: Recall) -> None:
        super().__init__(union(panel.mask for panel in panels), recall)
        self._panels = [(panel, panel.mask) for panel in panels]

    def _ask(self, met: int, not_met: int) -> Said:
        findings: tuple[Finding, ...] = ()
        unknown = 0
        for panel, mask in self._panels:
            holding = met & mask
            if holding == mask:
                continue  # no evidence rule is broken by facts that are all met
            evidence = (holding, not_met & mask)
            said = panel.table.get(evidence) or panel.learn(*evidence)
            findings += said.findings
            unknown |= said.unknown
        return Said(findings, unknown)


class RankSaid(Said, frozen=True, gc=False):
    """What the rank rules say, and of what."""

    rank: Rank


class FieldsSaid(Said, frozen=True, gc=False):
    """What the field rules say.

    Attributes:
        due: The bits of all rules that are due, of whatever kind.
        open: The dated rules that the fields do not settle, each with its bit.
        status_known, otherwise: What rank rules see of the fields, as in `RankKey`.
    """

    due: int
    open: tuple[tuple[DatedRule, int], ...]
    status_known: bool
    otherwise: str


class OutcomesSaid(Said, frozen=True, gc=False):
    """What the rules about outcomes alone say, and what others say where the outcomes come to this.

    Attributes:
        reach: What the outcomes come to.
        by_rank: What the rank rules say, shared with all outcomes that prove and allow the same columns.
        by_fields: What the field rules say, shared with all outcomes of which those rules see the same.
    """

    reach: Reach
    by_rank: dict[RankKey, RankSaid]
    by_fields: dict[FieldKey, FieldsSaid]


class Ruling(Said, frozen=True, gc=False):
    """What all rules say of one state; bits are places in `Judge.codes`.

    Attributes:
        due: The rules due, of whatever kind.
        open: The dated rules that the state does not settle, each with its bit.
        rank: Where the record stands, which those will want to know.
    """

    due: int
    open: tuple[tuple[DatedRule, int], ...]
    rank: Rank


class Column:
    """The rules for the won, or for the open, records of one column.

    Attributes:
        mask: The bits of the evidence that matters here.
        settled: For the judge to keep what it makes of whole states in.
    """

    def __init__(self, process: Process, index: int, *, won: bool, wide: Recall, narrow: Recall) -> None:
        """A column without rules.

        Args:
            process: The chart.
            index: The column.
            won: Whether its records are won.
            wide: For tables by many facts, which records may fill as fast as they come.
            narrow: For tables by few facts or fields, which are worth keeping when the others overflow.
        """
        self._process, self._index, self._won = process, index, won
        self._wide, self._narrow = wide, narrow
        self._pipeline = pipeline_outcomes(process)
        self._shared: dict[Hashable, dict[Any, Any]] = narrow.table()
        self._outcomes: dict[tuple[int, int], OutcomesSaid] = narrow.table()
        self.settled: dict[Key, Any] = wide.table()

    def compile(self, rules: Iterable[StandingRule], dated: Iterable[DatedRule], bits: Mapping[str, int]) -> Column:
        """Choose the rules that are due here, and group them.

        Args:
            rules: Every selected rule that is decided from the undated state, due or not.
            dated: Every selected dated rule.
            bits: The bit of each rule's code.
        """
        chosen = sorted(
            (rule for rule in rules if rule.due(self._index, won=self._won)), key=lambda rule: rule.info.code
        )
        due = [(rule, bits[rule.info.code]) for rule in chosen]
        self._due = union(bit for _, bit in due)
        self._rank_rules = [(rule, bit) for rule, bit in due if isinstance(rule, RankRule)]
        self._field_rules = [(rule, bit) for rule, bit in due if isinstance(rule, FieldRule)]
        self._dated_rules = [(rule, bits[rule.info.code]) for rule in dated]
        self._shown = union(rule.reads for rule, _ in self._field_rules) | union(rule.reads for rule in dated)
        self._outcome_mask = self._shown | self._pipeline
        evidence = [(rule, bit) for rule, bit in due if isinstance(rule, EvidenceRule)]
        panels = [RulePanel(rule, bit, self._narrow, self._index, won=self._won) for rule, bit in evidence]
        about_outcomes = [panel for panel in panels if not panel.mask & ~self._outcome_mask]
        self._outcome_rules = GroupPanel(about_outcomes, self._narrow)
        self._facts = GroupPanel([one for one in panels if one not in about_outcomes], self._wide)
        self.mask = self._outcome_mask | self._facts.mask
        return self

    def rule(self, key: Key) -> Ruling:
        """What the rules say of a state, of whose evidence nothing but the bits of `mask` may be given."""
        # This runs for every state not remembered as a whole, a fifth of a pipeline, hence the look-ups in line.
        met, not_met, probability, field_key = key[0], key[1], key[2], key[3:]
        panel, mask = self._facts, self._outcome_mask
        evidence = (met & panel.mask, not_met & panel.mask)
        facts = panel.table.get(evidence) or panel.learn(*evidence)
        evidence = (met & mask, not_met & mask)
        outcomes = self._outcomes.get(evidence) or self._work_out(*evidence)
        fields = outcomes.by_fields.get(field_key) or self._ask_fields(outcomes, field_key)
        rank_key = (probability, fields.status_known, fields.otherwise)
        ranked = outcomes.by_rank.get(rank_key) or self._ask_ranks(outcomes, rank_key)
        findings = facts.findings + outcomes.findings + fields.findings + ranked.findings
        if len(findings) > 1:
            findings = tuple(sorted(findings, key=BY_RULE))
        unknown = facts.unknown | outcomes.unknown | fields.unknown | ranked.unknown
        return Ruling(findings, unknown, fields.due, fields.open, ranked.rank)

    def _work_out(self, met: int, not_met: int) -> OutcomesSaid:
        index, outcomes = self._index, self._pipeline
        proven, possible = ranks(self._process, met, not_met)
        reach = Reach(
            index=index,
            won=self._won,
            proven=proven,
            possible=possible,
            lag=MET if proven > index else UNKNOWN if possible > index else NOT_MET,
            outcome_met=met & outcomes != 0,
            outcome_denied=not_met & outcomes != 0,
            met=met & self._shown,
            not_met=not_met & self._shown,
        )
        rules = self._outcome_rules
        said = rules.learn(met & rules.mask, not_met & rules.mask)
        by_rank = self._table((proven, possible))
        by_fields = self._table((reach.met, reach.not_met, reach.lag, reach.outcome_met, reach.outcome_denied))
        known = OutcomesSaid(said.findings, said.unknown, reach, by_rank, by_fields)
        return self._narrow.keep(self._outcomes, (met, not_met), known)

    def _table(self, key: Hashable) -> dict[Any, Any]:
        """One table for all states of the outcomes that come to the same in what its rules see."""
        known = self._shared.get(key)
        return self._narrow.keep(self._shared, key, {}) if known is None else known

    def _ask_ranks(self, outcomes: OutcomesSaid, key: RankKey) -> RankSaid:
        rank = rank_of(outcomes.reach, key)
        said = _said([(rule.check(rank), bit) for rule, bit in self._rank_rules])
        return self._narrow.keep(outcomes.by_rank, key, RankSaid(said.findings, said.unknown, rank))

    def _ask_fields(self, outcomes: OutcomesSaid, key: FieldKey) -> FieldsSaid:
        fields = fields_of(outcomes.reach, key)
        answers: list[tuple[Finding | Fact, int]] = [(rule.check(fields), bit) for rule, bit in self._field_rules]
        due, left = self._due, []
        for rule, bit in self._dated_rules:
            if not rule.due(fields):
                continue
            due |= bit
            settled = rule.settle(fields)
            if settled is None:
                left.append((rule, bit))
            else:
                answers.append((settled, bit))
        said = _said(answers)
        known = FieldsSaid(said.findings, said.unknown, due, tuple(left), status_known(key), without_probability(key))
        return self._narrow.keep(outcomes.by_fields, key, known)


def ranks(process: Process, met: int, not_met: int) -> tuple[int, int]:
    """The proven and the possible column: how far every outcome is met, and how far none is known not to be."""
    facts = Facts(index=0, won=False, met=met, not_met=not_met)
    proven = possible = process.first_index
    for column in range(process.first_index, len(process.stages) - 1):
        state = outcome_state(process, facts, column)
        if proven == column and state is MET:
            proven = column + 1
        if possible == column and state is not NOT_MET:
            possible = column + 1
    return proven, possible


def union(masks: Iterable[int]) -> int:
    """All the bits of these masks together."""
    together = 0
    for mask in masks:
        together |= mask
    return together


def _said(answers: Iterable[tuple[Finding | Fact, int]]) -> Said:
    """What rules said, each answer with the rule's bit."""
    findings, unknown = [], 0
    for said, bit in answers:
        if said is UNKNOWN:
            unknown |= bit
        elif type(said) is Finding:  # not `isinstance`, which takes its time to say no, and mostly says it
            findings.append(said)
    return Said(tuple(findings), unknown)
