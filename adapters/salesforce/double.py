"""A stand-in of one Salesforce org: tokens, queries, describe, getDeleted, getUpdated, limits, Bulk API 2.0 jobs.

Habits of the real one that it has
    tokens      without `expires_in`; expired ones are told by 401 INVALID_SESSION_ID; `instance_url` beside them
    cursors     hold the ids found when they were opened; records deleted since are left out of their page; pages may be
                smaller than asked for; forgotten after two days, or at once by `forget_cursors`
    errors      a list of objects from the data API, one object from the token endpoint
    fields      one that is hidden and one that does not exist are refused alike, with the whole query
    stamps      to the second, moved by everything; a bulk change gives many records the same
    deleting    into the recycle bin, which `queryAll` sees, and out of it, which `getDeleted` alone tells
    times       `+0000` from REST, `Z` from jobs
    limits      `Sforce-Limit-Info` in both forms; 403 REQUEST_LIMIT_EXCEEDED for two different reasons
    history     a row whenever stage, probability, amount or close date changes

Not for: writing through the API.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar, Final

from adapters.salesforce import double_soql as soql
from adapters.salesforce.double_jobs import Jobs
from adapters.salesforce.double_queries import Queries
from adapters.salesforce.double_records import DERIVED, STAGES, flags, rest_time
from adapters.salesforce.double_tables import CHILDREN, Refusal, Table, Tables, time_text, typed
from adapters.salesforce.double_tokens import FIXED, USER, Tokens
from syncd.rehearsal import Reply, Request, json_reply

_DATA: Final = re.compile(r"/services/data/v(?P<version>[0-9]+\.0)/(?P<rest>.*)")
_VERSIONS: Final = ("64.0", "65.0", "66.0")
_LONGEST_HEAD: Final = 16_384
"""Bytes of address and headers together (https://github.com/estuary/connectors/pull/2519)."""
_BIN: Final = timedelta(days=15)
_HISTORY: Final = ("StageName", "Probability", "Amount", "CloseDate")

_LONG_AGO: Final = timedelta(days=10)
"""How long before now loaded records were last changed."""


class SalesforceDouble:
    """One org, loaded and then changed as a test wishes.

    Attributes:
        tables: All it holds.
        queries, jobs, tokens: Its parts, each with knobs of its own.
        hooks: Called before each request is answered; they may change the org.
        offset: How far its clock is ahead of the true one.
        limit, used: Requests of the day.
        busy: So many next requests are refused because too many run at once.
        open_since: A long transaction began then: `latestDateCovered` goes no further.
        asked: Method and path of every request.
    """

    mapping: ClassVar[str] = "salesforce"
    settings: ClassVar[Mapping[str, Any]] = {"auth": {"type": "bearer", "token": {"env": "SYNCD_REHEARSAL_SALESFORCE"}}}
    secrets: ClassVar[Mapping[str, str]] = {"SYNCD_REHEARSAL_SALESFORCE": FIXED}

    def __init__(self, *, signed: Callable[[str], bool] = lambda _: True) -> None:
        """Args: signed, which looks at the signature of an assertion."""
        self.hooks: list[Callable[[Request], None]] = []
        self.offset = timedelta()
        self.limit, self.used = 100_000, 0
        self.busy = 0
        self.open_since: datetime | None = None
        self.tokens = Tokens(signed)
        self.asked: list[tuple[str, str]] = []
        self._clear()

    @property
    def now(self) -> datetime:
        """What its clock says."""
        return datetime.now(UTC) + self.offset

    # Changing what it holds.

    def load(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Hold these records and no others; see `syncd.rehearsal.Double`."""
        self._clear()
        for record in records:
            self.insert(record, at=self.now - _LONG_AGO)

    def insert(self, record: Mapping[str, Any], *, at: datetime | None = None, visible: datetime | None = None) -> str:
        """Add an opportunity, by native field as `load` takes it.

        Args:
            record: Its fields and children.
            at: When it was last changed, instead of now.
            visible: When others begin to see it: its transaction was long.

        Returns:
            Its id.
        """
        table, stamp = self.tables["Opportunity"], time_text(at or self.now)
        own = {name: value for name, value in record.items() if not isinstance(value, list)}
        self._learn(table, own)
        row: dict[str, Any] = {"IsDeleted": False, "CreatedDate": stamp, "LastModifiedDate": stamp}
        row |= {name: typed(value, table.types[name]) for name, value in own.items() if name in table.types}
        row |= flags(own, row)
        row["SystemModstamp"] = stamp
        if visible is not None:
            row["_from"] = time_text(visible)
        identity = str(table.add(row)["Id"])
        self._record_history(row, row["CreatedDate"])
        for name, rows in record.items():
            if isinstance(rows, list):
                for child in rows:
                    self.attach(name, identity, child, at=at)
        return identity

    def edit(self, identity: str, **fields: Any) -> None:
        """Change fields of an opportunity, by native name."""
        table = self.tables["Opportunity"]
        self._learn(table, fields)
        row, stamp = table.rows[identity], time_text(self.now)
        before = [row.get(name) for name in _HISTORY]
        row |= {name: typed(value, table.types[name]) for name, value in fields.items() if name in table.types}
        row |= flags(fields, row)
        row |= {"SystemModstamp": stamp, "LastModifiedDate": stamp}
        if row.get("StageName") != before[0]:
            row["LastStageChangeDate"] = stamp
        if [row.get(name) for name in _HISTORY] != before:
            self._record_history(row, stamp)

    def delete(self, identity: str) -> None:
        """Put an opportunity into the recycle bin, and what belongs to it with it."""
        row = self.tables["Opportunity"].rows[identity]
        row |= {"IsDeleted": True, "SystemModstamp": time_text(self.now)}
        self._deletions[identity] = self.now
        for child, (pointer, _) in CHILDREN.items():
            for one in self.tables[child].index(pointer).get(identity, ()):
                self.tables[child].rows[one]["IsDeleted"] = True

    def undelete(self, identity: str) -> None:
        """Take an opportunity out of the recycle bin. The log of deletions still tells of it."""
        self.tables["Opportunity"].rows[identity] |= {"IsDeleted": False, "SystemModstamp": time_text(self.now)}
        for child, (pointer, _) in CHILDREN.items():
            for one in self.tables[child].index(pointer).get(identity, ()):
                self.tables[child].rows[one]["IsDeleted"] = False

    def purge(self, identity: str) -> None:
        """Delete an opportunity for good: the recycle bin does not hold it."""
        if not self.tables["Opportunity"].rows[identity]["IsDeleted"]:
            self.delete(identity)
        self.tables["Opportunity"].drop(identity)

    def attach(self, child: str, identity: str, fields: Mapping[str, Any], *, at: datetime | None = None) -> str:
        """Add a row of a child component; gives its id."""
        table = self.tables[child]
        self._learn(table, fields)
        pointer = CHILDREN[child][0]
        row: dict[str, Any] = {"IsDeleted": False, pointer: identity, f"{pointer[:-2]}.Type": "Opportunity"}
        row |= {name: typed(value, table.types[name]) for name, value in fields.items()}
        row["SystemModstamp"] = time_text(at or self.now)
        return str(table.add(row)["Id"])

    def detach(self, child: str, identity: str) -> None:
        """Delete a row of a child component."""
        self.tables[child].rows[identity] |= {"IsDeleted": True, "SystemModstamp": time_text(self.now)}

    def unshare(self, identity: str) -> None:
        """Take an opportunity out of the integration user's sight."""
        self.tables["Opportunity"].rows[identity]["_unshared"] = True

    def advance(self, **span: float) -> None:
        """Let time pass; arguments are those of `timedelta`."""
        self.offset += timedelta(**span)

    def expire_tokens(self) -> None:
        """Let every token end."""
        self.tokens.valid.clear()

    def forget_cursors(self) -> None:
        """Let every query under way be forgotten."""
        self.queries.forget()

    def ids(self) -> list[str]:
        """The ids of the opportunities that are not deleted."""
        return [one["Id"] for one in self.tables["Opportunity"].rows.values() if not one["IsDeleted"]]

    def stage_table(self, label: str, **fields: Any) -> None:
        """Change a stage in the org's setup, or add one."""
        table = self.tables["OpportunityStage"]
        found = next((one for one in table.rows.values() if one["ApiName"] == label), None)
        usual = {"ApiName": label, "MasterLabel": label, "IsActive": True, "IsClosed": False, "IsWon": False}
        (found if found is not None else table.add(usual)).update(fields)

    # Answering.

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        for hook in list(self.hooks):
            hook(request)
        self.asked.append((request.method, request.path))
        try:
            reply = self._answer(request)
        except Refusal as refusal:
            reply = _refused(refusal)
        except soql.Malformed:
            reply = _refused(Refusal(400, "MALFORMED_QUERY", "unexpected token"))
        usage = f"api-usage={self.used}/{self.limit}"
        if self.used % 2:
            usage += f"; per-app-api-usage={self.used}/{self.limit}(appName=syncd)"
        headers = {"Date": format_datetime(self.now, usegmt=True), "Sforce-Limit-Info": usage, **reply.headers}
        return Reply(reply.status, reply.body, headers, reply.content_type)

    def _answer(self, request: Request) -> Reply:
        if request.path == "/services/oauth2/token":
            return self.tokens.grant(request, self.now)
        if request.path == "/services/data":
            return json_reply([{"version": one, "label": "", "url": f"/services/data/v{one}"} for one in _VERSIONS])
        found = _DATA.fullmatch(request.path)
        if found is None:
            raise Refusal(404, "NOT_FOUND", "The requested resource does not exist")
        if request.bearer not in self.tokens.valid:
            raise Refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if found["version"] not in _VERSIONS:
            raise Refusal(404, "NOT_FOUND", "The requested resource does not exist")
        head = len(request.target) + sum(len(name) + len(value) + 4 for name, value in request.headers.items())
        if head > _LONGEST_HEAD:
            return Reply(414, b"", content_type="text/html")
        if self.busy:
            self.busy -= 1
            raise Refusal(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.")
        if self.used >= self.limit:
            raise Refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.used += 1
        return self._route(request, found["rest"], found["version"])

    def _route(self, request: Request, path: str, version: str) -> Reply:
        kind, _, rest = path.partition("/")
        match kind, rest.split("/"):
            case "", _:
                return json_reply({one: f"/services/data/v{version}/{one}" for one in ("query", "sobjects", "jobs")})
            case "limits", _:
                left = {"Max": self.limit, "Remaining": self.limit - self.used}
                return json_reply(
                    {"DailyApiRequests": left, "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000}}
                )
            case (("query" | "queryAll"), [""]):
                return self.queries.first(request, version, everything=kind == "queryAll")
            case (("query" | "queryAll"), [locator]):
                return self.queries.more(locator, version)
            case "sobjects", [name, "describe"]:
                return self._describe(name)
            case "sobjects", ["Opportunity", "deleted" | "updated" as what, ""]:
                return self._replicated(request, what)
            case "jobs", ["query", *_]:
                return self.jobs.handle(request, path, version)
        raise Refusal(404, "NOT_FOUND", "The requested resource does not exist")

    def _describe(self, name: str) -> Reply:
        try:
            return json_reply(self.tables.describe(self.tables.named(name)))
        except Refusal:
            raise Refusal(404, "NOT_FOUND", "The requested resource does not exist") from None

    def _replicated(self, request: Request, what: str) -> Reply:
        try:
            # Seconds do not count.
            start, end = (
                datetime.fromisoformat(request.query[name]).astimezone(UTC).replace(second=0, microsecond=0)
                for name in ("start", "end")
            )
        except (KeyError, ValueError):
            raise Refusal(400, "INVALID_REPLICATION_DATE", "start and end are needed") from None
        if start >= end or start < self.now - (_BIN if what == "deleted" else 2 * _BIN) - timedelta(minutes=1):
            raise Refusal(400, "INVALID_REPLICATION_DATE", "the span is not valid")
        covered = min(end, self.open_since) if self.open_since else end
        told: dict[str, Any] = {"latestDateCovered": rest_time(time_text(covered))}
        if what == "updated":
            rows = self.tables["Opportunity"].rows.values()
            span = time_text(start), time_text(end)
            told["ids"] = [one["Id"] for one in rows if span[0] <= one["SystemModstamp"] < span[1]]
            return json_reply(told)
        told["earliestDateAvailable"] = rest_time(time_text(self.now - _BIN))
        told["deletedRecords"] = [
            {"id": identity, "deletedDate": rest_time(time_text(at))}
            for identity, at in self._deletions.items()
            if start <= at < end
        ]
        return json_reply(told)

    def _clear(self) -> None:
        self.tables = Tables()
        self.jobs = Jobs(self.tables, lambda: time_text(self.now))
        self.queries = Queries(self.tables, lambda: self.now)
        self._deletions: dict[str, datetime] = {}
        for order, (label, probability, category) in enumerate(STAGES, 1):
            closed = {"IsClosed": category == "Closed" or label == "Closed Lost", "IsWon": category == "Closed"}
            self.stage_table(
                label, **closed, DefaultProbability=float(probability), ForecastCategoryName=category, SortOrder=order
            )
        self.tables["PermissionSetAssignment"].add({"AssigneeId": USER, "PermissionSetId": "0PSRO0000000001AAA"})
        self.tables["ObjectPermissions"].add(
            {"ParentId": "0PSRO0000000001AAA", "SobjectType": "Opportunity", "PermissionsViewAllRecords": True}
        )

    def _learn(self, table: Table, fields: Mapping[str, Any]) -> None:
        """Make the custom fields that a record brings with it."""
        for name in fields:
            if name not in table.types and name not in DERIVED:
                table.types[name] = "date" if name.endswith(("_Date__c", "_Due__c")) else "string"

    def _record_history(self, row: Mapping[str, Any], stamp: str) -> None:
        told = {name: row.get(name) for name in _HISTORY}
        self.tables["OpportunityHistory"].add(
            {"OpportunityId": row["Id"], "CreatedDate": stamp, "IsDeleted": False, **told}
        )


def _refused(refusal: Refusal) -> Reply:
    return json_reply([{"message": refusal.message, "errorCode": refusal.code}], refusal.status)
