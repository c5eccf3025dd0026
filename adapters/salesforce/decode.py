"""Rows: from the JSON of a query or the CSV of a job to the same values.

Both give the same record the same values, whichever way it came: times differ between them
(https://github.com/estuary/connectors/pull/2519), and CSV has no types.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from adapters.salesforce.schema import Column, Kind
from syncd.adapter import MISSING
from syncd.errors import SourceIncomplete
from syncd.httpkit import Body

Row = list[Any]

_TYPES: Final[dict[Kind, Any]] = {
    "text": str | None, "number": Decimal | None, "yes_no": bool | None, "moment": str | None,
}  # fmt: skip


class Shape:
    """How the rows of one query look.

    Attributes:
        names: As the query names them, in the order of each row's values.
        natives: The same under the mapping's names.
        batch: The type of a query's answer.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        """Args: columns, no two with the same path."""
        self._node = _Node([(column.path, column) for column in columns])
        ordered = self._node.columns
        self.names = tuple(column.name for column in ordered)
        self.natives = tuple(column.native for column in ordered)
        self._moments = [place for place, column in enumerate(ordered) if column.kind == "moment"]
        self._readers = [_CELLS[column.kind] for column in ordered]
        records: Any = list.__class_getitem__(self._node.type)
        fields: list[Any] = [
            ("totalSize", int),
            ("done", bool),
            ("records", records),
            ("nextRecordsUrl", str | None, None),
        ]
        self.batch: type[Any] = msgspec.defstruct("Batch", fields)

    def rows(self, records: Sequence[Any]) -> list[Row]:
        """The rows of decoded records."""
        rows = [list(one) for one in self._node.values(records)]
        for place in self._moments:
            for row in rows:
                row[place] = normal_moment(row[place])
        return rows

    def csv_lines(self, body: Body) -> list[list[str]]:
        """The lines of a CSV text, without its header; `csv_rows` makes rows of them.

        Raises:
            msgspec.DecodeError: It is none, or has other columns.
        """
        try:
            lines = list(csv.reader(io.StringIO(body.decode(), newline=""), strict=True))
        except csv.Error:
            raise msgspec.DecodeError("no CSV") from None
        header = lines.pop(0) if lines else []
        if [one.casefold() for one in header] != [one.casefold() for one in self.names]:
            raise msgspec.DecodeError("other columns")
        width = len(self.names)
        if any(len(line) != width for line in lines):
            raise msgspec.DecodeError("a line of another length")
        return lines

    def csv_rows(self, lines: Sequence[Sequence[str]]) -> list[Row]:
        """The rows of some lines.

        Raises:
            SourceIncomplete: A number is none.
        """
        if not lines:
            return []
        try:
            columns = [
                list(map(read, cells)) for read, cells in zip(self._readers, zip(*lines, strict=True), strict=True)
            ]
        except InvalidOperation:
            raise SourceIncomplete("the org gives a number that is none", "run again") from None
        return [list(row) for row in zip(*columns, strict=True)]


class _Node:
    """An object in the tree of a query's relationships: its own fields, then those of each related object."""

    def __init__(self, parts: list[tuple[tuple[str, ...], Column]]) -> None:
        own = [(path[0], column) for path, column in parts if len(path) == 1]
        related: dict[str, list[tuple[tuple[str, ...], Column]]] = {}
        for path, column in parts:
            if len(path) > 1:
                related.setdefault(path[0], []).append((path[1:], column))
        self._width = len(own)
        self._related = [_Node(inner) for inner in related.values()]
        self.columns: list[Column] = [column for _, column in own]
        self.columns += [one for node in self._related for one in node.columns]
        fields: list[Any] = [(f"f{n}", _TYPES[column.kind], MISSING) for n, (_, column) in enumerate(own)]
        fields += [(f"r{n}", node.type | None, None) for n, node in enumerate(self._related)]
        # Attributes are numbered: an API name may be one that Python or msgspec keeps for itself.
        named = [f"f{n}" for n in range(len(own))], [f"r{n}" for n in range(len(related))]
        rename = dict(zip(named[0] + named[1], [name for name, _ in own] + list(related), strict=True))
        self.type: type[Any] = msgspec.defstruct("Record", fields, rename=rename, gc=False)
        self._nothing = self.type(*[None] * self._width)

    def values(self, records: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The values of some records, in the order of `columns`. Of an object that is not there, all are None."""
        tuples = [msgspec.structs.astuple(one) for one in records]
        if not self._related:
            return tuples
        width = self._width
        parts = [[one[:width] for one in tuples]]
        for place, node in enumerate(self._related, width):
            parts.append(node.values([node._nothing if one[place] is None else one[place] for one in tuples]))  # noqa: SLF001 - a node of the same tree
        return [sum(row, ()) for row in zip(*parts, strict=True)]


def normal_moment(value: Any) -> Any:
    """A time as the Bulk API writes it: REST says `+0000` where that says `Z`."""
    return value[:-5] + "Z" if value.__class__ is str and value.endswith("+0000") else value


def _yes_no(text: str) -> bool | None:
    return text.casefold() == "true" if text else None


_CELLS: Final[dict[Kind, Callable[[str], Any]]] = {
    "text": lambda text: text or None,  # nothing is ever stored as an empty text
    "number": lambda text: Decimal(text) if text else None,
    "yes_no": _yes_no,
    "moment": lambda text: normal_moment(text) or None,
}
