"""Queries: put together from names that are checked and literals that are quoted, and from nothing else.

Not for: sending them (`org`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from syncd.errors import SourceIncomplete

IDS_AT_ONCE: Final = 300
"""Ids in one condition: 27 bytes each once quoted, where address and headers together may not pass 16,384
(https://github.com/estuary/connectors/pull/2519)."""

LONGEST_IN_AN_ADDRESS: Final = 11_000
"""Bytes of a quoted query that leave room in those 16,384 for the rest of the address and the headers."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}(?:\.[A-Za-z][A-Za-z0-9_]{0,79}){0,5}")
"""An API name, or a path over at most five relationships."""

_ESCAPES: Final = str.maketrans({
    "\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f",
})  # fmt: skip
"""The reserved characters of a SOQL text
(https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_quotedstringescapes.htm)."""


def is_name(text: str) -> bool:
    """Whether a text is a field's API name or a path to one, and so cannot say anything else in a query."""
    return _NAME.fullmatch(text) is not None


def quoted(text: str) -> str:
    """A text as a literal."""
    return f"'{text.translate(_ESCAPES)}'"


def moment(at: datetime) -> str:
    """A time as a literal: in UTC, to the second, rounded down."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def is_one_of(field: str, values: Iterable[str]) -> str:
    """The condition that a field holds one of some texts."""
    return f"{field} IN ({','.join(map(quoted, values))})"


def select(fields: Sequence[str], table: str, where: Sequence[str] = (), order: str = "") -> str:
    """A query.

    Args:
        fields: Names of fields.
        table: The object's name.
        where: Conditions, all of which must hold.
        order: Names of fields, separated by commas.

    Raises:
        SourceIncomplete: A name is none. Those of the mapping were checked, so it is one the org told.
    """
    if not all(map(is_name, (*fields, table))):
        raise SourceIncomplete("the org has a field or an object whose name is none", "check `base_url`")
    conditions = f" WHERE {' AND '.join(where)}" if where else ""
    ordered = f" ORDER BY {order}" if order else ""
    return f"SELECT {','.join(fields)} FROM {table}{conditions}{ordered}"


def chunks(ids: Sequence[str], size: int = IDS_AT_ONCE) -> Iterator[Sequence[str]]:
    """The ids, so many at a time."""
    return (ids[start : start + size] for start in range(0, len(ids), size))
