"""What the service says of its own tables: columns, choices, flows.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query-metadata-web-api

Not for: judging it (`adapters.dynamics365.examination`).
"""

from __future__ import annotations

from typing import Final

import msgspec

from adapters.dynamics365.queries import Plan
from syncd.httpkit import HttpClient

HEADERS: Final = {"OData-MaxVersion": "4.0", "OData-Version": "4.0"}

_CASTS: Final = {
    "Picklist": "PicklistAttributeMetadata",
    "State": "StateAttributeMetadata",
    "Status": "StatusAttributeMetadata",
}
"""Kinds of choices by `AttributeType`. The abstract `EnumAttributeMetadata` is answered 500."""


class Attribute(msgspec.Struct):
    """A column of a table.

    Attributes:
        secured: Column security may hide it, and then it is null.
    """

    name: str = msgspec.field(name="LogicalName")
    kind: str | None = msgspec.field(default=None, name="AttributeType")
    readable: bool = msgspec.field(default=True, name="IsValidForRead")
    secured: bool = msgspec.field(default=False, name="IsSecured")


class Table(msgspec.Struct):
    """What is asked of a table."""

    tracked: bool = msgspec.field(default=False, name="ChangeTrackingEnabled")


class _Attributes(msgspec.Struct):
    value: list[Attribute]


class _Localized(msgspec.Struct):
    label: str | None = msgspec.field(default=None, name="Label")


class _Label(msgspec.Struct):
    own: _Localized | None = msgspec.field(default=None, name="UserLocalizedLabel")


class _Option(msgspec.Struct):
    value: int | None = msgspec.field(default=None, name="Value")
    label: _Label | None = msgspec.field(default=None, name="Label")


class _OptionSet(msgspec.Struct):
    options: list[_Option] = msgspec.field(default_factory=list, name="Options")


class _Choice(msgspec.Struct):
    options: _OptionSet | None = msgspec.field(default=None, name="OptionSet")


async def table_of(client: HttpClient, plan: Plan) -> Table:
    """The table itself."""
    path = f"{_table(plan)}?$select=ChangeTrackingEnabled"
    return (await client.get_json(path, decode=msgspec.json.Decoder(Table).decode, headers=HEADERS))[0]


async def attributes_of(client: HttpClient, plan: Plan) -> dict[str, Attribute]:
    """The columns of the table, by logical name."""
    path = f"{_table(plan)}/Attributes?$select=LogicalName,AttributeType,IsValidForRead,IsSecured"
    found, _ = await client.get_json(path, decode=msgspec.json.Decoder(_Attributes).decode, headers=HEADERS)
    return {one.name: one for one in found.value}


async def labels_of(client: HttpClient, plan: Plan, name: str) -> dict[str, str]:
    """The labels of a choice by their values, both as texts; empty where the column is none."""
    path = f"{_table(plan)}/Attributes(LogicalName='{name}')?$select=LogicalName,AttributeType"
    attribute, _ = await client.get_json(path, decode=msgspec.json.Decoder(Attribute).decode, headers=HEADERS)
    cast = _CASTS.get(attribute.kind or "")
    if cast is None:
        return {}
    path = (
        f"{_table(plan)}/Attributes(LogicalName='{name}')/Microsoft.Dynamics.CRM.{cast}"
        "?$select=LogicalName&$expand=OptionSet"
    )
    found, _ = await client.get_json(path, decode=msgspec.json.Decoder(_Choice).decode, headers=HEADERS)
    options = found.options.options if found.options else []
    labels = {str(one.value): one.label.own.label for one in options if one.label and one.label.own}
    return {value: label for value, label in labels.items() if label is not None}


async def date_behavior_of(client: HttpClient, plan: Plan, name: str) -> str:
    """`DateOnly`, `UserLocal` or `TimeZoneIndependent`; empty where it is not told."""
    path = (
        f"{_table(plan)}/Attributes(LogicalName='{name}')/Microsoft.Dynamics.CRM.DateTimeAttributeMetadata"
        "?$select=LogicalName,DateTimeBehavior"
    )
    found, _ = await client.get_json(path, decode=msgspec.json.decode, headers=HEADERS)
    behavior = found.get("DateTimeBehavior") if isinstance(found, dict) else None
    return str(behavior.get("Value", "")) if isinstance(behavior, dict) else ""


def logical(name: str) -> str:
    """The column behind a property or an annotation: `_ownerid_value@…` is `ownerid`."""
    bare = name.partition("@")[0]
    return bare[1:-6] if bare.startswith("_") and bare.endswith("_value") else bare


def _table(plan: Plan) -> str:
    return f"EntityDefinitions(LogicalName='{plan.settings.table}')"
