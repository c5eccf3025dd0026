"""What the double of Siebel does when it is written to.

    PUT is upsert: an id that is not known is inserted; nothing to change is 304; a set of records is taken whole or not
    at all; a new stage sets the probability, unless the same request sets it; a value outside a picklist is refused.

Sources: REST API Guide, "About Supported HTTP Methods", "Upsert Multiple Siebel CRM Business Components"; Applications
Administration Guide, "Creating Opportunities" (the stage sets the probability).

Not for: reading (`double`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from adapters.siebel.double_data import Record, written
from adapters.siebel.double_holdings import Holdings, Refusal
from syncd.rehearsal import Reply, Request, json_reply

_MOST: Final = 100
_STAGE: Final = "Sales Stage"
_PROBABILITY: Final = "Primary Revenue Win Probability"


class Writer:
    """Writes to a double."""

    def __init__(self, double: Holdings) -> None:
        """Args: double."""
        self._double = double

    def write(self, request: Request, parts: list[str]) -> Reply:
        """Answer a request that writes."""
        try:
            return self._write(request, parts)
        except Refusal as refused:
            return json_reply({"ERROR": f"{refused.text}({refused.code})(SBL-EAI-04376)"}, refused.status)
        except msgspec.DecodeError:
            return json_reply({"ERROR": "The request is no JSON(SBL-EAI-50171)"}, 400)

    def _write(self, request: Request, parts: list[str]) -> Reply:
        if parts[:2] != ["Opportunity", "Opportunity"]:
            raise Refusal("SBL-EAI-50257", "Resource name is not valid", 404)
        if request.method == "DELETE" and len(parts) == 3:  # noqa: PLR2004 - a record's address
            if parts[2] not in self._double.table.records:
                raise Refusal("SBL-EAI-04378", "No rows retrieved corresponding to the id", 400)
            self._double.delete(parts[2])
            return Reply(200, b"{}")
        if request.method not in {"PUT", "POST"}:
            return Reply(405, b'{"ERROR":"Method not allowed"}')
        body = request.json()
        if len(parts) == 4 and isinstance(body, dict):  # noqa: PLR2004 - a record's child
            return self._insert_child(parts[2], parts[3], body)
        if isinstance(body, list):
            return self._write_many(body)
        given = {**body, "Id": parts[2]} if len(parts) == 3 else body  # noqa: PLR2004 - a record's address
        changed, record = self._upsert(given)
        if not changed:
            return Reply(304)
        return json_reply({"items": self._told(record, given)})

    def _write_many(self, bodies: list[dict[str, Any]]) -> Reply:
        if len(bodies) > _MOST:
            raise Refusal("SBL-EAI-04375", "Too many records in one request", 400)
        for body in bodies:
            self._check(body, several=True)
        return json_reply([self._told(self._upsert(body)[1], body) for body in bodies])

    def _check(self, body: Mapping[str, Any], *, several: bool = False) -> None:
        stage = body.get(_STAGE)
        if stage is not None and stage not in self._double.stages:
            raise Refusal(
                "SBL-DAT-00225", "The value entered in field 'Sales Stage' does not match any value in the bounded"
                " pick list", 409 if several else 500,
            )  # fmt: skip
        if unknown := [one for one in body if one not in self._double.fields]:
            raise Refusal("SBL-EAI-50258", f"Field '{unknown[0]}' does not exist")

    def _upsert(self, body: Mapping[str, Any]) -> tuple[bool, Record]:
        self._check(body)
        double, identity = self._double, str(body.get("Id", ""))
        record = double.table.records.get(identity)
        values = {name: str(value) for name, value in body.items() if name != "Id"}
        if record is None:
            if not values.get("Name"):
                raise Refusal("SBL-EAI-04397", "No user key can be used for the Integration Component instance")
            record = Record(double.next_id(), {}, created=double.now(), updated=double.now())
            double.table.add(record)
        elif all(record.values.get(name, "") == value for name, value in values.items()):
            return False, record
        if values.get(_STAGE, record.values.get(_STAGE)) != record.values.get(_STAGE):
            values.setdefault(_PROBABILITY, str(double.stages[values[_STAGE]]))
            values["Sales Stage Date"] = written(double.now(), double.zone)[:10]
        record.values.update(values)
        record.updated, record.modified = double.now(), record.modified + 1
        return True, record

    def _insert_child(self, identity: str, child: str, body: Mapping[str, Any]) -> Reply:
        double = self._double
        if identity not in double.table.records or child not in double.child_fields:
            raise Refusal("SBL-EAI-50257", "Child resource name is not valid", 404)
        now = double.now()
        values = {name: str(value) for name, value in body.items() if name != "Id"}
        row = Record(double.next_id(), values, created=now, updated=now, parent=identity)
        double.table.records[identity].children.setdefault(child, []).append(row)
        return json_reply({"items": {"Id": identity, child: {"Id": row.id}}})

    def _told(self, record: Record, given: Mapping[str, Any]) -> dict[str, Any]:
        values = {name: record.values.get(name, "") for name in given if name != "Id"}
        link = {"rel": "self", "href": f"/data/Opportunity/Opportunity/{record.id}", "name": "Opportunity"}
        return {"Id": record.id, **values, "Link": link}
