"""Judges records of one source: keeps the life of each discrepancy, adds up what reports tell.

Not for: the rules (`syncd.judge`), which records a run judges (`syncd.scope`), or the order of its steps
(`syncd.run`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from msgspec.structs import replace
from sqlalchemy import Connection

from syncd.judge import Judge, Verdict
from syncd.model import Coverage, Opportunity, State, Subject
from syncd.rules.probability import with_its_text
from syncd.store.changes import Stored
from syncd.store.discrepancies import DiscrepancyLedger, Judged
from syncd.store.readback import SnapshotReader
from syncd.store.sources import SourceRow
from syncd.store.wakes import Wakes
from syncd.totals import Totals

Consider = Callable[[Opportunity, Verdict], None]
"""Told of each record with findings, for a plan."""


class SourceJudging:
    """The judging of one source in one run.

    Attributes:
        totals: What all records of the source come to.
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
        self._wakes = Wakes(connection, row.source_id)
        self.totals = Totals(judge.process, judge.codes)

    @property
    def states(self) -> dict[State, int]:
        """Discrepancies by state; those that are open and did not begin now were there before."""
        new, reopened, fixed = (self._ledger.states[one] for one in ("new", "reopened", "fixed"))
        unchanged = sum(self.totals.rules.values()) - new - reopened
        return {"new": new, "unchanged": unchanged, "reopened": reopened, "fixed": fixed}

    @property
    def changed(self) -> bool:
        """Whether any discrepancy is not as the run before left it."""
        return self._ledger.written

    def begin(self) -> None:
        """Start from nothing; every record is going to be taken."""
        self.totals = Totals(self._judge.process, self._judge.codes)
        self._wakes.clear()

    def renew(self, totals: str, day: date, reader: SnapshotReader) -> None:
        """Start from totals of an earlier day, and bring into them what time alone has changed since.

        What became of the discrepancies of those records is settled in the end, when their content is known.

        Args:
            totals: Encoded; the store's records are what they were counted by.
            day: The day they were judged by.
            reader: Of the source.
        """
        self.totals.restore(totals)
        if day == self._judge.today:
            return
        then = self._judge.on(day)
        for keys in self._wakes.due(self._judge.today):
            for records in reader.some(keys):
                self._count(records, then, -1)
                self._count(records, self._judge, 1)

    def withdraw(self, records: Sequence[Stored]) -> None:
        """Undo that some records, as they were counted, were; and that a day was noted for them."""
        self._count(records, self._judge, -1)
        self._wakes.forget([one.key for one in records])

    def take(self, records: Sequence[Stored]) -> None:
        """Judge some records that are not counted, and count them."""
        self._settle(records, count=True)

    def settle_due(self, reader: SnapshotReader) -> None:
        """Settle the records whose day has come and that nothing else made to be judged; they are counted already."""
        for keys in self._wakes.due(self._judge.today):
            self._wakes.forget(keys)
            for records in reader.some(keys):
                self._settle(records, count=False)

    def close_absent(self, keys: Sequence[int] | None = None) -> None:
        """Close what belongs to records that are no longer there, and are not counted.

        Args:
            keys: Of which records; None for all of the source.
        """
        self._ledger.close_absent(keys)

    def coverage(self) -> list[Coverage]:
        """For how many of the records each rule was due and could, or could not, be decided."""
        return self.totals.coverage(self._source)

    def _settle(self, records: Sequence[Stored], *, count: bool) -> None:
        verdicts = [self._judge.judge(opportunity, trail) for _, opportunity, trail in records]
        if count:
            self.totals.add(zip([one.opportunity for one in records], verdicts, strict=True))
        remembers = self._ledger.remembers
        judged: list[Judged] = []
        waking: list[tuple[int, date]] = []
        for (key, opportunity, _), said in zip(records, verdicts, strict=True):
            verdict, lost = said, opportunity.status == "lost"
            if verdict.findings:
                if opportunity.unreadable:
                    verdict = replace(verdict, findings=with_its_text(verdict.findings, opportunity))
                if self._consider is not None:
                    self._consider(opportunity, verdict)
                judged.append(Judged(key, self._subject(opportunity, verdict), verdict.findings, verdict, lost))
            elif remembers:
                judged.append(Judged(key, None, (), verdict, lost))
            if (opportunity.dates or opportunity.decision_due) and (day := self._judge.wakes(opportunity)):
                waking.append((key, day))
        self._ledger.merge(judged)
        self._wakes.note(waking)

    def _count(self, records: Sequence[Stored], judge: Judge, times: int) -> None:
        self.totals.add(((one.opportunity, judge.judge(one.opportunity, one.trail)) for one in records), times)

    def _subject(self, opportunity: Opportunity, verdict: Verdict) -> Subject:
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
