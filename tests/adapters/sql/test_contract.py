"""The SQL adapter keeps the contract of the port, on each kind of database."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import sqlalchemy
from sqlalchemy import Column, DateTime, Integer, MetaData, Table, Text

from adapters.sql import SqlAdapter
from syncd.adapter import Adapter, SourceContext
from syncd.testing import AdapterContract

DAY = datetime(2026, 3, 1, 9, tzinfo=UTC)
FIELDS = ("id", "name", "probability", "owner", "note")


class _Sql(AdapterContract):
    settings: dict = {}

    def deals(self):
        names = [Column(name, Integer if name == "probability" else Text) for name in FIELDS]
        modified = Column("changed", DateTime(timezone=True))
        return Table("deals", MetaData(), Column("seq", Integer, primary_key=True), *names, modified)

    def fill(self, records, times):
        table, engine = self.deals(), sqlalchemy.create_engine(self.url)
        with engine.begin() as connection:
            table.drop(connection, checkfirst=True)
            table.create(connection)
            # There is always one change that nobody is asked about, so that the others are older than the overlap.
            rows = [
                {"seq": number, "changed": times.get(str(one["id"]), DAY), **one} for number, one in enumerate(records)
            ]
            for row in rows:
                connection.execute(table.insert(), row)
        engine.dispose()
        self.held = {str(one["id"]): dict(one) for one in records}
        self.fields = frozenset(records[0]) if records else frozenset({"id", "name"})

    def adapter(self, **settings):
        given = {
            "url": self.url, "table": "deals", "order_by": ["seq"], "page_size": 7, "modified": "changed",
            **self.settings, **settings,
        }  # fmt: skip
        values = msgspec.convert({k: v for k, v in given.items() if v is not None}, SqlAdapter.Settings)
        context = SourceContext(name="crm", folder=Path(), fields=self.fields, roles={"id": "id"})
        return SqlAdapter.create(values, context)

    def make(self, records):
        self.times = {}
        self.fill(records, {})
        return self.adapter()

    def make_cut(self, records):
        self.times = {}
        self.fill(records, {})
        adapter = self.adapter()
        whole = adapter._rows

        async def short(*given):
            async for rows in whole(*given):
                yield rows[:5]

        adapter._rows = short
        return adapter

    def change(self, records):
        for record in records:
            if self.held.get(str(record["id"])) != dict(record):
                self.times[str(record["id"])] = DAY + timedelta(hours=1)
        self.fill(records, self.times)
        return self.adapter()

    def test_is_an_adapter(self):
        """The SQL adapter has the shape of the port."""
        self.make([])

        assert isinstance(self.adapter(), Adapter)


class _Any(_Sql):
    @pytest.fixture(autouse=True)
    def _url(self, database_url):
        self.url = database_url


class TestTable(_Any):
    pass


class _Sqlite(_Sql):
    @pytest.fixture(autouse=True)
    def _url(self, tmp_path):
        self.url = f"sqlite:///{tmp_path / 'crm.db'}"


class TestQuery(_Sqlite):
    settings = {"table": None, "query": "SELECT d.* FROM deals d WHERE d.id <> ':nothing' -- all of them\n;"}


class TestEverything(_Sqlite):
    settings = {"modified": None}
