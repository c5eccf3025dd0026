"""What the org says of its objects, and what the mapping's names are there.

Terminology
    native    a name as the mapping spells it, such as `StageName` or `Owner.Name`
    column    a native name that was found, with its path and the kind of its values

Not for: reading values (`decode`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote

import msgspec

from adapters.salesforce.org import Org
from syncd.httpkit import Answer

Kind = Literal["text", "number", "yes_no", "moment"]

_KINDS: Final[dict[str, Kind]] = {
    "boolean": "yes_no", "datetime": "moment", "int": "number", "long": "number", "double": "number",
    "currency": "number", "percent": "number",
}  # fmt: skip
_COMPOUND: Final = frozenset({"address", "location", "base64", "complexvalue"})
"""Types that have no value of one kind; the Bulk API refuses them (https://github.com/estuary/connectors/pull/2673)."""

_NAMED: Final = frozenset({"Account", "Campaign", "Contact", "Group", "Pricebook2", "RecordType", "User"})
"""Objects whose field `Name` need not be looked up: it is always there."""


class PicklistValue(msgspec.Struct, frozen=True):
    """A value of a picklist."""

    value: str
    active: bool = True


class FieldInfo(msgspec.Struct, frozen=True, rename="camel"):
    """A field, as `describe` tells it.

    https://developer.salesforce.com/docs/platform/api-rest/guide/resources-sobject-describe.html
    """

    name: str
    type: str
    relationship_name: str | None = None
    reference_to: list[str] = []
    picklist_values: list[PicklistValue] = []
    calculated: bool = False
    updateable: bool = False


class ChildInfo(msgspec.Struct, frozen=True):
    """An object whose rows point to this one."""

    childSObject: str = ""  # noqa: N815 - the API's own name, which no rule of renaming gives
    field: str = ""
    relationshipName: str | None = None  # noqa: N815 - beside the other


class ObjectInfo(msgspec.Struct, frozen=True, rename="camel"):
    """An object, as `describe` tells it. Fields the user may not see are not in it."""

    name: str
    fields: list[FieldInfo]
    queryable: bool = True
    child_relationships: list[ChildInfo] = []

    def field(self, name: str) -> FieldInfo | None:
        """The field of this name, in any case."""
        return next((one for one in self.fields if one.name.casefold() == name.casefold()), None)

    def relation(self, name: str) -> FieldInfo | None:
        """The field behind the relationship of this name, in any case."""
        wanted = name.casefold()
        return next((one for one in self.fields if (one.relationship_name or "").casefold() == wanted), None)

    def child(self, name: str) -> ChildInfo | None:
        """The child of this name, be it the object's or the relationship's, in any case."""
        wanted = name.casefold()
        by_object = (one for one in self.child_relationships if one.childSObject.casefold() == wanted)
        by_name = (one for one in self.child_relationships if (one.relationshipName or "").casefold() == wanted)
        return next(by_object, None) or next(by_name, None)


@dataclass(frozen=True, slots=True)
class Column:
    """A field that can be asked for.

    Attributes:
        native: Its name in the mapping.
        path: Its API name, relationships first.
        kind: Of its values.
    """

    native: str
    path: tuple[str, ...]
    kind: Kind

    @property
    def name(self) -> str:
        """As a query names it."""
        return ".".join(self.path)


class Catalogue:
    """The objects of one org, each asked for once."""

    def __init__(self, org: Org) -> None:
        """Args: org, which is asked."""
        self._org = org
        self._known: dict[str, asyncio.Task[tuple[ObjectInfo, Answer]]] = {}

    async def describe(self, name: str) -> tuple[ObjectInfo, Answer]:
        """An object, with the answer that told of it.

        Raises:
            Refused: There is none of this name, or it is hidden from the user.
        """
        if name not in self._known:
            decode = msgspec.json.Decoder(ObjectInfo).decode
            asked = self._org.get(f"sobjects/{quote(name, safe='')}/describe", decode=decode)
            self._known[name] = asyncio.create_task(asked)
        return await self._known[name]

    async def find(self, table: str, natives: Iterable[str]) -> tuple[list[Column], list[str]]:
        """The columns of an object that native names mean, and the names that mean none."""
        found: dict[tuple[str, ...], Column] = {}
        lacking = []
        for native in sorted(natives):
            column = await self._column(table, native)
            if column is None or column.path in found:
                lacking.append(native)
            else:
                found[column.path] = column
        return list(found.values()), lacking

    async def _column(self, table: str, native: str) -> Column | None:
        path: list[str] = []
        *relations, last = native.split(".")
        for part in relations:
            info, _ = await self.describe(table)
            field = info.relation(part)
            if field is None or field.relationship_name is None or not field.reference_to:
                return None
            path.append(field.relationship_name)
            # What may point to several objects is read as the pseudo object that has what they share
            # (https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_name.htm).
            table = field.reference_to[0] if len(field.reference_to) == 1 else "Name"
        if path and last.casefold() == "name" and table in {*_NAMED, "Name"}:
            return Column(native, (*path, "Name"), "text")
        info, _ = await self.describe(table)
        return column_of(info.field(last), native, path)

    async def all_columns(self, table: str) -> list[Column]:
        """Every column of an object's own."""
        info, _ = await self.describe(table)
        columns = (column_of(field, field.name, []) for field in info.fields)
        return [column for column in columns if column is not None]


def column_of(field: FieldInfo | None, native: str, path: list[str]) -> Column | None:
    """The column of a field; None where there is no field, or none whose values are of one kind."""
    if field is None or field.type in _COMPOUND:
        return None
    return Column(native, (*path, field.name), _KINDS.get(field.type, "text"))
