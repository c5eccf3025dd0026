"""The pages of a list, each of which must lead to another, and to none that was read before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from adapters.hubspot.decode import Record
from syncd.errors import SourceIncomplete

AGAIN: Final = "run again; if it happens each time, the gateway in front of HubSpot may answer from its memory"
"""What to do when HubSpot's answers do not fit together."""


class Chain:
    """The pages of one list, each of which must lead to another."""

    def __init__(self, what: str) -> None:
        """Args: what is listed, for messages."""
        self._what = what
        self._cursors: set[str] = set()
        self._first = ""

    def check(self, records: Sequence[Record[Any]], *, after: str) -> None:
        """Look at a page.

        Raises:
            SourceIncomplete: It is the last one again, or holds nothing and leads on.
        """
        if not records and after:
            raise SourceIncomplete(f"{self._what} has a page without records in its midst", AGAIN)
        if records and records[0].id == self._first:
            raise SourceIncomplete(f"{self._what} gave the same page twice", AGAIN)
        self._first = records[0].id if records else ""

    def goes_on(self, after: str) -> bool:
        """Whether another page follows.

        Raises:
            SourceIncomplete: It is one that was read before.
        """
        if after in self._cursors:
            raise SourceIncomplete(f"the pages of {self._what} lead in a circle", AGAIN)
        if after:
            self._cursors.add(after)
        return bool(after)
