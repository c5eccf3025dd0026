"""Opening the store: migrations, other people's databases, locks and full disks."""

import importlib
import pkgutil
import socket
from datetime import date
from decimal import Decimal
from importlib.resources import files

import msgspec
import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select, text

from syncd.errors import ConfigError, StoreBusy, StoreFailed, StoreUnreachable
from syncd.model import Opportunity
from syncd.store import open_store
from syncd.store.engine import HEAD
from syncd.store.migrate import upgrade
from syncd.store.migrations import versions
from syncd.store.schema import metadata, run, snapshot, snapshot_past


def run_sql(url, *statements):
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_a_fresh_database_gets_every_table(store):
    """Opening a database that holds nothing makes the newest schema, which is exactly what the code expects."""
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()

    assert differences == []
    assert version == HEAD


def test_migrations_lead_to_the_schema_of_a_fresh_database(database_url):
    """A database that went through every migration is, table by table and index by index, what a new one is."""
    engine = sqlalchemy.create_engine(database_url)
    with engine.begin() as connection:
        upgrade(connection)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, metadata)
    engine.dispose()
    opened = open_store(database_url)
    with opened.read() as connection:
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    opened.close()

    assert differences == []
    assert version == HEAD


def test_snapshots_of_the_first_schema_are_rewritten(database_url):
    """A database of the first schema, whose snapshots are JSON objects, keeps all they say, today's and past."""
    engine = sqlalchemy.create_engine(database_url)
    with engine.begin() as connection:
        upgrade(connection, "0001")
    told = '"stage":"qualify","probability":33.3,"amount":"10.50","met":5,"dates":{"2":"2026-01-02"}'
    old = '{"id":"%s","name":"Zo\\u00eb",' + told + "}"
    values = (
        "'\\x00', 1, 'qualify', :payload, false, 1, 1"
        if "postgresql" in database_url
        else "x'00', 1, 'qualify', :payload, 0, 1, 1"
    )
    columns = "key, source_id, id, content, layout_id, stage, payload, appeared, first_run, changed_run"
    with engine.begin() as connection:
        for number in range(2_500):
            statement = text(f"INSERT INTO snapshot ({columns}) VALUES ({number}, 1, '{number}', {values})")
            connection.execute(statement, {"payload": old % number})
        for number in (1, 2):
            statement = text(f"INSERT INTO snapshot_past VALUES (7, {number}, 3, 1, :payload)")
            connection.execute(statement, {"payload": old % number})
    engine.dispose()

    opened = open_store(database_url)
    with opened.read() as connection:
        payloads = connection.execute(select(snapshot.c.payload).order_by(snapshot.c.key)).scalars().all()
        payloads += connection.execute(select(snapshot_past.c.payload)).scalars().all()
    opened.close()
    read = [msgspec.json.decode(one, type=Opportunity) for one in payloads]

    assert [one.id for one in read] == [*map(str, range(2_500)), "1", "2"]
    whole = Opportunity(
        id="",
        name="Zoë",
        stage="qualify",
        probability=33.3,
        amount=Decimal("10.50"),
        met=5,
        dates={2: date(2026, 1, 2)},
    )
    assert all(msgspec.structs.replace(one, id="") == whole for one in read)


def test_head_is_the_newest_migration():
    """The version the code asks for is the newest file among the migrations, and they form one chain."""
    names = sorted(one.name for one in pkgutil.iter_modules([str(files(versions))]))
    modules = [importlib.import_module(f"{versions.__name__}.{name}") for name in names]

    assert modules[-1].revision == HEAD
    assert [one.down_revision for one in modules] == [None, *(one.revision for one in modules[:-1])]
    assert all(name.startswith(one.revision) for name, one in zip(names, modules, strict=True))


def test_opening_again_keeps_what_is_there(database_url):
    """A second opening changes nothing."""
    open_store(database_url).close()
    run_sql(database_url, "INSERT INTO source (name, next_number, records) VALUES ('crm', 0, 7)")

    again = open_store(database_url)
    with again.read() as connection:
        records = connection.execute(text("SELECT records FROM source")).scalar_one()
    again.close()

    assert records == 7


def test_a_newer_schema_is_refused(database_url, store):
    """A database that a newer version wrote is left alone, and the error says why."""
    store.close()
    run_sql(database_url, "UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(StoreFailed, match="newer version of syncd") as caught:
        open_store(database_url)

    assert caught.value.remedy == "update syncd, or name another database"


def test_somebody_else_s_tables_are_refused(database_url):
    """A database with another program's table of the same name is left alone."""
    run_sql(database_url, "CREATE TABLE snapshot (id INTEGER)")

    with pytest.raises(StoreFailed, match="not syncd's"):
        open_store(database_url)


def test_a_migration_that_fails_leaves_nothing(database_url):
    """Either all of the schema is there or nothing of it, and the cause is told."""
    run_sql(database_url, "CREATE TABLE rejection (id INTEGER)")

    with pytest.raises(StoreFailed, match="rejection"):
        open_store(database_url)

    engine = sqlalchemy.create_engine(database_url)
    assert sqlalchemy.inspect(engine).get_table_names() == ["rejection"]
    engine.dispose()


def test_a_held_database_is_busy(database_url, store):
    """While another process writes, a write waits and then says that the database is in use."""
    other = open_store(database_url, busy_seconds=0.2)
    with store.write() as connection:
        connection.execute(text("INSERT INTO source (name, next_number, records) VALUES ('crm', 0, 0)"))
        with pytest.raises(StoreBusy), other.write() as second:
            second.execute(text("SELECT 1"))
    with other.write() as second:
        second.execute(text("UPDATE source SET records = 1"))
    other.close()


def test_reading_needs_no_lock(database_url, store):
    """While a run writes, others read what was there before it."""
    other = open_store(database_url, busy_seconds=0.2)
    with store.write() as connection:
        connection.execute(text("INSERT INTO source (name, next_number, records) VALUES ('crm', 0, 0)"))
        with other.read() as second:
            seen = second.execute(text("SELECT count(*) FROM source")).scalar_one()
    other.close()

    assert seen == 0


def test_a_write_that_fails_is_undone(store):
    """An error in the middle of a write leaves nothing of it."""

    def insert_and_fail():
        with store.write() as connection:
            connection.execute(text("INSERT INTO source (name, next_number, records) VALUES ('crm', 0, 0)"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        insert_and_fail()

    with store.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM source")).scalar_one() == 0


def test_the_log_is_emptied_while_others_have_the_database_open(tmp_path):
    """A large run leaves no large log behind, and closing waits for nobody."""
    url = f"sqlite:///{tmp_path}/store.db"
    store, other = open_store(url), open_store(url)
    statement = text("INSERT INTO layout (digest, evidence) VALUES (:digest, :evidence)")
    with other.read() as connection:
        connection.execute(text("SELECT 1"))
    with store.write() as connection:
        connection.execute(statement, [{"digest": str(number), "evidence": "x" * 9_000} for number in range(200)])
    log = tmp_path / "store.db-wal"
    before = log.stat().st_size
    store.close()
    after = log.stat().st_size
    other.close()

    assert before > 1_000_000
    assert after == 0


def test_a_file_that_is_no_database(tmp_path):
    """A file that is something else is refused with a sentence."""
    (tmp_path / "store.db").write_bytes(b"id,stage\n1,prospect\n" * 100)

    with pytest.raises(StoreFailed, match="not a database") as caught:
        open_store(f"sqlite:///{tmp_path}/store.db")

    assert caught.value.remedy == "name another file, or put a backup in its place"


def test_a_folder_that_is_not_there(tmp_path):
    """A SQLite file in a folder that does not exist cannot be opened."""
    with pytest.raises(StoreFailed, match="unable to open"):
        open_store(f"sqlite:///{tmp_path}/no/store.db")


def test_a_server_that_refuses():
    """A server that does not answer may answer later."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    with pytest.raises(StoreUnreachable):
        open_store(f"postgresql+psycopg://nobody@127.0.0.1:{port}/none")


@pytest.mark.postgresql
def test_a_database_that_is_not_there(postgresql_url):
    """A server without the named database is no reason to wait."""
    with pytest.raises(StoreFailed, match="does not exist"):
        open_store(postgresql_url.replace("/test_", "/absent_"))


@pytest.mark.parametrize("url", ["nonsense", "mystery://here/there"])
def test_a_url_that_means_nothing(url):
    """A URL that names no database is the configuration's fault."""
    with pytest.raises(ConfigError, match="database"):
        open_store(url)


def test_a_full_disk_undoes_the_write(tmp_path):
    """When the database cannot grow the write fails with a sentence, and what was there stays readable."""
    store = open_store(f"sqlite:///{tmp_path}/store.db")
    statement = text("INSERT INTO layout (digest, evidence) VALUES (:digest, :evidence)")
    with store.write() as connection:
        connection.execute(statement, {"digest": "kept", "evidence": "x"})
        connection.exec_driver_sql("PRAGMA max_page_count = 40")

    rows = [{"digest": str(number), "evidence": "x" * 10_000} for number in range(100)]
    with pytest.raises(StoreFailed, match="full") as caught, store.write() as connection, connection.begin_nested():
        connection.execute(statement, rows)

    assert "free some space" in caught.value.remedy

    with store.read() as connection:
        assert connection.execute(text("SELECT digest FROM layout")).scalars().all() == ["kept"]
        assert connection.execute(select(run.c.seq)).all() == []
    store.close()
