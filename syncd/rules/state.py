"""The undated state of a record: the key that the judge remembers its answers by, and the views of it that rules see.

A view is made of the key and of what its evidence comes to, and of nothing else. So two records with one key get one
answer from every rule, and remembering it changes no verdict.

Not for: making the key of a record (`syncd.judge`), since that is most of what judging a record costs.
"""

from __future__ import annotations

from typing import Final

import msgspec

from syncd.facts import Fact
from syncd.model import FIELD_BIT
from syncd.rules.base import MET, NOT_MET, UNKNOWN, Fields, Rank
from syncd.rules.fixes import PROBABILITY_BLANK, PROBABILITY_KNOWN, PROBABILITY_MISSING, PROBABILITY_UNREADABLE

FieldKey = tuple[
    int, tuple[str, ...], bool | None, bool | None, str | None, bool, bool | None, int, int, str,
    tuple[bool, tuple[str, ...]] | None,
]  # fmt: skip
"""Of a record: bits of the missing fields, names of the unreadable ones, closed, forecast, source type, whether it has
no owner, whether its decision day has passed (None without one), `Opportunity.bare` and `untold` as far as they leave
an outcome unproven, timing, and its path beside whether that begins with the record (None when that says nothing)."""

Key = tuple[
    int, int, int | float | None,
    int, tuple[str, ...], bool | None, bool | None, str | None, bool, bool | None, int, int, str,
    tuple[bool, tuple[str, ...]] | None,
]  # fmt: skip
"""Of a record: the evidence that is met and not met, the probability, and then as in `FieldKey`."""

RankKey = tuple[int | float | None, bool, str]
"""Of a record: probability, whether its status is known, and the probability's state where it is None."""

_QUALIFIED: Final = frozenset({"mqp", "sqp", "mqp/sqp", "marketing qualified prospect", "sales qualified prospect"})
"""Source types that say the prospect was qualified; the chart's two abbreviations, and what they stand for."""


class Reach(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the outcomes of a record come to in its column.

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


def rank_of(reach: Reach, key: RankKey) -> Rank:
    """What rank rules see."""
    probability, status_known, otherwise = key
    if probability is not None and probability == probability // 1:
        probability = int(probability)  # 40 and 40.0 are one key, so they must have one wording
    return Rank(
        index=reach.index,
        won=reach.won,
        proven=reach.proven,
        possible=reach.possible,
        status_known=status_known,
        probability=probability,
        probability_state=otherwise if probability is None else PROBABILITY_KNOWN,
    )


def fields_of(reach: Reach, key: FieldKey) -> Fields:
    """What field rules see, and dated rules first."""
    _, unreadable, closed, forecast, source_type, ownerless, passed, bare, untold, timing, path = key
    vague = _vague(key)
    return Fields(
        index=reach.index,
        won=reach.won,
        met=reach.met,
        not_met=reach.not_met,
        lag=reach.lag,
        outcome_met=reach.outcome_met,
        outcome_denied=reach.outcome_denied,
        owner=UNKNOWN if vague & FIELD_BIT["owner"] else NOT_MET if ownerless else MET,
        closed=_yes_no(closed, blank=UNKNOWN if vague & FIELD_BIT["closed"] else NOT_MET),
        forecast=_yes_no(forecast, blank=UNKNOWN),
        source_type=_source_type(source_type),
        decision=MET if passed is not None else UNKNOWN if vague & FIELD_BIT["decision_due"] else NOT_MET,
        overdue=passed is True,
        bare=bare,
        untold=untold != 0,
        timing=timing,
        path=path[1] if path else (),
        from_creation=path is not None and path[0],
        readable=not unreadable,
    )


def status_known(key: FieldKey) -> bool:
    """Whether the source has a status field and its word is a known one."""
    return not _vague(key) & FIELD_BIT["status"]


def without_probability(key: FieldKey) -> str:
    """Why the record has no probability, should it have none."""
    missing, unreadable = key[:2]
    if "probability" in unreadable:
        return PROBABILITY_UNREADABLE
    return PROBABILITY_MISSING if missing & FIELD_BIT["probability"] else PROBABILITY_BLANK


def _vague(key: FieldKey) -> int:
    """The bits of the fields that are missing or unreadable; evidence ids have none."""
    vague, unreadable = key[:2]
    for name in unreadable:
        vague |= FIELD_BIT.get(name, 0)
    return vague


def _yes_no(value: bool | None, *, blank: Fact) -> Fact:
    if value is None:
        return blank
    return MET if value else NOT_MET


def _source_type(text: str | None) -> Fact:
    if text is None:
        return UNKNOWN
    return MET if text.strip().lower() in _QUALIFIED else NOT_MET
