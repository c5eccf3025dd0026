"""What `syncd doctor` looks at: everything a pull needs, each with what cures it.

Not for: the tables' own description against the mapping (`adapters.dynamics365.schema`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import msgspec

from adapters.dynamics365 import schema
from adapters.dynamics365.errors import explained
from adapters.dynamics365.metadata import HEADERS, attributes_of, table_of
from adapters.dynamics365.queries import Plan
from adapters.dynamics365.schema import Looking
from adapters.dynamics365.watermark import server_time
from syncd.adapter import Check, Outcome, SourceContext
from syncd.errors import AuthFailed, SourceIncomplete, SyncdError
from syncd.httpkit import Answer, Clock, HttpClient, Refused

_SKEW: Final = 120.0
"""Seconds two clocks may differ; tokens are refused beyond five minutes, and overlaps are about as long."""
_FEW_LEFT: Final = 500
"""Of 6,000 requests in five minutes.

https://learn.microsoft.com/power-apps/developer/data-platform/api-limits
"""


async def examined(client: HttpClient, plan: Plan, context: SourceContext, clock: Clock) -> AsyncIterator[Check]:
    """Look at everything in turn.

    Args:
        client: Of the source.
        plan: What is asked for.
        context: What the mapping says.
        clock: The time here.
    """
    looking = Looking(client, plan, context, clock)
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


async def _dataverse(looking: Looking, user: str) -> AsyncIterator[Check]:
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
    yield schema.fields(looking, attributes)
    yield schema.secured(looking, attributes)
    yield await _safely("dates", looking, lambda one: schema.dates(one, attributes))
    yield await _safely("stage labels", looking, lambda one: schema.labels(one, attributes))
    yield await _safely("probabilities of stages", looking, lambda one: schema.drift(one, attributes))
    for name in _tables(looking.plan):
        yield await _safely(f"table {name}", looking, lambda one, name=name: _child(one, name))  # type: ignore[misc]


async def _odata(looking: Looking) -> AsyncIterator[Check]:
    yield Check(name="permission to read", outcome="ok", says=f"{looking.plan.entity_set} can be read")
    yield await _safely("fields of the mapping", looking, schema.plain_fields)


async def _safely(name: str, looking: Looking, look: Callable[[Looking], Awaitable[Check]]) -> Check:
    """The outcome of a look; what goes wrong with it is an outcome too."""
    try:
        return await look(looking)
    except Refused as refused:
        error = explained(refused, looking.context.name, looking.plan.asked)
        return Check(name=name, outcome="failed", says=str(error), remedy=_remedy(error, "correct the mapping"))
    except SyncdError as error:
        return Check(name=name, outcome="failed", says=str(error), remedy=_remedy(error, "correct the configuration"))


def _clock(looking: Looking, answer: Answer) -> Check:
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


async def _readable(looking: Looking) -> Check:
    plan = looking.plan
    path = f"{plan.address(shape=plan.key_shape)}&$top=1"
    await looking.client.get_json(path, decode=plan.key_shape.decode, headers=plan.headers(shape=plan.key_shape))
    return Check(name="permission to read", outcome="ok", says=f"{plan.entity_set} can be read")


async def _depth(looking: Looking, user: str) -> Check:
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


async def _tracking(looking: Looking) -> Check:
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


def _tables(plan: Plan) -> list[str]:
    """The other tables a pull reads."""
    names = [one.entity_set for one in (plan.flow, *plan.children) if one is not None]
    return names + (["audits"] if plan.settings.history == "audit" else [])


async def _child(looking: Looking, entity_set: str) -> Check:
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


_PRIVILEGES: Final = msgspec.json.Decoder(_Privileges)
_ORGANISATIONS: Final = msgspec.json.Decoder(_Organisations)
