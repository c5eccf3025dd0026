"""The form of a record: what its undated fields say to the rules, packed into one number when the record is read.

A record is judged more often than it is read, and by rules that ask of most fields only whether they are filled. So
that answer is worked out once and kept beside the record, two bits a question: met, not met, or neither for unknown.

Not for: evidence, which is bits already (`Opportunity.met`), or whatever depends on the day of the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

import msgspec

from syncd.facts import Fact
from syncd.model import FIELD_BIT, Opportunity
from syncd.process import Process

VERSION: Final = 1
"""Raised when a form means something else than before; the store then works out those it kept anew."""

OWNER, CLOSED, FORECAST, QUALIFIED, DECISION = 0, 2, 4, 6, 8
"""Where the two bits of each question are: whether there is an owner, whether the record is closed and whether the
forecast counts it, whether its source type names a qualified prospect, whether it has a decision day."""

MET_BIT: Final = 1
NOT_MET_BIT: Final = 2
ANSWER: Final = MET_BIT | NOT_MET_BIT
"""Both bits of a question; both set mean no more than none."""

STATUS_UNKNOWN: Final = 1 << 10
"""The source has no status field, or its word is none of the known ones."""
UNREADABLE: Final = 1 << 11
"""Some field could not be read."""
PROBABILITY_MISSING: Final = 1 << 12
"""The source has no probability field."""
PROBABILITY_UNREADABLE: Final = 1 << 13
"""The probability could not be read."""
DATED: Final = 1 << 14
"""An outcome carries a date."""
DISORDERLY: Final = 1 << 15
"""Some fact is dated before one of an earlier evidence id."""
UNTOLD: Final = 1 << 16
"""Some outcome is met without a proof that the source could have told."""
OVERDUE: Final = 1 << 17
"""The decision day has passed. Never kept with a record: the judge adds it, since it depends on the day of the run."""
BARE_SHIFT: Final = 18
"""From here on: bits of the outcomes that are met although day, confirmer and document are all blank."""
BARE: Final = -1 << BARE_SHIFT
"""All of those bits."""

_QUALIFIED_TYPES: Final = frozenset(
    {"mqp", "sqp", "mqp/sqp", "marketing qualified prospect", "sales qualified prospect"}
)
"""Source types that say the prospect was qualified; the chart's two abbreviations, and what they stand for."""

_QUESTIONS: Final[Mapping[str, int]] = {"owner": OWNER, "closed": CLOSED, "decision_due": DECISION}
"""The questions to which a blank field answers no."""
_REMEMBERED: Final = 1_000
"""Source types, and sets of missing fields, remembered at most."""
_NEVER: Final = date.min


_ANSWERS: Final = (Fact.UNKNOWN, Fact.MET, Fact.NOT_MET, Fact.UNKNOWN)
"""What the two bits of a question say."""


def fact_of(form: int, question: int) -> Fact:
    """The answer to one of the questions."""
    return _ANSWERS[form >> question & ANSWER]


class Former:
    """Works out the forms of the records of one process."""

    def __init__(self, process: Process) -> None:
        masks = [process.outcome_mask(stage.index) for stage in process.stages[process.first_index :]]
        self._outcomes = 0
        for mask in masks:
            self._outcomes |= mask
        self._alternatives = [mask for mask in masks if mask.bit_count() > 1]
        self._outcome_bits = frozenset(bit for bit in range(len(process.evidence)) if self._outcomes >> bit & 1)
        self._blank: dict[int, int] = {}
        self._qualified: dict[str, int] = {}

    def form(
        self,
        missing: int,
        unreadable: Iterable[tuple[str, str]],
        owner: str | None,
        closed: bool | None,
        forecast: bool | None,
        source_type: str | None,
        decision_due: date | None,
        met: int,
        bare: int,
        untold: int,
    ) -> int:
        """The form of a record with these fields, but for its dates; all parameters are as in `Opportunity`."""
        # This runs once a record read. What is missing or unreadable outdoes an owner, but not a yes, a no or a day.
        blank = self._blank.get(missing)
        form = self._learn_blank(missing) if blank is None else blank
        if owner:
            form ^= ANSWER << OWNER
        if unreadable:
            form = _doubted(form, [name for name, _ in unreadable])
        if closed is not None:
            form = form & ~(ANSWER << CLOSED) | (MET_BIT if closed else NOT_MET_BIT) << CLOSED
        if forecast is not None:
            form |= (MET_BIT if forecast else NOT_MET_BIT) << FORECAST
        if source_type is not None:
            form |= self._qualified.get(source_type) or self._learn_qualified(source_type)
        if decision_due is not None:
            form = form & ~(ANSWER << DECISION) | MET_BIT << DECISION
        # Most records have facts without a proof, but few of these are outcomes.
        return form | self._unproven(met, bare, untold) if (bare | untold) & self._outcomes else form

    def dated(self, dates: Mapping[int, date]) -> tuple[int, date | None]:
        """What the days of the evidence add to the form, and the last of them."""
        if not dates:
            return 0, None
        form, last, latest = 0, -1, _NEVER
        for bit, day in dates.items():
            if day < latest or bit < last:
                return self._disorderly(dates)
            last, latest = bit, day
        if not self._outcome_bits.isdisjoint(dates):
            form = DATED
        return form, latest

    def _disorderly(self, dates: Mapping[int, date]) -> tuple[int, date]:
        form = DISORDERLY if self._outcome_bits.isdisjoint(dates) else DISORDERLY | DATED
        return form, max(dates.values())

    def formed(self, opportunity: Opportunity) -> Opportunity:
        """The same opportunity with its form and the last day of its evidence."""
        form = self.form(
            opportunity.missing,
            opportunity.unreadable,
            opportunity.owner,
            opportunity.closed,
            opportunity.forecast,
            opportunity.source_type,
            opportunity.decision_due,
            opportunity.met,
            opportunity.bare,
            opportunity.untold,
        )
        added, latest = self.dated(opportunity.dates)
        return msgspec.structs.replace(opportunity, form=form | added, latest=latest)

    def _learn_blank(self, missing: int) -> int:
        """The form of a record whose fields are all blank, but for those its source does not have."""
        form = STATUS_UNKNOWN if missing & FIELD_BIT["status"] else 0
        if missing & FIELD_BIT["probability"]:
            form |= PROBABILITY_MISSING
        for name, question in _QUESTIONS.items():
            if not missing & FIELD_BIT[name]:
                form |= NOT_MET_BIT << question
        if len(self._blank) >= _REMEMBERED:
            self._blank.clear()
        self._blank[missing] = form
        return form

    def _learn_qualified(self, source_type: str) -> int:
        said = MET_BIT if source_type.strip().lower() in _QUALIFIED_TYPES else NOT_MET_BIT
        if len(self._qualified) >= _REMEMBERED:
            self._qualified.clear()
        self._qualified[source_type] = said << QUALIFIED
        return said << QUALIFIED

    def _unproven(self, met: int, bare: int, untold: int) -> int:
        """What the bare and the untold facts among the outcomes say, but for those beside a proven alternative."""
        bare, untold = bare & met & self._outcomes, untold & met & self._outcomes
        for mask in self._alternatives:
            if met & mask & ~(bare | untold):
                bare, untold = bare & ~mask, untold & ~mask
            elif untold & mask:
                bare &= ~mask
        return bare << BARE_SHIFT | (UNTOLD if untold else 0)


def _doubted(form: int, names: Iterable[str]) -> int:
    """The form, but that fields of these names hold what cannot be read."""
    form |= UNREADABLE
    for name in names:
        question = _QUESTIONS.get(name)
        if question is not None:
            form &= ~(ANSWER << question)
        elif name == "status":
            form |= STATUS_UNKNOWN
        elif name == "probability":
            form |= PROBABILITY_UNREADABLE
    return form
