"""Every record of a query, or an error: pages chained, repeats dropped, what was promised compared with what came.

A cursor keeps what it found when it was opened; records that are deleted before their page is fetched are missing from
it, and one cannot tell them from records that were lost. So where a count does not match, the ids that are there now
are asked for, and whatever of them did not come is fetched.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final
from urllib.parse import quote

from adapters.salesforce import bulk, errors, soql
from adapters.salesforce.decode import Row, Shape
from adapters.salesforce.org import Org
from adapters.salesforce.schema import Column
from adapters.salesforce.seen import Seen
from syncd.adapter import MISSING
from syncd.errors import SourceIncomplete
from syncd.httpkit import Refused

_ASKED: Final = 3
"""Times some ids are asked for when their own count does not match."""
_SWEPT_AT_ONCE: Final = 2_000
_RESUMED: Final = 5
"""Times in a row that a cursor may be forgotten before another record came."""
_MOST_LOST: Final = 10_000
"""More records than this did not come by chance."""

_NEEDED: Final = ("Id", "SystemModstamp", "IsDeleted")
"""Fields without which nobody can tell whether a record came, changed or went."""
_CHANGED: Final = (
    "the org gives a record without its id or its state",
    "run again; if it stays, look whether a gateway changes answers",
)

_ROWS_A_PAGE: Final = 2_000
_SWEPT: Final = Shape([Column("Id", ("Id",), "text")])


class Reading:
    """One reading of an object's records.

    Attributes:
        seen: The ids of the records that came.
        promised: How many there are to be, as far as is known.
        notes: For people.
    """

    def __init__(
        self, org: Org, table: str, shape: Shape, *, where: Sequence[str] = (), everything: bool = False
    ) -> None:
        """Prepare.

        Args:
            org: Where the object is.
            table: Its name.
            shape: The fields to ask for, `Id` among them.
            where: Conditions.
            everything: Deleted and archived records too.
        """
        self._org, self._table, self._shape = org, table, shape
        self._where, self._everything = tuple(where), everything
        self._id = shape.names.index("Id")
        self._needed = [place for place, name in enumerate(shape.names) if name in _NEEDED]
        self.seen = Seen()
        self.promised = 0
        self.notes: list[str] = []
        self._large = org.settings.bulk_above
        self._jobs = org.settings.bulk
        """Whether a job may be tried."""
        long = len(quote(self._query(shape, self._where))) > soql.LONGEST_IN_AN_ADDRESS
        self._job = self._jobs and (long or self._large == 0)
        """Whether a job is the way to go."""
        self._over = False
        self._failures = 0

    async def rows(self) -> AsyncGenerator[list[Row], None]:
        """Every record once, some at a time.

        Raises:
            SourceIncomplete: Not every record came.
            Refused: The query is not answered.
        """
        while not self._over:
            async with aclosing(self._by_job() if self._job else self._by_pages()) as parts:
                async for rows in parts:
                    if fresh := self._fresh(rows):
                        yield fresh
        if len(self.seen) != self.promised:
            async with aclosing(self._lost()) as parts:
                async for rows in parts:
                    yield rows

    async def sweep(self) -> AsyncGenerator[list[str], None]:
        """The ids there are, some at a time, each once.

        Each part is a query of its own that begins after the last id of the part before, so that it does not matter
        what is deleted meanwhile: each is right at its own time, and what was there throughout is in one of them.

        Raises:
            SourceIncomplete: There are fewer than promised.
            Refused: The query is not answered.
        """
        after: list[str] = []
        swept = Seen()
        while True:
            query = f"{self._query(_SWEPT, [*self._where, *after])} LIMIT {_SWEPT_AT_ONCE}"
            for _ in range(_ASKED):
                page = await self._org.first_page(query, _SWEPT.batch, everything=self._everything)
                whole = len(page.records) == page.totalSize if page.done else bool(page.records)
                if whole:
                    break
            else:
                raise SourceIncomplete("the org gives fewer records than it says there are", "run again")
            if ids := _ids(_SWEPT.rows(page.records), 0):
                if len(swept.add(ids)) < len(ids):
                    raise SourceIncomplete("the org gives the same records twice", "run again")
                yield ids
                after = [f"Id > {soql.quoted(ids[-1])}"]
            if page.done and len(ids) < _SWEPT_AT_ONCE:
                return

    async def _by_pages(self) -> AsyncGenerator[list[Row], None]:
        """What one cursor gives; what comes after the last id where an earlier one was forgotten."""
        before = len(self.seen)
        # Sorted by id, so that what is left is what comes after the last one.
        after = [f"Id > {soql.quoted(self.seen.last)}"] if self.seen.last else []
        query = self._query(self._shape, [*self._where, *after])
        try:
            async with aclosing(self._org.query(query, self._shape.batch, everything=self._everything)) as pages:
                async for page in pages:
                    self.promised = before + page.totalSize
                    if self._jobs and not before and not page.done and page.totalSize > self._large:
                        self._job = True
                        return
                    yield self._shape.rows(page.records)
                    if len(self.seen) > self.promised + _ROWS_A_PAGE:
                        raise SourceIncomplete("the org gives more records than it says there are", "run again")
            self._over = True
        except Refused as refused:
            code = errors.code_of(refused.answer)
            if code == errors.TIMED_OUT and self._jobs and not self._where:
                self._job = True  # a job may take its time
                return
            self._failures = self._failures + 1 if len(self.seen) == before else 0
            if code != errors.DEAD_CURSOR or self._failures == _RESUMED:
                raise

    async def _by_job(self) -> AsyncGenerator[list[Row], None]:
        # Sorting would keep the org from splitting the job into parts that run at the same time.
        query = soql.select(self._shape.names, self._table, self._where)
        try:
            async with aclosing(bulk.query(self._org, query, self._shape, everything=self._everything)) as parts:
                async for promised, rows in parts:
                    self.promised = promised
                    yield rows
            self._over = True
        except bulk.NoJob:
            self._job = self._jobs = False
            self.notes.append("the org did not run a Bulk API job, so its records were read page by page")

    def _query(self, shape: Shape, where: Sequence[str]) -> str:
        return soql.select(shape.names, self._table, where, order="Id")

    def _fresh(self, rows: list[Row]) -> list[Row]:
        """The rows that did not come before."""
        if any(row[place] is MISSING for row in rows for place in self._needed):
            raise SourceIncomplete(*_CHANGED)
        new = self.seen.add(_ids(rows, self._id))
        return rows if len(new) == len(rows) else [rows[place] for place in new]

    async def _lost(self) -> AsyncGenerator[list[Row], None]:
        """The records that are there and did not come."""
        lost: list[str] = []
        async with aclosing(self.sweep()) as parts:
            async for ids in parts:
                lost += self.seen.lacking(ids)
                if len(lost) > _MOST_LOST:
                    raise SourceIncomplete("the org gave far fewer records than it said there are", "run again")
        for some in soql.chunks(lost):
            query = soql.select(self._shape.names, self._table, [soql.is_one_of("Id", some)])
            promised, records = await self._org.rows(query, self._shape.batch, everything=self._everything)
            if promised != len(records):
                raise SourceIncomplete("the org gives fewer records than it says there are", "run again")
            if fresh := self._fresh(self._shape.rows(records)):
                yield fresh


def _ids(rows: Sequence[Row], at: int) -> list[str]:
    """The ids of some rows.

    Raises:
        SourceIncomplete: One has none, so that nobody could tell whether it came.
    """
    ids = [row[at] for row in rows]
    if not all(isinstance(one, str) and one for one in ids):
        raise SourceIncomplete(*_CHANGED)
    return ids
