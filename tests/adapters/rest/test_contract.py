"""The REST adapter keeps the contract of the port, whatever the style of paging."""

from contextlib import ExitStack
from datetime import timedelta

import pytest

from adapters.rest.double import RestDouble
from syncd.adapter import Adapter
from syncd.rehearsal import serving
from syncd.testing import AdapterContract
from tests.adapters.rest.parts import STYLES, adapter

FIELDS = frozenset({"id", "name", "probability", "owner", "note"})


class _Rest(AdapterContract):
    style: str
    settings: dict = {}

    @pytest.fixture(autouse=True)
    def _stack(self):
        with ExitStack() as self.stack:
            yield

    def serve(self, records):
        self.double = RestDouble(self.style)
        self.double.load(records)
        self.fields = frozenset(records[0]) if records else FIELDS
        self.url = self.stack.enter_context(serving(self.double.handle)).url

    def adapter(self):
        return adapter(self.double, self.url, **{"fields": self.fields, "page_size": 7, **self.settings})

    def make(self, records):
        self.serve(records)
        return self.adapter()

    def make_cut(self, records):
        self.serve(records)
        self.double.trouble = "promises too many"
        return self.adapter()

    def change(self, records):
        double = self.double
        double.trouble = None
        double.now += timedelta(hours=1)
        there = {str(record["id"]): record for record in records}
        known = set(double.ids())
        for key in known - there.keys():
            double.delete(key)
        for key, record in there.items():
            if key not in known:
                double.insert(record)
            elif any(double._held[key].fields.get(name) != value for name, value in record.items()):
                double.edit(key, record)
        return self.adapter()

    def test_is_an_adapter(self):
        """The REST adapter has the shape of the port."""
        self.serve([])

        assert isinstance(self.adapter(), Adapter)


for _style in STYLES:
    _name = f"Test{_style.title().replace('_', '')}"
    globals()[_name] = type(_name, (_Rest,), {"style": _style})


class TestEveryField(_Rest):
    style = "offset"
    settings = {"fields": frozenset(), "select": None}


class TestWithoutDeletions(_Rest):
    style = "page"
    settings = {"deletions": None}


class TestWithoutIncrements(_Rest):
    style = "link_header"
    settings = {"deletions": None, "increment": None, "total": {"path": "meta.total"}}
