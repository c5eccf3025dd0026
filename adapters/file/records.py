"""Lays JSON objects out as rows that share their columns.

An object inside an object becomes dotted columns (`account.name`); lists stay lists, for child components.

Not for: reading JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from adapters.file import cells
from syncd.adapter import MISSING, Broken, Page
from syncd.errors import SourceIncomplete

PAGE_ROWS: Final = 500

MAX_DEPTH: Final = 32
"""How deep objects may be nested in a record."""

MAX_COLUMNS: Final = 4096
"""No CRM has as many fields on one object. More are data in the place of names."""


class TooDeepError(ValueError):
    """An object is nested deeper than `MAX_DEPTH`."""


def flattened(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with the objects in it replaced by their members, under dotted names.

    Raises:
        TooDeepError: It is nested too deeply.
        KeyError: Two members come to have the same name.
    """
    flat: dict[str, Any] = {}
    _flatten(record, "", flat, MAX_DEPTH)
    return flat


def _flatten(record: Mapping[str, Any], prefix: str, flat: dict[str, Any], depth: int) -> None:
    if not depth:
        raise TooDeepError
    for name, value in record.items():
        key = prefix + name
        if type(value) is dict:
            _flatten(value, f"{key}.", flat, depth - 1)
        elif key in flat:
            raise KeyError(key)
        else:
            flat[key] = value


class Records:
    """Gathers the objects of one file and gives them out as pages.

    The columns are the union of all keys so far, in the order they were first seen.
    """

    def __init__(self, file: str, place: str, max_cell: int) -> None:
        """Args: file for messages, place as in `line`, and max_cell in characters."""
        self._file = file
        self._place = place
        self._max_cell = max_cell
        self._columns: tuple[str, ...] = ()
        self._known: dict[str, int] = {}
        self._names: tuple[str, ...] = ()
        self._rows: list[tuple[tuple[str, ...], list[Any]]] = []
        self._places: list[int] = []
        self._broken: list[Broken] = []
        self.notes: list[str] = []

    def __len__(self) -> int:
        """Records gathered since the last page."""
        return len(self._rows) + len(self._broken)

    def add(self, place: int, record: Any, *, suspect: bool) -> None:
        """Take in one JSON value that should be a record.

        Args:
            place: Where it stands.
            record: The value.
            suspect: Whether it may hold a NUL, undecodable text or a cell above the limit.

        Raises:
            SourceIncomplete: The records have more than `MAX_COLUMNS` different fields.
        """
        if type(record) is not dict or not record:
            self.reject(place, "it is an object without fields" if record == {} else "it is not a JSON object")
            return
        try:
            flat = flattened(record) if dict in {*map(type, record.values())} else record
            names = tuple(flat)
            new = names != self._names and not flat.keys() <= self._known.keys()
            reason = cells.fault(flat.values(), self._max_cell) if suspect else ""
            if new and not reason:
                reason = cells.fault(names, self._max_cell)
        except (TooDeepError, RecursionError):
            reason = f"its objects are nested more than {MAX_DEPTH} deep"
        except KeyError:
            reason = "two of its fields have the same name once nested names are joined by dots"
        if reason:
            self.reject(place, reason, record)
            return
        if new:
            self._learn(names)
        if names != self._names:
            self._names = names
        self._rows.append((self._names, list(flat.values())))
        self._places.append(place)

    def reject(self, place: int, reason: str, record: Mapping[str, Any] | None = None) -> None:
        """Note a record as broken, with its id if one is obvious."""
        names = list(record or {})
        position = cells.id_position(names)
        found = cells.id_text(record[names[position]]) if record and position >= 0 else ""
        self._broken.append(Broken(f"{self._place} {place}", reason, found))

    def page(self, done: int) -> Page:
        """The records gathered since the last page."""
        if len(self._known) != len(self._columns):
            self._columns = tuple(self._known)
        columns = self._columns
        rows = [
            values if names == columns else self._row(dict(zip(names, values, strict=True)))
            for names, values in self._rows
        ]
        first = self._places[0] if self._places else 0
        follow = not self._places or self._places[-1] - first == len(rows) - 1
        page = Page(
            columns,
            rows,
            declared=False,
            first=first,
            places=() if follow else self._places,
            broken=self._broken,
            notes=self.notes,
            done=done,
        )
        self._rows, self._places, self._broken, self.notes = [], [], [], []
        return page

    def _learn(self, names: Sequence[str]) -> None:
        for name in names:
            self._known.setdefault(name, len(self._known))
        if len(self._known) > MAX_COLUMNS:
            raise SourceIncomplete(
                f"the records of {self._file} have more than {MAX_COLUMNS:,} different fields",
                "Check whether ids or dates stand in the place of field names.",
            )

    def _row(self, flat: dict[str, Any]) -> list[Any]:
        return [flat[name] if name in flat else _absent(flat, name) for name in self._columns]


def _absent(flat: dict[str, Any], name: str) -> Any:
    """None where an object that would hold the field is null, so that it is blank; else `MISSING`."""
    while "." in name:
        name = name.rpartition(".")[0]
        if name in flat:
            return None if flat[name] is None else MISSING
    return MISSING
