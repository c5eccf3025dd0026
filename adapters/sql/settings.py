"""What a source of the SQL adapter can be told, and which queries are taken.

Not for: opening databases (`adapters.sql.database`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Final

import msgspec

from syncd.errors import ConfigError, Problem
from syncd.secrets import Secret

_Text = Annotated[str, msgspec.Meta(min_length=1)]

_PIECE: Final = re.compile(
    r"""
    '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*`       # texts and quoted names
    | \$(?P<tag>\w*)\$ .*? \$(?P=tag)\$             # texts of PostgreSQL
    | --[^\n]* | /\*(?!!) .*? \*/                   # comments, but not those that MySQL executes
    | (?P<word>[^\W\d]\w*) | (?P<sign>;|/\*|['"`]) | (?P<bind>(?<![:\w\\]):[^\W\d]\w*) | .
    """,
    re.DOTALL | re.VERBOSE,
)

_CHANGING: Final = frozenset({
    "alter", "attach", "call", "create", "delete", "drop", "exec", "execute", "grant", "insert", "into", "merge",
    "pragma", "revoke", "truncate", "update",
})  # fmt: skip
"""Words of statements that do more than read; `into` makes a table of a selection, `for update` takes locks."""


class SqlSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one source that is a database.

    Attributes:
        url: A SQLAlchemy URL without a password; the path of a SQLite file is relative to the configuration's folder.
        password: Where the password is kept.
        query: A single SELECT (or WITH ... SELECT); or
        table: the name of a table or view.
        schema: The schema of the table.
        order_by: Columns to order by, each with ` desc` after it or not; none is the column of the id.
        modified: The column with the time of the last change; None reads everything each time.
        condition: What makes a row changed since `:since`, in place of a comparison of `modified`.
        overlap_seconds: How far an increment reaches back before the last one, for rows that were committed late.
        count: Compare the rows read with a count by the database.
        page_size: Rows fetched at a time.
        timeout_seconds: How long one statement may take, where the database can be told.
    """

    url: _Text
    password: Secret | None = None
    query: _Text | None = None
    table: _Text | None = None
    schema: _Text | None = None
    order_by: list[str] = []
    modified: _Text | None = None
    condition: _Text | None = None
    overlap_seconds: Annotated[float, msgspec.Meta(ge=0)] = 300.0
    count: bool = True
    page_size: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1_000
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0)] = 600.0


def check(settings: SqlSettings) -> None:
    """Refuse what cannot work.

    Raises:
        ConfigError: The settings contradict one another, or the query does more than read.
    """
    if found := list(_problems(settings)):
        raise ConfigError(*(Problem(message=one) for one in found))


def _problems(settings: SqlSettings) -> Iterator[str]:
    if (settings.query is None) == (settings.table is None):
        yield "give either query or table"
    if settings.schema is not None and settings.table is None:
        yield "schema: of use with `table` only; in a query, write it before the table"
    if settings.query is not None:
        yield from (f"query: {one}" for one in faults(settings.query))
    if settings.condition is not None:
        if settings.modified is None:
            yield "condition: of use with `modified` only, which tells how far was read"
        found = list(_PIECE.finditer(settings.condition))
        binds = {match["bind"] for match in found if match["bind"]}
        yield from (f"condition: {one}" for one in _changing(settings.condition))
        if binds != {":since"}:
            yield "condition: it compares with :since, and with no other parameter"


def faults(query: str) -> Iterator[str]:
    """Why a text is not one SELECT that only reads. A second look: the transaction is read-only where it can be."""
    words = [match["word"].casefold() for match in _PIECE.finditer(query) if match["word"]]
    if not words or words[0] not in {"select", "with"}:
        yield "it is no SELECT, nor WITH ... SELECT"
    yield from _changing(query)


def statement(query: str) -> str:
    """A query without the semicolon it may end with, and without what SQLAlchemy would take for parameters."""
    pieces = [match for match in _PIECE.finditer(query) if match[0].strip()]
    while pieces and (pieces[-1]["sign"] == ";" or _is_comment(pieces[-1][0])):
        pieces.pop()
    return escaped(query[: pieces[-1].end() if pieces else 0])


def escaped(text: str, *, keep: str = "") -> str:
    """A text of SQL without what SQLAlchemy would take for parameters, but for one."""
    pieces = (match[0] if match["bind"] and match[0] == keep else match[0].replace(":", r"\:")
              for match in _PIECE.finditer(text))  # fmt: skip
    return "".join(pieces)


def _changing(text: str) -> Iterator[str]:
    pieces = [match for match in _PIECE.finditer(text) if match[0].strip() and not _is_comment(match[0])]
    while pieces and pieces[-1]["sign"] == ";":
        pieces.pop()
    if any(match["sign"] == ";" for match in pieces):
        yield "it is more than one statement"
    if any(match["sign"] not in {None, ";"} for match in pieces):
        yield "a text, a quoted name or a comment in it has no end"
    for match in pieces:
        if match["word"] and match["word"].casefold() in _CHANGING:
            yield f"the word {match['word']} changes data; if it is the name of a column, put it in double quotes"


def _is_comment(piece: str) -> bool:
    return piece.startswith("--") or (piece.startswith("/*") and piece.endswith("*/") and len(piece) > 3)  # noqa: PLR2004 - "/*/" is not one
