"""What becomes of the database's values.

    numbers, Decimal, texts, days, times, true and false, NULL    stay as they are
    UUID, times of day, intervals, other kinds                    become their text
    up to 64 bytes                                                become hexadecimal text, as ids of some databases are
    more bytes, JSON objects                                      are not read, and a note says so
    a child component                                             is a list of objects: JSON text, or a list

Not for: reading them as a field of an opportunity; that is the mapping's part.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import chain
from typing import Any, Final

import msgspec

from syncd.adapter import MISSING

_PLAIN: Final = frozenset({int, float, str, bool, type(None), Decimal, date, datetime})
_LONGEST_BYTES: Final = 64


class Converter:
    """Makes values of one pull fit for the mapping.

    Attributes:
        notes: For people, each once; taken by whoever gives them on.
    """

    def __init__(self, columns: Sequence[str], children: Collection[str]) -> None:
        """Args: columns of the rows, and which of them are child components."""
        self._columns = columns
        self._children = [index for index, name in enumerate(columns) if name in children]
        self._noted: set[str] = set()
        self.notes: list[str] = []

    def rows(self, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """Rows as the port wants them."""
        if not self._children and set(map(type, chain.from_iterable(rows))) <= _PLAIN:
            return list(map(tuple, rows))
        return [
            tuple(
                self._child(index, value) if index in self._children else self._value(index, value)
                for index, value in enumerate(row)
            )
            for row in rows
        ]

    def _value(self, index: int, value: Any) -> Any:
        if type(value) in _PLAIN:
            return value
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value).hex().upper() if len(value) <= _LONGEST_BYTES else self._left_out(index, "binary data")
        if isinstance(value, dict):
            return self._left_out(index, "JSON objects")
        if isinstance(value, list | tuple):
            return self._left_out(index, "lists")
        return str(value)

    def _child(self, index: int, value: Any) -> Any:
        """The rows of a child component; MISSING, which is unknown, where they cannot be read."""
        if isinstance(value, str):
            try:
                value = msgspec.json.decode(value)
            except msgspec.DecodeError:
                value = None
        if isinstance(value, list) and all(isinstance(one, dict) for one in value):
            return value
        return self._left_out(index, "something other than a JSON list of objects")

    def _left_out(self, index: int, what: str) -> Any:
        name = self._columns[index]
        if name not in self._noted:
            self._noted.add(name)
            self.notes.append(f"the column {name} holds {what}, which is not read, so that it is unknown there")
        return MISSING
