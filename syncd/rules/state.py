"""The undated state of a record, by which the judge remembers its answers, and the views of it that rules see.

A view is made of state and probability and of what the evidence comes to, and of nothing else. So two records that
share both get one answer from every rule, and remembering it changes no verdict.

Not for: making the state of a record (`syncd.judge`), since that is most of what judging a record costs.
"""

from __future__ import annotations

from typing import Final

import msgspec

from syncd.facts import Fact
from syncd.form import (
    BARE_SHIFT,
    CLOSED,
    DATED,
    DECISION,
    DISORDERLY,
    FORECAST,
    OVERDUE,
    OWNER,
    QUALIFIED,
    STATUS_UNKNOWN,
    UNREADABLE,
    UNTOLD,
    fact_of,
)
from syncd.form import PROBABILITY_MISSING as WITHOUT_PROBABILITY
from syncd.form import PROBABILITY_UNREADABLE as PROBABILITY_IN_DOUBT
from syncd.rules.base import DOUBTFUL, ORDERLY, UNDATED, Fields, Rank
from syncd.rules.fixes import PROBABILITY_BLANK, PROBABILITY_KNOWN, PROBABILITY_MISSING, PROBABILITY_UNREADABLE

Number = int | float | None
"""A probability."""

Path = tuple[bool, tuple[str, ...]]
"""The stages a record was seen in, oldest first, and before them whether that begins with the record."""

FormKey = int | tuple[int, Path]
"""Of a record: form, and its path unless that says nothing."""

State = int | tuple[int, Path]
"""Of a record: the evidence that is met, above that the evidence that is not met, above that the form, all in one
number, as one is found sooner than several; and beside it the path unless that says nothing."""

RANKED: Final = STATUS_UNKNOWN | WITHOUT_PROBABILITY | PROBABILITY_IN_DOUBT
"""What of a form shows in a `Rank`."""


class Reach(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the outcomes of a record come to in its column; all that rules but those of evidence see of them.

    Attributes:
        index, won: The column, and whether the record is won.
        proven, possible: The proven and the possible column.
        lag, outcome_met, outcome_denied: As in `Fields`.
        met, not_met: The facts that field rules and dated rules of this column may see.
    """

    index: int
    won: bool
    proven: int
    possible: int
    lag: Fact
    outcome_met: bool
    outcome_denied: bool
    met: int
    not_met: int


def rank_of(reach: Reach, probability: Number, form: int) -> Rank:
    """What rank rules see; of the form, no bits but `RANKED` tell."""
    state = PROBABILITY_KNOWN
    if probability is None:
        missing = PROBABILITY_MISSING if form & WITHOUT_PROBABILITY else PROBABILITY_BLANK
        state = PROBABILITY_UNREADABLE if form & PROBABILITY_IN_DOUBT else missing
    elif probability == probability // 1:
        probability = int(probability)  # 40 and 40.0 are one key, so they must have one wording
    return Rank(
        index=reach.index,
        won=reach.won,
        proven=reach.proven,
        possible=reach.possible,
        status_known=not form & STATUS_UNKNOWN,
        probability=probability,
        probability_state=state,
    )


def fields_of(reach: Reach, form: int, path: Path | None) -> Fields:
    """What field rules see, and dated rules first."""
    return Fields(
        index=reach.index,
        won=reach.won,
        met=reach.met,
        not_met=reach.not_met,
        lag=reach.lag,
        outcome_met=reach.outcome_met,
        outcome_denied=reach.outcome_denied,
        owner=fact_of(form, OWNER),
        closed=fact_of(form, CLOSED),
        forecast=fact_of(form, FORECAST),
        source_type=fact_of(form, QUALIFIED),
        decision=fact_of(form, DECISION),
        overdue=form & OVERDUE != 0,
        bare=form >> BARE_SHIFT,
        untold=form & UNTOLD != 0,
        timing=DOUBTFUL if form & DISORDERLY else ORDERLY if form & DATED else UNDATED,
        path=path[1] if path else (),
        from_creation=path is not None and path[0],
        readable=not form & UNREADABLE,
    )
