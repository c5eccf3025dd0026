"""What stands beside the records: their flow, their currency, their child rows.

All that belongs to the records of one page is asked for in one `$batch`, by their ids.

Not for: reading the records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from adapters.dynamics365.batch import LARGEST, Part, ask
from adapters.dynamics365.chain import Chain
from adapters.dynamics365.queries import Child, Plan, among, is_plain
from adapters.dynamics365.shape import CURRENCY, CURRENCY_LOOKUP, FORMATTED, Shape
from syncd.adapter import MISSING, Move
from syncd.errors import AuthFailed, SourceIncomplete
from syncd.httpkit import HttpClient, Refused

_IDS: Final = 400
"""Ids in one condition: 16 KiB of an address, which a batch takes up to 64 KiB of."""
_FOUND: Final = 200
_ACTIVE: Final = 0
_ABORTED: Final = 3
"""`statecode` and `statuscode` of a flow's instance.

https://learn.microsoft.com/dynamics365/sales/developer/entities/opportunitysalesprocess
"""


@dataclass(slots=True)
class Tails:
    """What was found.

    Attributes:
        values: The tail of each record, column by column of `Plan.tail`.
        notes: Component that could not be read.
        moves: When records came into the stage they are in.
    """

    values: list[list[Any]]
    notes: list[str] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)


class Related:
    """Reads what stands beside the records of one pull.

    Attributes:
        unread: Tables that could not be read.
        answered: Tables of which rows were given, with all that is asked of them.
    """

    def __init__(self, client: HttpClient, plan: Plan) -> None:
        """Args: client and plan of the source."""
        self._client = client
        self._plan = plan
        self._currencies: Mapping[str, Any] | None = None
        self.unread: set[str] = set()
        self.answered: set[str] = set()
        self._notes: list[str] = []

    async def of(self, ids: Sequence[str | None], rows: Sequence[Sequence[Any]]) -> Tails:
        """The tails of some records.

        Raises:
            AuthFailed: The flow may not be read; without it no record has a stage.
        """
        plan = self._plan
        sound = [one for one in dict.fromkeys(ids) if one is not None and is_plain(one)]
        tables = [one for one in (plan.flow, *plan.children) if one and one.entity_set not in self.unread]
        found = await self._rows(tables, sound)
        columns: dict[str, list[Any]] = {}
        for child in plan.children:
            columns[child.entity_set] = _lists(child, found.get(child.entity_set), ids)
        moves: list[Move] = []
        if plan.flow is not None:
            instances = _current(plan.flow.shape, found.get(plan.flow.entity_set, []))
            columns |= self._process(instances, ids)
            moves = [*_moves(plan.flow.shape, instances)]
        if CURRENCY in plan.tail:
            codes = await self._codes()
            columns[CURRENCY] = [codes.get(str(plan.shape.get(row, CURRENCY_LOOKUP))) for row in rows]
        values = [list(one) for one in zip(*(columns[name] for name in plan.tail), strict=True)]
        return Tails(values, self.notes(), moves)

    def notes(self) -> list[str]:
        """What a person should know since this was last asked."""
        notes, self._notes = self._notes, []
        return notes

    async def records(self, ids: Sequence[str]) -> list[tuple[Any, ...]]:
        """The records with these ids, as rows of the plan's shape."""
        plan = self._plan
        itself = Child(entity_set=plan.entity_set, lookup=plan.key, shape=plan.shape)
        found = await self._rows([itself], [one for one in ids if is_plain(one)])
        if plan.entity_set not in found:
            raise SourceIncomplete("records of which child rows changed could not be read", "run again with `--full`")
        return found[plan.entity_set]

    async def touched_since(self, since: str, unread: Collection[str]) -> list[str]:
        """The ids of records whose flow or child rows changed since a time; of deleted child rows nothing is left.

        Args:
            since: The time.
            unread: Tables that could not be read before; whether they can be now, only all their columns tell.
        """
        plan = self._plan
        touched: dict[str, None] = {}
        for table in (plan.flow, *plan.children):
            if table is None:
                continue
            shape = table.shape if table.entity_set in unread else Shape((), key=f"_{table.lookup}_value")
            where = f"modifiedon ge {since} and _{table.lookup}_value ne null"
            address = plan.address(table.entity_set, shape=shape, where=where, ordered=False)
            chain = Chain(self._client, shape.decode, plan.headers(shape=shape))
            try:
                async with aclosing(chain.pages(address)) as pages:
                    async for page, _ in pages:
                        touched |= dict.fromkeys(one for row in shape.rows(page) if (one := shape.id(row)))
            except Refused as refused:
                self._refuse(table, refused.answer.status)
            else:
                self.answered |= {table.entity_set} & {*unread}
        return [*touched]

    async def _rows(self, tables: Sequence[Child], ids: Sequence[str]) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of each table that point at these ids; a table that cannot be read is left out."""
        plan = self._plan
        chunks = [ids[start : start + _IDS] for start in range(0, len(ids), _IDS)]
        wanted = [(table, chunk) for table in tables for chunk in chunks]
        found: dict[str, list[tuple[Any, ...]]] = {table.entity_set: [] for table in tables}
        for start in range(0, len(wanted), LARGEST):
            some = wanted[start : start + LARGEST]
            queries = [
                plan.address(one.entity_set, shape=one.shape, where=among(one.lookup, chunk), ordered=False)
                for one, chunk in some
            ]
            parts = await ask(self._client, queries, [plan.headers(shape=one.shape) for one, _ in some])
            for (table, _), part in zip(some, parts, strict=True):
                if part.status != _FOUND:
                    self._refuse(table, part.status)
                    found.pop(table.entity_set, None)
                elif table.entity_set in found:
                    self.answered.add(table.entity_set)
                    found[table.entity_set] += await self._all(table, part)
        return found

    async def _all(self, table: Child, part: Part) -> list[tuple[Any, ...]]:
        """The rows of a part, and of the pages it leads to."""
        try:
            page = table.shape.decode(part.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise SourceIncomplete(f"rows of {table.entity_set} cannot be read", "run again") from None
        rows = table.shape.rows(page)
        if page.next is not None:
            chain = Chain(self._client, table.shape.decode, self._plan.headers(shape=table.shape))
            async with aclosing(chain.pages(page.next, number=2)) as pages:
                async for more, _ in pages:
                    rows += table.shape.rows(more)
        return rows

    def _refuse(self, table: Child, status: int) -> None:
        """A table cannot be read: its evidence is unknown; without the flow there is no stage.

        Raises:
            AuthFailed: It is the flow.
        """
        if table is self._plan.flow:
            raise AuthFailed(
                f"the table of the business process flow cannot be read (status {status})",
                f"check `flow`, and give the account read access to {table.entity_set}, which only administrators have "
                "at first",
            )
        if table.entity_set not in self.unread:
            self.unread.add(table.entity_set)
            self._notes.append(f"{table.entity_set} cannot be read (status {status}): its evidence is unknown")

    def _process(self, instances: Mapping[str, Sequence[Any]], ids: Iterable[str | None]) -> dict[str, list[Any]]:
        plan = self._plan
        assert plan.flow is not None  # noqa: S101 - asked before
        shape = plan.flow.shape
        columns: dict[str, list[Any]] = {name: [] for name in plan.process}
        for identity in ids:
            instance = instances.get(identity or "")
            for name, own in plan.process.items():
                columns[name].append(None if instance is None else shape.get(instance, own))
        return columns

    async def _codes(self) -> Mapping[str, Any]:
        """The ISO code of each currency; their table is small and read once a pull.

        A lookup's own label is the currency's name: https://learn.microsoft.com/power-apps/developer/data-platform/transaction-currency-currency-entity
        """
        if self._currencies is None:
            shape = Shape({"isocurrencycode"}, key="transactioncurrencyid")
            chain = Chain(self._client, shape.decode, self._plan.headers(shape=shape))
            codes: dict[str, Any] = {}
            address = self._plan.address("transactioncurrencies", shape=shape, ordered=False)
            async with aclosing(chain.pages(address)) as pages:
                async for page, _ in pages:
                    codes |= {shape.id(row) or "": shape.get(row, "isocurrencycode") for row in shape.rows(page)}
            self._currencies = codes
        return self._currencies


def _lists(child: Child, rows: list[tuple[Any, ...]] | None, ids: Sequence[str | None]) -> list[Any]:
    """For each record the list of its child rows; `MISSING` where that is not known."""
    if rows is None:
        return [MISSING] * len(ids)
    shape = child.shape
    by_parent: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        values = dict(zip(shape.columns, shape.values(row), strict=True))
        by_parent.setdefault(shape.id(row) or "", []).append(values)
    return [by_parent.get(one or "", []) if is_plain(one) else MISSING for one in ids]


def _current(shape: Shape, rows: Iterable[tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """The instance that counts for each record: the active one, else the last that was not aborted.

    https://learn.microsoft.com/power-automate/developer/business-process-flows-code
    """
    current: dict[str, tuple[Any, ...]] = {}
    for row in rows:
        identity = shape.id(row)
        if identity is None or shape.get(row, "statuscode") == _ABORTED:
            continue
        other = current.get(identity)
        if other is None or _rank(shape, row) > _rank(shape, other):
            current[identity] = row
    return current


def _rank(shape: Shape, row: tuple[Any, ...]) -> tuple[bool, str]:
    return shape.get(row, "statecode") == _ACTIVE, str(shape.get(row, "modifiedon") or "")


def _moves(shape: Shape, instances: Mapping[str, Sequence[Any]]) -> Iterable[Move]:
    for identity, instance in instances.items():
        stage = shape.get(instance, f"_activestageid_value@{FORMATTED}")
        at = shape.get(instance, "activestagestartedon")
        if stage and at:
            yield Move(identity, str(stage), str(at))
