"""Ids seen in a pull, kept small: eight bytes each, since HubSpot's ids are numbers that mostly rise."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import Final

_LARGEST: Final = 2**63 - 1


class Ids:
    """A set of ids to which ids are only added."""

    def __init__(self) -> None:
        self._rising = array("q")
        self._others: set[str] = set()

    def __len__(self) -> int:
        return len(self._rising) + len(self._others)

    def __contains__(self, identity: object) -> bool:
        if identity in self._others:
            return True
        number = _number(identity)
        if number < 0:
            return False
        place = bisect_left(self._rising, number)
        return place < len(self._rising) and self._rising[place] == number

    def add(self, identity: str) -> bool:
        """Add an id; whether it is new."""
        number = _number(identity)
        if number >= 0 and (not self._rising or number > self._rising[-1]):
            self._rising.append(number)
            return True
        if identity in self:
            return False
        self._others.add(identity)
        return True


def _number(identity: object) -> int:
    """The number that is written this way and no other; -1 for any other text."""
    if not isinstance(identity, str) or not identity.isascii() or not identity.isdigit() or identity[0] == "0":
        return -1
    number = int(identity)
    return number if number <= _LARGEST else -1
