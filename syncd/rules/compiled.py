"""The rules of one column, compiled: what they say of the undated state of a record, remembered in layers.

A pipeline's records differ in forty facts and a dozen fields, but a rule looks at four of them at most. So each
evidence rule's answers are kept in a small table of its own (`RulePanel`), and those of a few rules about the same
facts in a larger one (`GroupPanel`); what the outcomes come to, what rank rules and what field rules say to that, in
tables of their own, and what all of them say of a whole state in one more (`Column`). A state that was met with before
costs one look-up, a new one a few, and a rule is asked once for each state of what it looks at. Only dates and texts
are looked at anew each time.

Not for: telling which column judges a record, and in what state it is (`syncd.judge`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, TypeVar

import msgspec

from syncd.facts import Fact
from syncd.form import BARE_SHIFT, OVERDUE
from syncd.model import Finding, Opportunity
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
    Trail,
)
from syncd.rules.fixes import pipeline_outcomes
from syncd.rules.state import RANKED, FormKey, Number, Path, Reach, State, fields_of, rank_of
from syncd.rules.verdict import Names, Verdict

BY_RULE: Final = attrgetter("rule")
"""The order of findings."""

_GROUPED: Final = 8
"""Facts that one group of evidence rules looks at, at most: so few that their states are soon all known."""
NOTHING: Final[Mapping[State, Verdict]] = {}
"""What is remembered of a probability that was not met with before."""

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
        findings: In no order.
        unknown: The bits of the rules that could not be decided.
    """

    findings: tuple[Finding, ...]
    unknown: int


class Panel(ABC):
    """Rules of one column, and what they said of the facts they look at.

    A state of facts is one number here: a bit for each fact that is met, and as far above it as the chart has facts a
    bit for each that is not met. That makes a look-up a good deal cheaper than two numbers would.

    Attributes:
        mask: The bits of those facts, met or not.
        whole: Their state when all are met.
        table: What the rules said, by the state of those facts. Who asks looks here first, to be spared a call.
    """

    def __init__(self, reads: int, width: int, recall: Recall) -> None:
        self.mask, self.whole = reads | reads << width, reads
        self.table: dict[int, Said] = recall.table()
        self._recall = recall

    def learn(self, state: int) -> Said:
        """Ask the rules, and remember. No bits but those of `mask` may be given."""
        return self._recall.keep(self.table, state, self._ask(state))

    @abstractmethod
    def _ask(self, state: int) -> Said: ...


class RulePanel(Panel):
    """One rule."""

    def __init__(self, rule: EvidenceRule, bit: int, recall: Recall, index: int, *, won: bool, width: int) -> None:
        super().__init__(rule.reads, width, recall)
        self._rule, self._bit, self._index, self._won, self._width = rule, bit, index, won, width

    def _ask(self, state: int) -> Said:
        facts = Facts(index=self._index, won=self._won, met=state & self.whole, not_met=state >> self._width)
        return _said([(self._rule.check(facts), self._bit)])


class GroupPanel(Panel):
    """Several rules."""

    def __init__(self, panels: Sequence[RulePanel], width: int, recall: Recall) -> None:
        super().__init__(union(panel.whole for panel in panels), width, recall)
        self._panels = [(panel, panel.mask, panel.whole) for panel in panels]

    def _ask(self, state: int) -> Said:
        findings: tuple[Finding, ...] = ()
        unknown = 0
        for panel, mask, whole in self._panels:
            part = state & mask
            if part == whole:
                continue  # no evidence rule is broken by facts that are all met
            said = panel.table.get(part) or panel.learn(part)
            findings += said.findings
            unknown |= said.unknown
        return Said(findings, unknown)


class RankSaid(Said, frozen=True, gc=False):
    """What the rank rules say, and of what."""

    rank: Rank


class FieldsSaid(Said, frozen=True, gc=False):
    """What the field rules say, and the dated rules as far as the fields settle them.

    Attributes:
        due: The bits of all rules that are due, of whatever kind.
        open: The dated rules that the fields do not settle, each with its bit.
    """

    due: int
    open: tuple[tuple[DatedRule, int], ...]


class Views(msgspec.Struct, frozen=True, gc=False):
    """What the outcomes of a record come to, and what rank rules and field rules said to that.

    Attributes:
        reach: What the outcomes come to.
        by_rank: What the rank rules said, by probability and as much of the form as they see; shared with all views of
            records that prove and allow the same columns.
        by_form: What the field rules said, by form, or form and path; shared with all views that show them the same.
    """

    reach: Reach
    by_rank: dict[tuple[Number, int], RankSaid]
    by_form: dict[FormKey, FieldsSaid]


class OutcomesSaid(Said, frozen=True, gc=False):
    """What the rules about outcomes alone say, and the views, shared with all outcomes that come to the same."""

    views: Views


class Unsettled(msgspec.Struct, frozen=True, gc=False):
    """A state that leaves something open.

    Attributes:
        verdict: What the other rules say.
        open: The dated rules to be asked of each record, each with its bit.
        rank: What those are shown beside the record.
    """

    verdict: Verdict
    open: tuple[tuple[DatedRule, int], ...]
    rank: Rank


class Column:
    """The rules for the open, the won or the lost records of one column.

    Attributes:
        mask: The bits of a state that matter here.
        asks_overdue: Whether it matters that the decision day has passed.
        settled: The verdicts on whole states that leave nothing open, by probability and state; who asks looks here
            first, to be spared a call.
    """

    def __init__(
        self,
        process: Process,
        index: int,
        rules: Iterable[StandingRule],
        dated: Iterable[DatedRule],
        bits: Mapping[str, int],
        names: Names,
        *,
        won: bool,
        held: int,
        wide: Recall,
        narrow: Recall,
    ) -> None:
        """Choose the rules that are due here, and group them.

        Args:
            process: The chart.
            index: The column.
            rules: Every selected rule that is decided from the undated state, due or not.
            dated: Every selected dated rule.
            bits: The bit of each rule's code.
            names: What verdicts carry.
            won: Whether its records are won.
            held: The bits of the rules that are due for all its records and need not be asked.
            wide: For whole states, which records may fill as fast as they come.
            narrow: For tables by few facts or fields, which are worth keeping when the other overflows.
        """
        self._process, self._index, self._won = process, index, won
        self._names, self._width = names, len(process.evidence)
        self._wide, self._narrow = wide, narrow
        due = [(rule, bits[rule.info.code]) for rule in rules if rule.due(index, won=won)]
        self._due = union(bit for _, bit in due) | held
        self._rank_rules = [(rule, bit) for rule, bit in due if isinstance(rule, RankRule)]
        self._field_rules = [(rule, bit) for rule, bit in due if isinstance(rule, FieldRule)]
        self._dated_rules = [(rule, bits[rule.info.code]) for rule in dated if rule.due(index, won=won)]
        looking: list[FieldRule | DatedRule] = [rule for rule, _ in self._field_rules]
        looking += [rule for rule, _ in self._dated_rules]
        self._pipeline = pipeline_outcomes(process)
        self._shown = union(rule.reads for rule in looking)
        asked = union(rule.asks for rule in looking) | RANKED
        self.asks_overdue = asked & OVERDUE != 0
        about_outcomes = self._shown | self._pipeline
        evidence = [(rule, bit) for rule, bit in due if isinstance(rule, EvidenceRule)]
        panels = [RulePanel(rule, bit, narrow, index, won=won, width=self._width) for rule, bit in evidence]
        others = [panel for panel in panels if panel.whole & ~about_outcomes]
        self._outcome_rules = GroupPanel([one for one in panels if one not in others], self._width, narrow)
        groups = _grouped(others, self._width, narrow)
        self._checkpoints = [(panel, panel.mask, panel.whole, panel.table.get) for panel in groups]
        self._outcome_mask = about_outcomes | about_outcomes << self._width
        # A mask that is negative, as those of all bare facts are, takes longer to apply.
        form_mask = asked & ~(-1 << BARE_SHIFT + self._width)
        self.mask = self._outcome_mask | union(panel.mask for panel in groups) | form_mask << 2 * self._width
        self._shared: dict[Hashable, dict[Any, Any]] = narrow.table()
        self._views: dict[tuple[int, int, int, int, bool, bool], Views] = narrow.table()
        self._outcomes: dict[int, OutcomesSaid] = narrow.table()
        self.settled: dict[Number, dict[State, Verdict]] = wide.table()
        self._unsettled: dict[tuple[Number, State], Unsettled] = wide.table()

    def judge(self, state: State, opportunity: Opportunity, trail: Trail | None) -> Verdict:
        """Judge a record whose state is not remembered as a whole.

        Args:
            state: Its state, of which nothing but the bits of the mask may be given.
            opportunity: The record, its evidence as of the day of the run; asked for what the state leaves open.
            trail: Its observed history, where there is one.
        """
        probability = opportunity.probability
        left = self._unsettled.get((probability, state))
        if left is None:
            verdict, left = self._put_together(probability, state)
            if left is None:
                table = self.settled.get(probability)
                if table is None:
                    table = self._wide.keep(self.settled, probability, {})
                return self._wide.keep(table, state, verdict)
            self._wide.keep(self._unsettled, (probability, state), left)
        findings, unknown = left.verdict.findings, left.verdict.unknown_bits
        for rule, bit in left.open:
            answer = rule.check(opportunity, left.rank, trail)
            if answer is UNKNOWN:
                unknown |= bit
            elif type(answer) is Finding:
                findings = (*findings, answer)
        if findings is left.verdict.findings and unknown == left.verdict.unknown_bits:
            return left.verdict
        return self._verdict(findings, left.verdict.due_bits, unknown, left.rank)

    def _put_together(self, probability: Number, state: State) -> tuple[Verdict, Unsettled | None]:
        """The verdict on a state, as far as the state decides it, and what it leaves open if anything."""
        # This runs for a sixth of a pipeline, so it looks answers up in line and calls only for those not known.
        bits, path = (state, None) if isinstance(state, int) else state
        form = bits >> 2 * self._width
        part = bits & self._outcome_mask
        outcomes = self._outcomes.get(part) or self._work_out(part)
        views = outcomes.views
        fields = views.by_form.get(form if path is None else (form, path)) or self._ask_fields(views, form, path)
        rank_key = (probability, form & RANKED)
        ranked = views.by_rank.get(rank_key) or self._ask_ranks(views, *rank_key)
        findings = outcomes.findings + ranked.findings + fields.findings
        unknown = outcomes.unknown | ranked.unknown | fields.unknown
        for panel, mask, whole, known in self._checkpoints:
            part = bits & mask
            if part != whole:
                said = known(part) or panel.learn(part)
                findings += said.findings
                unknown |= said.unknown
        verdict = self._verdict(findings, fields.due, unknown, ranked.rank)
        return verdict, Unsettled(verdict, fields.open, ranked.rank) if fields.open else None

    def _verdict(self, findings: tuple[Finding, ...], due: int, unknown: int, rank: Rank) -> Verdict:
        if len(findings) > 1:
            findings = tuple(sorted(findings, key=BY_RULE))
        return Verdict(self._names, findings, due, unknown, rank.proven, rank.possible)

    def _work_out(self, state: int) -> OutcomesSaid:
        part = state & self._outcome_rules.mask
        said = self._outcome_rules.table.get(part) or self._outcome_rules.learn(part)
        met, not_met = state & ~(-1 << self._width), state >> self._width
        proven, possible = ranks(self._process, met, not_met)
        shown, claimed, denied = self._shown, met & self._pipeline != 0, not_met & self._pipeline != 0
        key = (proven, possible, met & shown, not_met & shown, claimed, denied)
        views = self._views.get(key) or self._narrow.keep(self._views, key, self._view(*key))
        return self._narrow.keep(self._outcomes, state, OutcomesSaid(said.findings, said.unknown, views))

    def _view(self, proven: int, possible: int, met: int, not_met: int, claimed: bool, denied: bool) -> Views:
        lag = MET if proven > self._index else UNKNOWN if possible > self._index else NOT_MET
        reach = Reach(
            index=self._index,
            won=self._won,
            proven=proven,
            possible=possible,
            lag=lag,
            outcome_met=claimed,
            outcome_denied=denied,
            met=met,
            not_met=not_met,
        )
        return Views(reach, self._table((proven, possible)), self._table((met, not_met, lag, claimed, denied)))

    def _table(self, key: Hashable) -> dict[Any, Any]:
        """One table for all views that are the same to its rules."""
        known = self._shared.get(key)
        return self._narrow.keep(self._shared, key, {}) if known is None else known

    def _ask_ranks(self, views: Views, probability: Number, form: int) -> RankSaid:
        rank = rank_of(views.reach, probability, form)
        said = _said([(rule.check(rank), bit) for rule, bit in self._rank_rules])
        known = RankSaid(said.findings, said.unknown, rank)
        return self._narrow.keep(views.by_rank, (probability, form), known)

    def _ask_fields(self, views: Views, form: int, path: Path | None) -> FieldsSaid:
        fields = fields_of(views.reach, form, path)
        answers: list[tuple[Finding | Fact, int]] = [(rule.check(fields), bit) for rule, bit in self._field_rules]
        due, left = self._due, []
        for rule, bit in self._dated_rules:
            if not rule.applies(fields):
                continue
            due |= bit
            settled = rule.settle(fields)
            if settled is None:
                left.append((rule, bit))
            else:
                answers.append((settled, bit))
        said = _said(answers)
        known = FieldsSaid(said.findings, said.unknown, due, tuple(left))
        return self._narrow.keep(views.by_form, form if path is None else (form, path), known)


def _grouped(panels: Iterable[RulePanel], width: int, recall: Recall) -> list[GroupPanel]:
    """Groups of rules, each beside those it shares most facts with, that look at a few facts together."""
    groups: list[list[RulePanel]] = []
    for panel in panels:
        masks = [union(one.whole for one in group) for group in groups]
        new = [(panel.whole & ~mask).bit_count() for mask in masks]
        fits = [place for place, mask in enumerate(masks) if mask.bit_count() + new[place] <= _GROUPED]
        if fits:
            groups[min(fits, key=new.__getitem__)].append(panel)
        else:
            groups.append([panel])
    return [GroupPanel(group, width, recall) for group in groups]


def ranks(process: Process, met: int, not_met: int) -> tuple[int, int]:
    """The proven and the possible column: how far every outcome is met, and how far none is known not to be."""
    proven, last = None, len(process.stages) - 1
    for column in range(process.first_index, last):
        mask = process.outcome_mask(column)
        if met & mask or not mask:  # a column without an outcome has nothing to prove
            continue
        if proven is None:
            proven = column
        if not_met & mask == mask:
            return proven, column
    return last if proven is None else proven, last


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
