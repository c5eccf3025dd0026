"""The history of stages, from what the org keeps of it.

    OpportunityHistory        a row whenever stage, amount, probability or close date changed; always there
    OpportunityFieldHistory   a row for each change of a field whose history is tracked; for a stage field of one's own
(https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_objects_opportunityhistory.htm)
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final

from adapters.salesforce import bulk, errors, soql
from adapters.salesforce.decode import Row, Shape
from adapters.salesforce.org import Org
from adapters.salesforce.schema import Column
from syncd.adapter import Move
from syncd.errors import SourceIncomplete
from syncd.httpkit import Refused

_STANDARD: Final = "StageName"
_ASKED: Final = 3
"""Times the history is read when its count does not match or its cursor is forgotten."""

_ORDER: Final = "OpportunityId,CreatedDate,Id"


class History:
    """The history of the stage field.

    Attributes:
        notes: For people.
        readable: No question about it was refused yet.
        answered: Rows of it were given.
    """

    def __init__(self, org: Org, stage_field: str) -> None:
        """Args: org; stage_field, the API name of the field the mapping reads the stage from."""
        self._org = org
        standard = stage_field.casefold() == _STANDARD.casefold()
        self.table = "OpportunityHistory" if standard else "OpportunityFieldHistory"
        label = _STANDARD if standard else "NewValue"
        self._where = () if standard else (f"Field = {soql.quoted(stage_field)}",)
        texts = [Column(name, (name,), "text") for name in ("OpportunityId", label)]
        self._shape = Shape([*texts, Column("CreatedDate", ("CreatedDate",), "moment")])
        self.readable, self.answered = True, False
        self.notes: list[str] = []

    async def all(self, until: datetime, *, large: bool) -> AsyncGenerator[list[Move], None]:
        """Every move up to a time, some at a time.

        Args:
            until: Later rows are left to the next pull, so that the number of rows can only fall meanwhile.
            large: There are many, so that a job is the better way.

        Raises:
            SourceIncomplete: Not every row came.
        """
        where = [*self._where, f"CreatedDate <= {soql.moment(until)}"]
        query = soql.select(self._shape.names, self.table, where, order=_ORDER)
        for _ in range(_ASKED):
            promised = read = 0
            moves = _Moves()
            try:
                async with aclosing(self._rows(query, large=large)) as parts:
                    async for promised, rows in parts:  # noqa: B007 - the last one counts
                        read += len(rows)
                        yield moves.of(rows)
                # Rows go with their opportunities, also while they are read.
                if read == promised or await self._count(where) <= read < promised:
                    return
            except Refused as refused:
                if errors.code_of(refused.answer) == errors.DEAD_CURSOR:
                    continue
                self._give_up(refused)
                return
            except bulk.NoJob:
                large = False
        raise SourceIncomplete(
            f"the org gives fewer rows of {self.table} than it says there are",
            f"run again; `history = false` in source {self._org.name} does without",
        )

    async def of(self, ids: Sequence[str]) -> list[Move]:
        """Every move of some opportunities."""
        moves: list[Move] = []
        for some in soql.chunks(ids):
            if not self.readable:
                break
            where = [*self._where, soql.is_one_of("OpportunityId", some)]
            query = soql.select(self._shape.names, self.table, where, order=_ORDER)
            try:
                _, records = await self._org.rows(query, self._shape.batch)
            except Refused as refused:
                self._give_up(refused)
                break
            self.answered = True
            moves += _Moves().of(self._shape.rows(records))
        return moves

    async def _rows(self, query: str, *, large: bool) -> AsyncGenerator[tuple[int, list[Row]], None]:
        if large:
            async with aclosing(bulk.query(self._org, query, self._shape)) as parts:
                async for part in parts:
                    yield part
            return
        async with aclosing(self._org.query(query, self._shape.batch)) as pages:
            async for page in pages:
                yield page.totalSize, self._shape.rows(page.records)

    async def _count(self, where: Sequence[str]) -> int:
        query = soql.select(["Id"], self.table, where).replace("SELECT Id ", "SELECT COUNT() ", 1)
        return (await self._org.rows(query, self._shape.batch))[0]

    def _give_up(self, refused: Refused) -> None:
        if not errors.is_denied(refused):
            raise refused
        self.readable = False
        self.notes.append(f"{self.table} cannot be read, so the history of stages is unknown")


class _Moves:
    """Tells the rows that came into another stage from those of which something else changed."""

    def __init__(self) -> None:
        self._before: tuple[str, str] = ("", "")

    def of(self, rows: Sequence[Row]) -> list[Move]:
        """The moves in rows that are sorted by opportunity and time."""
        moves = []
        for identity, stage, at in rows:
            told = isinstance(identity, str) and isinstance(stage, str) and isinstance(at, str)
            if told and stage and (identity, stage) != self._before:
                moves.append(Move(identity, stage, at))
                self._before = (identity, stage)
        return moves
