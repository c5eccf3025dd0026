"""What the double holds: objects with their fields, rows, sharing and the log of deletions.

Times are kept as texts, `2026-03-02T09:15:44.000Z`, and compared to the second. Ids sort in the order in which they
were given out, as they do in an org.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from adapters.salesforce import double_soql as soql

_STANDARD: Final[Mapping[str, Mapping[str, str]]] = {
    "Opportunity": {
        "Id": "id", "IsDeleted": "boolean", "Name": "string", "StageName": "picklist", "Probability": "percent",
        "Amount": "currency", "ExpectedRevenue": "currency", "CloseDate": "date", "Type": "picklist",
        "NextStep": "string", "Description": "textarea", "LeadSource": "picklist", "IsClosed": "boolean",
        "IsWon": "boolean", "ForecastCategory": "picklist", "ForecastCategoryName": "picklist",
        "LastStageChangeDate": "datetime", "OwnerId": "reference", "AccountId": "reference",
        "Territory2Id": "reference", "CreatedDate": "datetime", "CreatedById": "reference",
        "LastModifiedDate": "datetime", "LastModifiedById": "reference", "SystemModstamp": "datetime",
        "HasOpportunityLineItem": "boolean",
    },
    "Account": {"Id": "id", "Name": "string", "BillingAddress": "address", "SystemModstamp": "datetime"},
    "User": {"Id": "id", "Name": "string", "Username": "string", "SystemModstamp": "datetime"},
    "Territory2": {"Id": "id", "Name": "string", "SystemModstamp": "datetime"},
    "Contact": {"Id": "id", "Name": "string", "SystemModstamp": "datetime"},
    "ContentDocument": {"Id": "id", "Title": "string", "CreatedDate": "datetime"},
    "Task": {
        "Id": "id", "WhatId": "reference", "OwnerId": "reference", "Subject": "combobox", "Type": "picklist",
        "Status": "picklist", "ActivityDate": "date", "CompletedDateTime": "datetime", "IsClosed": "boolean",
        "IsArchived": "boolean", "IsDeleted": "boolean", "SystemModstamp": "datetime",
    },
    "Event": {
        "Id": "id", "WhatId": "reference", "OwnerId": "reference", "Subject": "combobox", "Type": "picklist",
        "ActivityDate": "date", "IsArchived": "boolean", "IsDeleted": "boolean", "SystemModstamp": "datetime",
    },
    "Note": {
        "Id": "id", "ParentId": "reference", "Title": "string", "OwnerId": "reference", "CreatedDate": "datetime",
        "IsDeleted": "boolean", "SystemModstamp": "datetime",
    },
    "OpportunityContactRole": {
        "Id": "id", "OpportunityId": "reference", "ContactId": "reference", "Role": "picklist",
        "IsPrimary": "boolean", "CreatedDate": "datetime", "IsDeleted": "boolean", "SystemModstamp": "datetime",
    },
    "ContentDocumentLink": {
        "Id": "id", "LinkedEntityId": "reference", "ContentDocumentId": "reference", "IsDeleted": "boolean",
        "SystemModstamp": "datetime",
    },
    "OpportunityHistory": {
        "Id": "id", "OpportunityId": "reference", "StageName": "picklist", "Amount": "currency",
        "Probability": "percent", "CloseDate": "date", "CreatedDate": "datetime", "IsDeleted": "boolean",
    },
    "OpportunityFieldHistory": {
        "Id": "id", "OpportunityId": "reference", "Field": "picklist", "OldValue": "anyType", "NewValue": "anyType",
        "CreatedDate": "datetime", "IsDeleted": "boolean",
    },
    "OpportunityStage": {
        "Id": "id", "ApiName": "string", "MasterLabel": "string", "DefaultProbability": "percent",
        "IsActive": "boolean", "IsClosed": "boolean", "IsWon": "boolean", "ForecastCategory": "picklist",
        "ForecastCategoryName": "picklist", "SortOrder": "int",
    },
    "ObjectPermissions": {
        "Id": "id", "ParentId": "reference", "SobjectType": "picklist", "PermissionsViewAllRecords": "boolean",
    },
    "PermissionSetAssignment": {"Id": "id", "AssigneeId": "reference", "PermissionSetId": "reference"},
}  # fmt: skip
"""The type of each field, as `describe` names it."""

_RELATIONS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "OwnerId": ("Owner", ("User",)), "AccountId": ("Account", ("Account",)),
    "Territory2Id": ("Territory2", ("Territory2",)), "CreatedById": ("CreatedBy", ("User",)),
    "LastModifiedById": ("LastModifiedBy", ("User",)), "WhatId": ("What", ("Account", "Opportunity")),
    "ParentId": ("Parent", ("Account", "Opportunity")), "OpportunityId": ("Opportunity", ("Opportunity",)),
    "ContactId": ("Contact", ("Contact",)), "LinkedEntityId": ("LinkedEntity", ("Account", "Opportunity")),
    "ContentDocumentId": ("ContentDocument", ("ContentDocument",)),
}  # fmt: skip
"""The relationship of each reference, and what it may point to."""

CHILDREN: Final[Mapping[str, tuple[str, str]]] = {
    "Task": ("WhatId", "Tasks"), "Event": ("WhatId", "Events"), "Note": ("ParentId", "Notes"),
    "OpportunityContactRole": ("OpportunityId", "OpportunityContactRoles"),
    "ContentDocumentLink": ("LinkedEntityId", "ContentDocumentLinks"),
    "OpportunityHistory": ("OpportunityId", "OpportunityHistories"),
    "OpportunityFieldHistory": ("OpportunityId", "Histories"),
}  # fmt: skip
"""The children of an opportunity: the field that points to it, and the relationship's name."""

_PREFIXES: Final = {
    "Opportunity": "006", "Task": "00T", "Event": "00U", "Note": "002", "OpportunityContactRole": "00K",
    "ContentDocumentLink": "06A", "OpportunityHistory": "008", "OpportunityFieldHistory": "017",
    "OpportunityStage": "01J", "ObjectPermissions": "110", "PermissionSetAssignment": "0Pa",
}  # fmt: skip

NUMBERS: Final = frozenset({"percent", "currency", "double", "int"})
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SECONDS: Final = len("2026-03-02T09:15:44")


class Refusal(Exception):
    """A question that is refused: the status, the error code and a message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


@dataclass
class Table:
    """One object.

    Attributes:
        types: The type of each field, by API name; a path over a relationship has one too.
        rows: By id, in the order of creation.
        hidden: Fields the integration user may not see.
        readable: Whether it may see the object.
    """

    name: str
    types: dict[str, str]
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    readable: bool = True
    ranks: dict[str, int] = field(default_factory=dict)
    indexes: dict[str, dict[Any, dict[str, None]]] = field(default_factory=dict)
    made: int = 0

    def add(self, row: dict[str, Any]) -> dict[str, Any]:
        """Keep a row; one without an id gets the next."""
        self.made += 1
        identity = row.setdefault("Id", identity_of(_PREFIXES.get(self.name, "a00"), self.made))
        self.rows[identity] = row
        self.ranks[identity] = self.made
        for name, index in self.indexes.items():
            index.setdefault(row.get(name), {})[identity] = None
        return row

    def index(self, name: str) -> dict[Any, dict[str, None]]:
        """The ids of the rows by the value of a field that never changes."""
        if name not in self.indexes:
            found: dict[Any, dict[str, None]] = {}
            for identity, row in self.rows.items():
                found.setdefault(row.get(name), {})[identity] = None
            self.indexes[name] = found
        return self.indexes[name]

    def drop(self, identity: str) -> None:
        """Forget a row."""
        row = self.rows.pop(identity)
        for name, index in self.indexes.items():
            index.get(row.get(name), {}).pop(identity, None)

    def visible(self, name: str) -> str:
        """The API name of a field that is named in any case.

        Raises:
            Refusal: There is none, or it is hidden; the two cannot be told apart.
        """
        wanted = name.casefold()
        found = next((one for one in self.types if one.casefold() == wanted), None)
        if found is None:
            relation, _, last = name.partition(".")
            known = any(told[0].casefold() == relation.casefold() for told in _RELATIONS.values())
            if known and last.casefold() in ("name", "type", "id"):
                return ".".join(part[:1].upper() + part[1:] for part in name.split("."))
        if found is None or found in self.hidden:
            raise Refusal(400, "INVALID_FIELD", f"No such column '{name}' on entity '{self.name}'.")
        return found


class Tables:
    """All objects of the org."""

    def __init__(self) -> None:
        self._tables = {name: Table(name, dict(types)) for name, types in _STANDARD.items()}

    def __getitem__(self, name: str) -> Table:
        return self._tables[name]

    def __iter__(self) -> Iterator[Table]:
        """The objects."""
        return iter(self._tables.values())

    def named(self, name: str) -> Table:
        """An object by its name in any case, as a question names it.

        Raises:
            Refusal: There is none, or it is hidden.
        """
        found = next((one for one in self if one.name.casefold() == name.casefold()), None)
        if found is None or not found.readable:
            raise Refusal(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.")
        return found

    def find(self, query: soql.Query, now: str, *, everything: bool) -> list[dict[str, Any]]:
        """The rows a query finds, in its order.

        Raises:
            Refusal: It names what is not there.
        """
        table = self.named(query.table)
        for name in query.names():
            table.visible(name)
        if table.name == "ContentDocumentLink" and not any(
            one.name in ("LinkedEntityId", "ContentDocumentId") and one.sign in ("=", "in") for one in query.where
        ):
            raise Refusal(
                400,
                "MALFORMED_QUERY",
                "Implementation restriction: ContentDocumentLink requires a filter by a single Id",
            )
        where = [self._resolved(one, table, now) for one in query.where]
        rows = self._candidates(table, where)
        for one in where:
            rows = filter(soql.matcher(one, lambda name, value: self.sort_key(table, name, value)), rows)
        found = [row for row in rows if _is_shown(row, now, everything=everything)]
        if query.order and query.order != ["Id"]:
            # Nulls come first.
            found.sort(
                key=lambda row: [
                    (row.get(name) is not None, self.sort_key(table, name, row.get(name))) for name in query.order
                ]
            )
        return found if query.limit is None else found[: query.limit]

    def sort_key(self, table: Table, name: str, value: Any) -> Any:
        """What values of a field are compared by."""
        if value is None:
            return ""
        if name == "Id":
            return table.ranks.get(value, 0)
        if name == "OpportunityId":
            return self["Opportunity"].ranks.get(value, 0)
        if table.types.get(name) == "datetime":
            return value[:_SECONDS]
        return value

    def describe(self, table: Table) -> dict[str, Any]:
        """What `describe` tells of an object: the fields the user may see, and who points to it."""
        fields = []
        for name, kind in table.types.items():
            if name in table.hidden or "." in name:
                continue
            relation, targets = _RELATIONS.get(name, (None, ())) if kind == "reference" else (None, ())
            values = []
            if name == "StageName":
                values = [
                    {
                        "value": one["ApiName"],
                        "label": one["MasterLabel"],
                        "active": one["IsActive"],
                        "defaultValue": False,
                    }
                    for one in self["OpportunityStage"].rows.values()
                ]
            fields.append({
                "name": name, "label": name, "type": kind, "relationshipName": relation, "referenceTo": list(targets),
                "picklistValues": values, "restrictedPicklist": False, "calculated": False, "nillable": True,
                "updateable": name not in ("Id", "IsClosed", "IsWon", "SystemModstamp"),
            })  # fmt: skip
        children = [
            {"childSObject": child, "field": pointer, "relationshipName": relation, "cascadeDelete": True}
            for child, (pointer, relation) in CHILDREN.items()
            if table.name == "Opportunity" and self[child].readable
        ]
        return {
            "name": table.name,
            "queryable": True,
            "replicateable": True,
            "fields": fields,
            "childRelationships": children,
        }

    def _resolved(self, condition: soql.Condition, table: Table, now: str) -> soql.Condition:
        """A condition under the API names, with the rows of an inner query in its place."""
        value = condition.value
        if isinstance(value, soql.Query):
            inner = value.fields[0]
            value = [row.get(inner) for row in self.find(value, now, everything=False)]
        return soql.Condition(table.visible(condition.name), condition.sign, value)

    @staticmethod
    def _candidates(table: Table, where: list[soql.Condition]) -> Iterable[dict[str, Any]]:
        """The rows that may meet the conditions, in the order of their ids."""
        for one in where:
            if one.sign != "in" or table.types.get(one.name) not in ("id", "reference"):
                continue
            if one.name == "Id":
                ids = {identity for identity in one.value if identity in table.rows}
            else:
                ids = {identity for value in one.value for identity in table.index(one.name).get(value, ())}
            return [table.rows[identity] for identity in sorted(ids, key=table.ranks.__getitem__)]
        return table.rows.values()


def identity_of(prefix: str, number: int) -> str:
    """An id of 18 characters: 15 that are told apart by case, and three that make up for it where case is lost."""
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    short = f"{prefix}RO{digits:0>10}"
    checks = (sum(char.isupper() << place for place, char in enumerate(short[at : at + 5])) for at in (0, 5, 10))
    return short + "".join(_CHECKS[one] for one in checks)


def time_text(at: datetime) -> str:
    """A time as it is kept."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def typed(value: Any, kind: str) -> Any:
    """A text of a canonical file as a value of a field."""
    if value is None or value == "" or not isinstance(value, str | int | float):
        return None if value == "" else value
    if kind == "boolean":
        return value if isinstance(value, bool) else str(value).casefold() in ("yes", "true", "1")
    if kind in NUMBERS:
        return float(value)
    if kind == "datetime":
        moment = datetime.fromisoformat(str(value))
        # A day becomes the noon of that day, which is on it almost everywhere.
        moment = moment.replace(hour=12) if len(str(value)) == len("2026-03-02") else moment
        return time_text(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return str(value)


def _is_shown(row: Mapping[str, Any], now: str, *, everything: bool) -> bool:
    if row.get("_from", "") > now or row.get("_unshared"):
        return False
    return everything or not (row.get("IsDeleted") or row.get("IsArchived"))
