"""What `syncd doctor` looks at: everything a pull needs, each with what cures it.

Not for: how a question is asked (`adapters.dynamics365.metadata`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from adapters.dynamics365.errors import code_of, explained
from adapters.dynamics365.metadata import (
    HEADERS,
    Attribute,
    attributes_of,
    date_behavior_of,
    labels_of,
    logical,
    table_of,
)
from adapters.dynamics365.queries import Plan
from adapters.dynamics365.shape import FORMATTED
from adapters.dynamics365.watermark import server_time
from syncd.adapter import Check, Outcome, SourceContext
from syncd.errors import AuthFailed, SourceIncomplete, SyncdError
from syncd.httpkit import Answer, Clock, HttpClient, Refused

_LISTED: Final = 8
_SKEW: Final = 120.0
"""Seconds two clocks may differ; tokens are refused beyond five minutes, and overlaps are about as long."""
_FEW_LEFT: Final = 500
"""Of 6,000 requests in five minutes.

https://learn.microsoft.com/power-apps/developer/data-platform/api-limits
"""


@dataclass(frozen=True, slots=True)
class _Looking:
    client: HttpClient
    plan: Plan
    context: SourceContext
    clock: Clock


async def examined(client: HttpClient, plan: Plan, context: SourceContext, clock: Clock) -> AsyncIterator[Check]:
    """Look at everything in turn.

    Args:
        client: Of the source.
        plan: What is asked for.
        context: What the mapping says.
        clock: The time here.
    """
    looking = _Looking(client, plan, context, clock)
    first = "WhoAmI" if plan.is_dataverse else f"{plan.address(shape=plan.key_shape)}&$top=1"
    try:
        said, answer = await client.get_json(first, decode=msgspec.json.decode, headers=HEADERS)
    except AuthFailed as error:
        yield Check(name="credentials", outcome="failed", says=error.reason, remedy=error.remedy)
        return
    except Refused as refused:
        told = explained(refused, context.name, plan.asked)
        yield Check(name="connection", outcome="failed", says=str(told), remedy=_remedy(told, "check `base_url`"))
        return
    except SyncdError as error:
        yield Check(name="connection", outcome="failed", says=str(error), remedy=_remedy(error, "correct the settings"))
        return
    scheme = "over TLS" if client.base_url.startswith("https://") else "without TLS"
    yield Check(name="connection", outcome="ok", says=f"reached {scheme}")
    yield Check(name="credentials", outcome="ok", says="accepted")
    yield _clock(looking, answer)
    yield _budget(answer)
    user = str(said.get("UserId", "")) if isinstance(said, dict) else ""
    checks = _dataverse(looking, user) if plan.is_dataverse else _odata(looking)
    async for check in checks:
        yield check


async def _dataverse(looking: _Looking, user: str) -> AsyncIterator[Check]:
    yield await _safely("permission to read", looking, _readable)
    yield await _safely("organisation-level read", looking, lambda one: _depth(one, user))
    yield await _safely("change tracking", looking, _tracking)
    try:
        attributes = await attributes_of(looking.client, looking.plan)
    except SyncdError as error:
        yield Check(
            name="fields of the mapping", outcome="warning", says=f"the metadata cannot be read: {error}",
            remedy="check `table`, and give the account the privilege to read entity metadata",
        )  # fmt: skip
        return
    yield _fields(looking, attributes)
    yield _secured(looking, attributes)
    yield await _safely("dates", looking, lambda one: _dates(one, attributes))
    yield await _safely("stage labels", looking, lambda one: _labels(one, attributes))
    yield await _safely("probabilities of stages", looking, lambda one: _drift(one, attributes))
    for name in _tables(looking.plan):
        yield await _safely(f"table {name}", looking, lambda one, name=name: _child(one, name))  # type: ignore[misc]


async def _odata(looking: _Looking) -> AsyncIterator[Check]:
    yield Check(name="permission to read", outcome="ok", says=f"{looking.plan.entity_set} can be read")
    yield await _safely("fields of the mapping", looking, _plain_fields)


async def _safely(name: str, looking: _Looking, look: Callable[[_Looking], Awaitable[Check]]) -> Check:
    """The outcome of a look; what goes wrong with it is an outcome too."""
    try:
        return await look(looking)
    except Refused as refused:
        error = explained(refused, looking.context.name, looking.plan.asked)
        return Check(name=name, outcome="failed", says=str(error), remedy=_remedy(error, "correct the mapping"))
    except SyncdError as error:
        return Check(name=name, outcome="failed", says=str(error), remedy=_remedy(error, "correct the configuration"))


def _clock(looking: _Looking, answer: Answer) -> Check:
    here = looking.clock.now()
    apart = (server_time(answer, here) - here).total_seconds()
    if abs(apart) <= _SKEW:
        return Check(name="clock", outcome="ok", says=f"{abs(apart):.0f} seconds apart")
    return Check(
        name="clock", outcome="warning", says=f"the system's clock is {abs(apart):,.0f} seconds "
        f"{'ahead' if apart > 0 else 'behind'}", remedy="set the clock of this machine by NTP",
    )  # fmt: skip


def _budget(answer: Answer) -> Check:
    text = answer.headers.get("x-ms-ratelimit-burst-remaining-xrm-requests", "").replace(",", "")
    if not text.isascii() or not text.isdigit():
        return Check(name="rate budget", outcome="skipped", says="the system does not say how many requests are left")
    left = int(text)
    says = f"{left:,} requests left in the present five minutes"
    if left >= _FEW_LEFT:
        return Check(name="rate budget", outcome="ok", says=says)
    return Check(
        name="rate budget", outcome="warning", says=says,
        remedy="set `requests_per_second`, or give syncd an application user of its own",
    )  # fmt: skip


async def _readable(looking: _Looking) -> Check:
    plan = looking.plan
    path = f"{plan.address(shape=plan.key_shape)}&$top=1"
    await looking.client.get_json(path, decode=plan.key_shape.decode, headers=plan.headers(shape=plan.key_shape))
    return Check(name="permission to read", outcome="ok", says=f"{plan.entity_set} can be read")


async def _depth(looking: _Looking, user: str) -> Check:
    """How far the read privilege reaches: a smaller depth shows some of the pipeline as if it were all."""
    name = "organisation-level read"
    privilege = f"prvRead{looking.plan.settings.table.capitalize()}"
    path = (
        f"systemusers({user})/Microsoft.Dynamics.CRM.RetrieveUserPrivilegeByPrivilegeName(PrivilegeName='{privilege}')"
    )
    try:
        said, _ = await looking.client.get_json(path, decode=_PRIVILEGES.decode, headers=HEADERS)
    except Refused:
        return Check(name=name, outcome="skipped", says=f"how far {privilege} reaches cannot be asked",
                     remedy="see in the security role that Read of the table is at organisation level")  # fmt: skip
    depths = {one.depth for one in said.privileges}
    if "Global" in depths:
        return Check(name=name, outcome="ok", says="every record of the organisation is seen")
    found = ", ".join(sorted(depths)) or "none"
    return Check(
        name=name, outcome="failed", says=f"the account sees a part of the records ({privilege}: {found}), and change "
        "tracking is refused", remedy="give Read of the table at organisation level in the security role",
    )  # fmt: skip


async def _tracking(looking: _Looking) -> Check:
    name = "change tracking"
    if not looking.plan.settings.change_tracking:
        return Check(name=name, outcome="skipped", says="not used: `change_tracking = false`")
    table = await table_of(looking.client, looking.plan)
    if not table.tracked:
        return Check(
            name=name, outcome="warning", says="it is off for the table, so that every pull reads all",
            remedy="turn on `Track changes` in the properties of the table, or set `change_tracking = false`",
        )  # fmt: skip
    path = "organizations?$select=expirechangetrackingindays"
    try:
        said, _ = await looking.client.get_json(path, decode=_ORGANISATIONS.decode, headers=HEADERS)
        days = said.value[0].days if said.value else None
    except SyncdError:
        days = None
    kept = "" if days is None else f"; its tokens last {days} days, so run more often"
    return Check(name=name, outcome="ok", says=f"on{kept}")


def _fields(looking: _Looking, attributes: Mapping[str, Attribute]) -> Check:
    name, plan = "fields of the mapping", looking.plan
    lacking = sorted(one for one in plan.shape.columns if one[0] != "@" and logical(one) not in attributes)
    unreadable = sorted(one for one in plan.shape.columns if (a := attributes.get(logical(one))) and not a.readable)
    if lacking or unreadable:
        says = f"the table has no column {_list(lacking)}" if lacking else f"cannot be read: {_list(unreadable)}"
        return Check(name=name, outcome="failed", says=says,
                     remedy="correct the mapping, or add the columns; a pull refuses unknown columns")  # fmt: skip
    return Check(name=name, outcome="ok", says="all there")


def _secured(looking: _Looking, attributes: Mapping[str, Attribute]) -> Check:
    name = "column security"
    hidden = sorted(one for one in looking.plan.shape.columns if (a := attributes.get(logical(one))) and a.secured)
    if not hidden:
        return Check(name=name, outcome="ok", says="no column of the mapping is secured")
    return Check(
        name=name, outcome="warning", says=f"{_list(hidden)}: secured, and empty for who may not read them",
        remedy="give the account a field security profile that reads them",
    )  # fmt: skip


async def _dates(looking: _Looking, attributes: Mapping[str, Attribute]) -> Check:
    """A day that is kept as a time shifts by a day when zones are mixed up.

    https://learn.microsoft.com/power-apps/developer/data-platform/behavior-format-date-time-attribute
    """
    local = []
    for role in ("close_date", "decision_due"):
        column = looking.context.roles.get(role, "")
        attribute = attributes.get(logical(column))
        if attribute is None or attribute.kind != "DateTime":
            continue
        if await date_behavior_of(looking.client, looking.plan, attribute.name) == "UserLocal":
            local.append(column)
    if not local:
        return Check(name="dates", outcome="ok", says="days are kept as days")
    return Check(
        name="dates", outcome="warning", says=f"{_list(local)}: kept as times, whose day depends on the zone",
        remedy="set `[syncd] timezone` to the zone the users have, or change the column's behaviour to date only",
    )  # fmt: skip


async def _labels(looking: _Looking, attributes: Mapping[str, Attribute]) -> Check:
    """Labels of the CRM's stages that mean no stage of ours."""
    name, plan, context = "stage labels", looking.plan, looking.context
    known = {_fold(label) for labels in context.labels.values() for label in labels}
    if plan.flow is not None:
        there = await _flow_stages(looking)
    elif (attribute := attributes.get(logical(context.roles.get("stage", "")))) is None:
        return Check(name=name, outcome="skipped", says="the stage is no column of the table")
    else:
        there = [*(await labels_of(looking.client, plan, attribute.name)).values()]
        if not there:
            return Check(name=name, outcome="skipped", says="the stage is free text, which lists no labels")
    unknown = sorted(label for label in set(there) if _fold(label) not in known)
    if not unknown:
        return Check(name=name, outcome="ok", says=f"all {len(set(there))} are known to the mapping")
    like = [f"{label!r} looks like {stage}" for label in unknown if (stage := _alike(label, context.labels))]
    says = f"unknown to the mapping: {_list(map(repr, unknown))}" + (f"; {_list(like)}" if like else "")
    return Check(name=name, outcome="warning", says=says, remedy="add them under [stages] of the mapping")


async def _flow_stages(looking: _Looking) -> list[str]:
    said, _ = await looking.client.get_json("processstages?$select=stagename", decode=_STAGES.decode, headers=HEADERS)
    return [one.name for one in said.value if one.name]


async def _drift(looking: _Looking, attributes: Mapping[str, Attribute]) -> Check:
    """Dataverse keeps no probability for a stage; what most records of a stage have is the nearest to one."""
    name, plan, context = "probabilities of stages", looking.plan, looking.context
    stage, probability = (logical(context.roles.get(role, "")) for role in ("stage", "probability"))
    if plan.flow is not None or stage not in attributes or probability not in attributes:
        return Check(name=name, outcome="skipped", says="the system keeps no probability for a stage")
    path = f"{plan.entity_set}?$apply=groupby(({stage},{probability}),aggregate($count%20as%20n))"
    headers = {**HEADERS, "Prefer": f'odata.include-annotations="{FORMATTED}"'}
    try:
        said, _ = await looking.client.get_json(path, decode=_GROUPS.decode, headers=headers)
    except Refused as refused:
        return Check(name=name, outcome="skipped", says=f"cannot be counted ({code_of(refused.answer) or 'refused'})")
    found = _usual(said, stage, probability)
    stages = {_fold(label): one for one, labels in context.labels.items() for label in labels}
    apart = [
        f"{label!r} has {usual} % where the chart says {_percent(context.chart.get(stages[_fold(label)]))}"
        for label, usual in sorted(found.items())
        if _fold(label) in stages and usual != context.chart.get(stages[_fold(label)])
    ]
    if not apart:
        return Check(name=name, outcome="ok", says="most records of each stage have the chart's probability")
    return Check(
        name=name, outcome="warning", says=f"in most records {_list(apart)}",
        remedy="look for the rule or flow in the CRM that sets the probability, and give it the chart's figures",
    )  # fmt: skip


def _usual(said: _Groups, stage: str, probability: str) -> dict[str, Any]:
    """The probability most records of each stage have, by the stage's label."""
    by_stage: dict[str, Counter[Any]] = {}
    for group in said.value:
        label = group.get(f"{stage}@{FORMATTED}", group.get(stage))
        if label is not None:
            by_stage.setdefault(str(label), Counter())[group.get(probability)] += group.get("n", 0)
    return {label: counted.most_common(1)[0][0] for label, counted in by_stage.items()}


def _tables(plan: Plan) -> list[str]:
    """The other tables a pull reads."""
    names = [one.entity_set for one in (plan.flow, *plan.children) if one is not None]
    return names + (["audits"] if plan.settings.history == "audit" else [])


async def _child(looking: _Looking, entity_set: str) -> Check:
    name = f"table {entity_set}"
    flow = looking.plan.flow
    outcome: Outcome = "failed" if flow is not None and flow.entity_set == entity_set else "warning"
    shape = next(
        (one.shape for one in (flow, *looking.plan.children) if one is not None and one.entity_set == entity_set), None
    )
    path = f"{looking.plan.address(entity_set, shape=shape, ordered=False)}&$top=1" if shape else f"{entity_set}?$top=1"
    try:
        await looking.client.get_json(path, decode=msgspec.json.decode, headers=HEADERS)
    except SourceIncomplete as error:
        told = (
            explained(error, looking.context.name, shape.properties if shape else ())
            if isinstance(error, Refused)
            else error
        )
        return Check(name=name, outcome=outcome, says=str(told), remedy=_remedy(told, "correct the mapping"))
    return Check(name=name, outcome="ok", says="can be read")


async def _plain_fields(looking: _Looking) -> Check:
    """Whether the service has the columns; it is asked for one at a time where it refuses them together."""
    name, plan = "fields of the mapping", looking.plan
    lacking = []
    for properties in (plan.shape.properties, *([one] for one in plan.shape.properties)):
        path = f"{plan.entity_set}?$select={','.join(properties)}&$top=1"
        try:
            await looking.client.get_json(path, decode=msgspec.json.decode, headers=plan.headers())
        except Refused:
            lacking += properties if len(properties) == 1 else []
        else:
            if len(properties) > 1:
                return Check(name=name, outcome="ok", says="all there")
    return Check(name=name, outcome="failed", says=f"{plan.entity_set} has no property {_list(lacking)}",
                 remedy="correct the mapping")  # fmt: skip


def _alike(label: str, labels: Mapping[str, Iterable[str]]) -> str:
    """The stage a label seems to mean; empty where it resembles none."""
    folded = _fold(label)
    for stage, known in labels.items():
        if any(_fold(one) in folded or folded in _fold(one) for one in (stage.replace("_", " "), *known)):
            return stage
    return ""


def _fold(label: str) -> str:
    return " ".join(label.casefold().split())


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:g} %"


def _list(names: Iterable[str]) -> str:
    given = [*names]
    more = f" and {len(given) - _LISTED} more" if len(given) > _LISTED else ""
    return ", ".join(given[:_LISTED]) + more


def _remedy(error: SyncdError, usual: str) -> str:
    return str(getattr(error, "remedy", "")) or usual


class _Privilege(msgspec.Struct):
    depth: str = msgspec.field(default="", name="Depth")


class _Privileges(msgspec.Struct):
    privileges: list[_Privilege] = msgspec.field(default_factory=list, name="RolePrivileges")


class _Organisation(msgspec.Struct):
    days: int | None = msgspec.field(default=None, name="expirechangetrackingindays")


class _Organisations(msgspec.Struct):
    value: list[_Organisation]


class _Stage(msgspec.Struct):
    name: str | None = msgspec.field(default=None, name="stagename")


class _Stages(msgspec.Struct):
    value: list[_Stage]


class _Groups(msgspec.Struct):
    value: list[dict[str, Any]]


_PRIVILEGES: Final = msgspec.json.Decoder(_Privileges)
_ORGANISATIONS: Final = msgspec.json.Decoder(_Organisations)
_STAGES: Final = msgspec.json.Decoder(_Stages)
_GROUPS: Final = msgspec.json.Decoder(_Groups)
