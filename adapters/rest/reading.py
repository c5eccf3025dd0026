"""What one pull has come to know: which records were given, how many there are, when it began.

Not for: making pages of records (`adapters.rest.adapter`).
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.rest.decode import Answered
from adapters.rest.mark import Mark, Overlap
from adapters.rest.seen import Seen
from syncd.errors import SourceIncomplete


class Reading:
    """What one pull has come to know.

    Attributes:
        columns: Of the last answer.
        at: When the pull began, by the system's clock where it tells, else by ours.
        given: Records given, broken ones included.
        gone: Ids that are known to be gone.
        overlap: What the next increment will read again.
    """

    def __init__(self, mark: Mark | None, overlap_seconds: float, begun: float, *, bounded: bool = False) -> None:
        """Begin.

        Args:
            mark: Where the last pull ended, for an increment.
            overlap_seconds: How far an increment reaches back.
            begun: The time by our clock.
            bounded: Nothing is asked for beyond that time.
        """
        self._kept: Mapping[str, str] = mark.kept if mark is not None else {}
        self._seen = Seen()
        self._alike = 0
        self._totals: list[int] = []
        self.columns: tuple[str, ...] = ()
        self.at = begun
        self._dated, self._bounded = False, bounded
        self.given = 0
        self.gone: set[str] = set()
        self.overlap = Overlap(overlap_seconds)

    def take(self, answered: Answered) -> list[int]:
        """An answer came; gives the indexes of the records in it that were not there before."""
        self.columns = answered.columns
        if answered.date is not None and not self._dated:
            # What was asked for up to a moment of our clock was not given beyond it.
            self.at, self._dated = min(self.at, answered.date) if self._bounded else answered.date, True
        if answered.total is not None:
            self._totals.append(answered.total)
            self._totals = [self._totals[0], self._totals[-1]]
        new = self._seen.add(answered.keys)
        if len(new) == len(answered.keys):
            return list(range(len(answered.keys)))
        # Records without an id may be alike and yet be two, and one answer may hold an id twice, which the core looks
        # into; the count must not fail for either.
        self._alike += sum(answered.keys[index] not in new for index in answered.faults)
        self._alike += len(answered.keys) - len({*answered.keys})
        return [index for index, key in enumerate(answered.keys) if key in new]

    def was_given(self, key: str, stamp: str) -> bool:
        """Whether an earlier pull gave a record just as it is."""
        return bool(stamp) and self._kept.get(key) == stamp and key not in self.gone

    def fits(self) -> bool:
        """Whether as many records were read as there were, at the beginning or at the end."""
        return not self._totals or self._seen.count + self._alike >= min(self._totals)

    def short(self) -> SourceIncomplete:
        """What to say where they do not."""
        return SourceIncomplete(
            f"the system gave {self._seen.count + self._alike:,} records and says there are {min(self._totals):,}",
            "check `total` and `paging`, and whether the account may read every record",
        )

    def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        self._seen.close()
