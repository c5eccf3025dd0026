"""The double's queries over REST: pages of what a cursor holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.salesforce import double_soql as soql
from adapters.salesforce.double_records import Projection
from adapters.salesforce.double_tables import Refusal, Table, Tables, time_text
from syncd.rehearsal import Reply, Request, json_reply

_CURSOR_LIFE: Final = timedelta(days=2)


@dataclass
class _Cursor:
    rows: list[dict[str, Any]]
    fields: list[str]
    table: Table
    size: int
    everything: bool
    made: datetime


class Queries:
    """The queries of the org.

    Attributes:
        page_cap: Records a page at most, whatever was asked for.
        lose: So many records are left out at the end of every page although they are counted.
        slow: Says of a query's text whether it ends as QUERY_TIMEOUT.
    """

    def __init__(self, tables: Tables, now: Callable[[], datetime]) -> None:
        """Args: tables, all the org holds; now, its clock."""
        self._tables, self._now = tables, now
        self._cursors: dict[str, _Cursor] = {}
        self._made = 0
        self.page_cap = 2_000
        self.lose = 0
        self.slow: Callable[[str], bool] = lambda _: False

    def forget(self) -> None:
        """Let every query under way be forgotten."""
        self._cursors.clear()

    def first(self, request: Request, version: str, *, everything: bool) -> Reply:
        """Answer a query.

        Raises:
            Refusal: It names what is not there, or takes too long.
            Malformed: It is none.
        """
        text = request.query.get("q", "")
        query = soql.parse(text)
        if self.slow(text):
            raise Refusal(400, "QUERY_TIMEOUT", "Your query request was running for too long.")
        rows = self._tables.find(query, time_text(self._now()), everything=everything)
        if query.counts:
            return json_reply({"totalSize": len(rows), "done": True, "records": []})
        table = self._tables.named(query.table)
        asked = re.search(r"batchSize=(\d+)", request.headers.get("sforce-query-options", ""))
        size = min(max(int(asked[1]) if asked else 2_000, 200), 2_000, self.page_cap)
        fields = [table.visible(name) for name in query.fields]
        if len(set(fields)) < len(fields):
            raise Refusal(400, "INVALID_FIELD", "duplicate field selected")
        cursor = _Cursor(rows, fields, table, size, everything, self._now())
        self._made += 1
        name = f"01gRO{self._made:010d}AAA"
        self._cursors[name] = cursor
        return self._page(name, cursor, 0, version)

    def more(self, locator: str, version: str) -> Reply:
        """Answer with a further page.

        Raises:
            Refusal: The cursor is forgotten.
        """
        name, _, start = locator.partition("-")
        cursor = self._cursors.get(name)
        if cursor is None or not start.isdigit() or self._now() - cursor.made > _CURSOR_LIFE:
            raise Refusal(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(name, cursor, int(start), version)

    def _page(self, name: str, cursor: _Cursor, start: int, version: str) -> Reply:
        end = start + cursor.size
        rows = cursor.rows[start:end]
        if not cursor.everything:
            rows = [row for row in rows if not row.get("IsDeleted")]
        records = Projection(cursor.table.name, cursor.fields).of(rows[: len(rows) - self.lose])
        done = end >= len(cursor.rows)
        told: dict[str, Any] = {"totalSize": len(cursor.rows), "done": done, "records": records}
        if not done:
            kind = "queryAll" if cursor.everything else "query"
            told["nextRecordsUrl"] = f"/services/data/v{version}/{kind}/{name}-{end}"
        return json_reply(told)
