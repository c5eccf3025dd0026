"""Three-valued facts and their logic (Kleene's strong logic of indeterminacy).

Not for: deciding what a fact means; that is the mapping's and the rules' part.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable


class Fact(enum.Enum):
    """What a source shows for one evidence id."""

    MET = "met"
    """The source shows that it holds."""

    NOT_MET = "not_met"
    """The source shows that it does not hold."""

    UNKNOWN = "unknown"
    """The source carries no field for it, or the field could not be read. Never a pass, never a failure."""


def all_of(facts: Iterable[Fact]) -> Fact:
    """The Kleene *and*: not met as soon as one part is not met, else unknown as soon as one is unknown."""
    seen = set(facts)
    if Fact.NOT_MET in seen:
        return Fact.NOT_MET
    return Fact.UNKNOWN if Fact.UNKNOWN in seen else Fact.MET


def any_of(facts: Iterable[Fact]) -> Fact:
    """The Kleene *or*: met as soon as one part is met, else unknown as soon as one is unknown."""
    seen = set(facts)
    if Fact.MET in seen:
        return Fact.MET
    return Fact.UNKNOWN if Fact.UNKNOWN in seen else Fact.NOT_MET
