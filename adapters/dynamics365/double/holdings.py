"""What the double holds, its clock, and the ways tests change it.

Not for: requests (`service`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from adapters.dynamics365.double.tables import FORMATTED, LONG_AGO, Table, child_table, opportunities, written
from adapters.dynamics365.settings import USUAL_LOOKUPS

TENANT: Final = "3f0c0000-0000-4000-8000-00000000aaaa"
_FLOW: Final = "opportunitysalesprocesses"


class Holdings:
    """The tables of one environment.

    Attributes:
        tables: By entity set.
    """

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {"opportunities": opportunities()}
        for name, lookup in USUAL_LOOKUPS.items():
            self.tables[name] = child_table(name, lookup)
        self.tables["transactioncurrencies"] = Table(
            "transactioncurrency", "transactioncurrencyid", {"isocurrencycode": "string", "currencyname": "string"}
        )
        self.tables[_FLOW] = Table(
            "opportunitysalesprocess", "businessprocessflowinstanceid",
            {"_opportunityid_value": "guid", "_activestageid_value": "lookup", "statecode": "choice",
             "statuscode": "choice", "activestagestartedon": "datetime", "completedon": "datetime",
             "traversedpath": "string"},
            {"statecode": {0: "Active", 1: "Inactive"}, "statuscode": {1: "Active", 2: "Finished", 3: "Aborted"}},
        )  # fmt: skip
        self.tables["processstages"] = Table(
            "processstage", "processstageid", {"stagename": "string", "stagecategory": "integer"}
        )
        self.tables["audits"] = Table(
            "audit", "auditid",
            {"_objectid_value": "guid", "objecttypecode": "string", "operation": "integer", "changedata": "string"},
        )  # fmt: skip
        self.tables["organizations"] = Table(
            "organization", "organizationid", {"expirechangetrackingindays": "integer"}
        )
        self._shift = timedelta()
        self._version = 7_200_000
        self.insert("organizations", {"organizationid": TENANT, "expirechangetrackingindays": 7})

    def now(self) -> datetime:
        """The time here."""
        return datetime.now(UTC) + self._shift

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._shift += timedelta(seconds=seconds)

    def load(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Hold these opportunities and no others; see `syncd.rehearsal.Double`."""
        long_ago = written(self.now() - LONG_AGO)
        table = self.tables["opportunities"]
        rows, apart = [], []
        for record in records:
            typed = table.typed({"createdon": long_ago, "modifiedon": long_ago, **_present(record)})
            rows.append(typed)
            apart.append((typed["opportunityid"], record))
        table.fill(rows, self.next_version)
        for name in (*USUAL_LOOKUPS, _FLOW, "audits"):
            self.tables[name].fill([], self.next_version)
        for identity, record in apart:
            self._put_apart(identity, record, long_ago)

    def insert(self, entity_set: str, values: Mapping[str, Any]) -> str:
        """Insert a row, values as texts; gives its id."""
        table = self.tables[entity_set]
        now = written(self.now())
        row = table.typed({table.key: self._guid(), "createdon": now, "modifiedon": now, **values})
        table.put(row, self.next_version())
        return str(row[table.key])

    def edit(self, entity_set: str, identity: str, values: Mapping[str, Any]) -> None:
        """Change a row."""
        table = self.tables[entity_set]
        old = table.rows[identity]
        table.put({**old, "modifiedon": written(self.now()), **table.typed(values)}, self.next_version())

    def delete(self, entity_set: str, identity: str) -> None:
        """Delete a row."""
        self.tables[entity_set].remove(identity, self.next_version())

    def put_in_stage(self, identity: str, stage: str, *, flow_state: int = 0, at: str | None = None) -> None:
        """Give an opportunity an instance of the flow, or move the one it has."""
        flow = self.tables[_FLOW]
        row = {"_opportunityid_value": identity, f"_activestageid_value@{FORMATTED}": stage,
               "statecode": str(flow_state), "statuscode": str(flow_state + 1),
               "activestagestartedon": at or written(self.now())}  # fmt: skip
        known = [key for key, old in flow.rows.items() if old["_opportunityid_value"] == identity]
        stages = self.tables["processstages"]
        if stage not in {one["stagename"] for one in stages.rows.values()}:
            self.insert("processstages", {"stagename": stage})
        if known:
            self.edit(_FLOW, known[0], row)
        else:
            self.insert(_FLOW, row)

    def _put_apart(self, identity: str, record: Mapping[str, Any], at: str) -> None:
        """What of a loaded record stands in other tables."""
        for name, value in record.items():
            if isinstance(value, list) and name in USUAL_LOOKUPS:
                table = self.tables[name]
                for child in value:
                    link = {f"_{USUAL_LOOKUPS[name]}_value": identity}
                    row = table.typed({"createdon": at, "modifiedon": at, **_present(child), **link})
                    place = self._guid()
                    table.put({table.key: place, **row, "@place": place}, self.next_version())
            elif name == "transactioncurrencyid/isocurrencycode" and value:
                self.tables["opportunities"].rows[identity]["_transactioncurrencyid_value"] = self._currency(str(value))
            elif name == "process.stage" and value:
                started = record.get("process.activestagestartedon") or at
                self.put_in_stage(identity, str(value), at=str(started))

    def _currency(self, code: str) -> str:
        table = self.tables["transactioncurrencies"]
        for key, row in table.rows.items():
            if row["isocurrencycode"] == code:
                return key
        key = self.insert("transactioncurrencies", {"isocurrencycode": code, "currencyname": f"{code} (currency)"})
        self.tables["opportunities"].names[key] = f"{code} (currency)"
        return key

    def _guid(self) -> str:
        """An id later in the order than all before, so that a load is the same each time."""
        return f"{self.next_version():08x}-0000-4000-8000-000000000000"

    def next_version(self) -> int:
        """A version that is larger than all before."""
        self._version += 1
        return self._version


def _present(record: Mapping[str, Any]) -> dict[str, Any]:
    """What of a record stands in its own row: no child rows, nothing of the flow or the currency.

    A time of creation or change that is blank is left out, as there is no row without one.
    """
    own = (name for name, value in record.items() if not isinstance(value, list))
    there = {name: record[name] for name in own if "." not in name.partition("@")[0] and "/" not in name}
    return {name: value for name, value in there.items() if value or name not in {"createdon", "modifiedon"}}
