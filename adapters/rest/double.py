"""A stand-in of a CRM with a REST interface, over HTTP: every style of paging, and the ways they go wrong.

It is of no real product. Its habits are those that interfaces of this kind share: links that name an internal host,
cursors that stand for a place among the records, offsets and page numbers under which records move when others are
deleted, a filter by time, a list of what was deleted, a token that expires, a limit on page sizes.

Not for: production, or the habits of one product.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar, Final, Literal, TypeVar
from urllib.parse import urlencode

import msgspec

from syncd.rehearsal import Reply, Request, json_reply

Style = Literal["none", "next_link", "link_header", "offset", "page", "cursor"]
Trouble = Literal[
    "repeats its token", "gives one page for ever", "gives empty pages for ever", "promises too many", "has no list",
    "has more but no cursor", "loses a page", "ignores the filter",
]  # fmt: skip

TOKEN: Final = "rehearsal-token"  # noqa: S105 - made up, and worth nothing
CLIENT: Final = ("rehearsal", "rehearsal-secret")
_LARGEST: Final = 500
_OLD: Final = timedelta(days=30)
_LIFE: Final = 3_600
_KEPT: Final = timedelta(days=60)
"""How long deletions are told of."""


_Entry = TypeVar("_Entry")


@dataclass(slots=True)
class _Held:
    """One record: its place in the order, its content as JSON has it, and when it last changed."""

    place: int
    fields: dict[str, Any]
    modified: datetime
    version: int = 1


class RestDouble:
    """A CRM that lists deals under `/api/deals`.

    Attributes:
        now: Its clock.
        before_each: Called before each request is answered; for changes in mid-pull.
        trouble: What goes wrong all the time; None where nothing does.
        order: `place` lists deals as they were created, `modified` the last changed at the end.
        requests: How many it answered.
    """

    mapping: ClassVar[str] = "rest-example"
    settings: ClassVar[Mapping[str, Any]] = {
        "base_url": "{url}/api",
        "path": "deals",
        "records": "data",
        "auth": {"type": "bearer", "token": {"env": "REHEARSAL_REST_TOKEN"}},
        "page_size": 250,
        "paging": {
            "type": "cursor", "param": "cursor", "next": "meta.next_cursor", "more": "meta.has_more", "size": "limit",
        },
        "total": {"path": "meta.total"},
        "select": {"params": {"fields": "{fields}"}},
        "sort": {"sort": "created"},
        "increment": {"params": {"changed_since": "{since}"}, "format": "iso"},
        "deletions": {"path": "deals/deleted", "records": "data", "params": {"deleted_since": "{since}"}},
        "detail": "deals/{id}",
    }  # fmt: skip
    secrets: ClassVar[Mapping[str, str]] = {"REHEARSAL_REST_TOKEN": TOKEN}

    def __init__(self, style: Style = "cursor", *, first: int | None = None) -> None:
        """Args: style of paging; first, the number of the first page (1) or the position of the first record (0)."""
        self._style = style
        self._first = first if first is not None else int(style == "page")
        self._held: dict[str, _Held] = {}
        self._sorted: list[_Held] | None = None
        self._gone: dict[str, datetime] = {}
        self._next_place = 0
        self._expires: dict[str, datetime] = {}
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.before_each: Callable[[int], None] = lambda _: None
        self.trouble: Trouble | None = None
        self.order: Literal["place", "modified"] = "place"
        self.largest = _LARGEST
        self.dated = True
        self.internal_host = "https://crm-internal.example.test"
        self.requests = 0
        self._repeats = 0

    def paging(self) -> dict[str, Any]:
        """The setting `paging` that reads it."""
        first = {"first": self._first}
        styles: dict[Style, dict[str, Any]] = {
            "none": {},
            "next_link": {"link": "links.next", "size": "limit"},
            "link_header": {"size": "limit"},
            "offset": {"offset": "offset", "size": "limit", **first},
            "page": {"page": "page", "size": "limit", **first},
            "cursor": {"param": "cursor", "next": "meta.next_cursor", "more": "meta.has_more", "size": "limit"},
        }
        return {"type": self._style, **styles[self._style]}

    def load(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Hold these records and no others; see `syncd.rehearsal.Double.load`."""
        self._held, self._gone, self._next_place = {}, {}, 0
        for record in records:
            self.insert(record, at=self.now - _OLD)

    def insert(self, record: Mapping[str, Any], *, at: datetime | None = None) -> None:
        """A deal was made; dotted names become objects."""
        fields = _nested(record)
        fields = {name: value for name, value in fields.items() if name not in {"version", "updated_at"}}
        self._held[str(record["id"])] = _Held(self._next_place, fields, at or self.now)
        self._next_place += 1
        self._gone.pop(str(record["id"]), None)
        self._sorted = None

    def edit(self, key: str, changes: Mapping[str, Any]) -> None:
        """A deal was changed."""
        held = self._held[key]
        held.fields = _merged(held.fields, _nested(changes))
        held.modified, held.version = self.now, held.version + 1
        if self.order == "modified":
            self._sorted = None

    def delete(self, key: str) -> None:
        """A deal was deleted."""
        del self._held[key]
        self._gone[key] = self.now
        self._sorted = None

    def expire_tokens(self) -> None:
        """No token it issued is good any more."""
        self._expires.clear()

    def ids(self) -> list[str]:
        """The ids of all deals, in their order."""
        return [str(held.fields["id"]) for held in self._all()]

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        self.before_each(self.requests)
        self.requests += 1
        reply = self._answer(request)
        dated = {"Date": format_datetime(self.now, usegmt=True)} if self.dated else {}
        return Reply(reply.status, reply.body, {**dated, **reply.headers}, reply.content_type)

    def _answer(self, request: Request) -> Reply:
        path = request.path
        if path == "/oauth/token" and request.method == "POST":
            return self._token(request)
        if not self._knows(request.bearer):
            return json_reply({"error": "the token is unknown or has expired"}, 401)
        if request.method != "GET":
            return json_reply({"error": "this account may only read"}, 403)
        if path == "/api/deals":
            return self._list(request)
        if path == "/api/deals/deleted":
            return self._deleted(request)
        if path.startswith("/api/deals/") and (held := self._held.get(path.removeprefix("/api/deals/"))):
            return json_reply({"data": self._shown(held, None)})
        return json_reply({"error": "there is no such thing"}, 404)

    def _token(self, request: Request) -> Reply:
        form = request.form
        given = request.basic or (form.get("client_id", ""), form.get("client_secret", ""))
        if form.get("grant_type") != "client_credentials":
            return json_reply({"error": "unsupported_grant_type"}, 400)
        if given != CLIENT:
            return json_reply({"error": "invalid_client"}, 401)
        token = hashlib.sha256(f"{self.requests}".encode()).hexdigest()
        self._expires[token] = self.now + timedelta(seconds=_LIFE)
        return json_reply({"access_token": token, "token_type": "Bearer", "expires_in": _LIFE})

    def _knows(self, token: str | None) -> bool:
        return token == TOKEN or self._expires.get(token or "", self.now) > self.now

    def _all(self) -> list[_Held]:
        if self._sorted is None:
            key: Any = {"place": lambda held: held.place, "modified": lambda held: (held.modified, held.place)}
            self._sorted = sorted(self._held.values(), key=key[self.order])
        return self._sorted

    def _list(self, request: Request) -> Reply:
        query = request.query
        chosen = self._all()
        if (since := query.get("changed_since")) and self.trouble != "ignores the filter":
            after = _moment(since)
            chosen = [held for held in chosen if held.modified >= after]
        fields = set(query["fields"].split(",")) if query.get("fields") else None
        return self._paged(request, chosen, lambda held: held.place, lambda held: self._shown(held, fields))

    def _paged(
        self, request: Request, chosen: Sequence[_Entry], place: Callable[[_Entry], int], show: Callable[[_Entry], Any]
    ) -> Reply:
        """One page of a list in the style of this double, or in the way that goes wrong."""
        size = min(int(request.query.get("limit", 100)), self.largest)
        start = self._start(request.query, size, lambda after: bisect.bisect_right(chosen, after, key=place))
        page = chosen if self._style == "none" else chosen[start : start + size]
        more = start + len(page) < len(chosen)
        if self.trouble == "gives empty pages for ever":
            page, more = [], True
        if self.trouble == "loses a page" and start >= size:
            page, more = [], False
        answer: dict[str, Any] = {"meta": {"total": len(chosen) + (self.trouble == "promises too many")}}
        if self.trouble != "has no list":
            answer["data"] = [show(one) for one in page]
        cursor = self._cursor(place(page[-1]) if page else None) if more else None
        link = f"{self.internal_host}{request.path}?{urlencode({**request.query, 'cursor': cursor})}"
        if self._style == "cursor":
            answer["meta"] |= {"next_cursor": cursor or "c-end", "has_more": more}
            if self.trouble == "has more but no cursor":
                answer["meta"] |= {"next_cursor": None, "has_more": True}
        elif self._style == "next_link":
            answer["links"] = {"next": link if more else None}
        header = self._style == "link_header" and more
        return json_reply(
            answer, headers={"Link": f'<{link}&first>; rel="first", <{link}>; rel="next"'} if header else {}
        )

    def _start(self, query: Mapping[str, str], size: int, behind: Callable[[int], int]) -> int:
        """Where the page begins."""
        if self._style == "none" or self.trouble == "gives one page for ever":
            return 0
        if self.trouble == "repeats its token" and "cursor" in query:
            self._repeats += 1
            return self._repeats * size
        if self._style == "offset":
            return int(query.get("offset", self._first)) - self._first
        if self._style == "page":
            return (int(query.get("page", self._first)) - self._first) * size
        return behind(int(query["cursor"].removeprefix("c-"))) if "cursor" in query else 0

    def _cursor(self, place: int | None) -> str:
        if self.trouble == "repeats its token":
            return "c--1"
        return f"c-{self.requests + (1 << 40) if place is None else place}"

    def _deleted(self, request: Request) -> Reply:
        after = max(_moment(request.query["deleted_since"]), self.now - _KEPT)
        gone = [
            (index, {"id": key, "at": _iso(at)}) for index, (key, at) in enumerate(self._gone.items()) if at >= after
        ]
        return self._paged(request, gone, lambda one: one[0], lambda one: one[1])

    def _shown(self, held: _Held, fields: set[str] | None) -> dict[str, Any]:
        record = held.fields | {"version": held.version, "updated_at": _iso(held.modified)}
        if fields is None:
            return record
        return _picked(record, fields)


def _nested(record: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in record.items():
        at = made
        *heads, last = name.split(".")
        for head in heads:
            at = at.setdefault(head, {})
        at[last] = _typed(name, value)
    return made


def _typed(name: str, value: Any) -> Any:
    """Figures as numbers, yes and no as JSON has them, the rest as it is."""
    if isinstance(value, str) and name in {"value", "win_percent"}:
        return msgspec.json.decode(value.encode()) if value else None
    return {"yes": True, "no": False}.get(value, value) if name == "closed" and isinstance(value, str) else value


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = {name: one[name] for name in one.keys() & other.keys()}
    inner = {k: _merged(v, other[k]) for k, v in both.items() if isinstance(v, dict) and isinstance(other[k], dict)}
    return one | other | inner


def _picked(record: dict[str, Any], fields: set[str]) -> dict[str, Any]:
    picked = {}
    for name, value in record.items():
        inner = {one.partition(".")[2] for one in fields if one.startswith(f"{name}.")}
        if name in fields:
            picked[name] = value
        elif inner and isinstance(value, dict):
            picked[name] = _picked(value, inner)
        elif inner:
            picked[name] = value
    return picked


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
