"""The shapes of HubSpot's answers. Of a record only the properties that are asked for are decoded.

Shapes: https://github.com/HubSpot/HubSpot-public-api-spec-collection, PublicApiSpecs/CRM
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, Generic, TypeVar

import msgspec

from syncd.httpkit import Body

_Properties = TypeVar("_Properties")

Scalar = str | int | float | bool | None
"""A property's value. HubSpot gives every one as a text, or null; a gateway in front of it may not."""


class Next(msgspec.Struct):
    """Where the next page begins."""

    after: str = ""


class Paging(msgspec.Struct):
    """What a page says of the next."""

    next: Next | None = None


def after(paging: Paging | None) -> str:
    """Where the next page begins; empty where there is none."""
    return paging.next.after if paging is not None and paging.next is not None else ""


class Past(msgspec.Struct):
    """A value a property had, and since when."""

    value: Scalar = None
    timestamp: str = ""


class Record(msgspec.Struct, Generic[_Properties], rename="camel"):
    """A record of any type."""

    id: str
    properties: _Properties
    created_at: str = ""
    archived_at: str | None = None
    properties_with_history: dict[str, list[Past]] | None = None


class Listing(msgspec.Struct, Generic[_Properties]):
    """A page of a list."""

    results: list[Record[_Properties]]
    paging: Paging | None = None


class Found(msgspec.Struct, Generic[_Properties]):
    """A page of a search."""

    total: int
    results: list[Record[_Properties]]


class Mishap(msgspec.Struct, rename="camel"):
    """What went wrong with some ids of a batch."""

    category: str = ""
    sub_category: Any = None
    context: dict[str, Any] = {}

    def ids(self, key: str) -> list[str]:
        """The ids it is about."""
        given = self.context.get(key)
        return [one for one in given if isinstance(one, str)] if isinstance(given, list) else []


class Batch(msgspec.Struct, Generic[_Properties]):
    """What a batch gave. Its status says less than its body: the dated API answers 200 where v3 answers 207."""

    results: list[Record[_Properties]]
    errors: list[Mishap] = []


class AssociationType(msgspec.Struct, rename="camel"):
    """What one record is to another."""

    label: str | None = None


class Target(msgspec.Struct, rename="camel"):
    """A record that is associated."""

    to_object_id: str | int
    association_types: list[AssociationType] = []


class From(msgspec.Struct):
    """The record whose associations are told."""

    id: str


class Associated(msgspec.Struct):
    """The associations of one record, or some of them."""

    from_: From = msgspec.field(name="from")
    to: list[Target] = []
    paging: Paging | None = None


class Associations(msgspec.Struct):
    """The associations of some records."""

    results: list[Associated]
    errors: list[Mishap] = []


class StageMetadata(msgspec.Struct, rename="camel"):
    """What HubSpot knows of a stage, all as texts."""

    is_closed: Scalar = None
    probability: Scalar = None


class PipelineStage(msgspec.Struct, rename="camel"):
    """A stage of a pipeline."""

    id: str
    label: str = ""
    display_order: int = 0
    metadata: StageMetadata = msgspec.field(default_factory=StageMetadata)


class Pipeline(msgspec.Struct, rename="camel"):
    """A pipeline with its stages."""

    id: str
    label: str = ""
    display_order: int = 0
    stages: list[PipelineStage] = []


class Pipelines(msgspec.Struct):
    """All pipelines of an account."""

    results: list[Pipeline]


class Option(msgspec.Struct):
    """A value of a property that is chosen from a list; records hold the value, people see a label."""

    value: str = ""
    hidden: bool = False


class Definition(msgspec.Struct, rename="camel"):
    """What a property is."""

    name: str
    type: str = ""
    options: list[Option] = []
    archived: bool = False


class Definitions(msgspec.Struct):
    """The properties of a type of object."""

    results: list[Definition]


class Owner(msgspec.Struct, rename="camel"):
    """A user who can own records."""

    id: str
    email: str | None = None
    first_name: str | None = None
    last_name: str | None = None


class Owners(msgspec.Struct):
    """A page of owners."""

    results: list[Owner]
    paging: Paging | None = None


class Account(msgspec.Struct, rename="camel"):
    """An account."""

    time_zone: str = ""


class Properties:
    """The properties of one type of object that are asked for, and the decoders of its answers."""

    def __init__(self, names: Sequence[str]) -> None:
        """Args: names, in the order in which `values` gives them."""
        self.names: Final = tuple(names)
        fields = [(f"p{number}", Scalar | msgspec.UnsetType, msgspec.UNSET) for number in range(len(names))]
        renamed = {f"p{number}": name for number, name in enumerate(names)}
        given: Any = msgspec.defstruct("Given", fields, rename=renamed)
        self.listing: Final[Callable[[Body], Listing[Any]]] = msgspec.json.Decoder(Listing[given]).decode
        self.found: Final[Callable[[Body], Found[Any]]] = msgspec.json.Decoder(Found[given]).decode
        self.batch: Final[Callable[[Body], Batch[Any]]] = msgspec.json.Decoder(Batch[given]).decode

    @staticmethod
    def values(record: Record[Any]) -> tuple[Any, ...]:
        """The values of a record; `msgspec.UNSET` where it does not have the property."""
        return msgspec.structs.astuple(record.properties)


@cache
def decoder(shape: type[_Properties]) -> Callable[[Body], _Properties]:
    """Decodes answers of one shape."""
    return msgspec.json.Decoder(shape).decode
