"""The records of the double of Siebel, with the fields and types of the delivered product.

Not for: what a query selects of them (`double_holdings`).
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

DATE: Final = "DTYPE_DATE"
TIME: Final = "DTYPE_UTCDATETIME"
FLAG: Final = "DTYPE_BOOL"
NUMBER: Final = "DTYPE_NUMBER"
TEXT: Final = "DTYPE_TEXT"

STOCK_FIELDS: Final[Mapping[str, str]] = {
    "Id": TEXT, "Row Id": TEXT, "Name": TEXT, "Account": TEXT, "Account Id": TEXT, "Account Location": TEXT,
    "Sales Stage": TEXT, "Sales Stage Id": TEXT, "Sales Stage Order": NUMBER, "Sales Stage Win Percent": NUMBER,
    "Sale Stage Phase": TEXT, "Sales Stage Date": DATE, "Opportunity Sales Status": TEXT, "Sales Method": TEXT,
    "Primary Revenue Win Probability": NUMBER, "Primary Revenue Amount": NUMBER, "Currency Code": TEXT,
    "Primary Revenue Close Date": DATE, "Primary Revenue Committed Flag": FLAG, "Primary Revenue Id": TEXT,
    "Primary Sales Rep Login": TEXT, "Primary Position Id": TEXT, "Primary Organization": TEXT,
    "Primary Organization Id": TEXT, "Primary Territory Id": TEXT, "Status": TEXT, "Reason Won Lost": TEXT,
    "Closure Summary": TEXT, "Compelling Event": TEXT, "Champion": TEXT, "Critical Success Factor": TEXT,
    "Customer Needs and Objectives": TEXT, "Budgeted": TEXT, "Decision Date": DATE, "Planned Decision Date": DATE,
    "Decision Level": TEXT, "Source": TEXT, "Description": TEXT, "Created Date": TIME, "Created By Name": TEXT,
    "Updated By Login": TEXT, "Last Activity Date": TIME, "Last Activity Id": TEXT,
}  # fmt: skip
"""Some of the 403 fields of a live answer of 2025, with their types. It holds neither `Updated` nor `Mod Id`."""

STAMPS: Final[Mapping[str, str]] = {"Updated": TIME, "Created": TIME, "Mod Id": NUMBER}
"""System fields that an administrator may add to the integration object."""

KEYS_OF_OTHERS: Final = frozenset(
    {"Primary Territory Id", "Account Id", "Primary Position Id", "Primary Revenue Id", "Last Activity Id"}
)
"""Foreign keys, which may read `No Match Row Id` where they are not set."""

STOCK_CHILDREN: Final = (
    "Action", "Activity Plan", "Best Action", "Sales Assessment", "TAS Opportunity Assessment", "Decision Issue",
    "Information Needed", "Contact", "Opportunity Contact", "Opportunity Attachment", "Opportunity Note",
    "Opportunity Private Note", "Revenue", "Revenue Plan", "Opportunity Product", "Quote", "Proposal", "Position",
    "Opportunity Position", "Channel Partner", "Competitor", "Sales Cycle Def", "Assignment Group",
)  # fmt: skip
"""Child components of a live record; a live one has more, and some of them several times."""

CHILD_FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "Action": ("Id", "Type", "Description", "Status", "Done", "Planned", "Due", "Owner", "Comment"),
    "Sales Assessment": ("Id", "Name", "Description", "Status", "Assessed By", "Updated Date"),
}
"""Fields of child components before any row brings more. None was seen in a live answer."""

_CHILD_TYPES: Final[Mapping[str, str]] = {"Done": TIME, "Planned": TIME, "Due": TIME, "Started": TIME, "Updated": TIME}


def type_of(name: str, *, child: bool = False) -> str:
    """The type of a field; those that a company added are told by the ends of their names."""
    if child and name in _CHILD_TYPES:
        return _CHILD_TYPES[name]
    if name in STOCK_FIELDS:
        return STOCK_FIELDS[name]
    if name in STAMPS:
        return STAMPS[name]
    for ending, kind in ((" Date", DATE), (" Flag", FLAG)):
        if name.endswith(ending):
            return kind
    return TEXT


def siebels(name: str, value: Any, zone: ZoneInfo, *, child: bool = False) -> str:
    """A value of a canonical file as Siebel writes it: a text, dates month first, times in the profile's zone."""
    if value is None:
        return ""
    text, kind = str(value), type_of(name, child=child)
    if kind == FLAG:
        return {"yes": "Y", "no": "N"}.get(text, text)
    if kind == DATE and re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return date.fromisoformat(text).strftime("%m/%d/%Y")
    if kind == TIME and re.match(r"\d{4}-\d\d-\d\d", text):
        moment = datetime.fromisoformat(text)
        return written(moment if moment.tzinfo else moment.replace(tzinfo=UTC), zone)
    return text


def written(moment: datetime, zone: ZoneInfo) -> str:
    """A moment as Siebel writes it, without saying the zone."""
    return moment.astimezone(zone).strftime("%m/%d/%Y %H:%M:%S")


@dataclass(slots=True)
class Record:
    """One opportunity, or one row of a child component.

    Attributes:
        values: By the names in answers.
        children: The rows of each child component.
        parent: The opportunity of a child row.
        modified: How often it was changed.
        seen_in: The view modes that show it; None for all that show everything of the organization.
    """

    id: str
    values: dict[str, str]
    created: datetime
    updated: datetime
    children: dict[str, list[Record]] = field(default_factory=dict)
    parent: str = ""
    modified: int = 0
    seen_in: frozenset[str] | None = None

    def searchable(self) -> dict[str, str | datetime]:
        """What a search sees: the names of the business component, which differ from those in answers."""
        system: dict[str, str | datetime] = {
            "Id": self.id,
            "Created": self.created,
            "Updated": self.updated,
            "Opportunity Id": self.parent,
        }
        return {**self.values, **system}


class Table:
    """Records in the order of their ids."""

    def __init__(self, order: Callable[[str], Any]) -> None:
        """Args: order, by which the database sorts ids."""
        self._order = order
        self._sorted: list[tuple[Any, str]] = []
        self.records: dict[str, Record] = {}

    def __len__(self) -> int:
        return len(self.records)

    def fill(self, records: Iterable[Record]) -> None:
        """Hold these and no others."""
        self.records = {one.id: one for one in records}
        self._sorted = sorted((self._order(one), one) for one in self.records)

    def add(self, record: Record) -> None:
        """Hold one more."""
        self.records[record.id] = record
        insort(self._sorted, (self._order(record.id), record.id))

    def drop(self, identity: str) -> None:
        """Hold one less."""
        del self.records[identity]
        del self._sorted[bisect_left(self._sorted, (self._order(identity), identity))]

    def ids(self) -> list[str]:
        """Every id, sorted."""
        return [identity for _, identity in self._sorted]


def scrambled(ids: Sequence[str]) -> list[str]:
    """Some order that is no order: what a query without `sortspec` gives."""
    return [*reversed(ids[::2]), *ids[1::2]]
