"""Which records of a source are there: what a pull has seen of those known before, and which of them went.

One bit a record, so that memory stays flat however large the source.

Not for: what the records hold (`syncd.store.snapshots`), or whether an absence can be believed (`syncd.pull`).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select, update

from syncd.store.bulk import among, list_value
from syncd.store.changes import Follower
from syncd.store.schema import KEY_BITS, snapshot
from syncd.store.sources import SourceRow


class Presence:
    """The records of one source in one pull.

    Attributes:
        went: How many were found to be gone so far.
        spares: Some were spared.
    """

    def __init__(self, connection: Connection, row: SourceRow, follower: Follower, *, seq: int) -> None:
        """Args: row, the source before the pull; follower, told of what is about to go; and seq, the run."""
        self._connection = connection
        self._follower = follower
        self._seq = seq
        self._known = row.next_number
        self._base = row.source_id << KEY_BITS
        self._marks = bytearray(row.next_number // 8 + 1)
        self._spared = bytearray(len(self._marks))
        own = snapshot.c.source_id == row.source_id
        columns = (snapshot.c.key, snapshot.c.gone_run, snapshot.c.id)
        self._keys = select(*columns).where(own, among(connection, snapshot.c.id, "ids"))
        self.went = 0
        self.spares = False

    def mark(self, key: int) -> None:
        """Note that the pull has read a record."""
        number = key - self._base
        if number < self._known:
            self._marks[number >> 3] |= 1 << (number & 7)

    def saw(self, key: int) -> bool:
        """Whether this pull has read the record; all that are numbered since it began it has."""
        number = key - self._base
        return number >= self._known or bool(self._marks[number >> 3] >> (number & 7) & 1)

    def spare(self, ids: Sequence[str]) -> set[str]:
        """Note that records are there, though the pull did not read what they hold now.

        Returns:
            Those of which the store has nothing, or takes them for gone.
        """
        unknown = set(ids)
        for key, gone_run, identity in self._find(ids):
            number = key - self._base
            if number < self._known:
                self._spared[number >> 3] |= 1 << (number & 7)
                self.spares = True
            if gone_run is None:
                unknown.discard(identity)
        return unknown

    def read_of(self, ids: Sequence[str]) -> set[str]:
        """Those among some ids whose records this pull has read."""
        return {identity for key, _, identity in self._find(ids) if self.saw(key)}

    def remove(self, ids: Sequence[str]) -> None:
        """Note that records are gone, whatever was seen of them before."""
        self._leave([key for key, gone_run, _ in self._find(ids) if gone_run is None])

    def sweep(self) -> None:
        """Take every record that was neither read nor spared for gone."""
        low, high = self._base, self._base + self._known
        present = select(snapshot.c.key).where(
            snapshot.c.key >= low, snapshot.c.key < high, snapshot.c.gone_run.is_(None)
        )
        self._leave([key for (key,) in self._connection.execute(present) if not (self.saw(key) or self._spares(key))])

    def _spares(self, key: int) -> bool:
        number = key - self._base
        return bool(self._spared[number >> 3] >> (number & 7) & 1)

    def _find(self, ids: Sequence[str]) -> Sequence[tuple[int, int | None, str]]:
        if not ids:
            return []
        found = self._connection.execute(self._keys, {"ids": list_value(self._connection, list(ids))})
        return [(key, gone_run, identity) for key, gone_run, identity in found]

    def _leave(self, keys: list[int]) -> None:
        if keys:
            self._follower.leaving(keys, [key for key in keys if self.saw(key)])
            leave = update(snapshot).where(snapshot.c.key == bindparam("at")).values(gone_run=self._seq)
            self._connection.execute(leave, [{"at": key} for key in keys])
            self.went += len(keys)
