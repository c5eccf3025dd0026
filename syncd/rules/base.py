"""What a rule is: its entry in the catalogue, when it is due, and what it may look at.

The judge remembers what a rule said of what it looked at, so a rule is shown one part of a record and no other. An
*evidence* rule sees the facts it names, a *rank* rule the recorded stage and probability beside what is proven, a
*field* rule the other undated fields. A *dated* rule sees those fields first, and the whole record where they leave it
open. Of those fields, the rules of a column are shown what one of them asks for.

Not for: running rules (`syncd.judge`, `syncd.rules.compiled`) or saying which are selected (`syncd.policy`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import msgspec

from syncd.facts import Fact
from syncd.model import Finding, Fix, Opportunity, Severity
from syncd.policy import Policy
from syncd.process import Process

MET: Final = Fact.MET
NOT_MET: Final = Fact.NOT_MET
UNKNOWN: Final = Fact.UNKNOWN
"""The three facts by names of their own: on Python 3.11 `Fact.MET` costs as much as the rest of a simple rule."""


@dataclass(frozen=True, kw_only=True)
class RuleInfo:
    """A rule's entry in the catalogue. The code is permanent; the title states the fault, never the cure.

    Attributes:
        severity: The base severity; where a rule has two, the lower one.
        phrases: The words of the chart the rule enforces, verbatim.
        evidence: What it reads, for people.
        what, why, example, fix: The paragraphs of its explanation.
        judged: False for rules that need a second source and so cannot be decided from one.
    """

    code: str
    severity: Severity
    title: str
    phrases: tuple[str, ...]
    evidence: str
    what: str
    why: str
    example: str
    fix: str = "None: a person must supply the fact."
    judged: bool = True

    @property
    def explanation(self) -> str:
        """The whole explanation as Markdown with the fixed headings."""
        parts = (("What it checks", self.what), ("Why", self.why), ("Example", self.example), ("Fix", self.fix))
        return "\n\n".join(f"## {heading}\n\n{text}" for heading, text in parts)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What an evidence rule may look at: where the record stands, and the facts the rule names.

    Attributes:
        index: The recorded column.
        won: The status is won; otherwise the record counts as open.
        met, not_met: The evidence, as of the day of the run: what is dated in the future is not met yet. Only the bits
            of the rule's `reads` are there.
    """

    index: int
    won: bool
    met: int
    not_met: int

    def fact(self, index: int) -> Fact:
        """The state of the evidence with this index."""
        if self.met >> index & 1:
            return MET
        return NOT_MET if self.not_met >> index & 1 else UNKNOWN


UNDATED: Final = "undated"
"""No outcome carries a date."""
ORDERLY: Final = "orderly"
"""Outcomes carry dates, none of any fact lies in the future, and none lies before that of an earlier evidence id."""
DOUBTFUL: Final = "doubtful"
"""There are dates, and only a look at each can tell what they mean."""


class Rank(msgspec.Struct, frozen=True, kw_only=True):
    """What a rank rule may look at: what the record claims to be worth, and what its evidence says to that.

    Attributes:
        index, won: As in `Facts`.
        proven, possible: The proven and the possible column.
        status_known: The source has a status field and its word is a known one.
        probability: In percent; None when blank, missing or unreadable, as `probability_state` tells.
    """

    index: int
    won: bool
    proven: int
    possible: int
    status_known: bool
    probability: int | float | None
    probability_state: str


class Fields(Facts, frozen=True, kw_only=True):
    """What a field rule may look at: the other undated fields of a record, and the facts the rule names.

    Attributes:
        lag: Met when more is proven than recorded, unknown when more is only possible.
        outcome_met, outcome_denied: Whether any outcome from the start of the pipeline on is met, and is not met.
        owner: Met when there is one, not met when the field is blank, unknown without the field.
        closed, forecast: Met for yes. Blank counts as no for `closed`.
        source_type: Whether the source type names a qualified prospect.
        decision: Met when a decision day is given, not met when the field is blank, else unknown.
        overdue: That day has passed.
        bare: As in `Opportunity`, for the outcomes from the start of the pipeline on.
        untold: Whether any of those outcomes is met without a proof that the source could have told.
        timing: What the dates of the evidence amount to: `UNDATED`, `ORDERLY` or `DOUBTFUL`.
        path: The ids of the stages the record was seen in, oldest first; empty without a history that says anything.
        from_creation: That path begins with the record's own beginning.
        readable: Every field of the record could be read.
    """

    lag: Fact
    outcome_met: bool
    outcome_denied: bool
    owner: Fact
    closed: Fact
    forecast: Fact
    source_type: Fact
    decision: Fact
    overdue: bool
    bare: int
    untold: bool
    timing: str
    path: tuple[str, ...]
    from_creation: bool
    readable: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """One stay of a record in a stage, as observed by the runs.

    Attributes:
        stage: The stage's id.
        seen: The day of the first run that saw the record there.
        entered: The day it came there: as the record says, or as a run saw it move; None where it was there before.
        assessed: The assessment day seen at the end of this stay, if any.
    """

    stage: str
    seen: date
    entered: date | None = None
    assessed: date | None = None


@dataclass(frozen=True, slots=True)
class Trail:
    """The observed history of one record.

    Attributes:
        visits: Its stays, oldest first; the last one is the present.
        from_creation: The first stay was seen from the record's appearance in a source that had been read whole before.
    """

    visits: tuple[Visit, ...]
    from_creation: bool


@dataclass(frozen=True)
class Bench:
    """What every rule is built with.

    Attributes:
        process: The chart.
        policy: Severities, grades and options.
        today: The day of the run, in the business zone.
    """

    process: Process
    policy: Policy
    today: date = date.min
    _known: dict[tuple[str, Severity | None], tuple[Severity, str]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def finding(
        self,
        info: RuleInfo,
        *,
        message: str,
        field: str = "",
        actual: object = None,
        expected: object = None,
        fix: Fix | None = None,
        severity: Severity | None = None,
        headline: str = "",
    ) -> Finding:
        """A finding of this rule, with severity and fix graded as the policy says."""
        # Kept, because looking through the chart's text for the phrase costs more than the rest of a finding.
        grave, phrase = self._known.get((info.code, severity)) or self._learn(info, severity)
        return Finding(
            rule=info.code,
            severity=grave,
            field=field,
            actual=actual,
            expected=expected,
            message=message,
            phrase=phrase,
            fix=None if fix is None else self._graded(info.code, fix),
            headline=headline,
        )

    def _learn(self, info: RuleInfo, severity: Severity | None) -> tuple[Severity, str]:
        """The severity of a rule's findings, and its words of the chart; another company's may not say them."""
        phrase = " · ".join(one for one in info.phrases if self.process.quotes(one))
        said = self.policy.severity_of(info.code, severity or info.severity), phrase
        self._known[info.code, severity] = said
        return said

    def _graded(self, code: str, fix: Fix) -> Fix | None:
        if not fix.set:
            return None
        grade = self.policy.grade_of(code, fix.safety)
        if grade == fix.safety:
            return fix
        return None if grade == "none" else Fix(grade, fix.set)


class _ColumnRule(ABC):
    """A rule for the won, or the open, records of some columns.

    Attributes:
        info: Its entry in the catalogue.
    """

    info: RuleInfo

    @abstractmethod
    def due(self, index: int, *, won: bool) -> bool:
        """Whether the rule applies at all to won, or to open, records of a column."""


class EvidenceRule(_ColumnRule):
    """A rule that is decided from the column and the facts it names alone, and that holds where all of them are met.

    Attributes:
        reads: The bits of those facts; it is shown no others.
    """

    reads: int

    @abstractmethod
    def check(self, facts: Facts) -> Finding | Fact:
        """A finding when broken, met when it holds, unknown when it cannot be decided. Only called when due."""


class RankRule(_ColumnRule):
    """A rule that compares stage, probability and status with what the evidence proves."""

    @abstractmethod
    def check(self, rank: Rank) -> Finding | Fact:
        """A finding when broken, met when it holds, unknown when it cannot be decided. Only called when due."""


class FieldRule(_ColumnRule):
    """A rule that looks at undated fields, alone or beside facts.

    Attributes:
        reads: The bits of those facts; it is shown no others.
        asks: The bits of `syncd.form` that tell of those fields.
    """

    reads: int = 0
    asks: int = 0

    @abstractmethod
    def check(self, fields: Fields) -> Finding | Fact:
        """A finding when broken, met when it holds, unknown when it cannot be decided. Only called when due."""


StandingRule = EvidenceRule | RankRule | FieldRule
"""A rule decided from the undated state of a record."""


class DatedRule(_ColumnRule):
    """A rule that needs dates, texts or history, though the undated fields often settle it.

    Attributes:
        reads: The bits of the facts it is shown to tell whether it applies and is settled.
        asks: The bits of `syncd.form` that tell of the fields it looks at for that.
        echo: How many days after a date of the record the last of its `turns` may come.
    """

    reads: int = 0
    asks: int = 0
    echo: int = 0

    def applies(self, fields: Fields) -> bool:  # noqa: ARG002 - most look no further than the column
        """Whether the rule, due in the column, is due for a record with these fields."""
        return True

    def turns(self, opportunity: Opportunity, index: int) -> Iterable[date]:  # noqa: ARG002 - most need no day
        """Days on which its verdict on a record of this column may change by itself, past ones too.

        Those on which evidence comes of age are not among them; on these any verdict may change.
        """
        return ()

    @abstractmethod
    def settle(self, fields: Fields) -> Fact | None:
        """Met or unknown where the undated fields already decide, None where `check` must. Only called when due."""

    @abstractmethod
    def check(self, opportunity: Opportunity, rank: Rank, trail: Trail | None) -> Finding | Fact:
        """Decide by the whole record. Only called when due and not settled.

        Args:
            opportunity: As last read, but with its evidence as of the day of the run, as in `Facts`.
            rank: Where it stands.
            trail: Its observed history, where there is one.

        Returns:
            A finding when broken, met when it holds, unknown when it cannot be decided.
        """
