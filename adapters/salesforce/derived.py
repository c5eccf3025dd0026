"""Columns that are no fields: what several flags of a record say together.

Whether a deal is lost stands in no field of its own: it is closed and not won. The names cannot clash with an org's own
fields, whose names end in `__c`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters.salesforce.schema import Column, ObjectInfo, column_of


@dataclass(frozen=True, slots=True)
class Derived:
    """A column made of fields.

    Attributes:
        native: What the mapping calls it.
        fields: What it is made of.
        make: Its value, from theirs.
    """

    native: str
    fields: tuple[str, ...]
    make: Callable[..., Any]


def _status(closed: Any, won: Any) -> Any:
    if won is True:
        return "Won"
    return "Lost" if closed is True else "Open"


def _in_forecast(category: Any) -> Any:
    return None if category is None else category != "Omitted"


_ALL: Final = (
    Derived("Status", ("IsClosed", "IsWon"), _status),
    Derived("InForecast", ("ForecastCategory",), _in_forecast),
)


def derived_columns(info: ObjectInfo, natives: Sequence[str] | frozenset[str]) -> list[Derived]:
    """The derived columns among some native names that this org has the fields for, and no field of that name."""
    return [
        one
        for one in _ALL
        if one.native in natives and info.field(one.native) is None and all(info.field(name) for name in one.fields)
    ]


def inputs(info: ObjectInfo, wanted: Sequence[Derived]) -> list[Column]:
    """What some derived columns are made of, without names of their own."""
    fields = (info.field(name) for one in wanted for name in one.fields)
    columns = (column_of(field, "", []) for field in fields if field is not None)
    return [column for column in columns if column is not None]
