"""Evidence from child components: activities, assessments, contacts, attachments.

Each opportunity's rows are asked for by themselves, which every version allows, or, where the configuration says how,
those of many opportunities at once. A component that cannot be read leaves its evidence unknown and stops nothing.

Not for: what child rows mean, which the mapping says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from adapters.siebel.dialect import TOGETHER, any_of, error_code, literal, path_of, resource
from adapters.siebel.queries import Queries
from adapters.siebel.settings import ChildResource, SiebelSettings
from syncd.adapter import MISSING
from syncd.httpkit import Refused

_ID: Final = "Id"
Rows = list[dict[str, Any]]


class Children:
    """Reads the child components that a mapping names.

    Attributes:
        notes: What could not be read, for people; grows.
        unread: Components that could not be read.
        answered: Components about which Siebel answered a question.
    """

    def __init__(self, queries: Queries, settings: SiebelSettings, wanted: Mapping[str, frozenset[str]]) -> None:
        """Args: queries; settings; and for each child component the fields that are used of it."""
        self._queries = queries
        self._settings = settings
        self._fields = {name: (_ID, *sorted(fields - {_ID})) for name, fields in sorted(wanted.items())}
        self.unread: set[str] = set()
        self.answered: set[str] = set()
        self.notes: list[str] = []

    @property
    def names(self) -> tuple[str, ...]:
        """The components, in the order of their columns."""
        return tuple(self._fields)

    def fields(self, name: str) -> tuple[str, ...]:
        """What is asked of a component; the id comes first."""
        return self._fields[name]

    async def of(self, ids: Sequence[str]) -> list[tuple[Any, ...]]:
        """For each opportunity its child rows by component, `MISSING` where they cannot be read."""
        columns = await asyncio.gather(*(self._column(name, ids) for name in self._fields))
        return list(zip(*columns, strict=True)) if columns else [()] * len(ids)

    async def _column(self, name: str, ids: Sequence[str]) -> list[Any]:
        if name not in self.unread:
            try:
                bulk = name in self._settings.children
                found = await (self._in_bulk(name, ids) if bulk else self._one_by_one(name, ids))
            except Refused as refused:
                self.give_up(name, refused)
            else:
                self.answered.add(name)
                return found
        return [MISSING] * len(ids)

    def give_up(self, name: str, refused: Refused) -> None:
        """A component cannot be read: ask for it no more."""
        if name not in self.unread:
            why = error_code(refused.answer) or f"status {refused.answer.status}"
            self.unread.add(name)
            self.notes.append(f"{name} cannot be read ({why}), so that the evidence in it is unknown")

    async def _one_by_one(self, name: str, ids: Sequence[str]) -> list[Rows]:
        # One that is refused is as good as all; the others are not waited for in vain.
        first = [await self._rows(name, one) for one in ids[:1]]
        tasks = [asyncio.create_task(self._rows(name, one)) for one in ids[1:]]
        try:
            return first + list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _rows(self, name: str, identity: str) -> Rows:
        settings, fields = self._settings, self._fields[name]
        path = path_of(settings.business_object, settings.business_component, identity, name)
        walk = self._queries.walk(path, fields, counted=False, ahead=1)
        return [_told(fields, row) async for page in walk.pages() for row in page.rows]

    async def _in_bulk(self, name: str, ids: Sequence[str]) -> list[Any]:
        source = self._settings.children[name]
        # An id that no search can hold is not asked about, which is not the same as having no rows.
        found: dict[str, Any] = {one: MISSING if literal(one) is None else [] for one in ids}
        asked = [one for one, rows in found.items() if rows is not MISSING]
        groups = [asked[start : start + TOGETHER] for start in range(0, len(asked), TOGETHER)]
        for rows in await asyncio.gather(*(self._group(name, source, group) for group in groups)):
            for parent, row in rows:
                if parent in found:
                    found[parent].append(row)
        return [found[one] for one in ids]

    async def _group(self, name: str, source: ChildResource, ids: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
        fields = tuple(dict.fromkeys((*self._fields[name], source.parent)))
        parent = fields.index(source.parent)
        search = any_of(source.parent, ids)
        path, mode = resource(source.resource), source.view_mode
        walk = self._queries.walk(path, fields, search=search, view_mode=mode, ahead=1)
        return [(str(row[parent]), _told(fields, row)) async for page in walk.pages() for row in page.rows]


def _told(fields: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    return {name: value for name, value in zip(fields, row, strict=False) if value is not MISSING}
