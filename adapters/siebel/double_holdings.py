"""What the double of Siebel holds, and what a query selects of it.

Not for: requests and answers (`double`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from adapters.siebel.double_data import (
    CHILD_FIELDS,
    STAMPS,
    STOCK_CHILDREN,
    STOCK_FIELDS,
    Record,
    Table,
    scrambled,
    siebels,
    type_of,
)
from adapters.siebel.double_search import Search

_LONG_AGO: Final = timedelta(days=3)
_CREATED: Final = timedelta(days=30)
_MODES: Final = (
    "Personal", "Sales Rep", "Manager", "Organization", "Sub-Organization", "Group", "Catalog", "All",
)  # fmt: skip

STAGES: Final[Mapping[str, int]] = {
    "Demand Generation": 0, "Prospect": 0, "Qualify": 10, "Develop": 20, "Solution": 40, "Proof": 60, "Close": 80,
    "Deploy": 100, "Support": 100,
}  # fmt: skip
"""The stages of the sales method, with the probability that each one sets. Siebel has no "not applicable"."""


class Refusal(Exception):
    """A request that is answered with an error.

    Attributes:
        status, code, text: Of the answer.
    """

    def __init__(self, code: str, text: str, status: int = 500) -> None:
        """Args: code, text and status."""
        super().__init__(code)
        self.code, self.text, self.status = code, text, status


class Holdings:
    """Opportunities and their children, as an account sees them.

    Attributes:
        zone: Of the account's profile.
        table: The opportunities.
        fields: What answers may hold, with their types.
        child_fields: The same for each child component.
        stages: The probability each stage sets.
        exposes_stamps: An administrator added `Updated`, `Created` and `Mod Id` to the integration object.
    """

    def __init__(self, *, zone: str, order: Callable[[str], Any], now: Callable[[], datetime]) -> None:
        """Args: zone of the account's profile; order, by which ids are sorted; now, the server's clock."""
        self.zone = ZoneInfo(zone)
        self._now = now
        self._ahead = timedelta()
        self.table = Table(order)
        self.fields: dict[str, str] = dict(STOCK_FIELDS)
        self.child_fields: dict[str, dict[str, str]] = {
            name: {one: type_of(one, child=True) for one in CHILD_FIELDS.get(name, ("Id",))} for name in STOCK_CHILDREN
        }
        self.stages = dict(STAGES)
        self.exposes_stamps = False
        self._serial = 0
        self._version = 0
        self._found: dict[tuple[str, str], tuple[int, list[str]]] = {}
        self._rows: dict[str, tuple[int, dict[str, Record]]] = {}

    def touch(self) -> None:
        """Something changed."""
        self._version += 1

    def load(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Hold these records and no others, each changed three days ago; see `syncd.rehearsal.Double.load`."""
        then = self.now() - _LONG_AGO
        self.table.fill(self._made(record, then) for record in records)
        self.touch()

    def insert(self, record: Mapping[str, Any]) -> str:
        """Add a record, as of now; gives its id."""
        made = self._made(record, self.now())
        self.table.add(made)
        self.touch()
        return made.id

    def change(self, identity: str, values: Mapping[str, Any]) -> None:
        """Change fields of a record, or the rows of a child, by their names in answers."""
        record, now = self.table.records[identity], self.now()
        for name, value in values.items():
            if isinstance(value, list):
                record.children[name] = [self._child(name, row, record.id, now) for row in value]
                continue
            self.fields.setdefault(name, type_of(name))
            record.values[name] = siebels(name, value, self.zone)
            record.updated, record.modified = now, record.modified + 1
        self.touch()

    def delete(self, identity: str) -> None:
        """Take a record away."""
        self.table.drop(identity)
        self.touch()

    def hide(self, identity: str, *modes: str) -> None:
        """Let only these view modes show a record."""
        self.table.records[identity].seen_in = frozenset(modes)
        self.touch()

    def now(self) -> datetime:
        """The server's time."""
        return self._now() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._ahead += timedelta(seconds=seconds)

    def known_fields(self) -> dict[str, str]:
        """The fields that answers may hold, with their types."""
        return {**self.fields, **STAMPS} if self.exposes_stamps else self.fields

    def selected(self, query: dict[str, str], user: str, child: str) -> list[str]:
        """The ids that a query selects, in its order."""
        search, mode = query.get("searchspec", ""), query.get("ViewMode", "Sales Rep")
        if mode not in _MODES:
            raise Refusal("SBL-DAT-00329", "Invalid view mode")
        key = (f"{child}|{mode}|{user}", search)
        kept = self._found.get(key)
        if kept is None or kept[0] != self._version:
            kept = self._found[key] = (self._version, [*self._search(search, mode, user, child)])
        ids = kept[1]
        order = query.get("sortspec", "")
        if not order:
            return scrambled(ids)
        name, _, direction = order.partition(":")
        if name != "Id":
            held = {one: self.table.records[one].searchable() for one in ids}
            if any(name not in row for row in held.values()):
                raise Refusal("SBL-DAT-00416", "Unknown field in sort specification")
            ids = sorted(ids, key=lambda one: str(held[one][name]))
        return ids[::-1] if direction == "desc" else ids

    def _search(self, search: str, mode: str, user: str, child: str) -> Iterator[str]:
        records = self._all_children(child) if child else [self.table.records[one] for one in self.table.ids()]
        if search:
            fields = {*self.known_fields(), *STAMPS, "Opportunity Id", *self.child_fields.get(child, ())}
            fields -= {"Created Date"}  # in answers; a search calls it `Created`
            parsed = Search(search, fields, lambda moment: moment.replace(tzinfo=self.zone))
            if child and parsed.any_of and parsed.any_of[0] == "Opportunity Id":
                parents = [self.table.records[one] for one in parsed.any_of[1] if one in self.table.records]
                records = [row for one in parents for row in one.children.get(child, ())]
            elif not child and parsed.any_of and parsed.any_of[0] == "Id":
                records = [self.table.records[one] for one in sorted(parsed.any_of[1]) if one in self.table.records]
            records = [one for one in records if parsed.matches(one.searchable())]
        for one in sorted(records, key=lambda one: one.id) if child else records:
            if self.visible(one, mode, user):
                yield one.id

    def visible(self, record: Record, mode: str, user: str) -> bool:
        """Whether a view mode shows a record to an account; a guest, who has no name, sees none."""
        if not user:
            return False
        if record.seen_in is not None:
            return mode in record.seen_in
        return mode not in {"Personal", "Sales Rep"} or record.values.get("Primary Sales Rep Login") == user

    def _all_children(self, child: str) -> list[Record]:
        return [row for one in self.table.records.values() for row in one.children.get(child, ())]

    def child_rows(self, child: str) -> dict[str, Record]:
        """The rows of a child component by their ids."""
        kept = self._rows.get(child)
        if kept is None or kept[0] != self._version:
            kept = self._rows[child] = (self._version, {one.id: one for one in self._all_children(child)})
        return kept[1]

    def _made(self, record: Mapping[str, Any], when: datetime) -> Record:
        identity = str(record.get("Id") or self.next_id())
        made = Record(identity, {}, created=when - _CREATED, updated=when)
        for name, value in record.items():
            if isinstance(value, list):
                made.children[name] = [self._child(name, row, identity, when) for row in value]
            elif name != "Id":
                # Siebel keeps the stamps of its records itself, so that a record cannot bring its own.
                if name not in STAMPS:
                    self.fields.setdefault(name, type_of(name))
                made.values[name] = siebels(name, value, self.zone)
        return made

    def _child(self, name: str, row: Mapping[str, Any], parent: str, when: datetime) -> Record:
        known = self.child_fields.setdefault(name, {"Id": "DTYPE_TEXT"})
        for one in row:
            known.setdefault(one, type_of(one, child=True))
        values = {one: siebels(one, value, self.zone, child=True) for one, value in row.items() if one != "Id"}
        return Record(str(row.get("Id") or self.next_id()), values, created=when, updated=when, parent=parent)

    def next_id(self) -> str:
        """A row id that was never given before: a prefix, and a number to the base of 36."""
        self._serial += 1
        number, digits = self._serial + 36**3, ""
        while number:
            number, last = divmod(number, 36)
            digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[last] + digits
        return f"1-{digits}"
