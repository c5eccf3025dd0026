"""Judges the records of one source as they are stored: keeps the life of each discrepancy, adds up what reports tell.

Not for: the rules (`syncd.judge`), the order of a run's steps (`syncd.run`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace
from sqlalchemy import Connection

from syncd.judge import Judge, Verdict
from syncd.model import Coverage, Opportunity, State, Subject
from syncd.pipeline import Pipeline
from syncd.rules.probability import with_its_text
from syncd.store.discrepancies import DiscrepancyLedger, Judged
from syncd.store.readback import Stored
from syncd.store.sources import SourceRow

_TALLIES: Final = 10_000
"""Different combinations of due and unknown rules counted at once before they are added up; keeps memory flat."""

Consider = Callable[[Opportunity, Verdict], None]
"""Told of each record with findings, for a plan."""


class SourceJudging:
    """The judging of one source in one run.

    Attributes:
        pipeline: The weighted pipeline of its records.
        severities, rules: Findings by severity and by rule.
        opportunities: Open records judged.
        judged: All records judged.
    """

    def __init__(
        self,
        connection: Connection,
        judge: Judge,
        source: str,
        row: SourceRow,
        *,
        seq: int,
        consider: Consider | None = None,
    ) -> None:
        """Args: as everywhere; `row` is what the store knew of the source before this run."""
        self._judge = judge
        self._source = source
        self._consider = consider
        self._ledger = DiscrepancyLedger(
            connection, source_id=row.source_id, seq=seq, last_judged=row.judged_run, rules=judge.codes
        )
        self._tally: Counter[tuple[int, int]] = Counter()
        self._judged_by_bit = [0] * len(judge.codes)
        self._unknown_by_bit = [0] * len(judge.codes)
        self.pipeline = Pipeline(judge.process)
        self.severities: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.opportunities = 0
        self.judged = 0

    @property
    def states(self) -> dict[State, int]:
        """Discrepancies by state."""
        return self._ledger.states

    @property
    def changed(self) -> bool:
        """Whether any discrepancy is not as the run before left it."""
        return self._ledger.written

    def take(self, records: list[Stored]) -> None:
        """Judge some records."""
        judge, add, tally = self._judge.judge, self.pipeline.add, self._tally
        remembers = self._ledger.remembers
        judged: list[Judged] = []
        self.judged += len(records)
        for key, opportunity, trail in records:
            verdict = judge(opportunity, trail)
            tally[verdict.due_bits, verdict.unknown_bits] += 1
            add(opportunity, verdict.proven_index, verdict.possible_index)
            status = opportunity.status
            self.opportunities += status == "open"
            if verdict.findings:
                if opportunity.unreadable:
                    verdict = replace(verdict, findings=with_its_text(verdict.findings, opportunity))
                judged.append(
                    Judged(key, self._found(opportunity, verdict), verdict.findings, verdict, status == "lost")
                )
            elif remembers:
                judged.append(Judged(key, None, (), verdict, status == "lost"))
        self._ledger.merge(judged)
        if len(tally) > _TALLIES:
            self._add_up()

    def finish(self) -> None:
        """Close what belongs to records that are no longer there, once all of the source has been taken."""
        self._ledger.finish()

    def coverage(self) -> list[Coverage]:
        """For how many of the records each rule was due and could, or could not, be decided."""
        self._add_up()
        counts = zip(self._judge.codes, self._judged_by_bit, self._unknown_by_bit, strict=True)
        return [
            Coverage(source=self._source, rule=code, judged=judged, unknown=unknown)
            for code, judged, unknown in counts
            if judged or unknown
        ]

    def _found(self, opportunity: Opportunity, verdict: Verdict) -> Subject:
        for finding in verdict.findings:
            self.severities[finding.severity] += 1
            self.rules[finding.rule] += 1
        if self._consider is not None:
            self._consider(opportunity, verdict)
        return Subject(
            source=self._source,
            id=opportunity.id,
            name=opportunity.name,
            owner=opportunity.owner,
            territory=opportunity.territory,
            account=opportunity.account,
            stage=opportunity.stage,
            probability=opportunity.probability,
            amount=None if opportunity.amount is None else format(opportunity.amount, "f"),
            currency=opportunity.currency,
            proven_stage=verdict.proven,
            possible_stage=verdict.possible,
        )

    def _add_up(self) -> None:
        # By bits, as sets of codes for thousands of combinations would take more memory than everything else.
        for (due, unknown), count in self._tally.items():
            _count_bits(self._judged_by_bit, due & ~unknown, count)
            _count_bits(self._unknown_by_bit, unknown, count)
        self._tally.clear()


def _count_bits(counts: list[int], bits: int, count: int) -> None:
    while bits:
        lowest = bits & -bits
        counts[lowest.bit_length() - 1] += count
        bits ^= lowest
