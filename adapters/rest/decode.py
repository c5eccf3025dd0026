"""Takes answers apart: the records as rows of the wanted columns, and what the answer says about itself.

Structs made from the wanted fields decode only those. An answer they do not fit, such as one with a text where others
have an object, is decoded whole and looked through, so that one odd record costs nobody else anything.

An object inside a record becomes dotted columns (`account.name`); lists stay lists, for child components.
Numbers with a fraction are exact. A field that is absent is `MISSING`; below an object that is null, it is None.

Not for: which answer comes next (`adapters.rest.paging`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain
from typing import Any, Final

import msgspec

from syncd.adapter import MISSING
from syncd.errors import ConfigError, Problem, SourceIncomplete
from syncd.httpkit import Body

MAX_COLUMNS: Final = 4096
"""No CRM has as many fields on one object. More are data in the place of names."""
_DEEPEST: Final = 32
_LISTED: Final = 12

_anything: Final = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(slots=True, kw_only=True)
class Answered:
    """One answer, taken apart.

    Attributes:
        columns: Of the rows.
        rows: One for each record listed.
        keys: The id of each record, as a text; for a broken one without, what tells it from others.
        stamps: What changes whenever the record does, its version or time, as a text; empty where nothing does.
        moments: The value of the field with the time of the last change.
        faults: Why a record without an id is broken, by its index.
        said: What the answer says about itself, by path: the next page, the total. Absent ones are left out.
        links, date, total: What its headers say, and how many records there are in all; set by the caller.
        notes: For people.
    """

    columns: tuple[str, ...]
    rows: list[list[Any]]
    keys: list[str]
    stamps: list[str]
    moments: list[Any]
    faults: dict[int, str]
    said: dict[str, Any]
    links: Sequence[str] = ()
    date: float | None = None
    total: int | None = None
    notes: list[str] = field(default_factory=list)


class Decoder:
    """Takes the answers of one pull apart. Learns columns as it goes where the mapping names none."""

    def __init__(
        self,
        *,
        records: str,
        fields: Sequence[str],
        id_field: str,
        version_field: str = "",
        modified_field: str = "",
        said: Sequence[str] = (),
        setting: str = "records",
    ) -> None:
        """Prepare for answers of one shape.

        Args:
            records: The path of the list; empty where the answer is the list.
            fields: The wanted columns; none means all that come.
            id_field: The column with the id; without one, each element of the list is an id itself and the only column.
            version_field: The column that changes with the record, or empty.
            modified_field: The column with the time of the last change, or empty.
            said: Further paths of the answer that matter.
            setting: The name of the setting that says `records`, for messages.
        """
        self._records, self._setting = records, setting
        self._stamp = version_field or modified_field
        self._modified = modified_field
        self._said = tuple(dict.fromkeys(said))
        self._open = not fields
        self._noted: set[str] = set()
        self._identified = False
        wanted = sorted(fields)
        looked_at = [] if self._open else [one for one in (id_field, version_field, modified_field) if one]
        self.columns: tuple[str, ...] = tuple(wanted)
        self._all = (*wanted, *dict.fromkeys(one for one in looked_at if one not in fields))
        self._bare = not id_field
        self._id = id_field or wanted[0]
        self._quick = None if self._open or self._bare else _quick(records, self._all, self._said)

    def __call__(self, body: Body) -> Answered:
        """Take one answer apart.

        Raises:
            msgspec.MsgspecError: It is not JSON.
            SourceIncomplete: It is, and holds no list of records.
            ConfigError: None of its records has an id, nor had any before.
        """
        rows, faults, said = self._taken(body)
        width = len(self.columns)
        position = {name: index for index, name in enumerate(self._all)}
        id_at, stamp_at, time_at = (position.get(one, -1) for one in (self._id, self._stamp, self._modified))
        keys = [_key(row[id_at]) if id_at >= 0 else "" for row in rows]
        if rows and not any(keys) and not self._identified:
            self._complain(body)
        self._identified = self._identified or any(keys)
        for index, key in enumerate(keys):
            if not key:
                faults.setdefault(index, f"it has no id in the field {self._id}")
                keys[index] = f"\1{hash(repr(rows[index])):x}"
        answered = Answered(
            columns=self.columns,
            rows=rows if width == len(self._all) else [row[:width] for row in rows],
            keys=keys,
            stamps=[_text(row[stamp_at]) for row in rows] if stamp_at >= 0 else [""] * len(rows),
            moments=[row[time_at] for row in rows] if time_at >= 0 else [None] * len(rows),
            faults=faults,
            said=said,
        )
        self._without_objects(answered)
        return answered

    def _taken(self, body: Body) -> tuple[list[list[Any]], dict[int, str], dict[str, Any]]:
        if self._quick is not None:
            try:
                taken = self._quick(body)
            except msgspec.ValidationError:
                taken = None
            if taken is not None:
                return taken[0], {}, taken[1]
        answer = _anything.decode(body)
        said = {path: value for path in self._said if (value := dig(answer, path)) is not MISSING}
        return *self._rows(self._list(answer)), said

    def _list(self, answer: Any) -> list[Any]:
        found = dig(answer, self._records) if self._records else answer
        if isinstance(found, list):
            return found
        if found is None and self._records and not self._is_failure(answer):
            return []  # systems written in Go or PHP give null for an empty list
        what = f"no list at `{self._records}`" if self._records else "no list"
        there = f"; it has {_names(answer)}" if isinstance(answer, dict) else ""
        raise SourceIncomplete(
            f"the system's answer holds {what}{there}", f"correct `{self._setting}`, the path of the list of records"
        )

    def _is_failure(self, answer: dict[str, Any]) -> bool:
        """Whether null in the place of the list is no empty list: nothing is there that would hold one, or an error is.

        Read as empty, an increment would pass over what it stands for (https://spec.graphql.org/draft/#sec-Errors).
        """
        above = self._records.rpartition(".")[0]
        return bool((above and dig(answer, above) is None) or answer.get("errors") or answer.get("error"))

    def _rows(self, records: list[Any]) -> tuple[list[list[Any]], dict[int, str]]:
        if self._bare:
            return [[one] for one in records], {}
        faults = {index: "it is not an object" for index, one in enumerate(records) if not isinstance(one, dict)}
        objects = [one if isinstance(one, dict) else {} for one in records]
        if not self._open:
            return [[dig(one, name) for name in self._all] for one in objects], faults
        flat: list[dict[str, Any]] = []
        for index, one in enumerate(objects):
            try:
                flat.append(dict(_flattened(one, "", _DEEPEST)))
            except RecursionError:
                faults[index] = f"its objects are nested more than {_DEEPEST} deep"
                flat.append({})
        known = dict.fromkeys(self._all)
        for each in flat:
            known |= dict.fromkeys(each)
        if len(known) > MAX_COLUMNS:
            raise SourceIncomplete(
                f"the records have more than {MAX_COLUMNS:,} different fields",
                "check whether ids or dates stand in the place of field names",
            )
        if len(known) != len(self._all):
            self._all = self.columns = tuple(known)
        return [
            [each[name] if name in each else dig(one, name) for name in self._all]
            for each, one in zip(flat, objects, strict=True)
        ], faults

    def _complain(self, body: Body) -> None:
        """Every record lacks its id: that is the configuration, not the records."""
        first = next((one for one in self._list(_anything.decode(body)) if isinstance(one, dict)), {})
        raise ConfigError(
            Problem(message=f"id_field: no record has a field {self._id!r} with an id; the first has {_names(first)}")
        )

    def _without_objects(self, answered: Answered) -> None:
        """Leave no object in a row: the mapping reads values, and lists of objects for child components."""
        kinds = set(map(type, chain.from_iterable(answered.rows)))
        if dict not in kinds and list not in kinds:
            return
        for row in answered.rows:
            for index, value in enumerate(row):
                if type(value) is list:
                    row[index] = [_child(one) if type(one) is dict else one for one in value]
                elif type(value) is dict:
                    row[index] = MISSING
                    if (name := self.columns[index]) not in self._noted:
                        self._noted.add(name)
                        answered.notes.append(
                            f"the field {name} holds an object and is not read; name a member of it, as in {name}.name"
                        )


_Quick = Callable[[Body], tuple[list[list[Any]], dict[str, Any]] | None]


class _Node:
    """The struct of one object and how its fields become a row.

    Attributes:
        order: The paths of a row's values.
    """

    def __init__(self, paths: Sequence[str], name: str, *, literal: Sequence[str] = ()) -> None:
        """Args: paths below this object; name, of the struct; literal, paths that may be the name of one field too."""
        self._name = name
        self._plain = [path for path in paths if "." not in path]
        self._literal = list(literal)
        groups: dict[str, list[str]] = {}
        for path in paths:
            if "." in path:
                head, _, rest = path.partition(".")
                groups.setdefault(head, []).append(rest)
        self._below = {head: _Node(rest, f"{name}_{index}") for index, (head, rest) in enumerate(groups.items())}
        self.order: list[str] = [
            *self._plain,
            *(f"{head}.{path}" for head, node in self._below.items() for path in node.order),
        ]
        self._places = [self.order.index(path) for path in self._literal]
        self.struct = self._made({})

    def give_type(self, path: list[str], kind: Any) -> None:
        """Decode what stands at a path below this object as a type."""
        head, *rest = path
        if rest:
            self._below[head].give_type(rest, kind)
        self.struct = self._made({} if rest else {head: kind})

    def row(self, value: Any) -> list[Any]:
        """The values of one decoded object, in `order`; all MISSING or None where there is none."""
        if not isinstance(value, msgspec.Struct):
            return [value] * len(self.order)
        values = list(msgspec.structs.astuple(value))
        if not self._below:
            return values
        plain, literal = len(self._plain), len(self._plain) + len(self._literal)
        row = values[:plain]
        for node, inner in zip(self._below.values(), values[literal:], strict=True):
            row += node.row(inner)
        for place, found in zip(self._places, values[plain:literal], strict=True):
            if found is not MISSING:
                row[place] = found
        return row

    def _made(self, kinds: dict[str, Any]) -> Any:
        # Names of fields are no names of Python, so the struct has its own and decodes by theirs.
        names = {f"f{index}": one for index, one in enumerate([*self._plain, *self._literal, *self._below])}
        types: list[Any] = [kinds.get(one, Any) for one in self._plain] + [Any] * len(self._literal)
        types += [node.struct | None for node in self._below.values()]
        fields = [(attribute, kind, MISSING) for attribute, kind in zip(names, types, strict=True)]
        return msgspec.defstruct(self._name, fields, rename=names)


def _quick(records: str, fields: Sequence[str], said: Sequence[str]) -> _Quick | None:
    """A decoder that makes only what is wanted; None where a wanted path leads through another."""
    about = [path for path in said if path != records]
    if any(_within(one, other) for group in (fields, (*about, records)) for one in group for other in group):
        return None
    record = _Node(fields, "Record", literal=[path for path in fields if "." in path])
    turned = [record.order.index(name) for name in fields]
    straight = turned == list(range(len(turned)))
    some = list[record.struct]  # type: ignore[name-defined]

    def rows(objects: list[Any]) -> list[list[Any]]:
        made = map(record.row, objects)
        return list(made) if straight else [[row[index] for index in turned] for row in made]

    if not records:
        plain = msgspec.json.Decoder(some, float_hook=Decimal)
        return lambda body: (rows(plain.decode(body)), {})
    whole = _Node([records, *about], "Answer", literal=[path for path in about if "." in path])
    whole.give_type(records.split("."), some)
    place = whole.order.index(records)
    decoder = msgspec.json.Decoder(whole.struct, float_hook=Decimal)

    def decode(body: Body) -> tuple[list[list[Any]], dict[str, Any]] | None:
        values = whole.row(decoder.decode(body))
        if not isinstance(values[place], list):
            return None
        given = zip(whole.order, values, strict=True)
        return rows(values[place]), {path: one for path, one in given if path != records and one is not MISSING}

    return decode


def _within(one: str, other: str) -> bool:
    return other.startswith(f"{one}.")


def dig(value: Any, path: str) -> Any:
    """What stands at a dotted path: MISSING where it is absent, None where an object on the way is null."""
    if isinstance(value, dict) and path in value:
        return value[path]
    for name in path.split("."):
        if value is None:
            return None
        if not isinstance(value, dict) or name not in value:
            return MISSING
        value = value[name]
    return value


def _flattened(record: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    if not depth:
        raise RecursionError
    for name, value in record.items():
        if type(value) is dict and value:
            yield from _flattened(value, f"{prefix}{name}.", depth - 1)
        elif type(value) is not dict:
            yield f"{prefix}{name}", value


def _child(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a child component with nested objects as dotted names."""
    return row if dict not in {*map(type, row.values())} else dict(_flattened(row, "", _DEEPEST))


def _key(value: Any) -> str:
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if "\0" not in text else ""


def _text(value: Any) -> str:
    return "" if value is None or value is MISSING else str(value)


def _names(value: dict[str, Any]) -> str:
    """The names of an object's members, for people; names are the system's own, values are not shown."""
    names = [str(name)[:60] for name in value][:_LISTED]
    return ", ".join(names) + (" and more" if len(value) > _LISTED else "") if names else "no fields"
