"""The HubSpot adapter keeps the contract of the port, over real HTTP."""

from __future__ import annotations

import pytest

from syncd.adapter import MISSING, Adapter, KeyReader
from syncd.rehearsal import Fault
from syncd.testing import AdapterContract
from tests.adapters.hubspot.accounts import opened

NATIVE = {"id": "hs_object_id", "name": "dealname", "probability": "hs_deal_stage_probability",
          "owner": "hubspot_owner_id", "note": "description"}  # fmt: skip


class TestHubSpot(AdapterContract):
    names = NATIVE

    @pytest.fixture(autouse=True)
    def _account(self, monkeypatch):
        with opened(monkeypatch) as account:
            self.account = account.serve()
            yield

    def text(self, name, value):
        if value is None or value is MISSING:
            return ""
        return f"{float(value) * 100:g}" if name == "probability" else str(value)

    def adapter(self, records):
        fields = {NATIVE[name] for record in records for name in record} | {"dealstage.label"}
        return self.account.adapter(fields=fields, roles=NATIVE | {"stage": "dealstage.label"})

    def make(self, records):
        self.account.double.load([_native(record) for record in records])
        return self.adapter(records)

    def make_cut(self, records):
        self.account.double.load([_native(record) for record in records])
        self.account.serve(lambda _, request: Fault.CUT_JSON if request.path.endswith("/objects/deals") else None)
        return self.adapter(records)

    def change(self, records):
        self.account.serve()
        double = self.account.double
        double.clock.advance(3_600)
        wanted = {record["id"]: _native(record) for record in records}
        for identity in [one for one in double.deals.records if one not in wanted]:
            if double.deals.records[identity].archived is None:
                double.deals.archive(identity)
        for identity, fields in wanted.items():
            stored = double.deals.records.get(identity)
            if stored is None:
                double.insert(fields)
            elif stored.properties["dealname"] != fields["dealname"]:
                double.edit(identity, {"dealname": fields["dealname"]})
        return self.adapter(records)

    def test_is_an_adapter(self):
        """The HubSpot adapter has the shape of the port, and can give its keys as well."""
        made = self.make([])

        assert isinstance(made, Adapter)
        assert isinstance(made, KeyReader)


def _native(record):
    named = {NATIVE[name]: value for name, value in record.items()}
    return named | {"dealstage.label": "Qualify"}
