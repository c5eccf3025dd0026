"""Many rows at once: inserting them, and looking up those with any of many ids.

For a hundred thousand rows SQLAlchemy's handling of the parameters of each takes longer than the database itself, so on
the embedded database the statement is composed by SQLAlchemy and the rows go to the driver as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, any_, bindparam, func, insert, select
from sqlalchemy.types import ARRAY


def insert_rows(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows whose values need no conversion: numbers, texts, bytes, None.

    Args:
        connection: In a transaction.
        table: The table.
        columns: The columns the values are for, in their order; all others are NULL.
        rows: One tuple of values a row.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_positional(table, columns), list(rows))
        return
    connection.execute(insert(table), [dict(zip(columns, row, strict=True)) for row in rows])


@cache
def _positional(table: Table, columns: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"


def among(connection: Connection, within: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """The condition that a column holds one of the values of a parameter, given to the database as one.

    A parameter a value would have the statement composed anew for each number of them.

    Args:
        connection: Decides how the database takes a list; see `list_value`.
        within: The column.
        name: The parameter.
    """
    if connection.dialect.name == "sqlite":
        each = func.json_each(bindparam(name)).table_valued("value")
        return within.in_(select(each.c.value))
    return within == any_(bindparam(name, type_=ARRAY(within.type)))


def list_value(connection: Connection, values: list[str] | list[int]) -> Any:
    """A list of texts or numbers as the parameter of `among`."""
    return msgspec.json.encode(values).decode() if connection.dialect.name == "sqlite" else values
