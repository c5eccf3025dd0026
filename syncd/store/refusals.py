"""Records that were refused before. An increment gives one again only when it has changed, and it is refused still.

Not for: keeping what a run refuses (`syncd.store.runs`), or why (`syncd.pull`).
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from syncd.model import Rejected
from syncd.store.presence import Presence
from syncd.store.runs import rejections_of
from syncd.store.sources import SourceRow


class EarlierRefusals:
    """What the last complete pull of a source refused, and what has become of it in this one.

    Attributes:
        settled: How many are refused no longer.
    """

    def __init__(self, connection: Connection, row: SourceRow, name: str) -> None:
        """Args: row, the source before the pull, and its name."""
        found = [] if row.complete_run is None else rejections_of(connection, row.complete_run, row.source_id)
        self._open = [Rejected(source=name, id=one, place=place, reason=reason) for one, place, reason in found]
        self.settled = 0

    @property
    def ids(self) -> set[str]:
        """Of those that have one."""
        return {one.id for one in self._open if one.id}

    def settle(self, ids: Iterable[str]) -> None:
        """Those with these ids were read, are gone, or were refused anew."""
        if self._open:
            known, before = {*ids}, len(self._open)
            self._open = [one for one in self._open if not one.id or one.id not in known]
            self.settled += before - len(self._open)

    def remaining(self, presence: Presence) -> list[Rejected]:
        """Those that were neither read nor are gone, once the pull has ended."""
        self.settle(presence.read_of([*self.ids]))
        return self._open
