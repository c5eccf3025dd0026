"""Evidence beside the opportunity: the rows of tasks, events, notes, files and whatever else points to it.

Asked for by the ids of a page of opportunities, some hundred at a time. A component that cannot be read is unknown, which
is no error; one that is read, is read whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.salesforce import soql
from adapters.salesforce.decode import Shape
from adapters.salesforce.org import Org
from adapters.salesforce.schema import Catalogue, Column, ObjectInfo
from syncd.adapter import MISSING
from syncd.httpkit import Refused

_ASKED: Final = 3
"""Times some rows are asked for when their count does not match, as it may not while people work."""

_NEEDS_A_PARENT: Final = frozenset({"ContentDocumentLink", "CombinedAttachment", "AttachedContentDocument"})
"""Objects that are answered for given parents alone
(https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_contentdocumentlink.htm)."""

_PARENT: Final = ""
"""The native name of the column that holds the parent's id."""


@dataclass(slots=True)
class _Child:
    """A child component.

    Attributes:
        native: Its name in the mapping.
        table: The object.
        parent: Its field that holds the opportunity's id.
        shape: The fields to ask for.
        alive: Conditions that leave out what was deleted.
        ours: Conditions that leave out the children of other objects.
        tells_changes: It can be asked what changed.
        readable: No question about it was refused yet.
    """

    native: str
    table: str
    parent: str
    shape: Shape
    alive: tuple[str, ...]
    ours: tuple[str, ...]
    tells_changes: bool
    readable: bool = True


class Children:
    """The child components the mapping looks through.

    Attributes:
        natives: Their names in the mapping, in the order of the columns.
        notes: For people.
    """

    def __init__(self, org: Org, natives: Sequence[str]) -> None:
        self._org = org
        self._found: dict[str, _Child] = {}
        self.natives = tuple(natives)
        self.notes: list[str] = []

    @classmethod
    async def find(
        cls, org: Org, catalogue: Catalogue, info: ObjectInfo, wanted: Mapping[str, frozenset[str]]
    ) -> Children:
        """Look up the components of an object.

        Args:
            org: Where they are.
            catalogue: What the org says of its objects.
            info: The object.
            wanted: The fields the mapping uses, by component.
        """
        made = cls(org, sorted(wanted))
        for native in made.natives:
            try:
                child = await _look_up(catalogue, info, native, wanted[native])
            except Refused:
                child = None
            if child is None:
                made._note_unknown(native)
            else:
                made._found[native] = child
        return made

    async def of(self, ids: Sequence[str]) -> list[list[Any]]:
        """For each id the rows of each component, in the order of `natives`; `MISSING` where they cannot be read."""
        read = await asyncio.gather(*(self._column(native, ids) for native in self.natives), return_exceptions=True)
        columns = [_raised(one) for one in read]
        return [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in ids]

    async def changed(self, since: datetime) -> AsyncIterator[list[str]]:
        """The parents of the rows that came, changed or went since, some at a time."""
        for native, child in self._found.items():
            if not child.tells_changes or not child.readable:
                continue
            where = [f"SystemModstamp >= {soql.moment(since)}", *child.ours]
            shape = Shape([Column(_PARENT, (child.parent,), "text")])
            query = soql.select(shape.names, child.table, where)
            try:
                async with aclosing(self._org.query(query, shape.batch, everything=True)) as pages:
                    async for page in pages:
                        yield [row[0] for row in shape.rows(page.records) if row[0]]
            except Refused:
                self._give_up(native, child)

    async def _column(self, native: str, ids: Sequence[str]) -> list[Any]:
        child = self._found.get(native)
        if child is None:
            return [MISSING] * len(ids)
        read = await asyncio.gather(*(self._rows(child, some) for some in soql.chunks(ids)), return_exceptions=True)
        by_parent: dict[str, Any] = {}
        for some in read:
            by_parent |= _raised(some)
        if not child.readable:
            self._give_up(native, child)
            return [MISSING] * len(ids)
        return [by_parent.get(one, []) for one in ids]

    async def _rows(self, child: _Child, ids: Sequence[str]) -> dict[str, Any]:
        """The rows of some parents, by parent; of one that has none, nothing."""
        query = soql.select(child.shape.names, child.table, [soql.is_one_of(child.parent, ids), *child.alive])
        at = child.shape.natives.index(_PARENT)
        for _ in range(_ASKED):
            if not child.readable:
                return {}
            try:
                # Activities of past years are archived, which only `queryAll` sees.
                promised, records = await self._org.rows(query, child.shape.batch, everything=bool(child.alive))
            except Refused:
                child.readable = False
                return {}
            if promised == len(records):
                break
        else:
            return dict.fromkeys(ids, MISSING)
        found: dict[str, list[dict[str, Any]]] = {}
        for row in child.shape.rows(records):
            named = dict(zip(child.shape.natives, row, strict=True))
            found.setdefault(row[at], []).append({name: value for name, value in named.items() if name != _PARENT})
        return found

    def _give_up(self, native: str, child: _Child) -> None:
        child.readable = False
        self._note_unknown(native)

    def _note_unknown(self, native: str) -> None:
        note = f"the child component {native} cannot be read, so what it would show is unknown"
        if note not in self.notes:
            self.notes.append(note)


async def _look_up(catalogue: Catalogue, info: ObjectInfo, native: str, wanted: frozenset[str]) -> _Child | None:
    """The component; None where it, or a field of it that the mapping uses, is not there."""
    told = info.child(native)
    if told is None:
        return None
    of_child, _ = await catalogue.describe(told.childSObject)
    parent = of_child.field(told.field)
    columns, lacking = await catalogue.find(told.childSObject, wanted)
    if lacking or parent is None:
        return None
    # The parent's id is asked for once, be it that the mapping looks at it or not.
    columns = [column for column in columns if column.path != (parent.name,)]
    shape = Shape([Column(_PARENT, (parent.name,), "text"), *columns])
    many = len(parent.reference_to) > 1 and parent.relationship_name is not None
    return _Child(
        native=native,
        table=of_child.name,
        parent=parent.name,
        shape=shape,
        alive=("IsDeleted = false",) if of_child.field("IsDeleted") else (),
        ours=(f"{parent.relationship_name}.Type = {soql.quoted(info.name)}",) if many else (),
        tells_changes=of_child.field("SystemModstamp") is not None and of_child.name not in _NEEDS_A_PARENT,
    )


def _raised(outcome: Any) -> Any:
    """What came of one of several tasks; all have ended by then."""
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
