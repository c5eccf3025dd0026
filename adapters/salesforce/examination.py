"""What `syncd doctor` looks at in a Salesforce org.

Reads what the org says of itself, and of records no more than one each. Names of objects, fields and labels are shown;
the content of records never is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from adapters.salesforce import errors, soql
from adapters.salesforce.derived import derived_columns
from adapters.salesforce.findings import failed, listed, ok, skipped, warning
from adapters.salesforce.org import Org
from adapters.salesforce.schema import Catalogue, ObjectInfo
from adapters.salesforce.stages import examine_stages
from syncd.adapter import Check, SourceContext
from syncd.errors import AuthFailed, ConfigError, SourceIncomplete, SourceUnavailable
from syncd.httpkit import Answer, Body, Refused
from syncd.httpkit.links import taken_apart

_OBJECT: Final = "Opportunity"
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
            # Whoever refuses the credentials has been reached.
            refused = isinstance(error, AuthFailed | ConfigError)
            found = _failure("credentials" if refused else _NAMES[number], error)
        yield found
        if found.outcome == "failed":
            for name in _NAMES[number:]:
                if name != found.name:
                    yield skipped(name, "not looked at, because of the above")
            return
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


async def _connection(org: Org, _: Catalogue) -> Check:
    """The list of versions is the one thing that is answered without credentials."""
    versions = msgspec.json.Decoder(list[_Version]).decode
    found, _answer = await org.client.get_json("services/data", decode=versions)
    known = [one.version for one in found]
    address = urlsplit(org.client.base_url)
    if address.scheme != "https" and address.hostname not in ("127.0.0.1", "localhost"):
        remedy = f"let `base_url` of source {org.name} begin with https://"
        return warning("connection", "the address is not encrypted", remedy)
    if org.settings.api_version not in known:
        newest = known[-1] if known and _is_version(known[-1]) else "none"
        says = f"the org does not know version {org.settings.api_version} of its API; its newest is {newest}"
        return failed("connection", says, f"set `api_version` of source {org.name}")
    return ok("connection", "the org answers, and knows the version of the API")


async def _credentials(org: Org, _: Catalogue) -> Check:
    # The list of what the API offers needs a token, and no right beyond it.
    await org.get("", decode=msgspec.json.Decoder(dict[str, Any]).decode)
    return ok("credentials", "accepted")


async def _opportunities(org: Org, catalogue: Catalogue) -> Check:
    info, _ = await catalogue.describe(_OBJECT)
    if not info.queryable:
        says = "the integration user may not query opportunities"
        return failed("opportunities", says, "give it read access to the object Opportunity")
    await org.get("query", {"q": "SELECT Id FROM Opportunity LIMIT 1"}, decode=msgspec.json.decode)
    return ok("opportunities", "can be read")


def _clock(org: Org, answer: Answer) -> Check:
    if "date" not in answer.headers:
        return skipped("clock", "the org does not say what time it is")
    skew = abs(org.clock.now() - org.time(answer))
    if skew > _SKEW:
        says = f"this machine's clock differs by {skew.total_seconds():,.0f} s"
        return warning("clock", says, "set it; signed assertions are refused when it is off by minutes")
    return ok("clock", "agrees with the org's")


def _instance(org: Org) -> Check:
    """The host the token is for. It is compared and never followed, since it would get the credentials."""
    try:
        told = taken_apart(str(org.client.granted.get("instance_url", ""))).hostname
    except SourceIncomplete:
        told = None
    ours = urlsplit(org.client.base_url).hostname
    if told is None:
        return skipped("instance", "the token does not say which host it is for")
    if told != ours:
        return warning(
            "instance",
            "the token is for another host than `base_url` names",
            f"if the org has moved, set `base_url` of source {org.name} to its My Domain address",
        )
    return ok("instance", "the token is for this host")


async def _fields(name: str, _: Org, context: SourceContext, catalogue: Catalogue, info: ObjectInfo) -> Check:
    made = {one.native for one in derived_columns(info, context.fields)}
    columns, lacking = await catalogue.find(_OBJECT, context.fields - made)
    needed = {context.roles.get(role) for role in ("id", "stage")}
    if lacking:
        says = f"not there, or hidden from the integration user: {listed(lacking)}"
        remedy = "create them, give the user read access, or correct the mapping; until then they say nothing"
        return failed(name, says, remedy) if needed & set(lacking) else warning(name, says, remedy)
    formulas = [one.native for one in columns if len(one.path) == 1 and _is_formula(info, one.path[0])]
    if formulas:
        return warning(
            name,
            f"formulas, which change without the record changing: {listed(formulas)}",
            "run --full now and then, or map the fields that the formulas are made of",
        )
    return ok(name, "all there")


async def _visibility(name: str, org: Org, __: SourceContext, ___: Catalogue, ____: ObjectInfo) -> Check:
    """Whether sharing could hide records: only View All on the object shows every one."""
    user = str(org.client.granted.get("id", "")).rsplit("/", 1)[-1]
    if not user.isalnum():
        return skipped(
            name,
            "it is not known which user the credentials belong to",
            "make sure that the integration user has View All on opportunities",
        )
    assigned = f"SELECT PermissionSetId FROM PermissionSetAssignment WHERE AssigneeId = {soql.quoted(user)}"
    where = f"SobjectType = 'Opportunity' AND PermissionsViewAllRecords = true AND ParentId IN ({assigned})"
    query = f"SELECT PermissionsViewAllRecords FROM ObjectPermissions WHERE {where}"
    try:
        found, _ = await org.get("query", {"q": query}, decode=msgspec.json.Decoder(_Permissions).decode)
    except Refused:
        return skipped(
            name, "the user may not read its own permissions", "make sure that it has View All on opportunities"
        )
    if not any(one.PermissionsViewAllRecords for one in found.records):
        says = "the user sees the opportunities that are shared with it, perhaps not all"
        remedy = "give its permission set View All on opportunities; access that is lost looks like a deletion"
        return warning(name, says, remedy)
    return ok(name, "the user sees all")


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
        return warning(
            name,
            f"not there, or hidden from the integration user: {listed(unreadable)}",
            "give it read access, or correct the mapping; until then what they would show is unknown",
        )
    if not context.children:
        return skipped(name, "the mapping uses none")
    return ok(name, "all there")


async def _history(name: str, org: Org, context: SourceContext, _: Catalogue, __: ObjectInfo) -> Check:
    if not org.settings.history:
        return skipped(name, "switched off by `history`")
    stage = context.roles.get("stage", "StageName")
    standard = stage.casefold() == "stagename"
    table = "OpportunityHistory" if standard else "OpportunityFieldHistory"
    where = "" if standard else f" WHERE Field = {soql.quoted(stage)}"
    try:
        found, _answer = await org.get(
            "query", {"q": f"SELECT OpportunityId FROM {table}{where} LIMIT 1"}, decode=_decode_any
        )
    except Refused:
        return warning(
            name, f"{table} cannot be read", "give the integration user read access to opportunities and their history"
        )
    if not standard and not found.get("records"):
        return warning(
            name,
            f"there is no history of {stage}",
            "switch on field history tracking for it in the org's object manager",
        )
    return ok(name, f"{table} can be read")


async def _currency(name: str, _: Org, context: SourceContext, __: Catalogue, info: ObjectInfo) -> Check:
    """An org with several currencies has a field for them, and one with a single currency has none.

    https://developer.salesforce.com/docs/atlas.en-us.192.0.sfFieldRef.meta/sfFieldRef/salesforce_field_reference_Opportunity.htm
    """
    several = info.field("CurrencyIsoCode") is not None
    if several and context.roles.get("currency") != "CurrencyIsoCode":
        return warning(
            name,
            "the org has several currencies, and the mapping does not look at them",
            'add `currency = "CurrencyIsoCode"` to [fields] of the mapping',
        )
    says = "each amount has its own" if several else "one for the whole org; `currency` of the source says which"
    return ok(name, says)


def _quota(org: Org) -> Check:
    name, quota = "requests of the day", org.quota
    if not quota.limit:
        return skipped(name, "the org does not say how many are used")
    says = f"{quota.used:,} of {quota.limit:,} are used, by everyone in the org together"
    if quota.percent >= min(_MUCH_USED, org.settings.quota_percent):
        return warning(name, says, "run less often, or find out in Setup what else uses the API")
    return ok(name, says)


def _failure(name: str, error: SourceIncomplete | ConfigError) -> Check:
    if isinstance(error, Refused):
        error = errors.explained(error)
    kind = "not reached" if isinstance(error, SourceUnavailable) else "refused" if isinstance(error, AuthFailed) else ""
    says = f"{kind}: {error}" if kind else str(error)
    remedy = getattr(error, "remedy", "") or "correct the configuration"
    return failed(name, says, remedy)


def _is_formula(info: ObjectInfo, name: str) -> bool:
    field = info.field(name)
    return field is not None and field.calculated


def _is_version(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def _decode_any(body: Body) -> dict[str, Any]:
    return msgspec.json.decode(body, type=dict[str, Any])
