"""What `syncd doctor` looks at in the service's own description of its tables, compared with mapping and chart.

Not for: connection and rights (`adapters.dynamics365.examination`), asking (`adapters.dynamics365.metadata`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from adapters.dynamics365.errors import code_of
from adapters.dynamics365.metadata import HEADERS, Attribute, date_behavior_of, labels_of, logical
from adapters.dynamics365.queries import Plan
from adapters.dynamics365.shape import FORMATTED
from syncd.adapter import Check, SourceContext
from syncd.httpkit import Clock, HttpClient, Refused

_LISTED: Final = 8
"""Names listed before a message says "and more"."""


@dataclass(frozen=True, slots=True)
class Looking:
    """What a check looks with."""

    client: HttpClient
    plan: Plan
    context: SourceContext
    clock: Clock


def fields(looking: Looking, attributes: Mapping[str, Attribute]) -> Check:
    """Whether the table has every column of the mapping."""
    name, plan = "fields of the mapping", looking.plan
    lacking = sorted(one for one in plan.shape.columns if one[0] != "@" and logical(one) not in attributes)
    unreadable = sorted(one for one in plan.shape.columns if (a := attributes.get(logical(one))) and not a.readable)
    if lacking or unreadable:
        says = f"the table has no column {_list(lacking)}" if lacking else f"cannot be read: {_list(unreadable)}"
        return Check(name=name, outcome="failed", says=says,
                     remedy="correct the mapping, or add the columns; a pull refuses unknown columns")  # fmt: skip
    return Check(name=name, outcome="ok", says="all there")


def secured(looking: Looking, attributes: Mapping[str, Attribute]) -> Check:
    """Whether columns may be hidden from the account."""
    name = "column security"
    hidden = sorted(one for one in looking.plan.shape.columns if (a := attributes.get(logical(one))) and a.secured)
    if not hidden:
        return Check(name=name, outcome="ok", says="no column of the mapping is secured")
    return Check(
        name=name, outcome="warning", says=f"{_list(hidden)}: secured, and empty for who may not read them",
        remedy="give the account a field security profile that reads them",
    )  # fmt: skip


async def dates(looking: Looking, attributes: Mapping[str, Attribute]) -> Check:
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


async def labels(looking: Looking, attributes: Mapping[str, Attribute]) -> Check:
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


async def _flow_stages(looking: Looking) -> list[str]:
    said, _ = await looking.client.get_json("processstages?$select=stagename", decode=_STAGES.decode, headers=HEADERS)
    return [one.name for one in said.value if one.name]


async def drift(looking: Looking, attributes: Mapping[str, Attribute]) -> Check:
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


async def plain_fields(looking: Looking) -> Check:
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


class _Stage(msgspec.Struct):
    name: str | None = msgspec.field(default=None, name="stagename")


class _Stages(msgspec.Struct):
    value: list[_Stage]


class _Groups(msgspec.Struct):
    value: list[dict[str, Any]]


_STAGES: Final = msgspec.json.Decoder(_Stages)
_GROUPS: Final = msgspec.json.Decoder(_Groups)
