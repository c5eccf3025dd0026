"""A stand-in of one HubSpot account, over HTTP, with HubSpot's habits.

Reproduced: cursors and limits of lists (100, with history 50), addresses that are too long (414), the search's index
that is late and stale, its 200 a page, its wall at 10,000 and its five conditions, archived and merged records, values
that are texts or null or not there at all, batches with 207 or with 200, associations by page, scopes, tokens of
private apps and of OAuth, limits by ten seconds, by second and by day with their headers, and both naming schemes.

Facts: the pages that `settings`, `api` and `errors` of this adapter name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from typing import Any, ClassVar, Final

from adapters.hubspot.double_account import DoubleAccount
from adapters.hubspot.double_search import LONGEST_SEARCH, found_by, is_search
from adapters.hubspot.double_store import Collection, Properties, Stored, iso
from syncd.rehearsal import Reply, Request, json_reply

TOKEN: Final = "pat-rehearsal-0000-0000"  # noqa: S105 - made up, and worth nothing
CLIENT: Final = {"client_id": "rehearsal-client", "client_secret": "rehearsal-client-secret"}
REFRESH: Final = "rehearsal-refresh-token"

SCOPES: Final = frozenset(
    {"crm.objects.deals.read", "crm.schemas.deals.read", "crm.objects.contacts.read", "crm.objects.companies.read",
     "crm.objects.owners.read"}
)  # fmt: skip

_LIFE: Final = 1_800
_MOST_ASSOCIATED: Final = 1_000
_LONGEST_TARGET: Final = 8_000
_VERSION: Final = r"(?:v[34]|\d{4}-\d\d)"
_DEFAULTS: Final = ("amount", "closedate", "createdate", "dealname", "dealstage", "hs_lastmodifieddate", "pipeline")
_ALWAYS: Final = ("hs_object_id", "createdate", "hs_createdate", "hs_lastmodifieddate", "lastmodifieddate")


class HubSpotDouble(DoubleAccount):
    """Holds deals and answers as HubSpot does.

    Attributes:
        lag_seconds: How late the search's index is.
        scopes: What the app may do.
        before: Called with each request before it is answered, for changes in mid-pull.
        history_limit: The most records a page with history has.
        multi_status: Whether a batch that misses something answers 207; the dated API answers 200.
        association_page: Associations of one record that are told at a time.
        burst: Requests in ten seconds; `daily`, requests a day that are left.
        options: The values of properties that are chosen from a list, as HubSpot shows them.
        headers_at: What `X-HubSpot-RateLimit-Remaining` says; None counts.
    """

    mapping: ClassVar[str] = "hubspot"
    settings: ClassVar[Mapping[str, Any]] = {"auth": {"type": "bearer", "token": {"env": "SYNCD_REHEARSAL_HUBSPOT"}}}
    secrets: ClassVar[Mapping[str, str]] = {"SYNCD_REHEARSAL_HUBSPOT": TOKEN}

    def __init__(self) -> None:
        """An account without deals."""
        super().__init__()
        self.scopes = set(SCOPES)
        self.before: Callable[[Request], None] = lambda _: None
        self.history_limit = 50
        self.multi_status = True
        self.association_page = 500
        self.burst = 190
        self.daily = 625_000
        self.time_zone = "UTC"
        self.options: dict[str, list[dict[str, Any]]] = {}
        self.headers_at: int | None = None
        self._tokens: dict[str, int] = {}
        self._refusals: list[tuple[str, bool]] = []
        self._revoked = False

    # --------------------------------------------------------------------------------- how it misbehaves

    def throttle(self, times: int, policy: str = "TEN_SECONDLY_ROLLING", *, searches: bool = False) -> None:
        """Refuse the next requests, or the next searches, as too many."""
        self._refusals += [(policy, searches)] * times

    def expire_tokens(self) -> None:
        """Every token OAuth gave out is good no longer."""
        self._tokens.clear()

    def revoke(self) -> None:
        """The private app's token was rotated."""
        self._revoked = True

    # --------------------------------------------------------------------------------------------- HTTP

    def handle(self, request: Request) -> Reply:
        """Answer one request."""
        self.before(request)
        if len(request.target) > _LONGEST_TARGET:
            return Reply(414, b"<html><body>414 URI Too Long</body></html>", self._headers(request), "text/html")
        for method, pattern, scope, answer in _ROUTES:
            if request.method == method and (match := re.fullmatch(pattern, request.path)):
                refused = None if scope is None else self._refused(request, scope, match)
                reply: Reply = refused or getattr(self, answer)(request, match)
                return Reply(reply.status, reply.body, {**self._headers(request), **reply.headers}, reply.content_type)
        return _error(404, "OBJECT_NOT_FOUND", self._headers(request))

    def _headers(self, request: Request) -> dict[str, str]:
        date = {"Date": formatdate(self.clock.now / 1_000, usegmt=True), "X-HubSpot-Correlation-Id": "0" * 8}
        if request.path.endswith("/search"):
            return date
        left = self.burst - 1 if self.headers_at is None else self.headers_at
        return date | {
            "X-HubSpot-RateLimit-Max": str(self.burst),
            "X-HubSpot-RateLimit-Remaining": str(left),
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            "X-HubSpot-RateLimit-Daily": "625000",
            "X-HubSpot-RateLimit-Daily-Remaining": str(self.daily),
        }

    def _refused(self, request: Request, scope: str, match: re.Match[str]) -> Reply | None:
        token = request.bearer or ""
        is_private = token == TOKEN and not self._revoked
        if not is_private and self._tokens.get(token, 0) <= self.clock.now:
            return _error(401, "EXPIRED_AUTHENTICATION" if token else "INVALID_AUTHENTICATION")
        is_search = request.path.endswith("/search")
        for place, (policy, searches) in enumerate(self._refusals):
            if searches == is_search:
                del self._refusals[place]
                return _throttled(policy)
        if self.daily <= 0:
            return _throttled("DAILY")
        self.daily -= 1
        needed = scope.format(kind=_scoped(match.groupdict().get("kind", "deals")))
        if needed not in self.scopes:
            return _error(
                403, "MISSING_SCOPES",
                errors=[{"message": "One or more of the following scopes are required.",
                         "context": {"requiredGranularScopes": [needed]}}],
            )  # fmt: skip
        return None

    def _token(self, request: Request, _: re.Match[str]) -> Reply:
        form = request.form
        if form.get("grant_type") != "refresh_token":
            return json_reply({"error": "unsupported_grant_type", "error_description": "no"}, 400)
        if {name: form.get(name) for name in CLIENT} != CLIENT or form.get("refresh_token") != REFRESH:
            return json_reply({"error": "invalid_grant", "error_description": "no"}, 400)
        token = f"rehearsal-access-{self.new_id()}"
        self._tokens[token] = self.clock.now + _LIFE * 1_000
        return json_reply(
            {"access_token": token, "expires_in": _LIFE, "refresh_token": REFRESH, "token_type": "bearer",
             "hub_id": 247187887, "scopes": sorted(self.scopes)}
        )  # fmt: skip

    def _list(self, request: Request, match: re.Match[str]) -> Reply:
        collection = self._of(match["kind"])
        query, history = request.query, request.query.get("propertiesWithHistory", "")
        limit, after = query.get("limit", "10"), query.get("after", "")
        most = self.history_limit if history else 100
        if collection is None or not limit.isdigit() or not 1 <= int(limit) <= most:
            return _error(400, "VALIDATION_ERROR")
        if after and not after.isdigit():
            return _error(400, "VALIDATION_ERROR")
        archived = query.get("archived") == "true"
        records, more = collection.listed(int(after) if after else -1, int(limit), archived=archived)
        names = _names(query.get("properties", ""), _DEFAULTS)
        body: dict[str, Any] = {"results": [self._shown(collection, one, names, history=history) for one in records]}
        if more:
            link = f"https://api.hubapi.com{request.path}?after={records[-1].number}"
            body["paging"] = {"next": {"after": str(records[-1].number), "link": link}}
        return json_reply(body)

    def _search(self, request: Request, match: re.Match[str]) -> Reply:
        collection, asked = self._of(match["kind"]), request.json()
        if collection is None or len(request.body) > LONGEST_SEARCH or not is_search(asked, collection):
            return _error(400, "VALIDATION_ERROR")
        groups, limit, after = asked["filterGroups"], asked["limit"], int(asked["after"])
        found = found_by(collection, groups)
        if asked["sorts"] and asked["sorts"][0]["propertyName"] == collection.modified:
            found.sort(key=lambda one: one[1])
        names = _names(asked["properties"], _DEFAULTS)
        results = [
            {"id": identity, "properties": _asked(collection, properties, names), "createdAt": iso(modified),
             "updatedAt": iso(modified), "archived": False}
            for identity, modified, properties in found[after : after + limit]
        ]  # fmt: skip
        body: dict[str, Any] = {"total": len(found), "results": results}
        if after + limit < len(found):
            body["paging"] = {"next": {"after": str(after + limit)}}
        return json_reply(body)

    def _batch_read(self, request: Request, match: re.Match[str]) -> Reply:
        collection, asked = self._of(match["kind"]), request.json()
        if collection is None or {"inputs", "properties", "propertiesWithHistory"} - asked.keys():
            return _error(400, "VALIDATION_ERROR")
        history = "".join(asked["propertiesWithHistory"][:1])
        ids = [one["id"] for one in asked["inputs"]]
        if not 1 <= len(ids) <= (self.history_limit if history else 100) or len(set(ids)) < len(ids):
            return _error(400, "VALIDATION_ERROR")
        there = [self._alive(collection, one) for one in ids]
        names = _names(asked["properties"], _DEFAULTS)
        # Not in the order of the question.
        shown = [self._shown(collection, one, names, history=history) for one in reversed(there) if one is not None]
        missing = [one for one, record in zip(ids, there, strict=True) if record is None]
        errors = [_mishap("OBJECT_NOT_FOUND", {"ids": missing})] if missing else []
        return self._batched(shown, errors)

    def _batched(self, results: list[Any], errors: list[Any]) -> Reply:
        body: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": iso(self.clock.now)}
        if errors:
            body |= {"numErrors": len(errors), "errors": errors}
        return json_reply(body, 207 if errors and self.multi_status else 200)

    def _associations(self, request: Request, match: re.Match[str]) -> Reply:
        one, other = _plural(match["one"]), _plural(match["other"])
        inputs, links = request.json()["inputs"], self.links.get((one, other), {})
        if not 1 <= len(inputs) <= _MOST_ASSOCIATED:
            return _error(400, "VALIDATION_ERROR")
        results: list[Any] = []
        errors: list[Any] = []
        for asked in inputs:
            found, start = links.get(asked["id"], []), int(asked.get("after") or 0)
            if not found:
                context = {"fromObjectId": [asked["id"]], "fromObjectType": [one], "toObjectType": [other]}
                errors.append(_mishap("OBJECT_NOT_FOUND", context, "crm.associations.NO_ASSOCIATIONS_FOUND"))
                continue
            end = start + self.association_page
            result: dict[str, Any] = {"from": {"id": asked["id"]}, "to": [_target(*to) for to in found[start:end]]}
            if end < len(found):
                result["paging"] = {"next": {"after": str(end)}}
            results.append(result)
        return self._batched(results, errors)

    def _pipelines(self, _: Request, __: re.Match[str]) -> Reply:
        return json_reply({"results": [
            {"id": one.id, "label": one.label, "displayOrder": place, "archived": False,
             "createdAt": "1970-01-01T00:00:00Z", "updatedAt": "1970-01-01T00:00:00Z",
             "stages": [
                 {"id": stage.id, "label": stage.label, "displayOrder": order, "archived": False,
                  "metadata": {"isClosed": "true" if stage.closed else "false", "probability": stage.probability},
                  "createdAt": "1970-01-01T00:00:00Z", "updatedAt": "1970-01-01T00:00:00Z",
                  "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT"}
                 for order, stage in enumerate(one.stages)
             ]}
            for place, one in enumerate(self.pipelines)
        ]})  # fmt: skip

    def _properties(self, _: Request, match: re.Match[str]) -> Reply:
        collection = self._of(match["kind"])
        types = {} if collection is None else collection.types
        return json_reply({"results": [
            {"name": name, "label": name, "type": kind, "fieldType": "text", "groupName": "dealinformation",
             "options": self.options.get(name, []), "calculated": False, "hubspotDefined": True, "archived": False,
             "modificationMetadata": {"readOnlyValue": False}}
            for name, kind in types.items()
        ]})  # fmt: skip

    def _owners(self, request: Request, _: re.Match[str]) -> Reply:
        archived, start = request.query.get("archived") == "true", int(request.query.get("after") or 0)
        owners = [one for one in self.owners if one["archived"] == archived]
        end = start + int(request.query.get("limit", "100"))
        body: dict[str, Any] = {"results": owners[start:end]}
        if end < len(owners):
            body["paging"] = {"next": {"after": str(end)}}
        return json_reply(body)

    def _account(self, _: Request, __: re.Match[str]) -> Reply:
        return json_reply({"portalId": 247187887, "timeZone": self.time_zone, "companyCurrency": "USD"})

    # ------------------------------------------------------------------------------------------- records

    def _of(self, kind: str) -> Collection | None:
        return self.kinds.get(_plural(kind))

    @staticmethod
    def _alive(collection: Collection, identity: str) -> Stored | None:
        record = collection.records.get(identity)
        return record if record is not None and record.archived is None else None

    @staticmethod
    def _shown(collection: Collection, record: Stored, names: Sequence[str], *, history: str) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": record.id, "properties": _asked(collection, record.properties, names),
            "createdAt": iso(record.created), "updatedAt": iso(record.modified),
            "archived": record.archived is not None,
        }  # fmt: skip
        if record.archived is not None:
            shown["archivedAt"] = iso(record.archived)
        if history and history in collection.types:
            past = record.history if history == "dealstage" else [(record.properties.get(history), record.created, "")]
            shown["propertiesWithHistory"] = {history: [
                {"value": value, "timestamp": iso(at), "sourceType": source, "sourceId": "userId:12345"}
                for value, at, source in reversed(past)
            ]}  # fmt: skip
        return shown


def _asked(collection: Collection, properties: Properties, names: Sequence[str]) -> Properties:
    """The properties that were asked for: null where they are not set, nothing at all where nobody defined them."""
    shown = {name: properties.get(name) for name in names if name in collection.types}
    return shown | {name: properties[name] for name in _ALWAYS if name in properties and name in collection.types}


def _names(given: str | Sequence[str], default: Sequence[str]) -> Sequence[str]:
    names = given.split(",") if isinstance(given, str) else given
    return [one for one in names if one] or default


def _plural(kind: str) -> str:
    return "deals" if kind in {"0-3", "deal"} else kind


def _scoped(kind: str | None) -> str:
    """The type whose scope a type needs: activities have none of their own."""
    named = _plural(kind or "deals")
    return named if named in {"deals", "companies"} else "contacts"


def _target(identity: str, label: str | None) -> dict[str, Any]:
    kinds: list[dict[str, Any]] = [{"category": "HUBSPOT_DEFINED", "typeId": 3, "label": None}]
    if label is not None:
        kinds.append({"category": "USER_DEFINED", "typeId": 36, "label": label})
    return {"toObjectId": int(identity), "associationTypes": kinds}


def _mishap(category: str, context: Mapping[str, Any], sub: str | None = None) -> dict[str, Any]:
    said = {"status": "error", "category": category, "message": "Could not get some objects", "context": context}
    return said | ({"subCategory": sub} if sub else {})


def _error(status: int, category: str, headers: Mapping[str, str] | None = None, **more: Any) -> Reply:
    body = {"status": "error", "message": "no", "correlationId": "0" * 8, "category": category, **more}
    return json_reply(body, status, headers)


def _throttled(policy: str) -> Reply:
    # There is no `Retry-After` in HubSpot's contract.
    message = f"You have reached your {policy.lower()} limit."
    return _error(429, "RATE_LIMITS", errorType="RATE_LIMIT", policyName=policy, message_=message)


_OBJECTS: Final = rf"/crm/(?:objects/{_VERSION}|{_VERSION}/objects)/(?P<kind>[^/]+)"

_ROUTES: Final[Sequence[tuple[str, str, str | None, str]]] = (
    ("GET", _OBJECTS, "crm.objects.{kind}.read", "_list"),
    ("POST", _OBJECTS + "/search", "crm.objects.{kind}.read", "_search"),
    ("POST", _OBJECTS + "/batch/read", "crm.objects.{kind}.read", "_batch_read"),
    ("POST", rf"/crm/(?:associations/{_VERSION}|{_VERSION}/associations)/(?P<one>[^/]+)/(?P<other>[^/]+)/batch/read",
     "crm.objects.deals.read", "_associations"),
    ("GET", rf"/crm/(?:pipelines/{_VERSION}|{_VERSION}/pipelines)/deals", "crm.objects.deals.read",
     "_pipelines"),
    ("GET", rf"/crm/(?:properties/{_VERSION}|{_VERSION}/properties)/(?P<kind>[^/]+)", "crm.schemas.deals.read",
     "_properties"),
    ("GET", rf"/crm/{_VERSION}/owners", "crm.objects.owners.read", "_owners"),
    ("GET", r"/account-info/v3/details", "crm.objects.deals.read", "_account"),
    ("POST", rf"/oauth/(?:v1|{_VERSION})/token", None, "_token"),
)  # fmt: skip
