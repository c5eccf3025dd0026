"""From HubSpot's records to the rows of a page.

Beside the properties of a deal there are columns that HubSpot itself has no property for, named with a dot so that none
can ever clash:

    dealstage.label, dealstage.status, dealstage.probability, pipeline.label
    hubspot_owner_id.email, hubspot_owner_id.name
    hs_primary_associated_company.name
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from adapters.hubspot.api import CHANGED, ID
from adapters.hubspot.companies import Companies
from adapters.hubspot.decode import Definition, Owner, Properties, Record
from adapters.hubspot.stages import Stages
from syncd.adapter import MISSING, Move, SourceContext

MERGED: Final = "hs_merged_object_ids"
"""The ids that were merged into this record, joined by semicolons. A merged id goes without being archived."""

STAGE: Final = "dealstage"
PIPELINE: Final = "pipeline"
OWNER: Final = "hubspot_owner_id"
COMPANY: Final = "hs_primary_associated_company"
COMPANY_NAME: Final = "hs_primary_associated_company.name"

DERIVED: Final = {
    "dealstage.label": STAGE,
    "dealstage.status": STAGE,
    "dealstage.probability": STAGE,
    "pipeline.label": PIPELINE,
    "hubspot_owner_id.email": OWNER,
    "hubspot_owner_id.name": OWNER,
    COMPANY_NAME: COMPANY,
}
"""The columns made here, each with the property it is made from."""

OWNED: Final = frozenset({"hubspot_owner_id.email", "hubspot_owner_id.name"})

_NEEDED: Final = (STAGE, PIPELINE, CHANGED, MERGED)
_TIMES: Final = frozenset({"date", "datetime"})
_MILLISECONDS: Final = 12
"""Digits a time in milliseconds has at least; a day is never so long a number."""

Derive = Callable[[Any], Any]


class Table:
    """The columns of a pull and how each is filled. Made once for each pull.

    Attributes:
        columns: Of every page: properties, derived ones, child components.
        properties: What HubSpot is asked for.
        staged: The property whose history is that of the stage.
    """

    def __init__(
        self,
        context: SourceContext,
        definitions: Mapping[str, Definition] | None,
        stages: Stages,
        owners: Mapping[str, Owner],
        companies: Companies,
    ) -> None:
        """Prepare.

        Args:
            context: What is mapped.
            definitions: Of the properties there are; None where the app may not see them.
            stages: Of the account.
            owners: By id.
            companies: Knows names once `learn` was awaited.
        """
        wanted = context.fields or frozenset(definitions or ())
        native = sorted(one for one in wanted if one not in DERIVED and one != ID)
        derived = sorted(one for one in wanted if one in DERIVED)
        names = sorted({*native, *(DERIVED[one] for one in derived), *_NEEDED})
        self.properties: Final = Properties(names)
        self.columns: Final = (ID, *native, *derived, *sorted(context.children))
        self._at = {name: place for place, name in enumerate(names)}
        self._native = [self._at[name] for name in native]
        self._times = [place for place, name in enumerate(native, 1) if _is_time(definitions, name)]
        self._derived = [(self._at[DERIVED[name]], _derive(name, stages, owners, companies)) for name in derived]
        self._stages = stages
        self._companies = companies if COMPANY_NAME in derived else None
        stage = context.roles.get("stage", STAGE)
        self.staged: Final = DERIVED.get(stage, stage)
        self._by_label = stage == "dealstage.label"

    @property
    def looks_up(self) -> bool:
        """Whether `learn` asks for anything."""
        return self._companies is not None

    async def learn(self, records: Sequence[Record[Any]]) -> None:
        """Look up what the rows of these records need beside the records.

        Raises:
            SourceIncomplete: HubSpot cannot be read.
        """
        if self._companies is not None:
            await self._companies.learn(Properties.values(one)[self._at[COMPANY]] for one in records)

    def row(self, record: Record[Any], children: Sequence[Any]) -> list[Any]:
        """A record as a row, with the rows of its child components at the end."""
        values = Properties.values(record)
        row = [record.id, *(values[place] for place in self._native)]
        for place in self._times:
            if (value := row[place]).__class__ is str and value.isdigit():
                row[place] = as_time(value)
        row += [derive(values[place]) for place, derive in self._derived]
        if msgspec.UNSET in row:
            row = [MISSING if value is msgspec.UNSET else value for value in row]
        row += children
        return row

    def moves(self, record: Record[Any]) -> list[Move]:
        """A record's way through the stages, the oldest first."""
        if record.properties_with_history is None:
            return []
        found: list[Move] = []
        before = None
        for past in reversed(record.properties_with_history.get(self.staged, [])):
            stage = "" if past.value is None else str(past.value)
            if stage and stage != before and past.timestamp:
                label = self._stages.label(stage) if self._by_label else stage
                found.append(Move(id=record.id, stage=label, at=past.timestamp))
            before = stage
        return found

    def version(self, record: Record[Any]) -> str:
        """When a record last changed, in HubSpot's writing."""
        said = Properties.values(record)[self._at[CHANGED]]
        return said if isinstance(said, str) else ""

    def is_wanted(self, record: Record[Any]) -> bool:
        """Whether a record belongs to a pipeline that is read."""
        wanted = self._stages.wanted
        return wanted is None or Properties.values(record)[self._at[PIPELINE]] in wanted

    def merged(self, record: Record[Any]) -> list[str]:
        """The ids that went into this record."""
        return merged_into(record, Properties.values(record)[self._at[MERGED]])

    def lacking(self, records: Iterable[Record[Any]]) -> list[str]:
        """The mapped properties that none of these records has. HubSpot says nothing of names it does not know."""
        there: set[int] = set()
        for record in records:
            there |= {place for place, value in enumerate(Properties.values(record)) if value is not msgspec.UNSET}
        return [self.properties.names[place] for place in self._native if place not in there]


def merged_into(record: Record[Any], said: Any) -> list[str]:
    """The ids that went into a record, by what its property `MERGED` says."""
    parts = said.split(";") if isinstance(said, str) else []
    return [one for part in parts if (one := part.strip()) and one != record.id]


def _is_time(definitions: Mapping[str, Definition] | None, name: str) -> bool:
    return definitions is not None and name in definitions and definitions[name].type in _TIMES


def _derive(name: str, stages: Stages, owners: Mapping[str, Owner], companies: Companies) -> Derive:
    """How a derived column is made from the property below it; blank and absent stay what they are."""

    def of_stage(attribute: str) -> Derive:
        return lambda value: getattr(stages.by_id[value], attribute) if value in stages.by_id else MISSING

    def of_owner(say: Callable[[Owner], str]) -> Derive:
        # An owner whom HubSpot no longer knows is still an owner.
        return lambda value: say(owners[value]) or value if value in owners else value

    makers: dict[str, Derive] = {
        "dealstage.label": lambda value: stages.label(str(value)),
        "dealstage.status": of_stage("status"),
        "dealstage.probability": of_stage("probability"),
        "pipeline.label": lambda value: stages.pipelines.get(value, value),
        "hubspot_owner_id.email": of_owner(lambda owner: owner.email or ""),
        "hubspot_owner_id.name": of_owner(_full_name),
        COMPANY_NAME: companies.name,
    }
    make = makers[name]
    return lambda value: value if value is msgspec.UNSET or value is None or value == "" else make(value)


def _full_name(owner: Owner) -> str:
    return " ".join(part for part in (owner.first_name, owner.last_name) if part)


def as_time(value: Any) -> Any:
    """A time in ISO 8601 where it comes in milliseconds since 1970, as some of HubSpot's properties do."""
    if isinstance(value, str) and len(value) >= _MILLISECONDS and value.isascii() and value.isdigit():
        seconds, rest = divmod(int(value), 1_000)
        try:
            return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:03}Z"
        except (ValueError, OverflowError, OSError):
            return value
    return value


def milliseconds(moment: str) -> int:
    """A time in ISO 8601 in milliseconds since 1970; 0 where it is none."""
    try:
        read = datetime.fromisoformat(as_time(moment))
    except ValueError:
        return 0
    return round(read.timestamp() * 1_000) if read.tzinfo is not None else 0
