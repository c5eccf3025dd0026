"""The Siebel adapter keeps the contract of the port."""

from __future__ import annotations

import pytest

from adapters.siebel import SiebelAdapter
from adapters.siebel.double import SiebelDouble
from syncd.adapter import Adapter, KeyReader
from syncd.testing import AdapterContract
from tests.adapters.siebel.scene import ROLES, siebel


def _shortest_first(identity):
    """One of the orders in which a database may sort ids: as numbers of equal prefixes, not as texts."""
    return len(identity), identity


class TestContract(AdapterContract):
    names = {
        "id": "Id", "name": "Name", "probability": "Primary Revenue Win Probability",
        "owner": "Primary Sales Rep Login", "note": "Description",
    }  # fmt: skip

    @pytest.fixture(autouse=True)
    def _scene(self):
        self.loaded = []
        with siebel(double=SiebelDouble(order=_shortest_first)) as self.scene:
            yield

    def adapter(self):
        asked = {self.names[name] for name in (self.loaded or [{"id": ""}])[0]}
        return self.scene.adapter(context=self.scene.context(fields={*asked, "Sales Stage"}))

    def native(self, records):
        fields = self.names
        return [{fields[name]: value for name, value in record.items()} for record in records]

    def make(self, records):
        self.scene.double.load(self.native(records))
        self.loaded = [dict(record) for record in records]
        return self.adapter()

    def make_cut(self, records):
        adapter = self.make(records)
        handle = self.scene.double.handle

        def cut(request):
            reply = handle(request)
            if "StartRowNum=9&" in request.target or request.target.endswith("StartRowNum=9"):
                return type(reply)(reply.status, reply.body[:-40], reply.headers, reply.content_type)
            return reply

        self.scene.server._handler = cut
        return self.scene.adapter(context=adapter._context, page_size=10)

    def change(self, records):
        before = {record["id"]: record for record in self.loaded}
        double = self.scene.double
        for record in records:
            if record["id"] not in before:
                double.insert(self.native([record])[0])
            elif before[record["id"]] != record:
                double.change(record["id"], {self.names[name]: value for name, value in record.items() if name != "id"})
        for identity in before.keys() - {record["id"] for record in records}:
            double.delete(identity)
        self.loaded = [dict(record) for record in records]
        self.scene.server._handler = double.handle
        return self.adapter()

    def test_is_an_adapter(self):
        """The Siebel adapter has the shape of the port, and reads keys."""
        adapter = self.adapter()

        assert isinstance(adapter, Adapter)
        assert isinstance(adapter, KeyReader)
        assert isinstance(adapter, SiebelAdapter)
        assert ROLES["id"] == "Id"
