"""Judges records of one source: keeps the life of each discrepancy, adds up what reports tell.

Not for: the rules (`syncd.judge`), which records a run judges (`syncd.renewal`), or the order of its steps
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
        self._renews = False
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
        self._renews = False
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
        self._renews = True
        self.totals.restore(totals)
        if day == self._judge.today:
            return
        then = self._judge.on(day)
        for keys in self._wakes.due(self._judge.today):
            for records in reader.some(keys):
                self.withdraw(records, then)
                self.totals.add((one.opportunity, self._judge.judge(one.opportunity, one.trail)) for one in records)

    def withdraw(self, records: Sequence[Stored], judge: Judge | None = None) -> None:
        """Undo that some records were counted.

        Args:
            records: As they were counted.
            judge: By whom, if not by the judge of this run.
        """
        verdict = (judge or self._judge).judge
        self.totals.add(((one.opportunity, verdict(one.opportunity, one.trail)) for one in records), -1)

    def take(self, records: Sequence[Stored]) -> None:
        """Judge some records that are not counted, and count them."""
        self._settle(records, count=True)

    def settle_due(self, reader: SnapshotReader) -> None:
        """Settle the records whose day has come and that nothing else made to be judged; they are counted already."""
        for keys in self._wakes.due(self._judge.today):
            for records in reader.some(keys):
                self._settle(records, count=False)

    def close_absent(self, keys: Sequence[int] | None = None) -> None:
        """Close what belongs to records that are no longer there, and are not counted.

        Args:
            keys: Of which records; None for all of the source.
        """
        self._ledger.close_absent(keys)
        if keys is not None:
            self._wakes.forget(keys)  # those that are there are noted anew when they are taken

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
        if self._renews:
            self._wakes.forget([key for key, _, _ in records])
        self._wakes.note(waking)

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
