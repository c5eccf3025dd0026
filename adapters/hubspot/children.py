"""Child components of deals: tasks, notes, meetings, contacts and whatever else HubSpot can associate with a deal.

Associations are read for a thousand deals at a time, the records behind them a hundred at a time. A type that cannot be
read makes its component unknown; the deals themselves are read all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from adapters.hubspot.api import Api
from adapters.hubspot.chain import Chain
from adapters.hubspot.decode import Associations, Definition, Properties, Record, Target, after, decoder
from adapters.hubspot.errors import Forbidden
from adapters.hubspot.rows import as_time
from adapters.hubspot.settings import MOST_ASSOCIATED
from syncd.adapter import MISSING, Missing
from syncd.errors import AuthFailed, SourceIncomplete, SourceUnavailable

LABEL: Final = "association.label"
"""The field of a child row that holds what the record is to the deal, such as a contact's role. A record that is
associated under several labels gives a row for each."""

_NOTHING_THERE: Final = ("crm.associations.NO_ASSOCIATIONS_FOUND", "OBJECT_NOT_FOUND")
"""What HubSpot says of a record without associations: an error in the body of status 207."""

_TIMES: Final = frozenset({"date", "datetime"})

Rows = list[dict[str, Any]] | Missing
Links = dict[str, list[Target] | Missing]


class Children:
    """Reads the child components that a mapping looks into."""

    def __init__(self, api: Api, components: Mapping[str, frozenset[str]], notes: list[str]) -> None:
        """Args: api; components, the fields used of each type; notes, where to say what could not be read."""
        self._api = api
        self._kinds = {kind: _Kind(kind, fields) for kind, fields in sorted(components.items())}
        self._notes = notes

    @property
    def kinds(self) -> list[str]:
        """The types, in the order of `of`."""
        return list(self._kinds)

    async def of(self, ids: Sequence[str]) -> list[tuple[Rows, ...]]:
        """For each of some deals its components: a list of rows, or `MISSING` where it cannot be read."""
        if not self._kinds or not ids:
            return [()] * len(ids)
        columns = await asyncio.gather(*(self._column(kind, ids) for kind in self._kinds.values()))
        return list(zip(*columns, strict=True))

    async def deals_of(self, kind: str, ids: Sequence[str]) -> list[str]:
        """The deals that some records of a type are associated with."""
        links = await self._associated(kind, "deals", ids)
        return [str(one.to_object_id) for targets in links.values() if isinstance(targets, list) for one in targets]

    def give_up(self, kind: str, error: SourceIncomplete) -> None:
        """Ask no more for a type that cannot be read.

        Raises:
            SourceIncomplete: HubSpot cannot be read at all.
        """
        if isinstance(error, SourceUnavailable) or (isinstance(error, AuthFailed) and not isinstance(error, Forbidden)):
            raise error
        if not self._kinds[kind].refused:
            self._kinds[kind].refused = True
            self._notes.append(f"the {kind} of deals cannot be read, so evidence in them is unknown: {error.reason}")

    def cannot_search(self, kind: str, error: SourceIncomplete) -> None:
        """Go on without knowing which records of a type changed.

        Raises:
            SourceIncomplete: HubSpot cannot be read at all.
        """
        if isinstance(error, SourceUnavailable | AuthFailed):
            self.give_up(kind, error)
        else:
            self._notes.append(f"which {kind} changed is not known, only those of changed deals: {error.reason}")

    async def _column(self, kind: _Kind, ids: Sequence[str]) -> Sequence[Rows]:
        if not kind.refused:
            try:
                return await self._rows(kind, ids)
            except SourceIncomplete as error:
                self.give_up(kind.name, error)
        return [MISSING] * len(ids)

    async def _rows(self, kind: _Kind, ids: Sequence[str]) -> Sequence[Rows]:
        links = await self._associated("deals", kind.name, ids)
        wanted = {str(one.to_object_id) for targets in links.values() if isinstance(targets, list) for one in targets}
        records: dict[str, Record[Any]] = {}
        if kind.fields and wanted:
            if kind.definitions is None:
                kind.definitions = await self._api.definitions(kind.name) or {}
            read = await self._api.read(kind.name, sorted(wanted), kind.properties)
            records = {one.id: one for one in read.records}
        return [kind.rows(links[one], records) for one in ids]

    async def _associated(self, one: str, other: str, ids: Sequence[str]) -> Links:
        parts = [ids[start : start + MOST_ASSOCIATED] for start in range(0, len(ids), MOST_ASSOCIATED)]
        links: Links = {}
        for part in await asyncio.gather(*(self._associated_part(one, other, part) for part in parts)):
            links |= part
        return links

    async def _associated_part(self, one: str, other: str, ids: Sequence[str]) -> Links:
        path = self._api.paths.associations.format(one=one, other=other)
        links: dict[str, list[Target]] = {identity: [] for identity in ids}
        unknown: set[str] = set()
        asked = [{"id": identity} for identity in ids]
        chains: dict[str, Chain] = {}
        while asked:
            answer = await self._api.post(path, {"inputs": asked}, decode=decoder(Associations))
            unknown |= _unreadable(answer)
            for found in answer.results:
                if found.from_.id in links:
                    links[found.from_.id] += found.to
            asked = [
                {"id": found.from_.id, "after": following}
                for found in answer.results
                if (following := after(found.paging))
                and chains.setdefault(found.from_.id, Chain("a list of associations")).goes_on(following)
            ]
        return {identity: MISSING if identity in unknown else targets for identity, targets in links.items()}


class _Kind:
    """A type of child."""

    def __init__(self, name: str, fields: Iterable[str]) -> None:
        self.name = name
        self.labelled = LABEL in fields
        self.fields = sorted(set(fields) - {LABEL})
        self.properties = Properties(self.fields)
        self.definitions: dict[str, Definition] | None = None
        self.refused = False

    def rows(self, targets: list[Target] | Missing, records: Mapping[str, Record[Any]]) -> Rows:
        """The rows of one deal."""
        if isinstance(targets, Missing):
            return MISSING
        rows: list[dict[str, Any]] = []
        for target in targets:
            identity = str(target.to_object_id)
            if self.fields and identity not in records:
                continue  # it went between the two requests
            row = self._row(records[identity]) if self.fields else {}
            if not self.labelled:
                rows.append(row)
                continue
            labels = dict.fromkeys(one.label for one in target.association_types if one.label)
            rows += [{**row, LABEL: label} for label in labels or [None]]
        return rows

    def _row(self, record: Record[Any]) -> dict[str, Any]:
        values = zip(self.fields, Properties.values(record), strict=True)
        return {name: self._value(name, value) for name, value in values if value is not msgspec.UNSET}

    def _value(self, name: str, value: Any) -> Any:
        definition = (self.definitions or {}).get(name)
        return as_time(value) if definition is not None and definition.type in _TIMES else value


def _unreadable(answer: Associations) -> set[str]:
    """The ids whose associations could not be told."""
    return {
        identity
        for one in answer.errors
        if one.sub_category not in _NOTHING_THERE and one.category not in _NOTHING_THERE
        for key in ("fromObjectId", "ids")
        for identity in one.ids(key)
    }
