"""The double's Bulk API 2.0 query jobs.

Not for: ingest jobs; nothing is written.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.salesforce import double_soql as soql
from adapters.salesforce.double_tables import Refusal, Tables
from syncd.rehearsal import Reply, Request, json_reply

_PATH: Final = re.compile(r"jobs/query/(?P<id>\w+)(?P<results>/results)?")
_OVER: Final = ("JobComplete", "Failed", "Aborted")


@dataclass
class _Job:
    id: str
    version: str
    query: soql.Query
    everything: bool
    polls: int = 0
    state: str = "UploadComplete"
    rows: list[list[str]] = field(default_factory=list)


class Jobs:
    """The jobs of the org.

    Attributes:
        polls: How often a job is asked for before it is complete.
        enabled: Whether the org makes jobs.
        fails: Whether each ends as `Failed`.
        short: How many rows of each part are left out of it.
        left: The jobs that were not deleted.
    """

    def __init__(self, tables: Tables, now: Callable[[], str]) -> None:
        self._tables, self._now = tables, now
        self._made = 0
        self.polls = 2
        self.enabled = True
        self.fails = False
        self.short = 0
        self.left: dict[str, _Job] = {}

    def handle(self, request: Request, path: str, version: str) -> Reply:
        """Answer a request below `jobs/query`.

        Raises:
            Refusal: It is refused.
        """
        if request.method == "POST":
            return self._make(request, version)
        found = _PATH.fullmatch(path)
        job = self.left.get(found["id"]) if found else None
        if found is None or job is None:
            raise Refusal(404, "NOT_FOUND", "The requested resource does not exist")
        if job.version != version:
            raise Refusal(409, "INVALIDVERSION", "The job was made with another version")
        if request.method == "DELETE":
            if job.state not in _OVER:
                raise Refusal(400, "INVALIDJOBSTATE", "The job is under way")
            del self.left[job.id]
            return Reply(204)
        if request.method == "PATCH":
            job.state = "Aborted"
            return json_reply({"id": job.id, "state": job.state})
        return self._part(job, request) if found["results"] else self._state(job)

    def _make(self, request: Request, version: str) -> Reply:
        asked = request.json()
        if not self.enabled:
            raise Refusal(400, "FEATURENOTENABLED", "Bulk API is not enabled")
        query = soql.parse(asked["query"])
        table = self._tables.named(query.table)
        if any(table.types.get(name) in ("address", "location") for name in query.fields):
            raise Refusal(400, "FEATURENOTENABLED", "Selecting compound data not supported in Bulk Query")
        self._tables.find(
            soql.Query(query.fields, query.table, query.where, query.order, 0), self._now(), everything=True
        )
        self._made += 1
        job = _Job(f"750RO{self._made:010d}AAA", version, query, asked["operation"] == "queryAll")
        self.left[job.id] = job
        return json_reply({"id": job.id, "operation": asked["operation"], "object": table.name, "state": job.state})

    def _state(self, job: _Job) -> Reply:
        told: dict[str, Any] = {"id": job.id, "operation": "query", "jobType": "V2Query"}
        if job.state not in _OVER:
            job.polls += 1
            job.state = "InProgress"
            if job.polls >= self.polls:
                job.state = "Failed" if self.fails else "JobComplete"
                job.rows = [] if self.fails else self._rows(job)
        told |= {"state": job.state, "numberRecordsProcessed": len(job.rows), "apiVersion": float(job.version)}
        return json_reply(told)

    def _rows(self, job: _Job) -> list[list[str]]:
        table = self._tables.named(job.query.table)
        names = [table.visible(name) for name in job.query.fields]
        found = self._tables.find(job.query, self._now(), everything=job.everything)
        return [[_cell(row.get(name)) for name in names] for row in found]

    def _part(self, job: _Job, request: Request) -> Reply:
        if job.state != "JobComplete":
            raise Refusal(400, "INVALIDJOBSTATE", "The job has no results")
        start = int(request.query.get("locator", "MA")[2:] or 0)
        rows = job.rows[start : start + int(request.query.get("maxRecords", "50000"))]
        end = start + len(rows)
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(job.query.fields)
        writer.writerows(rows[: len(rows) - self.short])
        locator = "null" if end >= len(job.rows) else f"MA{end}"
        headers = {"Sforce-NumberOfRecords": str(len(rows)), "Sforce-Locator": locator}
        return Reply(200, text.getvalue().encode(), headers, "text/csv")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
