"""The proof that a full pull was one: the service counts, and nothing that it counts may be missing.

Rows that are made or deleted while pages are read must raise no false alarm. So only records made some time before the
pull began are compared, and counted when it has ended: each of them was there throughout and must have been given.
Records that were given and deleted since make the given ones more, never fewer.

Not for: the chain of the pages (`adapters.dynamics365.chain`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from typing import Any, Final

import msgspec

from adapters.dynamics365.chain import keys_of
from adapters.dynamics365.errors import TOO_MANY_TO_COUNT, code_of
from adapters.dynamics365.queries import Plan
from adapters.dynamics365.shape import Shape
from syncd.errors import SourceIncomplete
from syncd.httpkit import HttpClient, Refused

_AT_ONCE: Final = 40_000
"""Records counted in one request. The service counts up to 50,000, and some may be new to us.

https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/aggregate-data
"""
_REMEDY: Final = "run again; records imported with an older day of creation while the pull ran look like lost ones"


class Tally:
    """What a pull gave, as the count is compared with.

    Attributes:
        given: Records.
        declared: The most that the service said there are while pages came, where it says so.
        ids: Hashes of the ids, for a service that is not asked to count by time.
        until: Records created before this time are compared.
        by_day: How many of those were given, by the day of their creation.
    """

    def __init__(self) -> None:
        self.given = 0
        self.declared: int | None = None
        self.ids: set[int] = set()
        self.until = ""
        self.by_day: Counter[str] = Counter()

    def begin(self, until: str) -> None:
        """Compare what was created before a time."""
        self.until = until

    def add(self, rows: Sequence[Sequence[Any]], shape: Shape, created: str | None) -> None:
        """Add a page."""
        self.given += len(rows)
        if self.declared is not None:
            self.ids.update(hash(shape.id(row)) for row in rows)
        if created is not None:
            times = (str(shape.get(row, created) or "") for row in rows)
            self.by_day.update(time[:10] for time in times if time < self.until)


async def check_count(client: HttpClient, plan: Plan, tally: Tally) -> list[str]:
    """Compare what was given with what the service counts; gives notes.

    Args:
        client: Of the source.
        plan: What was asked for.
        tally: What came.

    Raises:
        SourceIncomplete: Records are missing.
    """
    if not plan.is_dataverse:
        return await _check_declared(client, plan, tally)
    if plan.created is None:
        return []
    uncounted = False
    for first, last, given in _slices(tally):
        count = await _count(
            client, plan, f"{plan.created} lt {last}" + (f" and {plan.created} ge {first}" if first else "")
        )
        if count is None:
            uncounted = True
        elif count > given:
            raise SourceIncomplete(f"the system counts {count:,} records and gave {given:,} of them", _REMEDY)
    return ["the system could not count the records, so that the pages alone prove that all were read"] * uncounted


async def _check_declared(client: HttpClient, plan: Plan, tally: Tally) -> list[str]:
    """The same for a service of which no time of creation is known.

    Where it counts more records than it gave, its ids tell whether any is missing, or only some were deleted meanwhile.
    """
    if tally.declared is None or tally.given >= tally.declared:
        return []
    missing = 0
    async with aclosing(keys_of(client, plan)) as pages:
        async for ids in pages:
            missing += sum(hash(identity) not in tally.ids for identity in ids)
    if missing:
        raise SourceIncomplete(
            f"the system lists {missing:,} records that it did not give",
            "run again; records that came while the pull ran look like lost ones",
        )
    return []


def _slices(tally: Tally) -> Iterator[tuple[str, str, int]]:
    """Stretches of the time of creation: from (empty: ever), to, and how many were given of it."""
    first, given = "", 0
    for day in sorted(tally.by_day):
        if given and given + tally.by_day[day] > _AT_ONCE:
            start = f"{day}T00:00:00Z"
            yield first, start, given
            first, given = start, 0
        given += tally.by_day[day]
    yield first, tally.until, given


async def _count(client: HttpClient, plan: Plan, where: str) -> int | None:
    """How many records meet a condition; None where there are too many to count."""
    path = f"{plan.entity_set}?$apply=filter({where.replace(' ', '%20')})/aggregate($count%20as%20n)"
    try:
        counted, _ = await client.get_json(path, decode=_COUNTED.decode, headers=plan.headers(shape=plan.key_shape))
    except Refused as refused:
        if code_of(refused.answer) in TOO_MANY_TO_COUNT or refused.answer.status in {400, 403, 501}:
            return None
        raise
    return counted.value[0].n if counted.value else 0


class _Row(msgspec.Struct):
    n: int


class _Counted(msgspec.Struct):
    value: list[_Row]


_COUNTED: Final = msgspec.json.Decoder(_Counted)
