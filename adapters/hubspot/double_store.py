"""What the stand-in of HubSpot holds: records, their history and associations, pipelines, and an index that is late.

Not for: how it is asked over HTTP (`double`).
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

Properties = dict[str, str | None]

DAY: Final = 86_400_000

_DEALS: Final = {
    "amount": "number", "closedate": "datetime", "createdate": "datetime", "deal_currency_code": "enumeration",
    "dealname": "string", "dealstage": "enumeration", "dealtype": "enumeration",
    "hs_deal_stage_probability": "number", "hs_lastmodifieddate": "datetime", "hs_merged_object_ids": "enumeration",
    "hs_object_id": "number", "hs_primary_associated_company": "number",
    "hs_v2_date_entered_current_stage": "datetime", "hubspot_owner_id": "enumeration", "pipeline": "enumeration",
}  # fmt: skip
_ACTIVITY: Final = {
    "hs_timestamp": "datetime", "hs_lastmodifieddate": "datetime", "hs_object_id": "number",
    "hs_createdate": "datetime", "hubspot_owner_id": "enumeration", "hs_activity_type": "enumeration",
}  # fmt: skip
TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "deals": _DEALS,
    "tasks": _ACTIVITY | {
        "hs_task_subject": "string", "hs_task_status": "enumeration", "hs_task_type": "enumeration",
        "hs_task_completion_date": "datetime", "hs_task_body": "string",
    },
    "notes": _ACTIVITY | {"hs_note_body": "string"},
    "calls": _ACTIVITY | {"hs_call_title": "string", "hs_call_status": "enumeration"},
    "meetings": _ACTIVITY | {
        "hs_meeting_title": "string", "hs_meeting_outcome": "enumeration", "hs_meeting_end_time": "datetime",
        "hs_meeting_start_time": "datetime",
    },
    "companies": {"name": "string", "domain": "string", "hs_lastmodifieddate": "datetime", "hs_object_id": "number"},
    "contacts": {
        "createdate": "datetime", "email": "string", "firstname": "string", "lastmodifieddate": "datetime",
        "lastname": "string", "hs_object_id": "number",
    },
}  # fmt: skip
"""The properties every account has, by type of object, with their types."""

MODIFIED: Final = {"contacts": "lastmodifieddate"}


def iso(milliseconds: int) -> str:
    """A time as HubSpot writes it."""
    seconds, rest = divmod(milliseconds, 1_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"


def moment(text: str | None) -> int | None:
    """The milliseconds since 1970 of a time in ISO 8601; None where it is none."""
    try:
        read = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return round((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp() * 1_000)


@dataclass(slots=True)
class Stored:
    """A record.

    Attributes:
        history: Stage, time in milliseconds and kind of author, the oldest first.
    """

    id: str
    number: int
    properties: Properties
    created: int
    modified: int
    archived: int | None = None
    history: list[tuple[str, int, str]] = field(default_factory=list)


class Clock:
    """The account's clock, which tests move by hand. Stands still when it was set, and runs otherwise."""

    def __init__(self) -> None:
        self._set: int | None = None

    @property
    def now(self) -> int:
        """Milliseconds since 1970."""
        return int(time.time() * 1_000) if self._set is None else self._set

    def set(self, moment: datetime) -> None:
        """Stand still at a time."""
        self._set = int(moment.timestamp() * 1_000)

    def advance(self, seconds: float) -> None:
        """Stand still so much later."""
        self._set = self.now + int(seconds * 1_000)


class Collection:
    """The records of one type, with the search's index of them."""

    def __init__(self, kind: str, clock: Clock) -> None:
        """Args: kind and clock."""
        self.kind = kind
        self.modified = MODIFIED.get(kind, "hs_lastmodifieddate")
        self.types = dict(TYPES.get(kind, {self.modified: "datetime", "hs_object_id": "number"}))
        self.lag = 0
        self.restoring_changes = True
        self.records: dict[str, Stored] = {}
        self._clock = clock
        self._numbers: dict[str, int] = {}
        self._alive: list[tuple[int, str]] = []
        self._archived: list[tuple[int, str]] = []
        self._index: dict[str, tuple[int, Properties]] = {}
        self._order: list[tuple[int, str]] = []
        self._waiting: deque[tuple[int, str]] = deque()

    def number(self, identity: str) -> int:
        """The place of an id in the order of ids, which are numbers in an account; tests may use others."""
        if identity not in self._numbers:
            self._numbers[identity] = int(identity) if identity.isdigit() else len(self._numbers) + 1
        return self._numbers[identity]

    def add(
        self, identity: str, properties: Properties, *, created: int, modified: int, indexed: bool = False
    ) -> Stored:
        """A new record; `indexed` when the search knows it at once."""
        if identity in self.records:
            self.remove(identity)
        record = Stored(identity, self.number(identity), properties, created, modified)
        record.properties["hs_object_id"] = identity
        record.properties[self.modified] = record.properties.get(self.modified) or iso(modified)
        self.records[identity] = record
        insort(self._alive, (record.number, identity))
        self.touched(record, indexed=indexed)
        return record

    def change(self, identity: str, properties: Mapping[str, str | None]) -> Stored:
        """Change a record, now."""
        record = self.records[identity]
        record.properties |= properties
        record.modified = self._clock.now
        record.properties[self.modified] = iso(record.modified)
        self.touched(record)
        return record

    def archive(self, identity: str) -> None:
        """What HubSpot calls deleting: it can be had back for 90 days."""
        record = self.records[identity]
        record.archived = self._clock.now
        self._alive.remove((record.number, identity))
        insort(self._archived, (record.number, identity))
        self.touched(record)

    def restore(self, identity: str) -> None:
        """Have an archived record back, under its id."""
        record = self.records[identity]
        self._archived.remove((record.number, identity))
        insort(self._alive, (record.number, identity))
        record.archived = None
        if self.restoring_changes:
            self.change(identity, {})
        else:
            self.touched(record)

    def remove(self, identity: str) -> None:
        """Take a record away for good, as a merge or a purge does; it is never listed as archived."""
        record = self.records.pop(identity)
        for where in (self._alive, self._archived):
            if (record.number, identity) in where:
                where.remove((record.number, identity))
        self.touched(record)

    def touched(self, record: Stored, *, indexed: bool = False) -> None:
        """The index will learn of it."""
        self._waiting.append((self._clock.now + (0 if indexed else self.lag), record.id))
        if indexed or not self.lag:
            self._catch_up()

    def listed(self, after: int, limit: int, *, archived: bool) -> tuple[list[Stored], bool]:
        """Some records after a number, in real time; whether there are more."""
        order = self._archived if archived else self._alive
        start = bisect_right(order, (after, "\U0010ffff")) if after >= 0 else 0
        return [self.records[one] for _, one in order[start : start + limit]], start + limit < len(order)

    def searched(self, above: int) -> Iterator[tuple[str, int, Properties]]:
        """Id, time of change and properties of every indexed record above a number, by rising number."""
        self._catch_up()
        for number, identity in self._order[bisect_left(self._order, (above + 1, "")) :]:
            modified, properties = self._index[identity]
            assert number > above  # noqa: S101 - the order is that of numbers
            yield identity, modified, properties

    def _catch_up(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._clock.now:
            _, identity = self._waiting.popleft()
            record = self.records.get(identity)
            if record is None or record.archived is not None:
                if self._index.pop(identity, None) is not None:
                    self._order.remove((self._numbers[identity], identity))
                continue
            if identity not in self._index:
                insort(self._order, (record.number, identity))
            self._index[identity] = (record.modified, dict(record.properties))


@dataclass(slots=True)
class Stage:
    """A stage of a pipeline."""

    id: str
    label: str
    probability: str
    closed: bool


@dataclass(slots=True)
class PipelineOf:
    """A pipeline."""

    id: str
    label: str
    stages: list[Stage] = field(default_factory=list)

    def stage(self, label: str) -> Stage | None:
        """The stage with a label, in any case."""
        return next((one for one in self.stages if one.label.casefold() == label.casefold()), None)


CHART: Final[Sequence[tuple[str, str, str]]] = (
    ("3001001", "Demand Generation", "0.0"), ("appointmentscheduled", "Prospect", "0.0"),
    ("qualifiedtobuy", "Qualify", "0.1"), ("presentationscheduled", "Develop", "0.2"),
    ("decisionmakerboughtin", "Solution", "0.4"), ("3001002", "Proof", "0.6"), ("contractsent", "Close", "0.8"),
    ("3001003", "Deploy", "1.0"), ("3001004", "Support", "1.0"),
)  # fmt: skip
"""The stages of the double's first pipeline. Those an account begins with keep their ids for ever, whatever they are
called; later ones get numbers."""


def pipelines() -> list[PipelineOf]:
    """The pipelines of a new double.

    HubSpot knows a deal's status only by its stage. So that a deal can be lost or won in any stage, as in systems that
    keep the two apart, there are two more pipelines whose stages are all lost or all won.
    """
    first = PipelineOf("default", "Sales Pipeline", [Stage(*one, closed=False) for one in CHART])
    won = PipelineOf("74001", "Won business", [])
    lost = PipelineOf("74002", "Lost business", [Stage("closedlost", "Closed Lost", "0.0", closed=True)])
    return [first, won, lost]
