"""What is asked for: the addresses and headers of a source's requests, worked out once from settings and mapping.

Values that come from records are quoted and refused where they hold what no id holds, so that none can change a query.

Not for: asking.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final
from urllib.parse import quote

from adapters.dynamics365.settings import LARGEST_PAGE, USUAL_LOOKUPS, DynamicsSettings
from adapters.dynamics365.shape import CURRENCY, CURRENCY_LOOKUP, ETAG, FORMATTED, PROCESS, OpenShape, Shape
from syncd.adapter import SourceContext
from syncd.errors import ConfigError, Problem
from syncd.httpkit.links import taken_apart

_ID: Final = re.compile(r"[\w.{}:-]{1,100}", re.ASCII)
_PROCESS_FIELDS: Final = {
    "stage": f"_activestageid_value@{FORMATTED}",
    "stage_id": "_activestageid_value",
}
"""Fields of a flow under names of ours; all others go by their own."""


@dataclass(frozen=True, kw_only=True)
class Child:
    """A child table.

    Attributes:
        entity_set: Its collection, which is the name the mapping uses.
        lookup: The attribute by which its rows point at their opportunity.
        shape: Its columns; the lookup is the key.
    """

    entity_set: str
    lookup: str
    shape: Shape


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one source is asked for.

    Attributes:
        key: The property with the id.
        modified, created: The properties with the time of change and of creation; None where there is none.
        shape: The columns of the records themselves.
        tail: Further columns, which other requests fill.
        children: The child tables, for Dataverse.
        flow: The flow's table; None where the mapping uses none.
        process: For each `process.` column, the flow's own.
    """

    settings: DynamicsSettings
    key: str
    modified: str | None
    created: str | None
    shape: Shape
    key_shape: Shape
    tail: tuple[str, ...]
    children: tuple[Child, ...] = ()
    expanded: Mapping[str, Collection[str]] = field(default_factory=dict)
    flow: Child | None = None
    process: Mapping[str, str] = field(default_factory=dict)
    stage: str = ""

    @property
    def entity_set(self) -> str:
        """The collection that is read."""
        return self.settings.entity_set

    @property
    def is_dataverse(self) -> bool:
        """Whether more than the standard may be asked for."""
        return self.settings.service == "dataverse"

    @property
    def page_size(self) -> int:
        """Records asked for at a time."""
        return self.settings.page_size or LARGEST_PAGE

    @property
    def has_history(self) -> bool:
        """Whether pages carry moves."""
        return self.flow is not None or self.settings.history == "audit"

    @property
    def watches(self) -> bool:
        """Whether something beside the records themselves may change."""
        return bool(self.children or self.flow)

    @property
    def asked(self) -> Collection[str]:
        """Every property that is asked for."""
        return self.shape.properties

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of every page; the same object for as long as they are the same."""
        return self.shape.wide

    @cached_property
    def digest(self) -> str:
        """Identifies what is asked for."""
        children = [one.shape.columns for one in self.children]
        content = repr((self.entity_set, self.shape.properties, self.shape.annotations, self.tail, children))
        return hashlib.sha256(content.encode()).hexdigest()[:12]

    def version(self, row: Sequence[Any]) -> Any:
        """What changes when a record does."""
        return self.shape.get(row, ETAG) or (self.shape.get(row, self.modified) if self.modified else row)

    def address(
        self,
        entity_set: str | None = None,
        *,
        shape: Shape | None = None,
        where: str = "",
        ordered: bool = True,
        **options: str,
    ) -> str:
        """The address of a query.

        Args:
            entity_set: Of another collection than the source's.
            shape: The columns; those of the source if none are given.
            where: A condition; values in it are already literals.
            ordered: In the order of the ids, which never changes, so that no row moves while pages are read.
            options: Further options, without their `$`.
        """
        shape = shape or self.shape
        asked = {"select": ",".join(shape.properties)} if shape.properties else {}
        if ordered:
            asked["orderby"] = f"{self.key} asc"
        if where:
            asked["filter"] = where
        if shape is self.shape and self.expanded:
            expanded = self.expanded.items()
            asked["expand"] = ",".join(f"{name}($select={','.join(sorted(used))})" for name, used in expanded)
        if shape is self.shape and not self.is_dataverse and entity_set is None:
            asked["count"] = "true"  # Dataverse counts no further than 5,000, and is asked in another way
        asked |= options
        # Not the client's own quoting: OData wants %20 and a plain dollar.
        query = "&".join(f"${name}={quote(value, safe='$,()@')}" for name, value in asked.items())
        return f"{entity_set or self.entity_set}?{query}"

    def headers(self, *, shape: Shape | None = None, tracked: bool = False) -> dict[str, str]:
        """The headers of a query; the preferences must be the same for each page of a chain."""
        shape = shape or self.shape
        prefer = ["odata.track-changes"] if tracked else []
        prefer.append(f"odata.maxpagesize={self.page_size}")
        if shape.annotations:
            prefer.append(f'odata.include-annotations="{",".join(shape.annotations)}"')
        headers = {"OData-MaxVersion": "4.0", "OData-Version": "4.0", "Prefer": ",".join(prefer)}
        # Without it, related rows may come from a cache:
        # https://learn.microsoft.com/power-apps/developer/data-platform/webapi/compose-http-requests-handle-errors
        return {**headers, "If-None-Match": "null"} if self.is_dataverse else headers

    def without_host(self, link: str) -> str:
        """Path and query of a link."""
        parts = taken_apart(link)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


def among(lookup: str, ids: Sequence[str]) -> str:
    """A condition: the attribute holds one of these ids, all of which `is_plain`.

    https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/in
    """
    listed = ",".join(f"'{one}'" for one in ids)
    return f"Microsoft.Dynamics.CRM.In(PropertyName='{lookup}',PropertyValues=[{listed}])"


def is_plain(identity: str | None) -> bool:
    """Whether an id holds nothing but what ids hold. Those of Dataverse are GUIDs."""
    return identity is not None and _ID.fullmatch(identity) is not None


def plan_of(settings: DynamicsSettings, context: SourceContext) -> Plan:
    """What a source is asked for.

    Raises:
        ConfigError: The settings contradict one another or the mapping.
    """
    dataverse = settings.service == "dataverse"
    problems = [*_problems(settings, context)]
    if problems:
        raise ConfigError(*(Problem(message=f"source {context.name}: {one}") for one in problems))
    key = context.roles.get("id") or f"{settings.table}id"
    process = {name: _process_field(name) for name in sorted(context.fields) if name.startswith(PROCESS)}
    apart = {*process, CURRENCY} if dataverse else set()
    updated, created = context.roles.get("updated_at"), context.roles.get("created_at")
    modified, created = ("modifiedon", "createdon") if dataverse else (updated, created)
    extra = {one for one in (modified, created) if one}
    own = {one for one in context.fields if one not in apart} | {key}
    tail = [name for name in sorted(context.fields) if name in apart]
    if CURRENCY in tail:
        extra.add(CURRENCY_LOOKUP)
    children: tuple[Child, ...] = ()
    expanded: Mapping[str, Collection[str]] = {}
    if dataverse:
        children = tuple(_child(name, used, settings) for name, used in sorted(context.children.items()))
        tail += [one.entity_set for one in children]
    else:
        expanded = dict(sorted(context.children.items()))
    named = Shape(own, extra=sorted(extra - own), key=key, expanded=expanded, tail=tail)
    shape = named if context.fields else OpenShape(key=key, tail=tail)
    return Plan(
        settings=settings,
        key=key,
        modified=modified,
        created=created,
        shape=shape,
        key_shape=Shape({key}, key=key),
        tail=tuple(tail),
        children=children,
        expanded=expanded,
        flow=_flow(settings, process) if settings.flow is not None and process else None,
        process=process,
        stage=context.roles.get("stage", "").partition("@")[0],
    )


def _problems(settings: DynamicsSettings, context: SourceContext) -> list[str]:
    problems = []
    uses_process = any(name.startswith(PROCESS) for name in context.fields)
    if settings.service == "dataverse":
        if uses_process and settings.flow is None:
            problems.append("the mapping reads the stage from a business process flow; name it as `flow`")
        known = {**USUAL_LOOKUPS, **settings.lookups}
        problems += [
            f'`lookups`: which lookup of {name} leads to the opportunity? Add {name} = "<lookup>"'
            for name in sorted(context.children)
            if name not in known
        ]
    else:
        used = [name for name in ("flow", "history", "lookups") if getattr(settings, name) not in (None, "off", {})]
        problems += [f'`{name}` is for `service = "dataverse"`' for name in used]
    return problems


def _process_field(name: str) -> str:
    short = name.removeprefix(PROCESS)
    return _PROCESS_FIELDS.get(short, short)


def _child(name: str, used: Collection[str], settings: DynamicsSettings) -> Child:
    lookup = {**USUAL_LOOKUPS, **settings.lookups}[name]
    return Child(entity_set=name, lookup=lookup, shape=Shape(used, key=f"_{lookup}_value"))


def _flow(settings: DynamicsSettings, process: Mapping[str, str]) -> Child:
    assert settings.flow is not None  # noqa: S101 - asked before
    needed = {
        *process.values(),
        "statecode",
        "statuscode",
        "modifiedon",
        "activestagestartedon",
        _PROCESS_FIELDS["stage"],
    }
    shape = Shape(needed, key=f"_{settings.flow.lookup}_value")
    return Child(entity_set=settings.flow.entity_set, lookup=settings.flow.lookup, shape=shape)
