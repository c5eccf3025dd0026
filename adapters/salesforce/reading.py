"""Every record of a query, or an error: pages chained, repeats dropped, what was promised compared with what came.

A cursor keeps what it found when it was opened; records that are deleted before their page is fetched are missing from it
and one cannot tell them from records that were lost. So where a count does not match, the ids that are there now are
asked for, and whatever of them did not come is fetched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from adapters.salesforce import bulk, errors, soql
from adapters.salesforce.decode import Row, Shape
from adapters.salesforce.org import Org
from adapters.salesforce.schema import Column
from adapters.salesforce.seen import Seen
from syncd.errors import SourceIncomplete
from syncd.httpkit import Refused

_SWEEPS: Final = 3
"""Times the ids are asked for when their own count does not match."""
_RESUMED: Final = 5
"""Times in a row that a cursor may be forgotten before another record came."""
_MOST_LOST: Final = 10_000
"""More records than this did not come by chance."""

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
        self.seen = Seen()
        self.promised = 0
        self.notes: list[str] = []

    async def rows(self) -> AsyncIterator[list[Row]]:
        """Every record once, some at a time.

        Raises:
            SourceIncomplete: Not every record came.
            Refused: The query is not answered.
        """
        async for rows in self._stream():
            if fresh := self._fresh(rows):
                yield fresh
        if len(self.seen) != self.promised:
            async for rows in self._lost():
                yield rows

    async def sweep(self) -> AsyncIterator[list[str]]:
        """The ids there are, some at a time, each once.

        Raises:
            SourceIncomplete: There are fewer or more than promised.
        """
        async for ids in _swept(self._org, self._query(_SWEPT, self._where), everything=self._everything):
            yield ids

    def _query(self, shape: Shape, where: Sequence[str]) -> str:
        return soql.select(shape.names, self._table, where, order="Id")

    def _fresh(self, rows: list[Row]) -> list[Row]:
        """The rows that did not come before."""
        new = self.seen.add([row[self._id] for row in rows])
        return rows if len(new) == len(rows) else [rows[place] for place in new]

    async def _stream(self) -> AsyncIterator[list[Row]]:
        large = self._org.settings.bulk_above
        long = len(self._query(self._shape, self._where)) > soql.LONGEST_IN_AN_ADDRESS
        if large is not None and (long or large == 0):
            try:
                async for rows in self._by_job():
                    yield rows
            except bulk.NoJob:
                self._note_no_job()
            else:
                return
        async for rows in self._by_pages(None if self.notes else large):
            yield rows

    async def _by_pages(self, most: int | None) -> AsyncIterator[list[Row]]:
        """By the REST API; by a job after all where there are more than `most`."""
        where, failures = list(self._where), 0
        while True:
            before = len(self.seen)
            try:
                pages = self._org.query(self._query(self._shape, where), self._shape.batch, everything=self._everything)
                async for page in pages:
                    self.promised = before + page.totalSize
                    if most is not None and page.totalSize > most and not page.done:
                        break
                    yield self._shape.rows(page.records)
                    self._refuse_excess()
                else:
                    return
            except Refused as refused:
                if errors.code_of(refused.answer) != errors.DEAD_CURSOR:
                    raise
                failures = failures + 1 if len(self.seen) == before else 0
                if failures >= _RESUMED:
                    raise
                # Sorted by id, so that what is left is what comes after the last one.
                if self.seen.last:
                    where = [*self._where, f"Id > {soql.quoted(self.seen.last)}"]
                continue
            await pages.aclose()  # type: ignore[attr-defined]
            try:
                async for rows in self._by_job():
                    yield rows
            except bulk.NoJob:
                self._note_no_job()
                most = None
            else:
                return

    async def _by_job(self) -> AsyncIterator[list[Row]]:
        # Sorting would keep the org from splitting the job into parts that run at the same time.
        query = soql.select(self._shape.names, self._table, self._where)
        async for promised, rows in bulk.query(self._org, query, self._shape, everything=self._everything):
            self.promised = promised
            for start in range(0, len(rows), _ROWS_A_PAGE):
                yield rows[start : start + _ROWS_A_PAGE]

    def _note_no_job(self) -> None:
        self.notes.append("the org did not run a Bulk API job, so its records were read page by page")

    def _refuse_excess(self) -> None:
        if len(self.seen) > self.promised + _ROWS_A_PAGE:
            raise SourceIncomplete("the org gives more records than it says there are", "run again")

    async def _lost(self) -> AsyncIterator[list[Row]]:
        """The records that are there and did not come."""
        came = set(self.seen)
        lost: list[str] = []
        async for ids in self.sweep():
            lost += [one for one in ids if one not in came]
            if len(lost) > _MOST_LOST:
                raise SourceIncomplete("the org gave far fewer records than it said there are", "run again")
        for some in soql.chunks(lost):
            query = soql.select(self._shape.names, self._table, [soql.is_one_of("Id", some)])
            promised, records = await self._org.rows(query, self._shape.batch, everything=self._everything)
            if promised != len(records):
                raise SourceIncomplete("the org gives fewer records than it says there are", "run again")
            if fresh := self._fresh(self._shape.rows(records)):
                yield fresh


async def _swept(org: Org, query: str, *, everything: bool) -> AsyncIterator[list[str]]:
    seen = Seen()
    for _ in range(_SWEEPS):
        count, promised = Seen(), 0
        async for page in org.query(query, _SWEPT.batch, everything=everything):
            promised = page.totalSize
            ids = [row[0] for row in _SWEPT.rows(page.records)]
            count.add(ids)
            if new := seen.add(ids):
                yield [ids[place] for place in new]
        if len(count) == promised:
            return
    raise SourceIncomplete("the org gives fewer records than it says there are, each time it is asked", "run again")
