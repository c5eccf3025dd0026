"""When a record must be judged again although nothing of it changed: evidence comes of age, a decision day passes.

Not for: which day that is (`syncd.judge`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Final

from sqlalchemy import Connection, bindparam, delete, select, tuple_

from syncd.store.bulk import among, insert_rows, list_value
from syncd.store.schema import KEY_BITS, wake

_CHUNK: Final = 1_000


class Wakes:
    """The days on which the records of one source are due again."""

    def __init__(self, connection: Connection, source_id: int) -> None:
        self._connection = connection
        self._low, self._high = source_id << KEY_BITS, (source_id + 1) << KEY_BITS
        self._of_keys = delete(wake).where(among(connection, wake.c.key, "keys"))

    def clear(self) -> None:
        """Forget all of them."""
        self._connection.execute(delete(wake).where(wake.c.key >= self._low, wake.c.key < self._high))

    def forget(self, keys: Sequence[int]) -> None:
        """Forget those of some records."""
        if keys:
            self._connection.execute(self._of_keys, {"keys": list_value(self._connection, list(keys))})

    def note(self, days: Iterable[tuple[int, date]]) -> None:
        """Note the next day of some records, of which none is known."""
        insert_rows(self._connection, wake, ("key", "day"), [(key, day.toordinal()) for key, day in days])

    def due(self, today: date) -> Iterator[list[int]]:
        """The keys of all records whose day has come, the longest overdue first, some at a time.

        What is given may be forgotten meanwhile, or noted for a later day.
        """
        after = (0, 0)
        place = tuple_(wake.c.day, wake.c.key)
        chosen = select(wake.c.day, wake.c.key).where(
            place > tuple_(bindparam("day"), bindparam("key")),
            wake.c.day <= today.toordinal(),
            wake.c.key >= self._low,
            wake.c.key < self._high,
        )
        chosen = chosen.order_by(wake.c.day, wake.c.key).limit(_CHUNK)
        while rows := self._connection.execute(chosen, {"day": after[0], "key": after[1]}).all():
            after = (rows[-1].day, rows[-1].key)
            yield [row.key for row in rows]
