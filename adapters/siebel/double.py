"""A stand-in of Siebel's REST API, with the habits of the real one, for rehearsals and tests.

What it does as the real one does
    pages of 10 unless asked for more, of 100 at most; the account's own records unless asked for others; no order
    unless asked for one; one record is no list unless asked for a list; 404 for nothing and for what is hidden; every
    value a text, the empty ones "" or "No Match Row Id"; dates month first in the zone of the account's profile; an
    error above 9,900 records unless asked to read forward only; links that name another host; 500 for what is wrong
    with a request, its code in the text; a guest let in without credentials; no more than 20 connections.

Not for: more than the adapter's tests and rehearsals need. Sources of each habit: `dialect`, and the adapter's page.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, ClassVar, Final
from urllib.parse import quote, unquote

import msgspec

from adapters.siebel.double_data import (
    KEYS_OF_OTHERS,
    STOCK_CHILDREN,
    Record,
    written,
)
from adapters.siebel.double_holdings import Holdings, Refusal
from adapters.siebel.double_search import SearchRefused
from adapters.siebel.double_writes import Writer
from syncd.rehearsal import Reply, Request, json_reply

_NOTHING: Final = "There is no data for the requested resource"
_ELSEWHERE: Final = "https://siebel-ai.internal.example/siebel/v1.0"
"""The `REST Response Base URL` of the server, which is not the address its clients use."""
_MOST_ROWS: Final = 9_900


class SiebelDouble(Holdings):
    """Siebel, as far as its REST API shows it.

    Attributes:
        undescribed: Fields that answers hold and `describe` leaves out.
        swagger: `describe` answers in the form it had before 22.11.
        guests: Requests without credentials are let in, and see nothing.
        counts: It knows `recordcountneeded`.
        links_on: Answers link to the next page.
        page_cap: Records a page at most, whatever is asked for.
        child_page: The same of children below their opportunity; links to the next page are left out then, as some
            versions may.
        tells_last: Pages of children say whether they are the last.
        connections: How many requests are under way; the server knows.
        on_request: Called with each request before it is answered, so that a test can change data in mid-pull.
        refused_children: Child components that cannot be read, with the code that says so.
        asked: Paths and parameters of every request for data.
    """

    mapping: ClassVar[str] = "siebel"
    settings: ClassVar[Mapping[str, Any]] = {
        "auth": {"type": "basic", "username": "SYNCD", "password": {"env": "SYNCD_DOUBLE_SIEBEL_PASSWORD"}},
        "timezone": "America/New_York",
        "children": {
            name: {"resource": f"{name}/{name}", "parent": "Opportunity Id"} for name in ("Action", "Sales Assessment")
        },
    }
    secrets: ClassVar[Mapping[str, str]] = {"SYNCD_DOUBLE_SIEBEL_PASSWORD": "sadmin-of-nowhere"}

    def __init__(
        self,
        *,
        zone: str = "America/New_York",
        order: Callable[[str], Any] = str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Args: zone of the account's profile; order, by which ids are sorted; now, the server's clock."""
        super().__init__(zone=zone, order=order, now=now)
        self.undescribed: set[str] = set()
        self.swagger = False
        self.guests = True
        self.counts = True
        self.links_on = True
        self.page_cap = 100
        self.child_page: int | None = None
        self.tells_last = True
        self.connections: Callable[[], int] = lambda: 0
        self.on_request: Callable[[Request], None] = lambda _: None
        self.refused_children: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.oauth = False
        self._tokens: set[str] = set()
        self._throttled = 0

    def throttle(self, requests: int) -> None:
        """Be too busy for so many requests."""
        self._throttled = requests

    def expire_tokens(self) -> None:
        """Let every token be good no longer."""
        self._tokens.clear()

    # Requests.

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        self.on_request(request)
        reply = self._answer(request)
        return Reply(reply.status, reply.body, {"Date": format_datetime(self.now(), usegmt=True), **reply.headers},
                     reply.content_type)  # fmt: skip

    def _answer(self, request: Request) -> Reply:
        if request.path.endswith("/oauth/token"):
            return self._grant(request)
        if self.connections() > 20:  # noqa: PLR2004 - the default of an Application Interface node
            return Reply(503, b"Service Unavailable", content_type="text/plain")
        if self._throttled > 0:
            self._throttled -= 1
            return _error("SBL-SVR-00040", "The server is too busy to take the request")
        user = self._user(request)
        _, found, path = request.target.partition("/data/")
        if user is None or not found:
            return Reply(404 if user else 401, b'{"ERROR":"Invalid credentials or address."}')
        parts = [part for part in _unquoted(path.partition("?")[0]) if part]
        self.asked.append(("/".join(parts), request.query))
        try:
            if request.method != "GET":
                reply = Writer(self).write(request, parts)
                self.touch()
                return reply
            return self._read(parts, request.query, user)
        except Refusal as refusal:
            return _error(refusal.code, refusal.text, refusal.status)
        except SearchRefused as refused:
            return _error(refused.code, "An error happened in parsing the search specification")

    def _grant(self, request: Request) -> Reply:
        """The company's authorization server; Siebel itself issues no tokens."""
        if request.form.get("client_secret") != self.secrets["SYNCD_DOUBLE_SIEBEL_PASSWORD"]:
            return json_reply({"error": "invalid_client"}, 401)
        token = secrets.token_urlsafe(16)
        self._tokens.add(token)
        return json_reply({"access_token": "not-for-siebel", "id_token": token, "expires_in": 300})

    def _user(self, request: Request) -> str | None:
        """Who asks: the account, a guest (empty), or None for somebody with wrong credentials."""
        if "authorization" not in request.headers:
            return "" if self.guests else None
        if self.oauth:
            return "SYNCD" if request.bearer in self._tokens else None
        user, password = request.basic or ("", "")
        right = hmac.compare_digest(password, self.secrets["SYNCD_DOUBLE_SIEBEL_PASSWORD"])
        return user if right and user == "SYNCD" else None

    def _read(self, parts: list[str], query: dict[str, str], user: str) -> Reply:
        match parts:
            case ["Opportunity", "Opportunity", *rest, "describe"]:
                return json_reply(self._description(query, rest))
            case ["Opportunity", "Opportunity"]:
                return self._list(parts, query, user, "", self.known_fields())
            case ["Opportunity", "Opportunity", identity]:
                return self._single(identity, query, user)
            case ["Opportunity", "Opportunity", identity, child]:
                return self._children(parts, identity, child, query, user)
            case [name, same] if name == same and name in self.child_fields:
                self._check_refused(name)
                fields = {**self.child_fields[name], "Opportunity Id": "DTYPE_TEXT"}
                return self._list(parts, query, user, name, fields)
            case _:
                raise Refusal("SBL-EAI-50257", "Resource name is not valid", 404)

    def _list(self, parts: list[str], query: dict[str, str], user: str, child: str, fields: Mapping[str, str]) -> Reply:
        ids = self.selected(query, user, child)
        if len(ids) > _MOST_ROWS and query.get("ExecutionMode") != "ForwardOnly":
            raise Refusal("SBL-DAT-00500", "There were more rows than could be returned")
        return self._page(parts, ids, query, fields, child=child)

    def _single(self, identity: str, query: dict[str, str], user: str) -> Reply:
        record = self.table.records.get(identity)
        if record is None or not self.visible(record, query.get("ViewMode", "Sales Rep"), user):
            return json_reply({"ERROR": _NOTHING}, 404)
        path = f"Opportunity/Opportunity/{quote(identity)}"
        return json_reply(self._shown(record, self._asked_fields(query, self.known_fields()), query, path))

    def _children(self, parts: list[str], identity: str, child: str, query: dict[str, str], user: str) -> Reply:
        self._check_refused(child)
        if child not in self.child_fields:
            raise Refusal("SBL-EAI-50257", "Child resource name is not valid")
        if "searchspec" in query:
            raise Refusal("SBL-EAI-04376", "searchspec is not supported for this child")
        record = self.table.records.get(identity)
        if record is None or not self.visible(record, query.get("ViewMode", "Sales Rep"), user):
            return json_reply({"ERROR": _NOTHING}, 404)
        ids = [row.id for row in record.children.get(child, [])]
        return self._page(parts, ids, query, self.child_fields[child], child=child)

    def _check_refused(self, child: str) -> None:
        if child in self.refused_children:
            raise Refusal(self.refused_children[child], "Access denied", 403)

    def _page(
        self, parts: list[str], found: Sequence[str], query: dict[str, str], fields: Mapping[str, str], *, child: str
    ) -> Reply:
        asked = self._asked_fields(query, fields)
        size = min(max(1, int(query.get("PageSize", "10"))), self.page_cap)
        below = bool(child) and parts[0] != child
        if below and self.child_page is not None:
            size = self.child_page
        start = int(query.get("StartRowNum", "0"))
        known = self.child_rows(child) if child else self.table.records
        rows = [known[one] for one in found[start : start + size]]
        if not rows:
            return json_reply({"ERROR": _NOTHING}, 404)
        path = "/".join(quote(part) for part in parts)
        items: Any = [self._shown(one, asked, query, f"{path}/{quote(one.id)}") for one in rows]
        if len(found) == 1 and query.get("uniformresponse") != "y":
            items = items[0]
        more, name = start + size < len(found), child or "Opportunity"
        links = [{"rel": "self", "href": f"{_ELSEWHERE}/data/{path}", "name": name}]
        if more and self.links_on and not (below and self.child_page):
            ahead = f"{_ELSEWHERE}/data/{path}?PageSize={size}&StartRowNum={start + size}"
            links.append({"rel": "nextSet", "href": ahead, "name": name})
        body = {"items": items, "Link": links if len(links) > 1 or len(rows) > 1 else links[0]}
        if child and self.tells_last and (not more or below):
            body = {"lastpage": "false" if more else "true", **body}
        counted = self.counts and query.get("recordcountneeded") == "true"
        return json_reply(body, headers={"Total-Record-Count": str(len(found))} if counted else {})

    def _asked_fields(self, query: dict[str, str], fields: Mapping[str, str]) -> list[str]:
        asked = [one for one in query.get("fields", "").split(",") if one]
        if unknown := [one for one in asked if one not in fields]:
            raise Refusal("SBL-EAI-50258", f"Field '{unknown[0]}' does not exist in the integration component")
        return asked or [*fields]

    def _shown(self, record: Record, asked: Sequence[str], query: dict[str, str], path: str) -> dict[str, Any]:
        shown: dict[str, Any] = {"Id": record.id}
        for name in asked:
            shown[name] = self._value(record, name)
        link = f"{_ELSEWHERE}/data/{path}"
        links = [{"rel": rel, "href": link, "name": "Opportunity"} for rel in ("self", "canonical")]
        if query.get("childlinks") != "None":
            # Names repeat: the same component through different links.
            names = [*STOCK_CHILDREN, *["Contact"] * 3, *["Position"] * 2]
            links += [{"rel": "child", "href": f"{link}/{quote(name)}", "name": name} for name in names]
        return {**shown, "Link": links}

    def _value(self, record: Record, name: str) -> str:
        if name in {"Id", "Row Id"}:
            return record.id
        if name in {"Created", "Created Date"} and name not in record.values:
            return written(record.created, self.zone)
        if name == "Updated":
            return written(record.updated, self.zone)
        if name == "Mod Id":
            return str(record.modified)
        if name == "Opportunity Id" and record.parent:
            return record.parent
        if name == "Sales Stage Win Percent" and name not in record.values:
            return str(self.stages.get(record.values.get("Sales Stage", ""), ""))
        held = record.values.get(name, "")
        return held or ("No Match Row Id" if name in KEYS_OF_OTHERS else "")

    def _description(self, query: dict[str, str], rest: list[str]) -> dict[str, Any]:
        known = {**self.known_fields(), "Id": "DTYPE_TEXT"}
        if len(rest) == 2:  # noqa: PLR2004 - a record's child
            known = self.child_fields.get(rest[1], {})
        properties = {
            name: {"title": name, "type": "string", "x-siebel-precision": "0", "x-maxLength": "100",
                   "x-siebel-datatype": kind}
            for name, kind in known.items() if name not in self.undescribed
        }  # fmt: skip
        schemas = {"data_Opportunity_Opportunity_": {"type": "object", "properties": properties}}
        if self.swagger or query.get("openapiversion") == "2":
            return {"swagger": "2.0", "info": {"title": "SblDtOpportunityOpportunity"}, "definitions": schemas}
        return {
            "openapi": "3.0.1",
            "info": {"title": "SblDtOpportunityOpportunity"},
            "components": {"schemas": schemas},
        }


def _error(code: str, text: str, status: int = 500) -> Reply:
    body = {"ERROR": f"{text}({code})(SBL-EAI-04376)" if status == 500 else f"{text}({code})"}  # noqa: PLR2004
    return Reply(status, msgspec.json.encode(body))


def _unquoted(path: str) -> list[str]:
    return [unquote(part) for part in path.split("/")]
