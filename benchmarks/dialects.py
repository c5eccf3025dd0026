"""The systems the pull is measured with: what each is loaded with, how syncd is told to read it, what its pages hold.

Every record stands in columns of the opportunity itself, one for each fact, so that what is measured is the pull of
opportunities and not of child rows. The doubles that come with the adapters answer, so their dialects are those that
the adapters are tested against.

Not for: serving (`pages.py`) or measuring (`pull.py`).
"""

from __future__ import annotations

import importlib
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from columns import AT, BASE, EVIDENCE, STAGE_INDEX, STAGES

FEW: Final = (
    "id", "name", "account", "owner", "territory", "stage", "probability", "amount", "currency", "close_date", "status",
    "decision_due", "created_at", "updated_at", "source_type", "prospect.sponsor_identified",
    "qualify.sponsor_letter_agreed", "develop.eval_plan_agreed", "solution.preliminary_solution_agreed",
    "proof.verbal_approval",
)  # fmt: skip
"""Twenty columns: what most tenants select, and five outcomes."""

ALL: Final = (*BASE, *EVIDENCE)
SELECTIONS: Final[Mapping[str, Sequence[str]]] = {"few": FEW, "all": ALL}

CHANGED_EVERY: Final = 100
"""One record in so many is changed between two pulls."""

_DAY_COLUMNS: Final = ("close_date", "decision_due", "stage_entered_at")

_EDITED: Final = ("name", "probability", "stage", "status")

Native = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """One system.

    Attributes:
        double: Module and class of its double.
        evidence: The native field of an evidence id.
        wire: Where a native field stands in a record of an answer.
        key: The key of the records in an answer.
        page: Method and unquoted target of a request for a page of opportunities.
        edit: Changes one record of the double.
        always_owned: Whether the system lets no record be without an owner.
        width: Requests that may be under way at once while pages are read.
        settings: What the configuration says beside the double's own settings.
        arguments, attributes: Of the double, before it is loaded.
    """

    double: tuple[str, str]
    evidence: Callable[[str], str]
    wire: Callable[[str], Sequence[str]]
    key: str
    page: str
    edit: Callable[[Any, str, Native], None]
    width: int = 1
    always_owned: bool = False
    settings: Mapping[str, Any] | None = None
    arguments: tuple[Any, ...] = ()
    attributes: Mapping[str, Any] | None = None

    def make(self) -> Any:
        """A double that holds nothing yet."""
        made = self.kind()(*self.arguments)
        for name, value in (self.attributes or {}).items():
            setattr(made, name, value)
        return made

    def kind(self) -> Any:
        """The class of the double."""
        module, name = self.double
        return getattr(importlib.import_module(module), name)

    def is_page(self, method: str, target: str) -> bool:
        """Whether a request is one for a page of opportunities."""
        return re.match(self.page, f"{method} {target}") is not None


def _plain(field: str) -> Sequence[str]:
    return [field]


def _dotted(field: str) -> Sequence[str]:
    return field.split(".")


def _of_dynamics(field: str) -> Sequence[str]:
    return ["_transactioncurrencyid_value" if "/" in field else field]


def _of_salesforce(field: str) -> Sequence[str]:
    return ["IsWon"] if field == "Status" else field.split(".")


def _of_hubspot(field: str) -> Sequence[str]:
    return ["id"] if field == "hs_object_id" else ["properties", field.partition(".")[0]]


DIALECTS: Final[Mapping[str, Dialect]] = {
    "dynamics365": Dialect(
        double=("adapters.dynamics365.double", "Dynamics365Double"),
        evidence=lambda name: f"syn_{name.replace('.', '_')}",
        wire=_of_dynamics,
        key="value",
        always_owned=True,
        page=r"GET .*/opportunities\?(?!.*\$(apply|filter|deltatoken))",
        edit=lambda double, identity, values: double.edit("opportunities", identity, values),
    ),
    "rest": Dialect(
        double=("adapters.rest.double", "RestDouble"),
        arguments=("next_link",),
        attributes={"largest": 5_000},
        settings={
            "base_url": "{url}/api",
            "page_size": 5_000,
            "paging": {"type": "next_link", "link": "links.next", "size": "limit"},
        },
        evidence=lambda name: f"fields.{name.replace('.', '_')}",
        wire=_dotted,
        key="data",
        page=r"GET /api/deals\?",
        edit=lambda double, identity, values: double.edit(identity, values),
    ),
    "salesforce": Dialect(
        double=("adapters.salesforce.double", "SalesforceDouble"),
        settings={"bulk": False, "history": False},
        attributes={"limit": 100_000_000},
        evidence=lambda name: f"Mssp_{name.replace('.', '_')}__c",
        wire=_of_salesforce,
        key="records",
        always_owned=True,
        page=r"GET /services/data/v[\d.]+/query(\?q=SELECT.*\+FROM\+Opportunity(\+|$)|/\w+-\d+)",
        edit=lambda double, identity, values: double.edit(identity, **values),
    ),
    "siebel": Dialect(
        double=("adapters.siebel.double", "SiebelDouble"),
        settings={"max_connections": 8},
        attributes={"exposes_stamps": True},
        evidence=lambda name: f"MSSP {name.replace('.', ' ')}",
        wire=_plain,
        key="items",
        page=r"GET .*/data/Opportunity/Opportunity\?",
        width=8,
        edit=lambda double, identity, values: double.change(identity, values),
    ),
    "hubspot": Dialect(
        double=("adapters.hubspot.double", "HubSpotDouble"),
        settings={"history": False},
        attributes={"daily": 1_000_000_000},
        evidence=lambda name: f"mssp_{name.replace('.', '_')}",
        wire=_of_hubspot,
        key="results",
        page=r"GET /crm/(objects/)?[\w-]+/(objects/)?deals\?(?!.*archived=true)",
        edit=lambda double, identity, values: double.edit(identity, values),
    ),
}
"""Each system by the name of its adapter."""


class Shape:
    """The fields of one system for one selection of columns: the mapping, and records for its double."""

    def __init__(self, dialect: Dialect, columns: Sequence[str]) -> None:
        """Take labels and fields from the mapping that comes with the adapter; evidence gets fields of its own."""
        shipped = tomllib.loads((files("mappings") / f"{dialect.kind().mapping}.toml").read_text(encoding="utf-8"))
        self._table = {
            name: value for name, value in shipped.items() if name not in {"fields", "evidence", "write", "constants"}
        }
        # Other labels that a company may have for a stage could be among those the generator takes for unreadable.
        self._table["stages"] = {stage: labels[:1] for stage, labels in shipped["stages"].items()}
        self._fields = {
            name: field for name, field in shipped["fields"].items() if name in columns or name == "version"
        }
        self._evidence = {name: dialect.evidence(name) for name in columns if name in EVIDENCE}
        self._dialect = dialect
        self._absent = [AT[name] for name in AT if name not in self._fields and name not in self._evidence]

    def mapping(self) -> str:
        """The mapping, as TOML."""
        evidence = {
            name: {"field": field, "yes_no": True, "blank": "unknown"} for name, field in self._evidence.items()
        }
        return toml({**self._table, "fields": self._fields, "evidence": evidence})

    def wire(self) -> list[Sequence[str]]:
        """Where the used fields stand in a record of an answer, the id first."""
        names = sorted(self._fields, key=lambda name: name != "id")
        fields = [self._fields[name] for name in names] + list(self._evidence.values())
        return [self._dialect.wire(field) for field in fields]

    def known(self, cells: Sequence[str]) -> list[str]:
        """A row as a system with typed fields can hold it, without what the selection leaves out."""
        held = list(cells)
        figure = held[AT["probability"]].rstrip("%")
        held[AT["probability"]] = figure if re.fullmatch(r"-?[\d.]+", figure) else ""
        for name in _DAY_COLUMNS:
            if not re.fullmatch(r"\d{4}-\d\d-\d\d", held[AT[name]]):
                held[AT[name]] = ""
        for place in self._absent:
            held[place] = ""
        if self._dialect.always_owned and not held[AT["owner"]]:
            held[AT["owner"]] = "Integration"
        return held

    def native(self, cells: Sequence[str]) -> Native:
        """A row that `known` gave, in the fields of the system."""
        native: Native = {field: cells[AT[name]] or None for name, field in self._fields.items() if name in AT}
        stage = STAGE_INDEX.get(cells[AT["stage"]].lower())
        if stage is not None:
            native[self._fields["stage"]] = self._table["stages"][STAGES[stage][0]][0]
        native[self._fields["status"]] = self._table["status"][cells[AT["status"]] or "open"][0]
        for name, field in self._evidence.items():
            native[field] = cells[AT[name]] or None
        return native

    def changes(self, cells: Sequence[str]) -> Native:
        """What an edit of a row that `changed` gave says, in the fields of the system; its status stays as it is."""
        native = self.native(cells)
        return {field: native[field] for field in map(self._fields.__getitem__, _EDITED)}


def changed(cells: Sequence[str]) -> list[str]:
    """A row after somebody edited it: another name, and a probability that no stage has."""
    edited = list(cells)
    edited[AT["name"]] += " (2)"
    edited[AT["probability"]] = "50"
    return edited


def configuration(crm: str, url: str) -> str:
    """The configuration that reads a double, as TOML."""
    dialect = DIALECTS[crm]
    settings = {"base_url": url, **dialect.kind().settings, **(dialect.settings or {})}
    source = {"adapter": crm, "mapping": "bench.toml", **_placed(settings, url)}
    return toml({"syncd": {"database": "sqlite:///bench.db"}, "sources": {"crm": source}})


def _placed(value: Any, url: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _placed(one, url) for key, one in value.items()}
    return value.replace("{url}", url) if isinstance(value, str) else value


def toml(table: Mapping[str, Any]) -> str:
    """A table as TOML: plain values first, then each table in it with its entries on a line each."""
    plain = [f"{_key(name)} = {_value(value)}" for name, value in table.items() if not isinstance(value, Mapping)]
    return "\n".join([*plain, *_tables(table, "")]) + "\n"


def _tables(table: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            head = f"{path}{_key(name)}"
            if name == "sources":
                yield from _tables(value, "sources.")
                continue
            yield f"\n[{head}]"
            yield from (f"{_key(key)} = {_value(one)}" for key, one in value.items())


def _key(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)  # a basic string of TOML is one of JSON


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
