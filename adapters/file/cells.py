"""What makes a record broken whatever its format, and what can still be said about it.

Not for: whether a value can be read as its type; that is the mapping's part.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, Final

_ID_NAMES: Final = frozenset({"id", "rowid", "recordid", "opportunityid"})
_LONGEST_ID: Final = 100
_NESTING: Final = frozenset({list, dict})
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

ENCODING_REMEDY: Final = (
    'holds bytes that are not {encoding}; if it comes from Windows or an old Excel, set encoding = "cp1252"'
)


def fault(values: Collection[Any], max_cell: int, encoding: str = "UTF-8") -> str:
    """Why a record with these values is broken, for people; empty when it is not.

    Args:
        values: Native values; only texts, and texts in lists and dicts, are looked at.
        max_cell: Characters a text may have.
        encoding: What the file is read as, for the message.
    """
    kinds = {*map(type, values)}
    # One look at all texts together spares nearly every record a look at each of them.
    text = "".join(values if kinds == {str} else [value for value in values if type(value) is str])
    if len(text) > max_cell and any(len(value) > max_cell for value in values if type(value) is str):
        return f"a cell has more than {max_cell:,} characters"
    if "\0" in text:
        return "it holds a NUL character"
    if not text.isascii() and _SURROGATE.search(text):
        return f"it holds text that is not valid {encoding}"
    if kinds.isdisjoint(_NESTING):
        return ""
    parts = [part for value in values if type(value) in _NESTING for part in _parts(value)]
    return next(filter(None, (fault(part, max_cell, encoding) for part in parts)), "")


def _parts(value: Any) -> tuple[Collection[Any], ...]:
    return (value, value.values()) if type(value) is dict else (value,)


def id_position(columns: Sequence[str]) -> int:
    """The index of the column that obviously holds the id; -1 when none does."""
    for index, name in enumerate(columns):
        if re.sub(r"[\W_]", "", name).casefold() in _ID_NAMES:
            return index
    return -1


def id_text(value: Any) -> str:
    """The value as an id fit for a message; empty when it is not one."""
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if len(text) <= _LONGEST_ID and text.isprintable() else ""
