"""Who is told of everything that a pull changes in the store, before it does and after.

Not for: changing it (`syncd.store.snapshots`, `syncd.store.presence`, `syncd.store.moves`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from syncd.model import Opportunity
from syncd.rules.base import Trail


class Stored(NamedTuple):
    """A present record, as the judge needs it; `trail` is None where its history says nothing."""

    key: int
    opportunity: Opportunity
    trail: Trail | None


class Follower(Protocol):
    """Follows a pull."""

    @property
    def wants_all(self) -> bool:
        """It is to be given the records that the pull found as they were, too."""
        ...

    def before(self, keys: Sequence[int]) -> None:
        """These records, or their histories, are about to change; the store still holds what they were."""
        ...

    def leaving(self, keys: Sequence[int], read: Sequence[int]) -> None:
        """These records are about to go.

        Args:
            keys: All of them. The store still holds what they were.
            read: Those among them that the pull had read before.
        """
        ...

    def after(self, records: list[Stored]) -> None:
        """These records are now in the store as given."""
        ...
