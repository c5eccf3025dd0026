"""Rows as Dataverse keeps them: typed columns, a version for each change, and what was deleted.

Not for: queries and requests.
"""

from __future__ import annotations

import uuid
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

FORMATTED: Final = "OData.Community.Display.V1.FormattedValue"
LOOKUP_NAME: Final = "Microsoft.Dynamics.CRM.lookuplogicalname"

_YES: Final = frozenset({"yes", "true", "1"})
_FIRST_OWN_OPTION: Final = 100_000_000
"""Options that a publisher adds begin here."""
_SPACE: Final = uuid.UUID("6f1a3c1e-0000-4000-8000-000000000000")

STATE: Final = {0: "Open", 1: "Won", 2: "Lost"}
STATUS: Final = {1: "In Progress", 2: "On Hold", 3: "Won", 4: "Canceled", 5: "Out-Sold"}
SALES_STAGE: Final = {0: "Qualify", 1: "Develop", 2: "Propose", 3: "Close"}
"""https://learn.microsoft.com/dynamics365/sales/developer/entities/opportunity"""


class Table:
    """The rows of one table.

    Attributes:
        kinds: Type by property: `choice`, `lookup`, `money`, `integer`, `boolean`, `date`, `datetime`, `string`.
        options: Labels of choices by value, by property.
        rows: By id.
        order: The ids in the order of the primary key.
        deleted: Version and id of what was deleted.
    """

    def __init__(
        self, logical: str, key: str, kinds: Mapping[str, str], options: Mapping[str, Mapping[int, str]] | None = None
    ) -> None:
        """Args: logical name, key property, kinds and options as above."""
        self.logical = logical
        self.key = key
        self.kinds = {key: "guid", "createdon": "datetime", "modifiedon": "datetime", **kinds}
        self.options = {name: dict(labels) for name, labels in (options or {}).items()}
        self.rows: dict[str, dict[str, Any]] = {}
        self.order: list[str] = []
        self.deleted: list[tuple[int, str]] = []
        self.names: dict[str, str] = {}
        """Names of the rows lookups point at, by id."""

    def put(self, row: dict[str, Any], version: int) -> None:
        """Insert a row, or put it in the place of the one with its id.

        A loaded child row has a place of its own, since what is loaded as its id may be the id of others as well.
        """
        identity = row.get("@place", row[self.key])
        if identity not in self.rows:
            insort(self.order, identity, key=place_of)
        self.rows[identity] = {**row, "@version": version}

    def fill(self, rows: Iterable[dict[str, Any]], version: Callable[[], int]) -> None:
        """Hold these rows and no others."""
        self.rows = {row[self.key]: {**row, "@version": version()} for row in rows}
        self.order = sorted(self.rows, key=place_of)
        self.deleted = []

    def remove(self, identity: str, version: int) -> None:
        """Delete a row."""
        del self.rows[identity]
        self.order.pop(bisect_left(self.order, place_of(identity), key=place_of))
        self.deleted.append((version, identity))

    def typed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values as texts in the table's own types; names with an annotation give the label or the name."""
        typed: dict[str, Any] = {}
        for name, value in values.items():
            prop, _, annotation = name.partition("@")
            if not prop or isinstance(value, list):
                continue
            self.kinds.setdefault(prop, _usual_kind(prop, annotation))
            typed[prop] = self._value(prop, value, by_label=bool(annotation))
        return typed

    def _value(self, prop: str, value: Any, *, by_label: bool) -> Any:
        kind = self.kinds[prop]
        if value is None or value == "":
            return None
        text = str(value)
        if by_label and kind == "choice":
            return self.option(prop, text)
        if by_label and kind == "lookup":
            identity = str(uuid.uuid5(_SPACE, f"{prop}\x00{text}"))
            self.names[identity] = text
            return identity
        return _READ.get(kind, _as_is)(text)

    def option(self, prop: str, label: str) -> int:
        """The value of a label; a new one is added."""
        options = self.options.setdefault(prop, {})
        for value, known in options.items():
            if known.casefold() == label.casefold():
                return value
        value = max([_FIRST_OWN_OPTION - 1, *options]) + 1
        options[value] = label
        return value

    def label(self, prop: str, value: Any) -> str | None:
        """How people see a value; None where it has no other form."""
        kind = self.kinds.get(prop)
        if kind == "choice":
            return self.options.get(prop, {}).get(value)
        if kind == "lookup":
            return self.names.get(value)
        if kind == "boolean":
            # One column of Microsoft's own has its labels the wrong way round.
            return "Yes" if bool(value) is not (prop == "captureproposalfeedback") else "No"
        return f"{value:,.2f}" if kind == "money" else None


def place_of(identity: str) -> tuple[int, str]:
    """Where an id stands in the order of the primary key, which for GUIDs is not that of their text either."""
    return len(identity), identity


def _usual_kind(prop: str, annotation: str) -> str:
    if prop.startswith("_") and prop.endswith("_value"):
        return "lookup"
    if annotation:
        return "choice"
    return "datetime" if prop.endswith("on") and prop in {"createdon", "modifiedon", "actualend"} else "string"


def _as_is(text: str) -> Any:
    return text


def _number(text: str) -> Any:
    return int(text) if text.lstrip("+-").isdigit() else text


def _day(text: str) -> str:
    return date.fromisoformat(text[:10]).isoformat()


def written(moment: datetime) -> str:
    """A time as the service writes it: whole seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _moment(text: str) -> str:
    moment = datetime.fromisoformat(text)
    return written(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "integer": _number,
    "choice": _number,
    "money": lambda text: Decimal(text).quantize(Decimal("0.0001")),
    "boolean": lambda text: text.casefold() in _YES,
    "date": _day,
    "datetime": _moment,
}

LONG_AGO: Final = timedelta(days=5)
"""How long before the double's clock loaded rows were last changed."""

_BOOLEANS: Final = (
    "identifycustomercontacts", "identifypursuitteam", "identifycompetitors", "decisionmaker", "confirminterest",
    "evaluatefit", "developproposal", "completeinternalreview", "presentproposal", "completefinalproposal",
    "presentfinalproposal", "captureproposalfeedback", "resolvefeedback",
)  # fmt: skip
"""https://learn.microsoft.com/dynamics365/sales/developer/entities/opportunity"""


_OWN: Final[Mapping[str, str]] = {
    **dict.fromkeys(("syn_territory", "syn_prospecttype", "syn_supportclosed", "syn_sponsorname"), "string"),
    **dict.fromkeys(
        ("syn_qualifiedprospect", "syn_sponsoridentified", "syn_evalplanagreed", "syn_solutionagreed", "syn_deployed",
         "syn_supportreview"), "string",
    ),
    **dict.fromkeys(("syn_sponsorletter", "syn_assessment"), "choice"),
    **dict.fromkeys(
        ("syn_qualifiedprospecton", "syn_sponsoridentifiedon", "syn_sponsorletteron", "syn_assessmenton",
         "syn_evalplanagreedon", "syn_solutionagreedon", "syn_deployedon", "syn_supportreviewon"), "date",
    ),
}  # fmt: skip
"""Columns a tenant adds for the shipped mapping; any other is added as it is loaded."""


def opportunities() -> Table:
    """The table of opportunities: Microsoft's own columns, and those the shipped mapping expects."""
    return Table(
        "opportunity",
        "opportunityid",
        {
            "name": "string", "stepname": "string", "description": "string",
            "customerneed": "string", "customerpainpoints": "string", "closeprobability": "integer",
            "salesstage": "choice", "statecode": "choice", "statuscode": "choice", "estimatedvalue": "money",
            "actualvalue": "money", "estimatedclosedate": "date", "actualclosedate": "date",
            "finaldecisiondate": "date", "_ownerid_value": "lookup", "_customerid_value": "lookup",
            "_transactioncurrencyid_value": "lookup", "_originatingleadid_value": "lookup",
            "_modifiedby_value": "lookup", **dict.fromkeys(_BOOLEANS, "boolean"), **_OWN,
        },
        {"statecode": STATE, "statuscode": STATUS, "salesstage": SALES_STAGE},
    )  # fmt: skip


def child_table(entity_set: str, lookup: str) -> Table:
    """A table of child rows."""
    logical = entity_set.removesuffix("s")
    key = "activityid" if lookup == "regardingobjectid" else f"{logical}id"
    kinds = {
        f"_{lookup}_value": "guid", "subject": "string", "statecode": "choice", "actualend": "datetime",
        "_ownerid_value": "lookup", "isdocument": "boolean", "filename": "string",
    }  # fmt: skip
    states = {0: "Open", 1: "Completed", 2: "Canceled"}
    return Table(logical, key, kinds, {"statecode": states})
