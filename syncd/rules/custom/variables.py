"""The names a condition may use: what each is, how it is read from an opportunity, and how it is shown.

Not for: evaluating conditions (`syncd.rules.custom.condition`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, Literal

from syncd.facts import Fact
from syncd.model import FIELD_BIT, Opportunity
from syncd.process import Process

Kind = Literal["string", "double", "int", "bool", "timestamp"]
"""The CEL type of a variable."""

Read = Callable[[Opportunity, Mapping[str, Any]], Any]
"""Reads a variable from an opportunity and what the judge derived: a value, None for blank, or `Fact.UNKNOWN`."""

LONGEST_TEXT: Final = 200
"""Characters of a record's text that are repeated in a message or a finding; the record itself has the rest."""

FIELD_KINDS: Final[Mapping[str, Kind]] = {
    "id": "string",
    "name": "string",
    "account": "string",
    "owner": "string",
    "territory": "string",
    "stage": "string",
    "probability": "double",
    "amount": "double",
    "currency": "string",
    "close_date": "timestamp",
    "status": "string",
    "closed": "bool",
    "decision_due": "timestamp",
    "created_at": "timestamp",
    "updated_at": "timestamp",
    "stage_entered_at": "timestamp",
    "source_type": "string",
    "forecast": "bool",
}
"""The canonical fields as variables. `version` is the source's own token and says nothing about a deal."""

DERIVED_KINDS: Final[Mapping[str, Kind]] = {
    "today": "timestamp",
    "proven_stage": "string",
    "possible_stage": "string",
    "stage_index": "int",
    "proven_index": "int",
    "possible_index": "int",
}
"""What the judge works out for each opportunity."""

NEVER_BLANK: Final = frozenset({"id", "status"})
"""A record always has an id, and a blank status has been read as open."""

STAGES: Final = frozenset({"stage", "proven_stage", "possible_stage"})
"""The variables that hold a stage's id."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One name of a condition."""

    name: str
    kind: Kind
    read: Read

    def bound(self, opportunity: Opportunity, derived: Mapping[str, Any]) -> Any:
        """The value as CEL takes it, or `Fact.UNKNOWN` where there is none to compare.

        A blank text is the empty text, and a blank yes/no field that the built-in rules read as "no" is false; a blank
        number or day is nothing that could be compared, so it is unknown.
        """
        value = self.read(opportunity, derived)
        if value is Fact.UNKNOWN:
            return value
        if value is None:
            return "" if self.kind == "string" else Fact.UNKNOWN
        return _CONVERT[self.kind](value)


def variables(process: Process) -> dict[str, Variable]:
    """Every name there is for a chart."""
    made = [Variable(name, kind, _field(name)) for name, kind in FIELD_KINDS.items()]
    made += [Variable(name, kind, _derived(name)) for name, kind in DERIVED_KINDS.items()]
    made += [Variable(f"blank.{name}", "bool", _blank(name)) for name in FIELD_KINDS if name not in NEVER_BLANK]
    for bit, name in enumerate(process.evidence):
        made += [Variable(name, "bool", _fact(bit)), Variable(f"{name}.date", "timestamp", _fact_date(bit))]
    return {variable.name: variable for variable in made}


def plain(value: Any) -> Any:
    """A value of a record as plain JSON data, texts bounded."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return _short(storable(value))
    return value


def storable(text: str) -> str:
    """The text as CEL can hold it.

    The library ends a text at its first NUL, so that `close` with a NUL and anything behind it would equal `close`, and
    fails on half of a surrogate pair; both become a replacement character, which equals nothing.
    """
    if not text.isascii():
        text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def _timestamp(value: date) -> datetime:
    return value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)


_CONVERT: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    "string": storable,
    "double": float,
    "int": int,
    "bool": bool,
    "timestamp": _timestamp,
}


def _hidden(opportunity: Opportunity, name: str) -> bool:
    """Whether a field without a value is unknown, not blank."""
    if opportunity.lacks(name) or opportunity.cannot_read(name):
        return True
    return name == "stage" and bool(opportunity.stage_label)


def _field(name: str) -> Read:
    if name == "status":
        return _status
    if name == "closed":
        return _closed

    def read(opportunity: Opportunity, _: Mapping[str, Any]) -> Any:
        value = getattr(opportunity, name)
        return Fact.UNKNOWN if value is None and _hidden(opportunity, name) else value

    return read


def _status(opportunity: Opportunity, _: Mapping[str, Any]) -> Any:
    # The model reads a status it does not know as open, so that the value alone does not tell.
    return Fact.UNKNOWN if _hidden(opportunity, "status") else opportunity.status


def _closed(opportunity: Opportunity, _: Mapping[str, Any]) -> Any:
    if opportunity.closed is None:
        return Fact.UNKNOWN if _hidden(opportunity, "closed") else False
    return opportunity.closed


def _derived(name: str) -> Read:
    def read(_: Opportunity, derived: Mapping[str, Any]) -> Any:
        value = derived.get(name)
        return Fact.UNKNOWN if value is None else value

    return read


def _blank(name: str) -> Read:
    bit = FIELD_BIT[name]

    def read(opportunity: Opportunity, _: Mapping[str, Any]) -> Any:
        if opportunity.missing & bit:
            return Fact.UNKNOWN
        # What cannot be read is not blank: something stands there.
        return getattr(opportunity, name) is None and not _hidden(opportunity, name)

    return read


def _fact(bit: int) -> Read:
    def read(opportunity: Opportunity, derived: Mapping[str, Any]) -> Any:
        state = opportunity.fact(bit)
        if state is Fact.MET:
            day = opportunity.dates.get(bit)
            # A fact dated in the future is not met until that day (settled reading 2).
            return day is None or day <= derived["today"]
        return Fact.UNKNOWN if state is Fact.UNKNOWN else False

    return read


def _fact_date(bit: int) -> Read:
    def read(opportunity: Opportunity, _: Mapping[str, Any]) -> Any:
        day = opportunity.dates.get(bit) if opportunity.met >> bit & 1 else None
        return Fact.UNKNOWN if day is None else day

    return read
