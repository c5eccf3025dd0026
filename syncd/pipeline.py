"""The weighted pipeline: what the records claim, what the evidence proves, what it leaves possible.

Amounts are added up by currency and percentages first and multiplied once at the end, so that sums are exact and a
record costs one addition. Figures follow settled reading 10.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final

from syncd.model import NO_CURRENCY, Opportunity, Weighted
from syncd.process import Process

_CENT: Final = Decimal("0.01")
_EXACT: Final = Context(prec=120)
"""Amounts may have forty digits before the point, percentages fifteen, and there may be many of them. Python's usual 28
digits would round their sums without a word, and refuse to round large ones to cents."""
_ZERO: Final = Decimal(0)
_Share = int | float
_Line = tuple[str, _Share, int, int, bool]
"""What amounts are added up by: currency, percentage, proven and possible column, whether they are negative."""


@dataclass(slots=True)
class _Sum:
    """Amounts of one line added up, and of how many records."""

    amount: Decimal
    records: int


plus: Final = _EXACT.add
"""The sum of two amounts, exactly."""
minus: Final = _EXACT.subtract
"""The difference of two amounts, exactly."""


class Pipeline:
    """Adds up opportunities.

    Attributes:
        no_amount: Records that would count but carry no readable amount.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._sums: dict[_Line, _Sum] = {}
        self._stages = {stage.id for stage in process.stages if process.in_pipeline(stage.index)}
        self.no_amount = 0

    def add(self, opportunity: Opportunity, proven: int | None, possible: int | None, times: int = 1) -> None:
        """Count one opportunity, if it belongs in the pipeline.

        Args:
            opportunity: As last read.
            proven: Its proven column.
            possible: Its possible column.
            times: 1, or -1 to undo that it was counted.
        """
        # Once a record: what most records are decided by comes first, and the rest is not asked.
        if opportunity.stage not in self._stages or opportunity.status == "lost" or proven is None or possible is None:
            return
        amount, share = opportunity.amount, opportunity.probability
        if share is None:
            share = self._process.weight(self._process.stage_index[opportunity.stage])
        if amount is None:
            self.no_amount += times
            return
        line = (opportunity.currency or NO_CURRENCY, share, proven, possible, amount < 0)
        self._add(line, amount if times > 0 else amount.copy_negate(), times)

    def _add(self, line: _Line, amount: Decimal, records: int) -> None:
        known = self._sums.get(line)
        if known is None:
            self._sums[line] = _Sum(amount, records)
            return
        known.records += records
        if known.records:
            known.amount = plus(known.amount, amount)
        else:  # nothing is left of it, not even a currency with a sum of nothing
            del self._sums[line]

    def merge(self, other: Pipeline) -> None:
        """Count what another one has counted."""
        for line, counted in other._sums.items():
            self._add(line, counted.amount, counted.records)
        self.no_amount += other.no_amount

    def lines(self) -> list[tuple[str, _Share, int, int, bool, str, int]]:
        """What was counted, as plain data for `restore`; `no_amount` is not among it."""
        return [(*line, str(counted.amount), counted.records) for line, counted in self._sums.items()]

    def restore(self, lines: Iterable[tuple[str, _Share, int, int, bool, str, int]]) -> None:
        """Count what `lines` told of another one."""
        for currency, share, proven, possible, negative, amount, records in lines:
            self._add((currency, share, proven, possible, negative), Decimal(amount), records)

    def totals(self) -> dict[str, Weighted]:
        """The sums by currency, in the order of their codes."""
        sums: dict[str, dict[str, Decimal]] = {}
        for (currency, share, proven, possible, _), counted in self._sums.items():
            amount = counted.amount
            row = sums.setdefault(currency, dict.fromkeys(Weighted.__struct_fields__, _ZERO))
            recorded = weighted(amount, share)
            backed = weighted(amount, self._process.weight(proven))
            difference = minus(recorded, backed)
            added = {
                "recorded": recorded,
                "proven": backed,
                "possible": weighted(amount, self._process.weight(possible)),
                "over_stated" if difference > 0 else "under_stated": difference.copy_abs(),
            }
            row |= {name: plus(row[name], value) for name, value in added.items()}
        return {
            currency: Weighted(**{name: money(amount) for name, amount in sums[currency].items()})
            for currency in sorted(sums)
        }


def recorded_share(process: Process, opportunity: Opportunity) -> _Share | None:
    """The percentage a record weighs by what it says itself; None where it does not count in the pipeline."""
    index = process.stage_index.get(opportunity.stage or "")
    if index is None or opportunity.status == "lost" or not process.in_pipeline(index):
        return None
    return process.weight(index) if opportunity.probability is None else opportunity.probability


def weighted(amount: Decimal, share: _Share) -> Decimal:
    """An amount times a percentage."""
    return _EXACT.divide(_EXACT.multiply(amount, Decimal(str(share))), Decimal(100))


def money(amount: Decimal) -> str:
    """A decimal string with two places, without an exponent."""
    return f"{amount.quantize(_CENT, context=_EXACT):f}"
