"""Evidence beside the opportunity: the rows of tasks, events, notes, files and whatever else points to it.

Asked for by the ids of a page of opportunities, some hundred at a time, or all at once where there are few. A component
that cannot be read is unknown, which is no error; one that is read, is read whole.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from adapters.salesforce import errors, soql
from adapters.salesforce.decode import Row, Shape
from adapters.salesforce.org import Org
from adapters.salesforce.schema import Catalogue, Column, ObjectInfo
from adapters.salesforce.together import all_of
from syncd.adapter import MISSING
from syncd.errors import SourceIncomplete
from syncd.httpkit import Refused

_ASKED: Final = 3
"""Times some rows are asked for when their count does not match, as it may not while people work."""

_NEEDS_A_PARENT: Final = frozenset({"ContentDocumentLink", "CombinedAttachment", "AttachedContentDocument"})
"""Objects that are answered for given parents alone
(https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_contentdocumentlink.htm)."""

_FEW: Final = 5_000
"""Rows of a component that are read at once before a full pull, rather than by the ids of page after page."""

_NOBODY: Final = "006000000000000AAA"
"""An opportunity that no org has."""

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
        answered: Rows of it were given.
        partial: Some rows of it were not given.
        all: Every row by parent, where there are few.
    """

    native: str
    table: str
    parent: str
    shape: Shape
    alive: tuple[str, ...]
    ours: tuple[str, ...]
    tells_changes: bool
    readable: bool = True
    answered: bool = False
    partial: bool = False
    all: dict[str, Any] | None = None

    @property
    def everything(self) -> bool:
        """Whether to ask with `queryAll`: activities of past years are archived, which no other query sees."""
        return bool(self.alive)


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

    @property
    def unread(self) -> set[str]:
        """The components that could not be read, or not for every record."""
        return {*self.natives} - {native for native, one in self._found.items() if one.readable and not one.partial}

    @property
    def answered(self) -> set[str]:
        """The components of which rows were given."""
        return {native for native, one in self._found.items() if one.answered}

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
        found = await all_of(_look_up(catalogue, info, native, wanted[native]) for native in made.natives)
        for native, child in zip(made.natives, found, strict=True):
            if child is None:
                made._note_unknown(native)
            else:
                made._found[native] = child
        return made

    async def read_few(self) -> None:
        """Read the components that have few rows at once. For full pulls, before their first page."""
        await all_of(self._few(child) for child in self._found.values() if child.tells_changes)

    async def of(self, ids: Sequence[str]) -> list[list[Any]]:
        """For each id the rows of each component, in the order of `natives`; `MISSING` where they cannot be read."""
        columns = await all_of(self._column(native, ids) for native in self.natives)
        return [list(row) for row in zip(*columns, strict=True)] if columns else [[] for _ in ids]

    async def changed(self, since: datetime) -> AsyncGenerator[list[str], None]:
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
                        yield [parent for parent in _parents(shape.rows(page.records), 0) if parent]
            except Refused as refused:
                if not errors.is_denied(refused):
                    raise
                self._give_up(native, child)

    async def probe(self, natives: Collection[str]) -> None:
        """Find out of some components whether they can be read by now, if nothing else was asked of them."""
        asked = [one for native, one in self._found.items() if native in natives and not one.answered]
        await all_of(self._rows(child, [_NOBODY]) for child in asked)

    async def _column(self, native: str, ids: Sequence[str]) -> list[Any]:
        child = self._found.get(native)
        if child is None:
            return [MISSING] * len(ids)
        by_parent: dict[str, Any] = {}
        if child.all is not None:
            by_parent = child.all
        else:
            for some in await all_of(self._rows(child, some) for some in soql.chunks(ids)):
                by_parent |= some
        if not child.readable:
            self._give_up(native, child)
            return [MISSING] * len(ids)
        return [by_parent.get(one, []) for one in ids]

    async def _rows(self, child: _Child, ids: Sequence[str]) -> dict[str, Any]:
        """The rows of some parents, by parent; of one that has none, nothing."""
        query = soql.select(child.shape.names, child.table, [soql.is_one_of(child.parent, ids), *child.alive])
        for _ in range(_ASKED):
            if not child.readable:
                return {}
            try:
                promised, records = await self._org.rows(query, child.shape.batch, everything=child.everything)
            except Refused as refused:
                if errors.code_of(refused.answer) == errors.DEAD_CURSOR:
                    continue
                if not errors.is_denied(refused):
                    raise
                child.readable = False
                return {}
            if promised == len(records):
                break
        else:
            child.partial = True
            self._note_unknown(child.native)
            return dict.fromkeys(ids, MISSING)
        child.answered = True
        return _by_parent(child, records)

    async def _few(self, child: _Child) -> None:
        query = soql.select(child.shape.names, child.table, [*child.ours, *child.alive])
        records: list[Any] = []
        promised = 0
        try:
            async with aclosing(self._org.query(query, child.shape.batch, everything=child.everything)) as pages:
                async for page in pages:
                    promised = page.totalSize
                    if promised > _FEW:
                        return
                    records += page.records
        except Refused:
            return  # asked by ids, it may be answered; if not, that is told there
        if promised == len(records):
            child.all = _by_parent(child, records)

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
    try:
        of_child, _ = await catalogue.describe(told.childSObject)
        columns, lacking = await catalogue.find(told.childSObject, wanted)
    except Refused as refused:
        if not errors.is_denied(refused):
            raise
        return None
    parent = of_child.field(told.field)
    if lacking or parent is None:
        return None
    # The parent's id is asked for once, be it that the mapping looks at it or not.
    columns = [column for column in columns if column.path != (parent.name,)]
    shape = Shape([Column(_PARENT, (parent.name,), "text"), *columns])
    many = len(parent.reference_to) > 1 and soql.is_name(parent.relationship_name or "")
    return _Child(
        native=native,
        table=of_child.name,
        parent=parent.name,
        shape=shape,
        alive=("IsDeleted = false",) if of_child.field("IsDeleted") else (),
        ours=(f"{parent.relationship_name}.Type = {soql.quoted(info.name)}",) if many else (),
        tells_changes=of_child.field("SystemModstamp") is not None and of_child.name not in _NEEDS_A_PARENT,
    )


def _by_parent(child: _Child, records: Sequence[Any]) -> dict[str, Any]:
    """Rows under the mapping's names, by parent."""
    natives = child.shape.natives
    at = natives.index(_PARENT)
    found: dict[str, Any] = {}
    rows = child.shape.rows(records)
    for parent, row in zip(_parents(rows, at), rows, strict=True):
        named = {name: value for name, value in zip(natives, row, strict=True) if name != _PARENT}
        found.setdefault(parent, []).append(named)
    return found


def _parents(rows: Sequence[Row], at: int) -> list[Any]:
    """What some rows belong to; None where that is nothing.

    Raises:
        SourceIncomplete: One does not say.
    """
    parents = [row[at] for row in rows]
    if MISSING in parents:
        raise SourceIncomplete(
            "the org gives a row and not what it belongs to",
            "run again; if it stays, look whether a gateway changes answers",
        )
    return parents
