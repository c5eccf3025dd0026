"""What judging the records of one source came to: money, findings and coverage, added up record by record.

A record can be taken out again by the verdict it was counted with. So a run may go on from the totals of the last one
and count anew only the records whose verdict may be another.

Not for: keeping them (`syncd.store.totals`), or choosing those records (`syncd.scope`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from syncd.judge import Verdict
from syncd.model import Coverage, Opportunity
from syncd.pipeline import Pipeline
from syncd.process import Process

_TALLIES: Final = 10_000
"""Different combinations of due and unknown rules counted at once before they are added up; keeps memory flat."""


class _Kept(msgspec.Struct, frozen=True):
    """Totals as plain data; coverage as (rule, due, unknown)."""

    pipeline: list[tuple[str, int | float, int, int, bool, str, int]]
    no_amount: int
    severities: dict[str, int]
    rules: dict[str, int]
    opportunities: int
    judged: int
    coverage: list[tuple[str, int, int]]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Kept).decode


class Totals:
    """Totals of one source.

    Attributes:
        pipeline: The weighted pipeline of its records.
        severities, rules: Findings by severity and by rule.
        opportunities: Open records.
        judged: All records.
    """

    def __init__(self, process: Process, codes: Sequence[str]) -> None:
        """Args: codes, those of the rules, in the order of their bits in a verdict."""
        self._codes = tuple(codes)
        self._tally: Counter[tuple[int, int]] = Counter()
        self._due_by_bit = [0] * len(self._codes)
        self._unknown_by_bit = [0] * len(self._codes)
        self.pipeline = Pipeline(process)
        self.severities: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.opportunities = 0
        self.judged = 0

    def add(self, judged: Iterable[tuple[Opportunity, Verdict]], times: int = 1) -> None:
        """Count some records.

        Args:
            judged: Each as last read, and what was said of it.
            times: 1, or -1 to undo that they were counted with these verdicts.
        """
        tally, add = self._tally, self.pipeline.add
        records = opened = 0
        for opportunity, verdict in judged:
            tally[verdict.due_bits, verdict.unknown_bits] += times
            add(opportunity, verdict.proven_index, verdict.possible_index, times)
            records += 1
            opened += opportunity.status == "open"
            for finding in verdict.findings:
                self.severities[finding.severity] += times
                self.rules[finding.rule] += times
        self.judged += records * times
        self.opportunities += opened * times
        if len(tally) > _TALLIES:
            self._add_up()

    def coverage(self, source: str) -> list[Coverage]:
        """For how many of the records each rule was due and could, or could not, be decided."""
        return [
            Coverage(source=source, rule=code, judged=due - unknown, unknown=unknown)
            for code, due, unknown in self._covered()
        ]

    def encode(self) -> str:
        """As text, for `restore`."""
        kept = _Kept(
            pipeline=self.pipeline.lines(),
            no_amount=self.pipeline.no_amount,
            severities=dict(self.severities),
            rules=dict(self.rules),
            opportunities=self.opportunities,
            judged=self.judged,
            coverage=self._covered(),
        )
        return _encode(kept).decode()

    def restore(self, text: str) -> None:
        """Count what these totals, encoded, had counted; their rules must be among these."""
        kept = _decode(text)
        self.pipeline.restore(kept.pipeline)
        self.pipeline.no_amount += kept.no_amount
        self.severities.update(kept.severities)
        self.rules.update(kept.rules)
        self.opportunities += kept.opportunities
        self.judged += kept.judged
        for code, due, unknown in kept.coverage:
            bit = self._codes.index(code)
            self._due_by_bit[bit] += due
            self._unknown_by_bit[bit] += unknown

    def _covered(self) -> list[tuple[str, int, int]]:
        self._add_up()
        counts = zip(self._codes, self._due_by_bit, self._unknown_by_bit, strict=True)
        return [(code, due, unknown) for code, due, unknown in counts if due]

    def _add_up(self) -> None:
        # By bits, as sets of codes for thousands of combinations would take more memory than everything else.
        for (due, unknown), count in self._tally.items():
            _count_bits(self._due_by_bit, due, count)
            _count_bits(self._unknown_by_bit, unknown, count)
        self._tally.clear()


def _count_bits(counts: list[int], bits: int, count: int) -> None:
    while bits:
        lowest = bits & -bits
        counts[lowest.bit_length() - 1] += count
        bits ^= lowest
