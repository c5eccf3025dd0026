"""What `syncd doctor` looks at in a Salesforce org.

Reads what the org says of itself, and of records no more than one each. Names of objects, fields and labels are shown; the
content of records never is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from adapters.salesforce import errors, soql
from adapters.salesforce.derived import derived_columns
from adapters.salesforce.org import Org
from adapters.salesforce.schema import Catalogue, ObjectInfo
from adapters.salesforce.stages import examine_stages
from syncd.adapter import Check, SourceContext
from syncd.errors import AuthFailed, ConfigError, SourceIncomplete, SourceUnavailable
from syncd.httpkit import Answer, Refused

_OBJECT: Final = "Opportunity"
_LISTED: Final = 8
_SKEW: Final = timedelta(seconds=60)
_MUCH_USED: Final = 80.0
"""Percent of the quota from which a person should know."""


class _Version(msgspec.Struct):
    version: str = ""


class _Permission(msgspec.Struct):
    PermissionsViewAllRecords: bool = False


class _Permissions(msgspec.Struct):
    records: list[_Permission]


async def examine(org: Org, context: SourceContext) -> AsyncGenerator[Check, None]:
    """The checks of one source, those that others rest on first. Never raises for what they find."""
    checks = (_connection, _credentials, _opportunities)
    catalogue = Catalogue(org)
    for number, check in enumerate(checks):
        try:
            found = await check(org, catalogue)
        except (SourceIncomplete, ConfigError) as error:
            yield _failure(_NAMES[number], error)
            for name in _NAMES[number + 1 :]:
                yield Check(name=name, outcome="skipped", says="not looked at, because of the above")
            return
        for one in found:
            yield one
    info, answer = await catalogue.describe(_OBJECT)
    yield _clock(org, answer)
    yield _instance(org)
    for name, examination in (
        ("fields of the mapping", _fields), ("every opportunity", _visibility), ("child components", _children),
        ("history of stages", _history), ("currency", _currency),
    ):  # fmt: skip
        try:
            yield await examination(name, org, context, catalogue, info)
        except SourceIncomplete as error:
            yield _failure(name, error)
    async for one in examine_stages(org, context, info):
        yield one
    yield _quota(org)


_NAMES: Final = ("connection", "credentials", "opportunities")


async def _connection(org: Org, _: Catalogue) -> list[Check]:
    """The list of versions is the one thing that is answered without credentials."""
    versions = msgspec.json.Decoder(list[_Version]).decode
    found, _answer = await org.client.get_json("services/data", decode=versions)
    known = [one.version for one in found]
    address = urlsplit(org.client.base_url)
    if address.scheme != "https" and address.hostname not in ("127.0.0.1", "localhost"):
        return [Check(name="connection", outcome="warning", says="the address is not encrypted",
                      remedy=f"let `base_url` of source {org.name} begin with https://")]  # fmt: skip
    if org.settings.api_version not in known:
        newest = known[-1] if known and _is_version(known[-1]) else "none"
        return [Check(name="connection", outcome="failed",
                      says=f"the org does not know version {org.settings.api_version} of its API; its newest is {newest}",
                      remedy=f"set `api_version` of source {org.name}")]  # fmt: skip
    return [Check(name="connection", outcome="ok", says="the org answers, and knows the version of the API")]


async def _credentials(org: Org, _: Catalogue) -> list[Check]:
    await org.get("limits", decode=msgspec.json.Decoder(dict[str, Any]).decode)
    return [Check(name="credentials", outcome="ok", says="accepted")]


async def _opportunities(org: Org, catalogue: Catalogue) -> list[Check]:
    info, _ = await catalogue.describe(_OBJECT)
    if not info.queryable:
        return [Check(name="opportunities", outcome="failed", says="the integration user may not query opportunities",
                      remedy="give it read access to the object Opportunity")]  # fmt: skip
    await org.get("query", {"q": "SELECT Id FROM Opportunity LIMIT 1"}, decode=msgspec.json.decode)
    return [Check(name="opportunities", outcome="ok", says="can be read")]


def _clock(org: Org, answer: Answer) -> Check:
    if "date" not in answer.headers:
        return Check(name="clock", outcome="skipped", says="the org does not say what time it is")
    skew = abs(org.clock.now() - org.time(answer))
    if skew > _SKEW:
        return Check(name="clock", outcome="warning", says=f"this machine's clock differs by {skew.total_seconds():,.0f} s",
                     remedy="set this machine's clock; signed assertions are refused when it is off by minutes")  # fmt: skip
    return Check(name="clock", outcome="ok", says="agrees with the org's")


def _instance(org: Org) -> Check:
    """The host the token is for. It is compared and never followed, since it would get the credentials."""
    told = urlsplit(str(org.client.granted.get("instance_url", ""))).hostname
    ours = urlsplit(org.client.base_url).hostname
    if told is None:
        return Check(name="instance", outcome="skipped", says="the token does not say which host it is for")
    if told != ours:
        return Check(name="instance", outcome="warning", says="the token is for another host than `base_url` names",
                     remedy=f"if the org has moved, set `base_url` of source {org.name} to its My Domain address")  # fmt: skip
    return Check(name="instance", outcome="ok", says="the token is for this host")


async def _fields(name: str, _: Org, context: SourceContext, catalogue: Catalogue, info: ObjectInfo) -> Check:
    made = {one.native for one in derived_columns(info, context.fields)}
    columns, lacking = await catalogue.find(_OBJECT, context.fields - made)
    needed = {context.roles.get(role) for role in ("id", "stage")}
    if lacking:
        return Check(name=name, outcome="failed" if needed & set(lacking) else "warning",
                     says=f"not there, or hidden from the integration user: {_listed(lacking)}",
                     remedy="create them, give the user read access to them, or correct the mapping; until then what they "
                     "would say is unknown")  # fmt: skip
    formulas = [one.native for one in columns if len(one.path) == 1 and _is_formula(info, one.path[0])]
    if formulas:
        return Check(name=name, outcome="warning", says=f"formulas, which change without the record changing: {_listed(formulas)}",
                     remedy="run --full now and then, or map the fields that the formulas are made of")  # fmt: skip
    return Check(name=name, outcome="ok", says="all there")


async def _visibility(name: str, org: Org, __: SourceContext, ___: Catalogue, ____: ObjectInfo) -> Check:
    """Whether sharing could hide records: only View All on the object shows every one."""
    user = str(org.client.granted.get("id", "")).rsplit("/", 1)[-1]
    if not user.isalnum():
        return Check(name=name, outcome="skipped", says="it is not known which user the credentials belong to",
                     remedy="make sure that the integration user has View All on opportunities")  # fmt: skip
    assigned = f"SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = {soql.quoted(user)}"
    where = f"SobjectType = 'Opportunity' AND PermissionsViewAllRecords = true AND ParentId IN ({assigned})"
    query = f"SELECT PermissionsViewAllRecords FROM ObjectPermissions WHERE {where}"
    try:
        found, _ = await org.get("query", {"q": query}, decode=msgspec.json.Decoder(_Permissions).decode)
    except Refused:
        return Check(name=name, outcome="skipped", says="the user may not read its own permissions",
                     remedy="make sure that it has View All on opportunities")  # fmt: skip
    if not any(one.PermissionsViewAllRecords for one in found.records):
        return Check(name=name, outcome="warning", says="the user sees the opportunities that are shared with it, perhaps not all",
                     remedy="give its permission set View All on opportunities; access that is lost looks like a deletion")  # fmt: skip
    return Check(name=name, outcome="ok", says="the user sees all")


async def _children(name: str, _: Org, context: SourceContext, catalogue: Catalogue, info: ObjectInfo) -> Check:
    unreadable = []
    for native, fields in sorted(context.children.items()):
        told = info.child(native)
        try:
            lacking = [native] if told is None else (await catalogue.find(told.childSObject, fields))[1]
        except Refused:
            lacking = [native]
        unreadable += [native if one == native else f"{native}.{one}" for one in lacking]
    if unreadable:
        return Check(name=name, outcome="warning", says=f"not there, or hidden from the integration user: {_listed(unreadable)}",
                     remedy="give it read access, or correct the mapping; until then what they would show is unknown")  # fmt: skip
    if not context.children:
        return Check(name=name, outcome="skipped", says="the mapping uses none")
    return Check(name=name, outcome="ok", says="all there")


async def _history(name: str, org: Org, context: SourceContext, _: Catalogue, __: ObjectInfo) -> Check:
    if not org.settings.history:
        return Check(name=name, outcome="skipped", says="switched off by `history`")
    stage = context.roles.get("stage", "StageName")
    standard = stage.casefold() == "stagename"
    table = "OpportunityHistory" if standard else "OpportunityFieldHistory"
    where = "" if standard else f" WHERE Field = {soql.quoted(stage)}"
    try:
        found, _answer = await org.get(
            "query", {"q": f"SELECT OpportunityId FROM {table}{where} LIMIT 1"}, decode=_decode_any
        )
    except Refused:
        return Check(name=name, outcome="warning", says=f"{table} cannot be read",
                     remedy="give the integration user read access to opportunities and their history")  # fmt: skip
    if not standard and not found.get("records"):
        return Check(name=name, outcome="warning", says=f"there is no history of {stage}",
                     remedy="switch on field history tracking for it in the org's object manager")  # fmt: skip
    return Check(name=name, outcome="ok", says=f"{table} can be read")


async def _currency(name: str, _: Org, context: SourceContext, __: Catalogue, info: ObjectInfo) -> Check:
    """An org with several currencies has a field for them, and one with a single currency has none
    (https://developer.salesforce.com/docs/atlas.en-us.192.0.sfFieldRef.meta/sfFieldRef/salesforce_field_reference_Opportunity.htm).
    """
    several = info.field("CurrencyIsoCode") is not None
    if several and context.roles.get("currency") != "CurrencyIsoCode":
        return Check(name=name, outcome="warning", says="the org has several currencies, and the mapping does not look at them",
                     remedy='add `currency = "CurrencyIsoCode"` to [fields] of the mapping')  # fmt: skip
    says = "each amount has its own" if several else "one for the whole org; `currency` of the source says which"
    return Check(name=name, outcome="ok", says=says)


def _quota(org: Org) -> Check:
    name, quota = "requests of the day", org.quota
    if not quota.limit:
        return Check(name=name, outcome="skipped", says="the org does not say how many are used")
    says = f"{quota.used:,} of {quota.limit:,} are used, by everyone in the org together"
    if quota.percent >= min(_MUCH_USED, org.settings.quota_percent):
        return Check(name=name, outcome="warning", says=says,
                     remedy="run less often, or find out in Setup what else uses the API")  # fmt: skip
    return Check(name=name, outcome="ok", says=says)


def _failure(name: str, error: SourceIncomplete | ConfigError) -> Check:
    if isinstance(error, Refused):
        error = errors.explained(error)
    kind = "not reached" if isinstance(error, SourceUnavailable) else "refused" if isinstance(error, AuthFailed) else ""
    says = f"{kind}: {error}" if kind else str(error)
    remedy = getattr(error, "remedy", "") or "correct the configuration"
    return Check(name=name, outcome="failed", says=says, remedy=remedy)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _is_formula(info: ObjectInfo, name: str) -> bool:
    field = info.field(name)
    return field is not None and field.calculated


def _is_version(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _decode_any(body: bytes) -> dict[str, Any]:
    return msgspec.json.decode(body, type=dict[str, Any])
