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
from syncd.form import DISORDERLY, OVERDUE, Former
from syncd.model import UNFORMED, Finding, Opportunity
from syncd.policy import Policy
from syncd.process import Process
from syncd.rules import dated_rules, standing_rules
from syncd.rules.base import UNKNOWN, Bench, DatedRule, StandingRule, Trail
from syncd.rules.compiled import BY_RULE, NOTHING, Column, Recall, union
from syncd.rules.stage import STG001, STG004, LostAgainstStage, unrecognised_stage
from syncd.rules.state import Path, State
from syncd.rules.verdict import Names, Verdict

__all__ = ["ExtraRule", "Judge", "Verdict"]

_MEMORY: Final = 20_000
"""Answers remembered at most, in each memory; when full it starts anew, so that memory stays flat.

A whole state takes 210 bytes, a smaller answer 300. Twice as many would spare a pipeline of a million records a tenth
of the judge's work, and cost it 4 MiB that one of a hundred thousand does not need.
"""


_LABEL: Final = 200
"""Letters of a label that is remembered, at most."""


class ExtraRule(Protocol):
    """A rule a company wrote itself."""

    @property
    def code(self) -> str: ...  # noqa: D102

    def check(self, opportunity: Opportunity, derived: Mapping[str, Any]) -> Finding | Fact:
        """A finding when broken, met when it holds, unknown when it cannot be decided."""
        ...


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
        self._names = Names(self.codes, tuple(stage.id for stage in process.stages), {})
        self._former = Former(process)
        self._turning = [rule for rule in dated if rule.echo]
        # No date up to that day has anything left to change.
        echo = max((rule.echo for rule in self._turning), default=0)
        self._echoed = date.fromordinal(max(today.toordinal() - echo, 1))
        self._denied_at, self._form_at = len(process.evidence), 2 * len(process.evidence)
        self._narrow = Recall(memory)
        self._strange: dict[str | None, Verdict] = self._narrow.table()
        self._columns = self._compile(standing, dated, Recall(memory), self._narrow)

    def _compile(
        self, standing: list[StandingRule], dated: list[DatedRule], wide: Recall, narrow: Recall
    ) -> dict[str, dict[str | None, Column]]:
        """The columns for the records of each status and stage."""
        # Wherever the stage is recognised, STG001 holds; a company's own rules are due for every record not lost.
        held = union(self._bit.get(code, 0) for code in (STG001.code, *(one.code for one in self._extra)))
        frozen: list[StandingRule] = [LostAgainstStage(self._bench)] if self.policy.selected(STG004.code) else []
        made: dict[str, dict[str | None, Column]] = {}
        for status in ("open", "won", "lost"):
            lost = status == "lost"
            made[status] = {
                stage.id: Column(
                    self.process,
                    stage.index,
                    frozen if lost else standing,
                    () if lost else dated,
                    self._bit,
                    self._names,
                    won=status == "won",
                    held=0 if lost else held,
                    wide=wide,
                    narrow=narrow,
                )
                for stage in self.process.stages
            }
        return made

    def judge(self, opportunity: Opportunity, trail: Trail | None = None) -> Verdict:
        """Judge one opportunity.

        Args:
            opportunity: As last read.
            trail: Its observed history, where the store has one.
        """
        # This runs once a record, up to a million times, so it makes no call it can do without.
        try:
            column = self._columns[opportunity.status][opportunity.stage]
        except KeyError:
            return self._outside(opportunity)
        current, form = opportunity, opportunity.form
        if form == UNFORMED:
            current = self._former.formed(opportunity)
            form = current.form
        latest = current.latest
        if latest is not None and latest > self.today:
            current = self._as_of_today(current)
            form = current.form | DISORDERLY
        if column.asks_overdue and (day := current.decision_due) is not None and day < self.today:
            form |= OVERDUE
        bits = (current.met | current.not_met << self._denied_at | form << self._form_at) & column.mask
        state: State = bits
        if trail is not None and (path := _path(trail)) is not None:
            state = (bits, path)
        verdict = column.settled.get(current.probability, NOTHING).get(state)
        if verdict is None:
            verdict = column.judge(state, current, trail)
        return self._with_own(verdict, opportunity) if self._extra else verdict

    def wakes(self, opportunity: Opportunity) -> date | None:
        """The next day on which the verdict on a record may be another although nothing of it changes; None for never.

        What a company's own rules say may depend on the day as well, and is not asked.
        """
        today, last = self.today, self._echoed
        latest, due = opportunity.latest, opportunity.decision_due
        if opportunity.form != UNFORMED and (latest is None or latest <= last) and (due is None or due <= last):
            return None
        days = [day for day in opportunity.dates.values() if day > today]
        index = self.process.stage_index.get(opportunity.stage or "")
        if index is not None:
            for rule in self._turning:
                days += [day for day in rule.turns(opportunity, index) if day > today]
        return min(days, default=None)

    def on(self, day: date) -> Judge:
        """The same judge on another day, without the rules a company wrote itself."""
        return Judge(self.process, self.policy, today=day)

    def _with_own(self, verdict: Verdict, opportunity: Opportunity) -> Verdict:
        """The verdict together with what the company's own rules say, who are asked of every record not lost."""
        if opportunity.status == "lost":
            return verdict
        derived, unknown = self._derived(opportunity, verdict), verdict.unknown_bits
        found = list(verdict.findings)
        for rule in self._extra:
            said = rule.check(opportunity, derived)
            if said is UNKNOWN:
                unknown |= self._bit[rule.code]
            elif isinstance(said, Finding):
                found.append(said)
        found.sort(key=BY_RULE)
        return msgspec.structs.replace(verdict, findings=tuple(found), unknown_bits=unknown)

    def _derived(self, opportunity: Opportunity, verdict: Verdict) -> Mapping[str, Any]:
        """What a company's own rules may ask of the chart."""
        return {
            "today": self.today,
            "proven_stage": verdict.proven,
            "possible_stage": verdict.possible,
            "stage_index": self.process.stage_index[opportunity.stage or ""],
            "proven_index": verdict.proven_index,
            "possible_index": verdict.possible_index,
        }

    def _as_of_today(self, opportunity: Opportunity) -> Opportunity:
        """A fact dated in the future is not met until that day (settled reading 2)."""
        today, future = self.today, 0
        for bit, day in opportunity.dates.items():
            if day > today:
                future |= 1 << bit
        met, not_met = opportunity.met & ~future, opportunity.not_met | future
        current = msgspec.structs.replace(opportunity, met=met, not_met=not_met)
        # Of the form, only what it says of facts without a proof depends on which are met.
        return self._former.formed(current) if opportunity.bare or opportunity.untold else current

    def _outside(self, opportunity: Opportunity) -> Verdict:
        """A record of a stage that is not recognised: lost, it cannot be judged; else STG001 says so."""
        if opportunity.status == "lost":
            bit = self._bit.get(STG004.code, 0)
            return Verdict(self._names, (), bit, bit)
        label = opportunity.stage_label
        if label is not None and len(label) > _LABEL:
            return self._unrecognised(label)
        return self._strange.get(label) or self._narrow.keep(self._strange, label, self._unrecognised(label))

    def _unrecognised(self, label: str | None) -> Verdict:
        bit = self._bit.get(STG001.code, 0)
        return Verdict(self._names, (unrecognised_stage(self._bench, label),) if bit else (), bit, 0)


def _path(trail: Trail) -> Path | None:
    """The stages a record was seen in; None for a single stay that was not seen to begin, which tells nothing."""
    if len(trail.visits) <= 1 and not trail.from_creation:
        return None
    return trail.from_creation, tuple([visit.stage for visit in trail.visits])
