"""Which records of a source a run judges: all of them, or those alone whose verdict may be another than last time.

A verdict follows from the rules and their settings, the content and the history of a record, and the day. So where the
rules are those of the last run, a run may go on from what that one came to: it takes what changed and what went out of
the totals, as it was, and counts what changed as it is. What time alone changes has its day noted in the store.

Not for: the judging itself (`syncd.judging`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from sqlalchemy import Connection

from syncd.judging import SourceJudging
from syncd.process import Process
from syncd.pull import Pulled
from syncd.store.changes import Follower, Stored
from syncd.store.readback import SnapshotReader
from syncd.store.sources import SourceRow
from syncd.store.totals import KeptTotals, keep_totals, totals_of

_WAITING: Final = 100_000
"""Records that may wait for the end of a pull to be judged; keeps memory flat."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """On what terms a source is judged.

    Attributes:
        today: The day to judge by.
        ruling: Identifies whatever decides the verdict on a record, but for the record and the day; empty where that
            is not known.
        afresh: Every record is to be judged, whatever the last run came to.
        later: A record's history may come after the record itself.
    """

    today: date
    ruling: str
    afresh: bool
    later: bool

    def follow(self, last: KeptTotals) -> bool:
        """Whether a run on these terms may go on from what an earlier one came to."""
        return not self.afresh and last.ruling == self.ruling != "" and last.as_of <= self.today


class Scope(Follower, Protocol):
    """Follows a pull, and has judged everything that it must when the pull has ended and `finish` was called."""

    def finish(self, pulled: Pulled) -> None:
        """Judge what is left, when the pull was complete."""
        ...


class EveryRecord:
    """Judges every record: as it comes, or in the end where its history may come later."""

    wants_all = True

    def __init__(self, judging: SourceJudging, reader: SnapshotReader, *, later: bool) -> None:
        judging.begin()
        self._judging = judging
        self._reader = reader
        self._later = later

    def before(self, keys: Sequence[int]) -> None:
        """A pull gives a record once, so none of these was counted."""

    def leaving(self, keys: Sequence[int], read: Sequence[int]) -> None:  # noqa: ARG002 - the others were not counted
        """Take those out of the totals that were judged already."""
        if not self._later:
            for records in self._reader.some(read):
                self._judging.withdraw(records)

    def after(self, records: list[Stored]) -> None:
        """Judge them."""
        if not self._later:
            self._judging.take(records)

    def finish(self, pulled: Pulled) -> None:
        """Judge what the pull did not read."""
        if self._later or pulled.leaves_some:
            but = (lambda _: False) if self._later else pulled.presence.saw
            for records in self._reader.all(but=but):
                self._judging.take(records)
        self._judging.close_absent()


class ChangedRecords:
    """Goes on from the totals of the last run."""

    wants_all = False

    def __init__(self, judging: SourceJudging, reader: SnapshotReader, last: KeptTotals, *, later: bool) -> None:
        """Args: last, what the last run came to."""
        judging.renew(last.body, last.as_of, reader)
        self._judging = judging
        self._reader = reader
        self._later = later
        self._waiting: set[int] = set()
        """Records that are not counted now."""

    def before(self, keys: Sequence[int]) -> None:
        """Take them out of the totals, as they were."""
        if self._gave_up:
            return
        for records in self._reader.some([key for key in keys if key not in self._waiting]):
            self._judging.withdraw(records)
        self._waiting.update(keys)

    def leaving(self, keys: Sequence[int], read: Sequence[int]) -> None:  # noqa: ARG002 - read or not is the same here
        """Take them out of the totals, as they were."""
        self.before(keys)

    def after(self, records: list[Stored]) -> None:
        """Judge them, unless their history may still come."""
        keys = [one.key for one in records]
        if not self._later:
            self._judging.take(records)
            self._waiting.difference_update(keys)
        elif not self._gave_up:
            self._waiting.update(keys)

    def finish(self, pulled: Pulled) -> None:
        """Judge what waited, and what time has changed."""
        if self._gave_up:
            EveryRecord(self._judging, self._reader, later=True).finish(pulled)
            return
        waiting = sorted(self._waiting)
        self._judging.close_absent(waiting)
        for records in self._reader.some(waiting):
            self._judging.take(records)
        self._judging.settle_due(self._reader)

    @property
    def _gave_up(self) -> bool:
        # Only while nothing was judged can all be judged instead; else none waits but those that went.
        return self._later and len(self._waiting) > _WAITING


def scope_of(connection: Connection, judging: SourceJudging, row: SourceRow, process: Process, terms: Terms) -> Scope:
    """The scope of a source in a run."""
    reader = SnapshotReader(connection, row.source_id, process)
    last = totals_of(connection, row.source_id)
    if last is not None and terms.follow(last):
        return ChangedRecords(judging, reader, last, later=terms.later)
    return EveryRecord(judging, reader, later=terms.later)


def keep_outcome(connection: Connection, judging: SourceJudging, row: SourceRow, terms: Terms) -> None:
    """Keep what judging a source came to, for a run that goes on from it."""
    kept = KeptTotals(terms.today, terms.ruling, judging.totals.encode())
    if kept != totals_of(connection, row.source_id):
        keep_totals(connection, row.source_id, kept)
