"""When opportunities came into their stages, from the audit log.

The log keeps what changed of a row as JSON in `changedata`, choices as their values; labels come from the metadata.
Auditing must be on for the organisation, the table and the column.
https://learn.microsoft.com/power-apps/developer/data-platform/reference/entities/audit

Not for: flows, which tell when their active stage began (`adapters.dynamics365.related`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from adapters.dynamics365.chain import Chain
from adapters.dynamics365.metadata import labels_of
from adapters.dynamics365.queries import Plan
from adapters.dynamics365.shape import Shape
from adapters.dynamics365.watermark import literal
from syncd.adapter import Move
from syncd.httpkit import HttpClient, Refused

_OPERATIONS: Final = "(operation eq 1 or operation eq 2)"
"""Create and update."""


class _Change(msgspec.Struct):
    name: str = msgspec.field(name="logicalName")
    new: Any = msgspec.field(default=None, name="newValue")


class _Changes(msgspec.Struct):
    changed: list[_Change] = msgspec.field(default_factory=list, name="changedAttributes")


async def read_moves(
    client: HttpClient, plan: Plan, began: datetime, since: str | None
) -> tuple[list[Move], list[str]]:
    """The moves since a time, and notes.

    Args:
        client: Of the source.
        plan: Which attribute holds the stage.
        began: When the pull began.
        since: From when on; None is as far back as the settings say.
    """
    since = since or literal(began - timedelta(days=plan.settings.history_days))
    shape = Shape({"createdon", "changedata"}, key="_objectid_value")
    where = f"objecttypecode eq '{plan.settings.table}' and {_OPERATIONS} and createdon ge {since}"
    address = plan.address("audits", shape=shape, where=where, ordered=False, orderby="createdon asc")
    chain = Chain(client, shape.decode, plan.headers(shape=shape))
    moves: list[Move] = []
    try:
        labels = await labels_of(client, plan, plan.stage)
        async with aclosing(chain.pages(address)) as pages:
            async for page, _ in pages:
                for row in shape.rows(page):
                    moves += _moves(shape, row, plan.stage, labels)
    except Refused as refused:
        return [], [f"the audit log cannot be read (status {refused.answer.status}): there is no history of stages"]
    return moves, []


def _moves(shape: Shape, row: tuple[Any, ...], stage: str, labels: Mapping[str, str]) -> Iterator[Move]:
    identity, at, text = shape.id(row), shape.get(row, "createdon"), shape.get(row, "changedata")
    if identity is None or not isinstance(text, str) or not at:
        return
    try:
        changes = msgspec.json.decode(text, type=_Changes)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return
    for change in changes.changed:
        if change.name == stage and change.new is not None:
            value = str(change.new)
            yield Move(identity, labels.get(value, value), str(at))
