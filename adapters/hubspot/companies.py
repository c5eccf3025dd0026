"""The names of the companies that deals belong to, of which a deal itself holds only the id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from adapters.hubspot.api import Api
from adapters.hubspot.decode import Properties
from adapters.hubspot.errors import Forbidden

_REMEMBERED: Final = 20_000
"""Names remembered before it starts anew, so that memory stays flat."""


class Companies:
    """Looks names up, many at a time."""

    def __init__(self, api: Api, notes: list[str]) -> None:
        """Args: api; notes, where to say that the app may not read companies."""
        self._api = api
        self._notes = notes
        self._properties = Properties(["name"])
        self._names: dict[str, str] = {}
        self._forbidden = False

    async def learn(self, ids: Iterable[Any]) -> None:
        """Look up some companies; those that are known already cost nothing.

        Raises:
            SourceIncomplete: HubSpot cannot be read; not for want of a scope.
        """
        wanted = {one for one in ids if isinstance(one, str) and one}
        if len(self._names) + len(wanted) > _REMEMBERED:
            self._names.clear()
        if self._forbidden or not (unknown := wanted - self._names.keys()):
            return
        try:
            read = await self._api.read("companies", sorted(unknown), self._properties)
        except Forbidden as error:
            self._forbidden = True
            self._notes.append(f"companies are shown by their ids: {error.reason}")
            return
        for one in read.records:
            (name,) = Properties.values(one)
            self._names[one.id] = name if isinstance(name, str) else ""

    def name(self, identity: Any) -> Any:
        """A company's name; its id where it has none or it cannot be read."""
        return self._names.get(identity) or identity
