"""What Siebel says of a business component's fields: its `describe`, in either of the forms it has had.

Swagger 2.0 keeps the fields under `definitions`; OpenAPI 3.0, which came with 22.11, under `components.schemas` (REST
API Guide, "Using Describe to Return Business Component Metadata"). What it says may differ from what answers hold, so a
field that it leaves out is still asked for once.

Not for: which records there are (`reading`), or what cures a field that is not there (`examination`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from adapters.siebel.dialect import UNKNOWN_FIELD, error_code
from adapters.siebel.queries import Queries
from syncd.adapter import SourceContext
from syncd.errors import ConfigError, Problem
from syncd.httpkit import Body, Refused


class _Schema(msgspec.Struct):
    properties: dict[str, Any] = {}


class _Components(msgspec.Struct):
    schemas: dict[str, _Schema] = {}


class _Description(msgspec.Struct):
    components: _Components = msgspec.field(default_factory=_Components)
    definitions: dict[str, _Schema] = {}


def fields_of(body: Body, wanted: Collection[str]) -> frozenset[str]:
    """The fields of the component that has most of the wanted ones: a description may hold children as well.

    Raises:
        msgspec.MsgspecError: It is no description, or one of nothing.
    """
    said = msgspec.json.decode(body, type=_Description)
    schemas = [*said.components.schemas.values(), *said.definitions.values()]
    best = max((frozenset(one.properties) for one in schemas), key=lambda known: len(known & set(wanted)), default=None)
    if not best:
        raise msgspec.ValidationError("a description without fields")
    return best


async def describe(queries: Queries, path: str, wanted: Collection[str]) -> frozenset[str] | None:
    """The fields of a resource, or None where Siebel does not say.

    Raises:
        SourceIncomplete: It cannot be reached, or does not let the account in.
    """
    try:
        found = await queries.anything(f"{path}/describe", lambda body: fields_of(body, wanted))
    except Refused:
        return None
    return None if found is None else frozenset(found)


async def every_field(queries: Queries, path: str, context: SourceContext) -> frozenset[str]:
    """All fields of a resource.

    Raises:
        ConfigError: Siebel does not say which there are.
        SourceIncomplete: As `describe`.
    """
    described = await describe(queries, path, ())
    if described is None:
        message = f"source {context.name}: Siebel does not describe its fields, so that the mapping must name them"
        raise ConfigError(Problem(message=message))
    return described


async def absent(queries: Queries, path: str, context: SourceContext) -> list[str]:
    """The fields that the mapping names and Siebel does not have.

    Raises:
        ConfigError: The stage is among them, or Siebel refuses some and does not say which there are.
        SourceIncomplete, Refused: As `HttpClient.get_json`.
    """
    identity = context.roles.get("id", "Id")
    wanted = context.fields - {identity}
    described = await describe(queries, path, wanted)
    doubtful = sorted(wanted if described is None else wanted - described)
    # A description may leave out what answers hold, so all that it does not name is asked for once.
    if not doubtful or await has_fields(queries, path, (identity, *doubtful)):
        return []
    stage = context.roles.get("stage")
    if described is None or stage in doubtful:
        said = f"no field {stage!r}" if described else "not every field of the mapping, and does not say which it has"
        message = f"source {context.name}: Siebel has {said}; `syncd doctor` says more"
        raise ConfigError(Problem(message=message))
    return doubtful


async def has_fields(queries: Queries, path: str, fields: Sequence[str]) -> bool:
    """Whether answers can hold some fields, the id first.

    Raises:
        SourceIncomplete, Refused: As `HttpClient.get_json`.
    """
    try:
        await queries.one_page(path, fields)
    except Refused as refused:
        if error_code(refused.answer) == UNKNOWN_FIELD:
            return False
        raise
    return True
