"""The Salesforce adapter keeps the contract of the port, by pages and by jobs."""

from decimal import Decimal

import pytest

from syncd.adapter import Adapter, KeyReader
from syncd.testing import AdapterContract
from tests.adapters.salesforce.orgs import Org

NAMES = {"id": "Id", "name": "Name", "probability": "Probability", "owner": "Owner.Name", "note": "Description"}


class _Contract(AdapterContract):
    names = NAMES
    settings = {}

    @pytest.fixture(autouse=True)
    def _patch(self, monkeypatch):
        self.monkeypatch = monkeypatch
        self.orgs = []
        yield
        for org in self.orgs:
            org.stack.close()

    def text(self, name, value):
        if isinstance(value, Decimal):
            return str(int(value))
        return super().text(name, value)

    def records(self, records):
        return [{NAMES[name]: value for name, value in record.items()} for record in records]

    def over(self, org):
        return org.adapter(fields=self.fields, roles={"id": "Id", "stage": "StageName"}, **self.settings)

    def make(self, records):
        self.fields = self.records(records)[0] if records else NAMES.values()
        self.org = Org(self.monkeypatch, self.records(records))
        self.orgs.append(self.org)
        self.org.double.queries.page_cap = 7
        return self.over(self.org)

    def make_cut(self, records):
        self.make(records)
        self.org.double.queries.lose = self.org.double.jobs.short = 1
        return self.over(self.org)

    def change(self, records):
        double = self.org.double
        double.queries.lose = double.jobs.short = 0
        rows = double.tables["Opportunity"].rows
        wanted = {one["Id"]: one for one in self.records(records)}
        for identity, one in wanted.items():
            if identity not in rows:
                double.insert(one)
            elif rows[identity]["Name"] != one["Name"]:
                double.edit(identity, **one)
        for identity in set(double.ids()) - set(wanted):
            double.delete(identity)
        return self.over(self.org)

    def test_is_an_adapter(self):
        """The adapter has the shape of the port, and can list its keys."""
        adapter = self.make([])

        assert isinstance(adapter, Adapter)
        assert isinstance(adapter, KeyReader)


class TestByPages(_Contract):
    pass


class TestByJobs(_Contract):
    settings = {"bulk_above": 0, "bulk_page_size": 9}
