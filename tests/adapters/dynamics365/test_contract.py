"""The contract every adapter keeps, in each way this one learns of changes."""

import msgspec
import pytest

from adapters.dynamics365.double import Dynamics365Double
from syncd.adapter import Adapter, KeyReader
from syncd.rehearsal import Reply
from syncd.testing import AdapterContract
from tests.adapters.dynamics365.desk import adapter, desk

NAMES = {"id": "opportunityid", "probability": "closeprobability", "owner": "syn_owner", "note": "syn_note"}


class _Contract(AdapterContract):
    names = NAMES
    tracking = True

    @pytest.fixture(autouse=True)
    def _server(self):
        with desk() as (self.double, self.server), desk(handler=self.breaking_off) as (self.cut, self.cut_server):
            yield

    def read(self, url, records):
        fields = {NAMES.get(name, name) for name in (records or [{"id": 1, "name": 1}])[0]}
        return adapter(
            url, fields=frozenset(fields), roles={"id": "opportunityid"}, change_tracking=self.tracking, page_size=10
        )

    def make(self, records):
        self.double.load([self.native(one) for one in records])
        self.known = records
        return self.read(self.server.url, records)

    def make_cut(self, records):
        self.cut.load([self.native(one) for one in records])
        self.double.load([self.native(one) for one in records])
        self.known = records
        return self.read(self.cut_server.url, records)

    def change(self, records):
        self.double.advance(3_600)
        before = {one["id"]: one for one in self.known}
        for one in records:
            if one["id"] not in before:
                self.double.insert("opportunities", self.native(one))
            elif before[one["id"]] != one:
                self.double.edit("opportunities", str(one["id"]), self.native(one))
        for gone in before.keys() - {one["id"] for one in records}:
            self.double.delete("opportunities", str(gone))
        self.known = records
        return self.read(self.server.url, records)

    def native(self, record):
        return {NAMES.get(name, name): value for name, value in record.items()}

    def breaking_off(self, double: Dynamics365Double):
        def handle(request):
            reply = double.handle(request)
            if b"@odata.nextLink" in reply.body or b'"value"' not in reply.body or b'"n"' in reply.body:
                return reply
            body = msgspec.json.decode(reply.body)
            return Reply(200, msgspec.json.encode({**body, "value": body["value"][:-1]}), reply.headers)

        return handle


class TestTracked(_Contract):
    def test_is_an_adapter(self):
        """It has the shape of the port, and can list its keys."""
        assert isinstance(self.make([]), Adapter)
        assert isinstance(self.make([]), KeyReader)


class TestByTime(_Contract):
    tracking = False
