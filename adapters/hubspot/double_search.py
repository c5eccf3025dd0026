"""What the stand-in of HubSpot's search answers and what it refuses: pages and queries that are too large.

Facts: https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from adapters.hubspot.double_store import Collection, Properties, moment

LONGEST_SEARCH: Final = 3_000
"""Characters of a query."""

_WALL: Final = 10_000
"""Results of a query that can be had."""
_MOST_FOUND: Final = 200
_MOST_GROUPS: Final = 5
_MOST_FILTERS: Final = 6

_COMPARE: Final[Mapping[str, Callable[[int, int, int], bool]]] = {
    "GT": lambda value, low, _: value > low,
    "GTE": lambda value, low, _: value >= low,
    "LT": lambda value, low, _: value < low,
    "LTE": lambda value, low, _: value <= low,
    "BETWEEN": lambda value, low, high: low <= value <= high,
}


def is_search(asked: Mapping[str, Any], collection: Collection) -> bool:
    """Whether a search is one that HubSpot answers."""
    if {"filterGroups", "sorts", "properties", "limit", "after"} - asked.keys():
        return False
    groups = [group["filters"] for group in asked["filterGroups"]]
    names = [one["propertyName"] for filters in groups for one in filters]
    return (
        len(groups) <= _MOST_GROUPS
        and all(len(filters) <= _MOST_FILTERS for filters in groups)
        and len(asked["sorts"]) <= 1
        and 1 <= asked["limit"] <= _MOST_FOUND
        and int(asked["after"]) + asked["limit"] <= _WALL
        and all(name in collection.types for name in names)
    )


Hit = tuple[str, int, Properties]
"""Id, time of change and properties of a record, as the index has them."""


def found_by(collection: Collection, groups: Sequence[Mapping[str, Any]]) -> list[Hit]:
    """What a search finds, by rising id: the records that fulfil every condition of any group."""
    if len(groups) <= 1:
        return _found_by_all(collection, groups[0]["filters"] if groups else [])
    found = {one[0]: one for group in groups for one in _found_by_all(collection, group["filters"])}
    return sorted(found.values(), key=lambda one: collection.number(one[0]))


def _found_by_all(collection: Collection, filters: Sequence[Mapping[str, Any]]) -> list[Hit]:
    above, tests = -1, []
    for one in filters:
        name, operator, value = one["propertyName"], one["operator"], one["value"]
        if name == "hs_object_id" and operator == "GT":
            above = collection.number(value)
        elif operator in _COMPARE and collection.types[name] == "datetime":
            tests.append((name, _COMPARE[operator], int(value), int(one.get("highValue", 0))))
    found = list(collection.searched(above))
    for name, compare, low, high in tests:
        if name == collection.modified:
            found = [one for one in found if compare(one[1], low, high)]
        else:
            found = [one for one in found if (at := moment(one[2].get(name))) is not None and compare(at, low, high)]
    return found
