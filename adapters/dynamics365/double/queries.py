"""Queries as the Web API answers them: conditions, pages, change tracking, aggregates.

Not for: requests (`service`).
"""

from __future__ import annotations

import operator as operators
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, unquote

from adapters.dynamics365.double.tables import FORMATTED, LOOKUP_NAME, Table, place_of

_IN: Final = re.compile(r"Microsoft\.Dynamics\.CRM\.In\(PropertyName='(\w+)',PropertyValues=\[(.*)\]\)")
_COMPARED: Final = re.compile(r"(\w+) (eq|ne|ge|gt|le|lt) (.+)")
_EITHER: Final = re.compile(r"\((.+)\)")
_APPLY: Final = re.compile(r"(?:filter\((.*?)\)/)?(?:groupby\(\(([\w,]+)\),)?aggregate\(\$count as (\w+)\)\)?")
_COOKIE: Final = re.compile(r'pagenumber="(\d+)" pagingcookie="([^"]*)"')

_ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "ge": operators.ge, "gt": operators.gt, "le": operators.le, "lt": operators.lt,
}  # fmt: skip

Row = Mapping[str, Any]


class QueryError(Exception):
    """The query is refused.

    Attributes:
        status, code: Of the answer.
    """

    def __init__(self, message: str, *, status: int = 400, code: str = "0x80060888") -> None:
        """Args: message, status and code of the answer."""
        super().__init__(message)
        self.status, self.code = status, code


def condition(table: Table, text: str) -> Callable[[Row], bool]:
    """A `$filter` as a function of a row.

    Raises:
        QueryError: It says what this double does not know, or names what the table does not have.
    """
    tests = [_single(table, one) for one in _split(text, " and ")] if text else []
    return lambda row: all(test(row) for test in tests)


def _split(text: str, word: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if depth == 0 and text.startswith(word, place):
            parts.append(text[start:place])
            start = place + len(word)
    return [*parts, text[start:]]


def _single(table: Table, text: str) -> Callable[[Row], bool]:
    if found := _IN.fullmatch(text):
        name = found[1] if found[1] in table.kinds else f"_{found[1]}_value"
        wanted = {one.replace("''", "'") for one in re.findall(r"'((?:[^']|'')*)'", found[2])}
        check_column(table, name)
        return lambda row: row.get(name) in wanted
    if (found := _EITHER.fullmatch(text)) and " or " in found[1]:
        tests = [_single(table, one) for one in _split(found[1], " or ")]
        return lambda row: any(test(row) for test in tests)
    if not (found := _COMPARED.fullmatch(text)):
        raise QueryError("Syntax error in the query.", code="0x80060888")
    name, operator, literal = found.groups()
    check_column(table, name)
    wanted = _literal(literal)
    if operator in {"eq", "ne"}:
        return lambda row: (row.get(name) == wanted) == (operator == "eq")
    order = _ORDERS[operator]
    return lambda row: row.get(name) is not None and order(row[name], wanted)


def _literal(text: str) -> Any:
    if text == "null":
        return None
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    return int(text) if text.lstrip("-").isdigit() else text


def check_column(table: Table, name: str) -> None:
    """Refuse a name the table does not have, as the service words it."""
    if name not in table.kinds:
        raise QueryError(f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{table.logical}'.")


def selected(table: Table, options: Mapping[str, str]) -> list[str]:
    """The properties of `$select`; all without it."""
    names = [one for one in options.get("$select", "").split(",") if one] or [*table.kinds]
    for name in names:
        check_column(table, name)
    return names


def render(table: Table, row: Row, names: Sequence[str], annotations: str) -> dict[str, Any]:
    """A row as the service writes it."""
    shown: dict[str, Any] = {"@odata.etag": f'W/"{row["@version"]}"'}
    formatted = FORMATTED in annotations or annotations == "*"
    for name in names:
        value = row.get(name)
        shown[name] = value
        if value is None or not annotations:
            continue
        if formatted and (label := table.label(name, value)) is not None:
            shown[f"{name}@{FORMATTED}"] = label
        if LOOKUP_NAME in annotations and table.kinds.get(name) == "lookup":
            shown[f"{name}@{LOOKUP_NAME}"] = _target(name)
    shown.setdefault(table.key, row[table.key])
    return shown


def _target(name: str) -> str:
    return {"_customerid_value": "account", "_ownerid_value": "systemuser"}.get(name, name[1:-8])


def after(table: Table, last: str | None, test: Callable[[Row], bool], size: int) -> tuple[list[Row], bool]:
    """The rows of a page in the order of the primary key, after an id; and whether there are more."""
    start = 0 if last is None else bisect_right(table.order, place_of(last), key=place_of)
    found: list[Row] = []
    for identity in table.order[start:]:
        row = table.rows[identity]
        if test(row):
            if len(found) == size:
                return found, True
            found.append(row)
    return found, False


def changes(table: Table, since: int, until: int, last: tuple[int, str]) -> Iterator[tuple[tuple[int, str], Row | str]]:
    """What changed in a stretch of versions, after a place in it: rows by version, then the ids of deletions."""
    changed = sorted((row["@version"], key) for key, row in table.rows.items() if since < row["@version"] <= until)
    for version, key in changed:
        if (version, key) > last:
            yield (version, key), table.rows[key]
    for version, key in sorted(table.deleted):
        # A row that was made and deleted in between is told as well.
        if since < version <= until and key not in table.rows and (until + version, key) > last:
            yield (until + version, key), key


def cookie(number: int, place: str) -> str:
    """The paging cookie for the next page; quoted twice, as the service does."""
    inner = quote(f'<cookie page="{number - 1}"><last>{place}</last></cookie>', safe="")
    return quote(f'<cookie pagenumber="{number}" pagingcookie="{inner}" istracking="False" />', safe="=/")


def read_cookie(token: str) -> tuple[int, str]:
    """The number of the page and the place it begins after.

    Raises:
        QueryError: Somebody quoted it once too often, or too seldom.
    """
    found = _COOKIE.search(token)
    inner = unquote(found[2]) if found else ""
    place = re.search(r"<last>(.*)</last>", inner, re.DOTALL)
    if found is None or place is None:
        raise QueryError("Malformed XML in the Paging Cookie", code="0x80041129")
    return int(found[1]), place[1]


def aggregate(table: Table, apply: str, limit: int) -> list[dict[str, Any]]:
    """The answer to `$apply`: a count, for each combination of some columns where it groups.

    Raises:
        QueryError: There are too many rows, or it is another aggregate.
    """
    found = _APPLY.fullmatch(apply)
    if found is None:
        raise QueryError("The aggregate is not supported.")
    where, group, alias = found.groups()
    test = condition(table, where or "")
    rows = [row for row in table.rows.values() if test(row)]
    if len(rows) > limit:
        raise QueryError("The maximum record limit is exceeded. Reduce the number of records.", code="0x8004e023")
    if group is None:
        return [{alias: len(rows)}]
    names = group.split(",")
    for name in names:
        check_column(table, name)
    counted = Counter(tuple(row.get(name) for name in names) for row in rows)
    found_rows = []
    for values, count in counted.items():
        shown = dict(zip(names, values, strict=True))
        labels = {f"{name}@{FORMATTED}": table.label(name, value) for name, value in shown.items()}
        found_rows.append({**shown, **{name: label for name, label in labels.items() if label}, alias: count})
    return found_rows
