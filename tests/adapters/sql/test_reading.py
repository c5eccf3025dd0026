"""Reading databases: what the values become, that nothing can be written, and when a pull counts as whole."""

import asyncio
import logging
import sqlite3
import time
import tracemalloc
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy.exc import DBAPIError

from adapters.sql import database as databases
from syncd.adapter import MISSING
from syncd.errors import AuthFailed, ConfigError, SourceIncomplete, SourceUnavailable, WatermarkLost
from tests.adapters.sql.parts import adapter, gathered, ids, mark, pull, records, run


@pytest.fixture
def sqlite(tmp_path):
    url = f"sqlite:///{tmp_path / 'crm.db'}"
    run(url, "CREATE TABLE deals (id TEXT, name TEXT, stage TEXT, changed TEXT)")
    return url


def fill(url, number, start=0):
    with sqlite3.connect(url.removeprefix("sqlite:///")) as base:
        rows = [(f"1-{n:06}", f"Deal {n}", "New", f"2026-03-01T00:{n // 60 % 60:02}:{n % 60:02}Z")
                for n in range(start, start + number)]  # fmt: skip
        base.executemany("INSERT INTO deals VALUES (?, ?, ?, ?)", rows)
    base.close()


class TestValues:
    @pytest.mark.postgresql
    def test_types_of_postgresql(self, postgresql_url):
        """Numbers are exact, days and times typed, rarer types their text, and what cannot be read is unknown."""
        query = (
            "SELECT 7 AS id, 12500.50::numeric AS amount, date '2026-03-01' AS day, true AS flag, NULL AS nothing, "
            "timestamptz '2026-03-01 09:00+00' AS at, 'a1b2c3d4-0000-4000-8000-000000000000'::uuid AS uid, "
            "'\\x00ff'::bytea AS raw, repeat('x', 100)::bytea AS blob, '{\"a\": 1}'::jsonb AS doc, "
            "interval '1 day' AS span, time '09:30' AS clock, 'é'::text AS name"
        )
        (page, *_) = pages = pull(postgresql_url, query=query, fields=())
        (row,) = records(pages)

        assert row | {"at": row["at"].astimezone(UTC)} == {
            "id": 7, "amount": Decimal("12500.50"), "day": date(2026, 3, 1), "flag": True, "nothing": None,
            "at": datetime(2026, 3, 1, 9, tzinfo=UTC), "uid": "a1b2c3d4-0000-4000-8000-000000000000", "raw": "00FF",
            "span": "1 day, 0:00:00", "clock": "09:30:00", "name": "é",
        }  # fmt: skip
        assert sorted(note.split()[2] for note in page.notes) == ["blob", "doc"]

    def test_values_of_sqlite(self, sqlite):
        """A column may hold anything; bytes of an id are hexadecimal, long ones unknown."""
        made = "CREATE TABLE deals (id, name, stage, changed)"
        run(sqlite, "DROP TABLE deals", made, "INSERT INTO deals VALUES (x'00ff', 7, 1.5, zeroblob(65))")
        (row,) = records(pull(sqlite, table="deals", fields=("id", "name", "stage", "changed")))

        assert row == {"id": "00FF", "name": 7, "stage": 1.5}

    def test_child_components(self, sqlite):
        """A column of JSON lists holds the rows of a child component; what is none is unknown, and noted once."""
        run(sqlite, "INSERT INTO deals VALUES ('1', '[{\"type\"\\: \"Call\"}]', 'New', ''), ('2', 'no', 'New', '')")
        pages = pull(sqlite, table="deals", fields=("id",), children={"name": frozenset({"type"})})

        assert [dict(zip(pages[0].columns, row, strict=True)) for row in pages[0].rows] == [
            {"id": "1", "name": [{"type": "Call"}]}, {"id": "2", "name": MISSING},
        ]  # fmt: skip
        assert len(pages[0].notes) == 1

    @pytest.mark.postgresql
    def test_children_by_aggregation(self, postgresql_url):
        """`json_agg` makes child components in the query."""
        query = (
            "SELECT d.id, (SELECT json_agg(a) FROM (VALUES ('Call', 1), ('Mail', 2)) a(type, deal) "
            "WHERE a.deal = d.id) AS activities FROM (VALUES (1), (2)) d(id)"
        )
        found = records(pull(postgresql_url, query=query, children={"activities": frozenset({"type"})}, fields=("id",)))

        assert [one["activities"] for one in found] == [[{"type": "Call", "deal": 1}], [{"type": "Mail", "deal": 2}]]

    @pytest.mark.parametrize("odd", [0, 4, 5, 12])
    def test_text_that_is_none(self, sqlite, odd):
        """Bytes that are no UTF-8 reach the core, which refuses that record and reads the others, each once."""
        fill(sqlite, 13)
        run(sqlite, f"UPDATE deals SET name = CAST(x'ff41' AS TEXT) WHERE id = '1-{odd:06}'")
        found = records(pull(sqlite, table="deals", page_size=5))

        assert [one["id"] for one in found] == [f"1-{n:06}" for n in range(13)]
        assert [one["name"] for one in found][odd] == "\udcffA"


class TestColumns:
    def test_only_mapped_columns_are_asked_for(self, sqlite):
        """Columns the mapping does not use are not selected."""
        fill(sqlite, 3)
        pages = pull(sqlite, table="deals", fields=("id", "stage", "nowhere"))

        assert pages[0].columns == ("id", "stage")
        assert pages[0].declared

    def test_names_in_any_case(self, sqlite):
        """A database that folds names is read by a mapping that writes them as its people do."""
        fill(sqlite, 1)

        assert records(pull(sqlite, table="deals", fields=("ID", "Name"), context={"roles": {"id": "ID"}})) == [
            {"ID": "1-000000", "Name": "Deal 0"}
        ]

    def test_names_that_need_quotes(self, sqlite):
        """Names of tables and columns are quoted, whatever they hold."""
        run(sqlite, 'CREATE TABLE "odd; table" (id TEXT, "a ""b"" select" TEXT)')
        run(sqlite, "INSERT INTO \"odd; table\" VALUES ('1', 'x')")

        assert records(pull(sqlite, table="odd; table", fields=("id", 'a "b" select'))) == [
            {"id": "1", 'a "b" select': "x"}
        ]

    @pytest.mark.parametrize(
        ("settings", "says"),
        [
            ({"table": "deals", "fields": ("colour",)}, "none of the columns there are: id, name"),
            ({"table": "nowhere"}, "not there: nowhere"),
            ({"query": "SELECT colour FROM deals"}, "not there: colour"),
            ({"query": "SELECT FROM WHERE"}, "cannot be understood"),
            ({"table": "deals", "order_by": ["rank desc"]}, "order_by: there is no column 'rank'"),
            ({"table": "deals", "modified": "when"}, "modified: there is no column 'when'"),
        ],
    )
    def test_names_that_are_not_there(self, sqlite, settings, says):
        """What the database does not have is an error of the configuration."""
        with pytest.raises(ConfigError, match=says):
            pull(sqlite, **settings)

    @pytest.mark.postgresql
    def test_a_column_that_is_there_twice(self, postgresql_url):
        """Two columns of one name cannot be told apart."""
        with pytest.raises(ConfigError, match="names a column twice: id"):
            pull(postgresql_url, query="SELECT 1 AS id, 2 AS id")

    def test_orders(self, sqlite):
        """Rows come by the id, or as configured."""
        fill(sqlite, 3)
        fill(sqlite, 1, start=10)

        assert ids(pull(sqlite, table="deals"))[-1] == "1-000010"
        assert ids(pull(sqlite, table="deals", order_by=["stage", "id desc"]))[0] == "1-000010"


class TestReadOnly:
    @pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
    def test_nothing_can_be_written(self, kind, request, sqlite):
        """Even a statement that got past every check changes nothing."""
        url = sqlite if kind == "sqlite" else request.getfixturevalue("postgresql_url")
        if kind == "postgresql":
            run(url, "CREATE TABLE deals (id TEXT, name TEXT, stage TEXT, changed TEXT)")
        source = adapter(url, table="deals")

        def write(connection):
            connection.exec_driver_sql("INSERT INTO deals VALUES ('x', '', '', '')")

        async def attempt():
            base = source.database()
            try:
                await base.run(write)
            finally:
                await source.close()

        with pytest.raises(SourceIncomplete, match="not allowed"):
            asyncio.run(attempt())
        assert ids(pull(url, table="deals")) == []

    def test_a_file_that_is_not_there_is_not_made(self, tmp_path):
        """A wrong path does not leave an empty database behind."""
        with pytest.raises(SourceUnavailable, match="cannot be reached or opened"):
            pull("sqlite:///nowhere.db", table="deals", folder=tmp_path)

        assert list(tmp_path.iterdir()) == []

    def test_paths_start_at_the_configuration(self, sqlite, tmp_path):
        """A relative path of a SQLite file starts at the folder of the configuration."""
        fill(sqlite, 2)

        assert len(ids(pull("sqlite:///crm.db", table="deals", folder=tmp_path))) == 2


class TestWhole:
    @pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
    def test_one_state_of_the_data(self, kind, request, sqlite):
        """Rows that others add, change and delete in mid-pull do not show: what is read is of one moment."""
        url = sqlite if kind == "sqlite" else request.getfixturevalue("postgresql_url")
        if kind == "sqlite":
            fill(url, 1_000)
            run(url, "PRAGMA journal_mode = WAL")
        else:
            run(url, "CREATE TABLE deals AS SELECT '1-' || lpad(n\\:\\:text, 6, '0') AS id, 'Deal' AS name "
                     "FROM generate_series(0, 999) n")  # fmt: skip
        source = adapter(url, table="deals", page_size=50)

        async def read():
            found = []
            async for page in source.pull():
                if page.rows and len(found) == 100:
                    run(url, "DELETE FROM deals WHERE id > '1-000500'", "UPDATE deals SET name = 'changed'")
                found += page.rows
            await source.close()
            return found

        found = asyncio.run(read())

        assert len(found) == 1_000
        assert not any("changed" in row for row in found)

    def test_rows_that_come_and_go(self, sqlite, monkeypatch):
        """Without one state of the data, a count that moves is no false alarm, and one that does not fit is one."""
        fill(sqlite, 100)
        monkeypatch.setattr(databases, "_BEGIN", {})
        source = adapter(sqlite, table="deals", page_size=10)
        whole = source._rows

        async def losing(base, query, bound, by):
            skipped = 0
            async for rows in whole(base, query, bound):
                yield rows[by:] if not skipped else rows
                skipped = 1

        source._rows = lambda *given: losing(*given, 1)
        with pytest.raises(SourceIncomplete, match="99 rows and counts 100"):
            gathered(source, source.pull())
        other = adapter(sqlite, table="deals", page_size=10)
        real, counts = other._counted, []

        def counted(*given):
            counts.append(real(*given))
            return counts[-1] if len(counts) > 1 else type(counts[-1])(rows=101, latest=None)

        other._counted = counted
        assert len(ids(gathered(other, other.pull()))) == 100

    def test_closing_in_mid_pull(self, sqlite):
        """A source that is closed while it is read does not end as if it were whole."""
        fill(sqlite, 100)
        source = adapter(sqlite, table="deals", page_size=10)

        async def read():
            async for _ in source.pull():
                await source.close()

        with pytest.raises(SourceIncomplete, match="closed"):
            asyncio.run(read())

    def test_a_statement_that_takes_too_long(self, sqlite):
        """A query without end is given up in time."""
        endless = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n) SELECT id FROM n WHERE id < 0"
        began = time.monotonic()
        with pytest.raises(SourceIncomplete, match="took too long"):
            pull(sqlite, query=endless, timeout_seconds=0.2)

        assert time.monotonic() - began < 5

    @pytest.mark.postgresql
    def test_a_statement_of_postgresql_that_takes_too_long(self, postgresql_url):
        """The server is told how long a statement may take."""
        with pytest.raises(SourceIncomplete, match=r"took too long.*57014"):
            pull(postgresql_url, query="SELECT 1 AS id FROM pg_sleep(30)", timeout_seconds=0.2)

    def test_others_get_their_turn(self, sqlite):
        """A slow statement does not stop everything else."""
        numbers = "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n LIMIT 1000000)"
        slow = f"{numbers} SELECT max(id) AS id FROM n"
        source = adapter(sqlite, query=slow)

        async def read():
            task = asyncio.ensure_future(anext(aiter(source.pull())))
            turns = 0
            while not task.done():
                await asyncio.sleep(0.01)
                turns += 1
            await task
            await source.close()
            return turns

        assert asyncio.run(read()) > 3

    def test_memory_is_flat(self, sqlite):
        """Ten times the rows take no more memory."""

        def peak():
            source = adapter(sqlite, table="deals", modified="changed", overlap_seconds=0, page_size=200)

            async def read():
                tracemalloc.start()
                async for _ in source.pull():
                    pass
                await source.close()
                highest = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
                return highest

            return asyncio.run(read())

        fill(sqlite, 2_000)
        peak()
        small = peak()
        fill(sqlite, 18_000, start=2_000)

        assert peak() < 1.5 * small


class TestErrors:
    def test_what_is_no_database(self, tmp_path):
        """A file of something else is told apart from a missing one."""
        (tmp_path / "crm.db").write_bytes(b"id,name\n" * 1_000)

        with pytest.raises(SourceIncomplete, match="no database"):
            pull("sqlite:///crm.db", table="deals", folder=tmp_path)

    def test_nobody_there(self):
        """A server that does not answer makes the source unavailable."""
        with pytest.raises(SourceUnavailable, match="cannot be reached"):
            pull("postgresql+psycopg://user@127.0.0.1:1/base?connect_timeout=2", table="deals")

    @pytest.mark.postgresql
    def test_an_account_that_may_not_read(self, postgresql_url):
        """A lack of rights is told as such, with what to grant."""
        run(postgresql_url, "CREATE TABLE deals (id TEXT)", "CREATE ROLE nobody_much LOGIN")
        try:
            url = postgresql_url.replace("postgres@", "nobody_much@", 1)
            with pytest.raises(SourceIncomplete, match="may not read") as caught:
                pull(url, table="deals")
        finally:
            run(postgresql_url, "DROP ROLE nobody_much")

        assert "SELECT" in caught.value.remedy

    @pytest.mark.postgresql
    def test_an_account_that_is_not_there(self, postgresql_url):
        """A user or password the server refuses is a matter of credentials."""
        with pytest.raises((AuthFailed, SourceUnavailable)) as caught:
            pull(postgresql_url.replace("postgres@", "stranger@", 1), table="deals")

        assert caught.value.remedy

    @pytest.mark.postgresql
    def test_nothing_of_rows_and_passwords_is_told(self, postgresql_url, monkeypatch, caplog, capfd):
        """What the database says may quote rows and addresses; none of it is in errors, notes or logs."""
        caplog.set_level(logging.DEBUG)
        monkeypatch.setenv("PASSWORD", "hush-hush")
        query = "SELECT 'CONFIDENTIAL' AS id, CAST('CONFIDENTIAL' || now() AS integer) AS name"
        with pytest.raises(SourceIncomplete) as caught:
            pull(postgresql_url, query=query, password={"env": "PASSWORD"})

        said = f"{caught.value!r}{caught.value.remedy}{caught.value.__cause__!r}{caplog.text}{capfd.readouterr()}"
        assert "CONFIDENTIAL" not in said
        assert "hush" not in said
        assert not isinstance(caught.value, DBAPIError)


class TestIncrements:
    def test_kinds_of_times(self, sqlite):
        """A column of texts, numbers or days serves alike; what changed is read and what did not is not."""
        changes = {
            "'2026-03-01T10:00:00Z'": ("'2026-03-01T09:00:00Z'", "'2026-03-01T11:00:00Z'"),
            "'2026-03-01 10:00:00'": ("'2026-03-01 09:00:00'", "'2026-03-01 11:00:00'"),
            "'2026-03-05'": ("'2026-03-01'", "'2026-03-06'"),
            "1772359200": ("1772355600", "1772362800"),
            "1772359200000": ("1772355600000", "1772362800000"),
            "1772359200.5": ("1772355600.5", "1772362800.5"),
        }
        for latest, (before, after) in changes.items():
            run(sqlite, "DROP TABLE deals", "CREATE TABLE deals (id, name, changed)",
                f"INSERT INTO deals VALUES ('1', 'a', {before}), ('2', 'b', {latest})")  # fmt: skip
            first = mark(pull(sqlite, table="deals", modified="changed"))
            nothing = pull(sqlite, first, table="deals", modified="changed")
            run(sqlite, f"UPDATE deals SET name = 'c', changed = {after} WHERE id = '1'")

            assert ids(nothing) == []
            assert ids(pull(sqlite, mark(nothing), table="deals", modified="changed")) == ["1"]

    def test_what_was_committed_late_is_read(self, sqlite):
        """A row that was stamped before the last pull and committed after it lies in the overlap, and comes."""
        run(sqlite, "INSERT INTO deals VALUES ('1', 'a', 'New', '2026-03-01T10:00:00Z')")
        first = mark(pull(sqlite, table="deals", modified="changed"))
        run(sqlite, "INSERT INTO deals VALUES ('2', 'b', 'New', '2026-03-01T09:56:00Z')")

        assert ids(pull(sqlite, first, table="deals", modified="changed")) == ["2"]

    def test_rows_that_do_not_say_when(self, sqlite):
        """A row without a time of change is read each time, for nobody knows whether it changed."""
        run(sqlite, "INSERT INTO deals VALUES ('1', 'a', 'New', '2026-03-01T10:00:00Z'), ('2', 'b', 'New', NULL)")
        first = mark(pull(sqlite, table="deals", modified="changed"))

        assert ids(pull(sqlite, first, table="deals", modified="changed")) == ["2"]

    def test_times_nobody_understands(self, sqlite):
        """Texts in another form give no watermark, so that everything is read each time."""
        run(sqlite, "INSERT INTO deals VALUES ('1', 'a', 'New', '03/01/2026')")

        assert mark(pull(sqlite, table="deals", modified="changed")) is None

    def test_a_watermark_of_something_else_is_lost(self, sqlite):
        """From a watermark that is none of this adapter's nobody can go on."""
        with pytest.raises(WatermarkLost):
            pull(sqlite, "42", table="deals", modified="changed")

    def test_a_condition_of_ones_own(self, sqlite):
        """A condition may say what a change is, as where two columns tell it."""
        fill(sqlite, 5)
        condition = "changed > :since OR name = 'Deal 1' AND name <> ' :since' -- and nothing else"
        settings = {"table": "deals", "modified": "changed", "condition": condition}
        settings["overlap_seconds"] = 0
        first = mark(pull(sqlite, **settings))

        assert ids(pull(sqlite, first, **settings)) == ["1-000001"]

    def test_keys(self, sqlite):
        """Ids are read alone, for learning which rows are gone."""
        fill(sqlite, 30)
        source = adapter(sqlite, table="deals", modified="changed", page_size=7)

        assert len([key for keys in gathered(source, source.keys()) for key in keys]) == 30

    @pytest.mark.parametrize(
        "times",
        [
            ("2026-10-25T02:10:00+01:00", "2026-10-25T02:30:00+02:00"),
            ("2026-10-25 00:40:00Z", "2026-10-25T00:30:00Z"),
            ("2026-10-25", "2026-10-25T00:30:00"),
            ("2026-10-25T00:40:00", "2026-10-25T00:30:00Z"),
        ],
    )
    def test_texts_that_do_not_compare_as_times(self, sqlite, times):
        """Where a later change may stand before an earlier one, nothing is passed over: all is read each time."""
        rows = ", ".join(f"('{number}', '{time}')" for number, time in enumerate(times))
        run(sqlite, "CREATE TABLE t (id TEXT, at TEXT)", f"INSERT INTO t VALUES {rows}")

        assert mark(pull(sqlite, query="SELECT * FROM t", modified="at")) is None

    def test_a_watermark_of_offsets_is_lost(self, sqlite):
        """One that an earlier version wrote asks for nothing that could be compared."""
        run(sqlite, "CREATE TABLE t (id TEXT, at TEXT)", "INSERT INTO t VALUES ('1', '2026-10-25T02:30:00+02:00')")

        with pytest.raises(WatermarkLost):
            pull(sqlite, '{"kind":"text","at":"2026-10-25T02:00:00+02:00"}', query="SELECT * FROM t", modified="at")

    def test_an_id_that_is_no_text(self, sqlite):
        """Bytes that are no UTF-8 in an id cost that record alone, where a watermark is kept as well."""
        run(
            sqlite, "CREATE TABLE t (id TEXT, at TEXT)", "INSERT INTO t VALUES ('1', '2026-10-25T02:30:00Z')",
            "INSERT INTO t VALUES (CAST(x'41ff' AS TEXT), '2026-10-25T02:30:00Z')",
        )  # fmt: skip
        pages = pull(sqlite, query="SELECT * FROM t", modified="at")

        assert "1" in ids(pages)
        assert mark(pages) is not None
