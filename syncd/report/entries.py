"""The discrepancies of a run, put together by opportunity and ranked, in bounded memory.

Not for: data formats, which keep each discrepancy as a line of its own in store order.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from itertools import groupby
from typing import Final

from syncd.model import SEVERITIES, Discrepancy, Fix, Severity

RANK: Final = {severity: rank for rank, severity in enumerate(SEVERITIES)}
"""The place of each severity, the most severe first."""

# What an amount weighs that is no amount: less than any.
_NOTHING: Final = Decimal(-1)


@dataclass(frozen=True, slots=True)
class Entry:
    """One opportunity with its discrepancies, of which there is at least one."""

    discrepancies: tuple[Discrepancy, ...]

    @property
    def first(self) -> Discrepancy:
        """Any of them, for what they all say of the opportunity."""
        return self.discrepancies[0]

    def nested(self) -> list[tuple[Discrepancy, list[Discrepancy]]]:
        """Each discrepancy that stands for itself, most severe first, with those that share its root cause."""
        ordered = sorted(self.discrepancies, key=lambda one: (RANK[one.severity], one.rule))
        codes = {one.rule for one in ordered if not one.headline}
        beneath: dict[str, list[Discrepancy]] = {}
        tops = []
        for one in ordered:
            if one.headline in codes:
                beneath.setdefault(one.headline, []).append(one)
            else:
                tops.append(one)
        # A headline goes first: it says the same as what stands beneath it, once.
        tops.sort(key=lambda one: (RANK[one.severity], one.rule not in beneath))
        return [(one, beneath.pop(one.rule, [])) for one in tops]

    def flat(self) -> Iterator[tuple[Discrepancy, bool]]:
        """The same as one sequence, each with whether it stands beneath another."""
        for top, beneath in self.nested():
            yield top, False
            for one in beneath:
                yield one, True

    def fixes(self) -> list[tuple[Fix, list[str]]]:
        """The different fixes offered, each with the rules that offer it."""
        found: list[tuple[Fix, list[str]]] = []
        for one, _ in self.flat():
            if one.fix is None:
                continue
            codes = next((codes for fix, codes in found if fix == one.fix), None)
            if codes is None:
                found.append((one.fix, [one.rule]))
            elif one.rule not in codes:
                codes.append(one.rule)
        return found


@dataclass(slots=True)
class Tally:
    """What was seen in a stream of entries.

    Attributes:
        fixable: Opportunities with at least one fix.
        severities: The highest severity each rule was found with, which configuration may have changed.
    """

    opportunities: int = 0
    discrepancies: int = 0
    fixable: int = 0
    severities: dict[str, Severity] = field(default_factory=dict)

    def watch(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """Pass the entries on, counting them."""
        for entry in entries:
            self.opportunities += 1
            self.discrepancies += len(entry.discrepancies)
            self.fixable += any(one.fix is not None for one in entry.discrepancies)
            for one in entry.discrepancies:
                known = self.severities.get(one.rule)
                if known is None or RANK[one.severity] < RANK[known]:
                    self.severities[one.rule] = one.severity
            yield entry


@dataclass(frozen=True, slots=True)
class Ranking:
    """The most pressing entries, most pressing first, and what all of them came to."""

    entries: list[Entry]
    tally: Tally = field(default_factory=Tally)


def entries_of(discrepancies: Iterable[Discrepancy]) -> Iterator[Entry]:
    """One entry an opportunity. Those of one opportunity must be consecutive."""
    for _, group in groupby(discrepancies, key=lambda one: (one.source, one.id)):
        yield Entry(tuple(group))


def most_pressing(
    discrepancies: Iterable[Discrepancy], limit: int, weigh: Callable[[Entry], int] = lambda _: 1
) -> Ranking:
    """The entries that matter most: by the severest discrepancy, then by the amount, then in the order of the stream.

    Amounts are compared as figures whatever their currency: a rough order, without inventing a rate of exchange.

    Args:
        discrepancies: Those of one opportunity consecutive.
        limit: How much is kept in all.
        weigh: How much of the limit an entry takes up; the last one kept may go beyond it.
    """
    tally = Tally()
    heap: list[tuple[tuple[int, Decimal, int], Entry]] = []
    weight = 0
    for place, entry in enumerate(tally.watch(entries_of(discrepancies))):
        key = (-min(RANK[one.severity] for one in entry.discrepancies), _at_stake(entry.first.amount), -place)
        if weight >= limit and (not heap or key < heap[0][0]):
            continue
        heapq.heappush(heap, (key, entry))
        weight += weigh(entry)
        while heap and weight - weigh(heap[0][1]) >= limit:
            weight -= weigh(heapq.heappop(heap)[1])
    ranked = [entry for _, entry in sorted(heap, key=lambda item: item[0], reverse=True)]
    return Ranking(ranked, tally)


def _at_stake(amount: str | None) -> Decimal:
    if amount is None:
        return _NOTHING
    try:
        value = Decimal(amount)
    except InvalidOperation:
        return _NOTHING
    return value if value.is_finite() else _NOTHING
