"""Queries as Bulk API 2.0 jobs: made, waited for, fetched part by part, and taken away.

Facts
    made       `POST jobs/query`; a job is read with the API version it was made with
    fetched    `results?maxRecords=&locator=`; `Sforce-Locator` of the last part is the text `null`, and a part may be
               asked for again as long as the job is there
    counted    `Sforce-NumberOfRecords` of each part, `numberRecordsProcessed` of the job
    (https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/query_get_job_results.htm)
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Final

import msgspec

from adapters.salesforce import errors
from adapters.salesforce.decode import Row, Shape
from adapters.salesforce.org import Org
from syncd.errors import SourceIncomplete
from syncd.httpkit import Body, Refused

_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 30.0
_ASKED: Final = 3
"""Times one part is asked for when it does not hold as many records as it says."""

_BUSY_STATES: Final = frozenset({"UploadComplete", "InProgress"})
_ID: Final = re.compile(r"[A-Za-z0-9]{15,18}")
_LOCATOR: Final = re.compile(r"[!-~]{1,500}")
_LAST: Final = "null"
_ROWS_A_PAGE: Final = 2_000

_Lines = list[list[str]]


class _Job(msgspec.Struct):
    id: str
    state: str = ""
    numberRecordsProcessed: int | None = None  # noqa: N815 - the API's own name


class NoJob(Exception):
    """The org makes no such job, or could not finish it; the REST API may answer the same query."""


async def query(
    org: Org, soql: str, shape: Shape, *, everything: bool = False
) -> AsyncGenerator[tuple[int, list[Row]], None]:
    """The rows of a query, with how many the job promises, part by part.

    Raises:
        NoJob: There is no result. Only before the first part.
        SourceIncomplete: The result cannot be read to its end.
    """
    job = await _make(org, soql, everything=everything)
    over = False
    try:
        done = await _finished(org, job)
        over = True
        if done.state != "JobComplete" or done.numberRecordsProcessed is None:
            raise NoJob
        async with aclosing(_parts(org, job, shape)) as parts:
            async for lines in parts:
                for start in range(0, len(lines), _ROWS_A_PAGE):
                    yield done.numberRecordsProcessed, shape.csv_rows(lines[start : start + _ROWS_A_PAGE])
                if not lines:
                    yield done.numberRecordsProcessed, []
    finally:
        await _take_away(org, job, over=over)


async def _make(org: Org, soql: str, *, everything: bool) -> str:
    operation = "queryAll" if everything else "query"
    asked = {"operation": operation, "query": soql, "columnDelimiter": "COMMA", "lineEnding": "LF"}
    try:
        # Asked again when it is not known what came of it: at worst a job is left over, which the org deletes after
        # seven days.
        made = await org.post("jobs/query", asked, decode=_read_job)
    except Refused as refused:
        if errors.code_of(refused.answer) == "REQUEST_LIMIT_EXCEEDED":
            raise
        raise NoJob from None
    if _ID.fullmatch(made.id) is None:
        raise NoJob
    return made.id


async def _finished(org: Org, job: str) -> _Job:
    """The job once the org is through with it."""
    began, wait = org.clock.monotonic(), _FIRST_WAIT
    while True:
        found, _ = await org.get(f"jobs/query/{job}", decode=_read_job)
        if found.state not in _BUSY_STATES:
            return found
        if org.clock.monotonic() - began + wait > org.settings.bulk_patience_seconds:
            raise SourceIncomplete(
                "the org did not finish a Bulk API job in time",
                f"run again when it is less busy, or set `bulk_patience_seconds` of source {org.name} higher",
            )
        await org.clock.sleep(wait)
        wait = min(_LONGEST_WAIT, wait * 2)


async def _parts(org: Org, job: str, shape: Shape) -> AsyncGenerator[_Lines, None]:
    seen: set[str] = set()
    ahead = asyncio.create_task(_part(org, job, shape, None))
    try:
        while True:
            lines, locator = await ahead
            if locator != _LAST:
                if locator in seen or _LOCATOR.fullmatch(locator) is None:
                    raise SourceIncomplete(
                        "the parts of a Bulk API job's result do not follow one another", "run again"
                    )
                seen.add(locator)
                ahead = asyncio.create_task(_part(org, job, shape, locator))
            yield lines
            if locator == _LAST:
                return
    finally:
        ahead.cancel()
        with suppress(asyncio.CancelledError, SourceIncomplete):
            await ahead


async def _part(org: Org, job: str, shape: Shape, locator: str | None) -> tuple[_Lines, str]:
    """One part, and the locator of the next."""
    asked = {"maxRecords": str(org.settings.bulk_page_size), **({"locator": locator} if locator else {})}
    for _ in range(_ASKED):
        lines, answer = await org.get(
            f"jobs/query/{job}/results", asked, decode=shape.csv_lines, headers={"Accept": "text/csv"}
        )
        said = answer.headers.get("sforce-numberofrecords", "")
        if said == str(len(lines)) and "sforce-locator" in answer.headers:
            return lines, answer.headers["sforce-locator"]
    raise SourceIncomplete("a part of a Bulk API job's result does not hold as many records as it says", "run again")


async def _take_away(org: Org, job: str, *, over: bool) -> None:
    """Delete a job. One that is under way has to be stopped first. It is no loss if neither succeeds."""
    with suppress(SourceIncomplete):
        if not over:
            await org.send("PATCH", f"jobs/query/{job}", {"state": "Aborted"})
        await org.send("DELETE", f"jobs/query/{job}")


def _read_job(body: Body) -> _Job:
    return msgspec.json.decode(body, type=_Job)
