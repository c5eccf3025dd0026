"""The ids a pull has given, so that none is given twice.

Kept in a database of its own in a temporary file (SQLite's, removed when closed), so that memory stays flat however
many there are: about 2 microseconds an id.

Not for: what was read in an earlier pull; that is the watermark's business.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from syncd.errors import SourceIncomplete


class Seen:
    """A growing set of ids.

    Attributes:
        count: How many there are.
    """

    def __init__(self) -> None:
        self._base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -4000"):
            self._base.execute(f"PRAGMA {setting}").close()
        self._base.execute("CREATE TABLE seen (id TEXT PRIMARY KEY) WITHOUT ROWID").close()
        self.count = 0

    def add(self, ids: Sequence[str]) -> set[str]:
        """Put ids in; gives those that were not there.

        Raises:
            SourceIncomplete: There is no room for them.
        """
        given = msgspec.json.encode(ids).decode()
        try:
            new = self._base.execute(
                "INSERT OR IGNORE INTO seen SELECT value FROM json_each(?) RETURNING id", (given,)
            ).fetchall()
        except sqlite3.Error as error:
            raise SourceIncomplete(
                f"the ids read so far cannot be kept ({type(error).__name__})",
                "make room in the folder for temporary files",
            ) from error
        self.count += len(new)
        return {one for (one,) in new}

    def close(self) -> None:
        """Remove the file. Safe to call twice."""
        self._base.close()
