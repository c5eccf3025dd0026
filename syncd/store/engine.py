"""Opening the database: connection settings, migrations, and the translation of its errors.

Not for: queries; each of the other modules owns the tables it writes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from syncd.errors import ConfigError, Problem, StoreBusy, StoreFailed
from syncd.store.schema import metadata

HEAD: Final = "0003"
"""The newest migration. A test compares it with the folder."""

BUSY_SECONDS: Final = 10.0
"""How long a command waits for another one that holds the database."""

_SQLITE_SETTINGS: Final = (
    # For a new file only. Snapshots are some 600 bytes, so larger pages waste less and need fewer of them.
    "PRAGMA page_size = 16384",
    # Readers and the one writer do not block each other, and a crash loses no committed run.
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
    # In KiB. Enough for the inner pages of the indexes of a million records, and flat.
    "PRAGMA cache_size = -16000",
)
_WRITE_LOCK: Final = 0x73796E6364
"""PostgreSQL's advisory lock that lets one process write or migrate at a time; the letters of the name."""


class Store:
    """An open database."""

    def __init__(self, engine: Engine) -> None:
        """Args: engine, already migrated."""
        self.engine = engine

    @property
    def is_sqlite(self) -> bool:
        """Whether it is the embedded database."""
        return self.engine.dialect.name == "sqlite"

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that takes the write lock at once; committed at the end, undone on any error.

        Raises:
            StoreBusy: Another process holds the database.
            StoreFailed: It cannot be written: full, damaged, read-only.
        """
        with translated(), self.engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; takes no lock.

        Raises:
            StoreBusy: Another process holds the database.
            StoreFailed: It cannot be read.
        """
        with translated(), self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()


def open_store(url: str, *, password: str | None = None, busy_seconds: float = BUSY_SECONDS) -> Store:
    """Open the database, create or bring its tables up to date.

    Args:
        url: A SQLAlchemy URL of SQLite or PostgreSQL, without a password.
        password: The password, where there is one.
        busy_seconds: How long to wait for another process.

    Raises:
        ConfigError: No database can be reached by this URL.
        StoreBusy: Another process holds it.
        StoreFailed: It cannot be used, or was written by a newer version.
    """
    with translated():
        engine = _engine(url, password, busy_seconds)
        try:
            _migrate(engine)
        except BaseException:
            engine.dispose()
            raise
    return Store(engine)


def _engine(url: str, password: str | None, busy_seconds: float) -> Engine:
    try:
        parsed = make_url(url)
        if password is not None:
            parsed = parsed.set(password=password)
        sqlite = parsed.get_backend_name() == "sqlite"
        waiting = {"timeout": busy_seconds} if sqlite else {"options": f"-c lock_timeout={int(busy_seconds * 1000)}"}
        engine = sqlalchemy.create_engine(parsed, connect_args=waiting)
    except (ArgumentError, NoSuchModuleError) as error:
        raise ConfigError(Problem(message=f"database: {error}")) from error
    except ModuleNotFoundError as error:
        message = (
            f"database: the driver {error.name!r} is not installed; for PostgreSQL: pip install 'syncd[postgresql]'"
        )
        raise ConfigError(Problem(message=message)) from error
    if sqlite:
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "begin", _begin_postgresql)
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own transaction handling begins too late, on the first write; ours takes the lock at BEGIN.
    connection.isolation_level = None
    for setting in _SQLITE_SETTINGS:
        connection.execute(setting).close()


def _begin_sqlite(connection: Connection) -> None:
    if not _only_reads(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_postgresql(connection: Connection) -> None:
    if not _only_reads(connection):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")


def _only_reads(connection: Connection) -> bool:
    """Whether it is one of `Store.read`, which must not wait for the lock that a run holds for minutes."""
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


def _migrate(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        found = _version(connection)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise StoreFailed(
            f"the database was written by a newer version of syncd (schema {found}, this one knows {HEAD})"
        )
    with engine.begin() as connection:
        # Another process may have been quicker.
        found = _version(connection)
        if found is None:
            _create(connection)
        elif found < HEAD:
            # Alembic takes as long to import as everything else together, and most runs have nothing to migrate.
            from syncd.store.migrate import upgrade  # noqa: PLC0415

            upgrade(connection)


def _create(connection: Connection) -> None:
    """Make a new database as it would be after every migration, and say so where Alembic looks."""
    metadata.create_all(connection, checkfirst=False)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


def _version(connection: Connection) -> str | None:
    if not sqlalchemy.inspect(connection).has_table("alembic_version"):
        if sqlalchemy.inspect(connection).has_table("snapshot"):
            raise StoreFailed(
                "the database holds a table `snapshot` that is not syncd's; give syncd a database of its own"
            )
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours, at the one place where they are met."""
    try:
        yield
    except OperationalError as error:
        said = str(error.orig).splitlines()[0]
        if any(
            word in said for word in ("database is locked", "lock timeout", "could not connect", "Connection refused")
        ):
            raise StoreBusy(said) from error
        raise StoreFailed(said) from error
    except DBAPIError as error:
        raise StoreFailed(str(error.orig).splitlines()[0]) from error


__all__ = ["BUSY_SECONDS", "HEAD", "Store", "metadata", "open_store", "translated"]
