"""The account the stand-in of HubSpot holds, and what can be done to it: records come, change, merge and go.

Not for: how it is asked over HTTP (`double`), nor how one type of records is kept and indexed (`double_store`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files
from typing import Any, Final

from adapters.hubspot.double_store import (
    DAY,
    TYPES,
    Clock,
    Collection,
    PipelineOf,
    Properties,
    Stage,
    iso,
    moment,
    pipelines,
)

_OLD: Final = 5 * DAY


class DoubleAccount:
    """Deals, what is associated with them, their owners and pipelines.

    Attributes:
        clock: The account's clock.
        owners: As HubSpot shows them.
        links: Ids and labels of associated records, by the two types and the id of the first.
    """

    def __init__(self) -> None:
        """An account that holds nothing."""
        self.clock = Clock()
        self.pipelines: list[PipelineOf] = []
        self.kinds: dict[str, Collection] = {}
        self.owners: list[dict[str, Any]] = []
        self.links: dict[tuple[str, str], dict[str, list[tuple[str, str | None]]]] = {}
        self._companies: dict[str, str] = {}
        self._next_id = 900_000_000_000
        self._lag = 0
        self.load([])

    @property
    def deals(self) -> Collection:
        """The deals."""
        return self.kinds["deals"]

    @property
    def lag_seconds(self) -> float:
        """How late the search is."""
        return self._lag / 1_000

    @lag_seconds.setter
    def lag_seconds(self, seconds: float) -> None:
        self._lag = int(seconds * 1_000)
        for one in self.kinds.values():
            one.lag = self._lag

    def load(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Hold these deals and no others; see `syncd.rehearsal.Double`."""
        self.pipelines, self.owners, self.links, self._companies = pipelines(), [], {}, {}
        self.kinds = {kind: self._collection(kind) for kind in TYPES}
        self.deals.types |= {name: _type_of(name) for name in _custom()}
        for record in records:
            self.insert(record, at=self.clock.now - _OLD, indexed=True)

    def _collection(self, kind: str) -> Collection:
        made = Collection(kind, self.clock)
        made.lag = self._lag
        return made

    def insert(self, record: Mapping[str, Any], *, at: int | None = None, indexed: bool = False) -> str:
        """A new deal, by native field as `load` takes it; gives its id.

        Args:
            record: Its fields, and for a child component a list of records.
            at: When it was made and last changed, in milliseconds, unless the record says so; None is now.
            indexed: Whether the search knows it at once.
        """
        now = self.clock.now if at is None else at
        identity = record.get("hs_object_id") or self.new_id()
        given = self._deal(record)
        modified = given.get("hs_lastmodifieddate")
        created = given.setdefault("createdate", iso(now - DAY if at is not None else now))
        entered = given.setdefault("hs_v2_date_entered_current_stage", iso(_or(created, now)))
        stored = self.deals.add(
            identity, given, created=_or(created, now), modified=_or(modified, now), indexed=indexed
        )
        if stage := given.get("dealstage"):
            stored.history.append((stage, _or(entered, now), "CRM_UI"))
        for kind, rows in record.items():
            if isinstance(rows, list):
                for row in rows:
                    self.attach(identity, kind, row, at=now, indexed=indexed)
        return identity

    def edit(self, identity: str, fields: Mapping[str, Any]) -> None:
        """Change fields of a deal, now."""
        stored, given = self.deals.records[identity], self._deal(fields)
        if (stage := given.get("dealstage")) and stage != stored.properties.get("dealstage"):
            stored.history.append((stage, self.clock.now, "INTEGRATION"))
            given["hs_v2_date_entered_current_stage"] = iso(self.clock.now)
        self.deals.change(identity, given)

    def attach(
        self, deal: str, kind: str, row: Mapping[str, Any], *, at: int | None = None, indexed: bool = False
    ) -> str:
        """A new record of another type, associated with a deal; gives its id."""
        now = self.clock.now if at is None else at
        collection = self.kinds.setdefault(kind, self._collection(kind))
        label = row.get("association.label")
        given = {name: self._native(kind, name, value) for name, value in row.items() if name != "association.label"}
        identity = self.new_id()
        collection.add(identity, given, created=now, modified=now, indexed=indexed)
        self.links.setdefault(("deals", kind), {}).setdefault(deal, []).append((identity, label))
        self.links.setdefault((kind, "deals"), {}).setdefault(identity, []).append((deal, label))
        return identity

    def merge(self, primary: str, other: str) -> str:
        """Merge two deals: both ids go, and a new one names them. Gives it."""
        kept = dict(self.deals.records[primary].properties)
        gone = [self.deals.records[one].properties.get("hs_merged_object_ids") for one in (primary, other)]
        history = self.deals.records[primary].history
        self.deals.remove(primary)
        self.deals.remove(other)
        kept["hs_merged_object_ids"] = ";".join([primary, other, *(one for one in gone if one)])
        kept["hs_lastmodifieddate"] = iso(self.clock.now)
        identity = self.new_id()
        self.deals.add(identity, kept, created=self.clock.now, modified=self.clock.now).history = list(history)
        return identity

    def new_id(self) -> str:
        """An id nothing has."""
        self._next_id += 1
        return str(self._next_id)

    def _deal(self, record: Mapping[str, Any]) -> Properties:
        """The properties of a deal from fields as a test or a rehearsal writes them."""
        given: Properties = {}
        for name, value in record.items():
            if name == "hubspot_owner_id.email":
                given["hubspot_owner_id"] = self._owner(value, email=value)
            elif name == "hubspot_owner_id.name":
                first, _, last = (value or "").partition(" ")
                given["hubspot_owner_id"] = self._owner(value, firstName=first, lastName=last)
            elif name == "hs_primary_associated_company.name":
                given["hs_primary_associated_company"] = self._company(value)
            elif "." not in name and not isinstance(value, list):
                given[name] = self._native("deals", name, value)
        if "dealstage.label" in record or "dealstage.status" in record:
            pipeline, stage = self._stage(record.get("dealstage.label"), record.get("dealstage.status"))
            given |= {"pipeline": pipeline, "dealstage": stage}
        elif "pipeline" in self.deals.types:
            given.setdefault("pipeline", "default")
        return given

    def _stage(self, label: str | None, status: str | None) -> tuple[str, str | None]:
        place = {"won": 1, "lost": 2}.get((status or "open").casefold(), 0)
        pipeline, wanted = self.pipelines[place], (label or "").replace("_", " ").strip()
        if not wanted and not place:
            return pipeline.id, None
        stage = pipeline.stage(wanted or "-")
        if stage is None:
            self._next_id += 1
            probability = ("0.0", "1.0", "0.0")[place]
            stage = Stage(str(self._next_id), wanted or "-", probability, closed=place > 0)
            pipeline.stages.append(stage)
        return pipeline.id, stage.id

    def _owner(self, key: str | None, **fields: str | None) -> str | None:
        if not key:
            return key
        for one in self.owners:
            if all(one[name] == value for name, value in fields.items()):
                return str(one["id"])
        identity = self.new_id()
        self.owners.append(
            {"id": identity, "email": None, "firstName": "", "lastName": "", "archived": False, **fields}
        )
        return identity

    def _company(self, name: str | None) -> str | None:
        if not name:
            return name
        if name not in self._companies:
            self._companies[name] = self.new_id()
            now = self.clock.now
            self.kinds["companies"].add(self._companies[name], {"name": name}, created=now, modified=now, indexed=True)
        return self._companies[name]

    def _native(self, kind: str, name: str, value: Any) -> str | None:
        """A value as HubSpot holds it: always a text."""
        types = self.kinds[kind].types
        declared = types.setdefault(name, _type_of(name))
        if value is None or value == "":
            return None if value is None else ""
        if name == "hs_deal_stage_probability":
            return _as_fraction(str(value))
        if declared == "bool":
            return {"yes": "true", "no": "false"}.get(str(value).casefold(), str(value))
        if declared == "datetime" and re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)):
            return f"{value}T12:00:00Z"
        return str(value)


_CUSTOM: Final = {
    "mssp_decision_due": "date",
    "mssp_source_type": "enumeration",
    "mssp_territory": "enumeration",
}
"""The types of custom properties that are no evidence."""


@cache
def _custom() -> tuple[str, ...]:
    """The custom properties that the mapping which comes with this adapter reads."""
    text = (files("mappings") / "hubspot.toml").read_text(encoding="utf-8")
    return tuple(sorted(set(re.findall(r'"(mssp_\w+)"', text))))


def _type_of(name: str) -> str:
    """The type of a custom property."""
    if name in _CUSTOM or not name.startswith("mssp_"):
        return _CUSTOM.get(name, "string")
    if name.endswith("_date"):
        return "date"
    return "string" if name.endswith(("_by", "_ref")) else "bool"


def _as_fraction(text: str) -> str:
    try:
        return f"{(Decimal(text.rstrip(' %')) / 100).normalize():f}"
    except InvalidOperation:
        return text


def _or(text: str | None, default: int) -> int:
    said = moment(text)
    return default if said is None else said
