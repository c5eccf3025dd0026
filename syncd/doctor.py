"""Examines sources: what each adapter checks of its system, and what the last pull says of the mapping.

Not for: showing what was found (`syncd.cli.doctor`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from syncd.adapter import Check
from syncd.errors import SyncdError
from syncd.pull import Source
from syncd.store.readback import decode_snapshot
from syncd.store.schema import KEY_BITS, snapshot, source

_LOOKED_AT: Final = 20_000
"""Records without a recognised stage that are looked through at most."""
_LISTED: Final = 8


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found about one source."""

    source: str
    adapter: str
    checks: list[Check]

    @property
    def failed(self) -> bool:
        """Whether anything is wrong that keeps the source from being read."""
        return any(check.outcome == "failed" for check in self.checks)


async def examine(source_: Source, connection: Connection) -> Examined:
    """Examine one source, and let go of it.

    Args:
        source_: Which.
        connection: For reading what the last pull left.
    """
    checks: list[Check] = []
    try:
        checks += [check async for check in source_.adapter.examine()]
    except SyncdError as error:
        remedy = str(getattr(error, "remedy", ""))
        checks.append(Check(name="examination", outcome="failed", says=str(error), remedy=remedy))
    finally:
        await source_.adapter.close()
    checks.append(_stage_labels(source_.name, connection))
    return Examined(source_.name, source_.adapter_name, checks)


async def examine_all(sources: tuple[Source, ...], connection: Connection) -> AsyncIterator[Examined]:
    """Examine some sources, one after the other."""
    for one in sources:
        yield await examine(one, connection)


def _stage_labels(name: str, connection: Connection) -> Check:
    """Labels that the last pull met with and the mapping gives to no stage, the most frequent first."""
    what = "stage labels met with"
    source_id = connection.execute(select(source.c.source_id).where(source.c.name == name)).scalar()
    if source_id is None:
        return Check(name=what, outcome="skipped", says="no run has read this source yet")
    low, high = source_id << KEY_BITS, (source_id + 1) << KEY_BITS
    unknown = select(snapshot.c.payload).where(
        snapshot.c.key >= low, snapshot.c.key < high, snapshot.c.stage.is_(None), snapshot.c.gone_run.is_(None)
    )
    labels: Counter[str] = Counter()
    for (payload,) in connection.execute(unknown.limit(_LOOKED_AT)):
        if label := decode_snapshot(payload).stage_label:
            labels[label] += 1
    if not labels:
        return Check(name=what, outcome="ok", says="the mapping knows all of them")
    listed = ", ".join(f"{label!r} ({count:,})" for label, count in labels.most_common(_LISTED))
    more = f" and {len(labels) - _LISTED} more" if len(labels) > _LISTED else ""
    return Check(
        name=what,
        outcome="warning",
        says=f"no stage has the label {listed}{more}",
        remedy="add each label to its stage in `[stages]` of the mapping",
    )
