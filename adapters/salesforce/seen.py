"""The ids a pull has given so far, in little memory.

Ids come in rising order where the org sorts them, and mostly in runs where it does not. While they rise, telling a new
one from an old one takes one comparison, and they are kept compressed, page by page: about three bytes each. Once one
comes out of order they are kept as a set.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence


class Seen:
    """A set of ids."""

    def __init__(self) -> None:
        self._pages: list[bytes] = []
        self._firsts: list[str] = []
        self._last = ""
        self._count = 0
        self._set: set[str] | None = None

    def __len__(self) -> int:
        return self._count if self._set is None else len(self._set)

    def __iter__(self) -> Iterator[str]:
        """The ids."""
        if self._set is not None:
            yield from self._set
            return
        for page in self._pages:
            yield from zlib.decompress(page).decode().split("\n")

    @property
    def last(self) -> str:
        """The id that was added last; empty where there is none."""
        return self._last

    def add(self, ids: Sequence[str]) -> list[int]:
        """Add some ids; gives the places of those that are new."""
        if not ids:
            return []
        if self._set is None and self._rise(ids):
            # Text with a line end in it would not come apart again; no id has one, but nothing else forbids it.
            self._pages.append(zlib.compress("\n".join(ids).encode(), 1))
            self._firsts.append(ids[0])
            self._count += len(ids)
            self._last = ids[-1]
            return list(range(len(ids)))
        if self._set is None:
            self._set, self._pages, self._firsts = set(self), [], []
        new = []
        for place, one in enumerate(ids):
            if one not in self._set:
                self._set.add(one)
                new.append(place)
        self._last = ids[-1]
        return new

    def lacking(self, ids: Sequence[str]) -> list[str]:
        """Those of some ids that were not added."""
        known: set[str] | None = self._set
        if known is None:
            begin = max(bisect_right(self._firsts, min(ids)) - 1, 0)
            end = bisect_right(self._firsts, max(ids))
            known = {one for page in self._pages[begin:end] for one in zlib.decompress(page).decode().split("\n")}
        return [one for one in ids if one not in known]

    def _rise(self, ids: Sequence[str]) -> bool:
        return ids[0] > self._last and all(map(str.__lt__, ids, ids[1:])) and "\n" not in "".join(ids)
