"""The double itself: sign-in and Web API over HTTP.

Its habits are those the pages named beside each part describe; what a reader never meets (plug-ins, writing, search) is
left out. Ids may be any text, so that seeded records keep theirs; those of the real system are GUIDs.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from email.utils import format_datetime
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from adapters.dynamics365.double import metadata
from adapters.dynamics365.double.directory import BEARER, Directory
from adapters.dynamics365.double.holdings import TENANT, Holdings
from adapters.dynamics365.double.queries import (
    QueryError,
    after,
    aggregate,
    changes,
    condition,
    cookie,
    read_cookie,
    render,
    selected,
)
from adapters.dynamics365.double.tables import Table
from adapters.dynamics365.settings import LARGEST_PAGE
from syncd.rehearsal import Reply, Request

HOST: Final = "https://contoso.crm.dynamics.com"
"""The host in links: never the one that was asked, as behind a gateway."""
_NOT_WITH_TRACKING: Final = ("$filter", "$orderby", "$expand", "$top")
_JSON: Final = "application/json; odata.metadata=minimal"
_PART: Final = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
_MOST_INNER: Final = 1_000
_LONGEST: Final = 32_768
"""Characters of an address; inside a batch twice as many.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/compose-http-requests-handle-errors
"""
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Dynamics365Double(Holdings):
    """Stands in for one environment and the directory in front of it.

    Attributes:
        directory: Where tokens come from.
        tracked: Whether change tracking is on for opportunities.
        forbidden: Entity sets the account may not read.
        depth: How far its privilege to read opportunities reaches: `Global` is the organisation.
        secured: Columns hidden by column security.
        behavior: The behaviour of date columns that were not changed to the usual one.
        before: Called with each request, before it is answered.
        aggregate_limit: Rows an aggregate takes at most.
        targets: What was asked for, in order.
    """

    mapping: ClassVar[str] = "dynamics365"
    settings: ClassVar[Mapping[str, Any]] = {
        "auth": {"type": "bearer", "token": {"env": "SYNCD_REHEARSAL_DYNAMICS365"}}
    }
    secrets: ClassVar[Mapping[str, str]] = {"SYNCD_REHEARSAL_DYNAMICS365": BEARER}

    def __init__(self) -> None:
        super().__init__()
        self.directory = Directory(self.now)
        self.tracked = True
        self.forbidden: set[str] = set()
        self.depth = "Global"
        self.secured: set[str] = set()
        self.behavior: dict[str, str] = {}
        self.before: Callable[[Request], None] | None = None
        self.aggregate_limit = 50_000
        self.targets: list[str] = []
        self.user = "22220000-0000-4000-8000-00000000cccc"
        self._oldest_token = 0
        self._throttled: list[Reply] = []

    # What goes wrong

    def expire_tokens(self) -> None:
        """Bearer tokens given so far are no longer good."""
        self.directory.tokens.clear()

    def expire_tracking(self) -> None:
        """Delta tokens given so far are too old."""
        self._oldest_token = self.next_version()

    def throttle(self, code: str = "0x80072322", *, seconds: int = 1, times: int = 1) -> None:
        """Refuse the next requests for service protection."""
        error = {"error": {"code": code, "message": "Number of requests exceeded the limit of 6000 over 300 seconds."}}
        self._throttled += [Reply(429, _encode(error), {"Retry-After": str(seconds)})] * times

    # Requests

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        if self.before is not None:
            self.before(request)
        self.targets.append(request.target)
        if request.path.endswith("/oauth2/v2.0/token"):
            return self.directory.sign_in(request)
        if self._throttled:
            return self._throttled.pop()
        if not self.directory.knows(request.bearer):
            return Reply(401, b"", {"WWW-Authenticate": "Bearer", **self._headers()})
        if len(request.target) > _LONGEST:
            return self._error(QueryError("The request URI is too long.", status=414, code=""))
        prefix = re.match(r"/api/data/v9\.\d", request.path)
        path = request.path[len(prefix[0]) :] if prefix else request.path
        try:
            if path.endswith("/$batch") and request.method == "POST":
                return self._batch(request)
            return self._answer(path.lstrip("/"), request.target, request.headers.get("prefer", ""))
        except QueryError as error:
            return self._error(error)

    def _answer(self, path: str, target: str, prefer: str) -> Reply:
        query = dict(parse_qsl(urlsplit(target).query.replace("+", "%2B"), keep_blank_values=True))
        if path == "WhoAmI":
            return self._reply({"UserId": self.user, "BusinessUnitId": TENANT, "OrganizationId": TENANT})
        if found := metadata.PATH.fullmatch(path):
            table = next((one for one in self.tables.values() if one.logical == found[1]), None)
            if table is None:
                raise QueryError("Could not find an entity.", status=404, code="0x80060888")
            return self._reply(
                metadata.described(table, path, tracked=self.tracked, secured=self.secured, behavior=self.behavior)
            )
        if re.fullmatch(
            r"systemusers\([\w-]+\)/Microsoft\.Dynamics\.CRM\.RetrieveUserPrivilegeByPrivilegeName\(.*\)", path
        ):
            privileges = [{"Depth": self.depth, "PrivilegeName": "prvReadOpportunity"}]
            return self._reply({"RolePrivileges": [] if "opportunities" in self.forbidden else privileges})
        name, _, rest = path.partition("/")
        table = self.tables.get(name)
        if table is None or rest not in {"", "$count"}:
            raise QueryError(f"Resource not found for the segment '{name}'.", status=404, code="0x80060888")
        if name in self.forbidden:
            message = f"Principal user is missing prvRead{table.logical} privilege"
            raise QueryError(message, status=403, code="0x80040220")
        if rest == "$count":
            test = condition(table, query.get("$filter", ""))
            count = min(sum(map(test, table.rows.values())), LARGEST_PAGE)
            return Reply(200, f"\ufeff{count}".encode(), self._headers(), "text/plain")
        if "$apply" in query:
            return self._reply({"value": aggregate(table, query["$apply"], self.aggregate_limit)})
        return self._listed(name, table, query, prefer)

    def _listed(self, name: str, table: Table, query: dict[str, str], prefer: str) -> Reply:
        size = min(
            int(found[1]) if (found := re.search(r"odata\.maxpagesize=(\d+)", prefer)) else LARGEST_PAGE, LARGEST_PAGE
        )
        annotations = found[1] if (found := re.search(r'odata\.include-annotations="([^"]*)"', prefer)) else ""
        names = selected(table, query)
        for option in query:
            if option not in {"$select", "$filter", "$orderby", "$top", "$count", "$skiptoken", "$deltatoken"}:
                raise QueryError(f"The query parameter {option} is not supported.")
        tracking = "odata.track-changes" in prefer
        if tracking and name == "opportunities":
            self._check_tracking(query)
        body: dict[str, Any] = {"@odata.context": f"{HOST}/api/data/v9.2/$metadata#{name}({','.join(names)})"}
        if "$deltatoken" in query:
            self._delta(name, table, query, size, annotations, names, body)
        else:
            self._page(name, table, query, size, annotations, names, body, tracking=tracking)
        headers = {"Preference-Applied": "odata.track-changes"} if tracking else {}
        return self._reply(body, headers)

    def _check_tracking(self, query: Mapping[str, str]) -> None:
        if not self.tracked:
            raise QueryError("Change tracking is not enabled for entity opportunity.", code="0x80072491")
        if self.depth != "Global":
            raise QueryError("Change tracking needs organization-level read privilege.", status=403, code="0x80040220")
        for option in _NOT_WITH_TRACKING:
            if option in query:
                raise QueryError(f"The query parameter {option} is not supported when Change Tracking is enabled")

    def _page(
        self, name: str, table: Table, query: dict[str, str], size: int, annotations: str, names: list[str],
        body: dict[str, Any], *, tracking: bool,
    ) -> None:  # fmt: skip
        test = condition(table, query.get("$filter", ""))
        number, place = read_cookie(query["$skiptoken"]) if "$skiptoken" in query else (1, "")
        version, _, last = place.partition("|")
        # What changes from the first page on is left to the feed.
        version = version or str(self._version)
        if "$top" in query:
            size = int(query["$top"])
        rows, more = after(table, last or None, test, size)
        body["value"] = [render(table, row, names, annotations) for row in rows]
        if query.get("$count") == "true":
            count = sum(map(test, table.rows.values()))
            body["@odata.count"] = min(count, LARGEST_PAGE)
            body["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] = count > LARGEST_PAGE
        if more and "$top" not in query:
            token = cookie(number + 1, f"{version}|{rows[-1][table.key]}")
            body["@odata.nextLink"] = _link(name, query, f"$skiptoken={token}")
        elif tracking:
            body["@odata.deltaLink"] = _link(name, query, f"$deltatoken={version}%2112%2f31%2f2026%2009%3a20%3a00")

    def _delta(
        self, name: str, table: Table, query: dict[str, str], size: int, annotations: str, names: list[str],
        body: dict[str, Any],
    ) -> None:  # fmt: skip
        since = int(query["$deltatoken"].partition("!")[0])
        if since < self._oldest_token:
            raise QueryError("Version stamp associated with the client has expired. Please perform a full sync.",
                             code="0x80044352")  # fmt: skip
        number, place = read_cookie(query["$skiptoken"]) if "$skiptoken" in query else (1, "")
        until, at, last = place.split("|", 2) if place else (str(self._version), "0", "")
        body["@odata.context"] += "/$delta"
        values: list[Any] = []
        body["value"] = values
        reached = int(at), last
        for count, (here, row) in enumerate(changes(table, since, int(until), reached)):
            if count == size:
                token = cookie(number + 1, f"{until}|{reached[0]}|{reached[1]}")
                body["@odata.nextLink"] = _link(name, query, f"$skiptoken={token}")
                return
            reached = here
            if isinstance(row, str):
                context = f"{HOST}/api/data/v9.2/$metadata#{name}/$deletedEntity"
                values.append({"@odata.context": context, "id": row, "reason": "deleted"})
            else:
                values.append(render(table, row, names, annotations))
        body["@odata.deltaLink"] = _link(name, query, f"$deltatoken={until}%2112%2f31%2f2026%2009%3a20%3a00")

    def _batch(self, request: Request) -> Reply:
        """https://learn.microsoft.com/power-apps/developer/data-platform/webapi/execute-batch-operations-using-web-api."""
        boundary = request.headers["content-type"].partition("boundary=")[2].encode()
        pieces = request.body.split(b"--" + boundary)[1:-1]
        if len(pieces) > _MOST_INNER:
            raise QueryError("The batch holds too many requests.", code="0x80060888")
        mark = f"batchresponse_{uuid.uuid4()}"
        answered = []
        for piece in pieces:
            reply = self._inner(piece.decode())
            head = f"HTTP/1.1 {reply.status} Status\r\nContent-Type: {_JSON}\r\nOData-Version: 4.0\r\n\r\n"
            answered.append(f"--{mark}\r\n{_PART}{head}".encode() + reply.body + b"\r\n")
            if reply.status >= 400 and "odata.continue-on-error" not in request.headers.get("prefer", ""):  # noqa: PLR2004
                return reply
        body = b"".join(answered) + f"--{mark}--\r\n".encode()
        return Reply(200, body, self._headers(), f"multipart/mixed; boundary={mark}")

    def _inner(self, piece: str) -> Reply:
        _, _, message = piece.partition("\r\n\r\n")
        head, *given = message.strip().split("\r\n")
        target = head.split(" ")[1]
        if len(target) > 2 * _LONGEST:
            return self._error(QueryError("The request URI is too long.", status=414, code=""))
        prefer = next((one.partition(":")[2] for one in given if one.lower().startswith("prefer:")), "")
        path = re.sub(r"^/(api/data/v9\.\d/)?", "", unquote(urlsplit(target).path))
        try:
            return self._answer(path, target, prefer)
        except QueryError as error:
            return self._error(error)

    def _reply(self, value: Any, headers: Mapping[str, str] | None = None) -> Reply:
        return Reply(200, _encode(value), {**self._headers(), **(headers or {})}, _JSON)

    def _error(self, error: QueryError) -> Reply:
        body = {"error": {"code": error.code, "message": str(error)}}
        return Reply(error.status, _encode(body), self._headers())

    def _headers(self) -> dict[str, str]:
        return {
            "OData-Version": "4.0",
            "Date": format_datetime(self.now(), usegmt=True),
            "x-ms-service-request-id": "00000000-0000-4000-8000-000000000001",
            "x-ms-ratelimit-burst-remaining-xrm-requests": "5999",
            "x-ms-ratelimit-time-remaining-xrm-requests": "1,200.00",
        }


def _link(name: str, query: Mapping[str, str], token: str) -> str:
    """A link, on a host of its own, with the query it continues."""
    dropped = {"$skiptoken"} if token.startswith("$skiptoken") else {"$skiptoken", "$deltatoken"}
    kept = [f"{key}={value.replace(' ', '%20')}" for key, value in query.items() if key not in dropped]
    return f"{HOST}/api/data/v9.2/{name}?{'&'.join([*kept, token])}"
