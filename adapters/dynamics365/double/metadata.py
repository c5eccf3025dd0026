"""What the double says of its tables, in the forms of `EntityDefinitions`.

Not for: requests (`service`).
"""

from __future__ import annotations

import re
from typing import Any, Final

from adapters.dynamics365.double.queries import QueryError
from adapters.dynamics365.double.tables import Table

PATH: Final = re.compile(
    r"EntityDefinitions\(LogicalName='(\w+)'\)(?:/Attributes(?:\(LogicalName='(\w+)'\)(?:/(\S+))?)?)?"
)
_KINDS: Final = {
    "choice": "Picklist", "lookup": "Lookup", "money": "Money", "integer": "Integer", "boolean": "Boolean",
    "date": "DateTime", "datetime": "DateTime", "guid": "Uniqueidentifier", "string": "String",
}  # fmt: skip
_CASTS: Final = {
    "Picklist": "Picklist",
    "State": "State",
    "Status": "Status",
    "Boolean": "Boolean",
    "DateTime": "DateTime",
}


def described(table: Table, path: str, *, tracked: bool, secured: set[str], behavior: dict[str, str]) -> dict[str, Any]:
    """The answer to a question about a table.

    Raises:
        QueryError: There is no such column, or no such cast of it.
    """
    found = PATH.fullmatch(path)
    assert found is not None  # noqa: S101 - the caller matched it
    _, name, cast = found.groups()
    if name is None and "/Attributes" not in path:
        return {"LogicalName": table.logical, "ChangeTrackingEnabled": tracked, "IsOptimisticConcurrencyEnabled": True}
    columns = {_logical(prop): prop for prop in table.kinds}
    if name is None:
        return {"value": [_attribute(table, one, prop, secured) for one, prop in sorted(columns.items())]}
    if name not in columns:
        raise QueryError(f"Could not find an attribute with specified name: {name}", status=404, code="0x80040217")
    attribute = _attribute(table, name, columns[name], secured)
    if cast is None:
        return attribute
    return {**attribute, **_cast(table, columns[name], attribute["AttributeType"], cast, behavior)}


def _cast(table: Table, prop: str, kind: str, cast: str, behavior: dict[str, str]) -> dict[str, Any]:
    wanted = cast.removeprefix("Microsoft.Dynamics.CRM.").removesuffix("AttributeMetadata")
    if wanted == "Enum":
        # It is abstract, and the service falls over.
        raise QueryError("An unexpected error occurred.", status=500, code="0x80040216")
    if _CASTS.get(kind) != wanted:
        raise QueryError("Resource not found for the segment.", status=404, code="0x80060888")
    if kind == "DateTime":
        usual = "DateOnly" if table.kinds[prop] == "date" else "UserLocal"
        return {"DateTimeBehavior": {"Value": behavior.get(prop, usual)}}
    options = table.options.get(prop, {})
    labelled = [{"Value": value, "Label": {"UserLocalizedLabel": {"Label": label, "LanguageCode": 1033}}}
                for value, label in options.items()]  # fmt: skip
    return {"OptionSet": {"Options": labelled}}


def _logical(prop: str) -> str:
    return prop[1:-6] if prop.startswith("_") and prop.endswith("_value") else prop


def _attribute(table: Table, name: str, prop: str, secured: set[str]) -> dict[str, Any]:
    kind = {"statecode": "State", "statuscode": "Status"}.get(name) or _KINDS[table.kinds[prop]]
    return {"LogicalName": name, "AttributeType": kind, "IsValidForRead": True, "IsSecured": prop in secured}
