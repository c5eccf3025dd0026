"""Opening the database: connection settings, migrations, and the translation of its errors.

Not for: queries; each of the other modules owns the tables it writes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from syncd.errors import ConfigError, Problem, StoreBusy, StoreFailed, StoreUnreachable
from syncd.store.schema import metadata

HEAD: Final = "0004"
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

_HELD: Final = ("database is locked", "lock timeout")
_UNREACHABLE: Final = ("could not connect", "Connection refused", "timeout expired", "could not translate host name")
_REMEDIES: Final = (
    (
        ("is full", "disk I/O error", "No space left"),
        "what earlier runs stored is intact; free some space or check the disk, then run again",
    ),
    (("not a database",), "name another file, or put a backup in its place"),
    (("malformed",), "it is damaged; put a backup in its place, or name a new file: only the history is lost"),
    (
        ("readonly", "read-only", "ermission denied"),
        "what earlier runs stored is intact; let the account that runs syncd write the file and its folder",
    ),
    (("unable to open",), "see that its folder exists and may be written"),
    (("does not exist", "authentication failed", "no pg_hba.conf entry"), "check the URL, the account, the password"),
)
"""What helps, by the words the drivers use; they have no codes in common."""


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
        if self.is_sqlite:
            self._empty_log()
        self.engine.dispose()

    def _empty_log(self) -> None:
        """Give back the space of SQLite's log, which else keeps the size of the largest run while others read.

        Only where that needs no waiting: the last to close the database does it anyway.
        """
        with (
            contextlib.suppress(DBAPIError),
            self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        ):
            connection.exec_driver_sql("PRAGMA busy_timeout = 0")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").close()


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
        event.listen(engine, "handle_error", _stay_connected)
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


def _stay_connected(context: ExceptionContext) -> None:
    """Let an interrupted transaction be undone as any other.

    SQLAlchemy would drop the connection, as after Ctrl-C a server may be in the middle of an answer. SQLite has no
    server; and a dropped connection holds the write lock for as long as anything, be it a traceback, holds its cursor.
    """
    if not isinstance(context.original_exception, Exception):
        context.is_disconnect = False


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
            f"it was written by a newer version of syncd (schema {found}, this one knows {HEAD})",
            "update syncd, or name another database",
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
            raise StoreFailed("it holds a table `snapshot` that is not syncd's", "give syncd a database of its own")
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours, at the one place where they are met."""
    try:
        yield
    except DBAPIError as error:
        said = _first_cause(error)
        if isinstance(error, OperationalError) and _speaks_of(said, _UNREACHABLE):
            raise StoreUnreachable(said) from error
        if isinstance(error, OperationalError) and _speaks_of(said, _HELD):
            raise StoreBusy(said) from error
        raise StoreFailed(said, next((cure for words, cure in _REMEDIES if _speaks_of(said, words)), "")) from error


def _first_cause(error: DBAPIError) -> str:
    """What the driver said first: undoing a part of what a full disk had undone already fails once more."""
    before = error.__context__
    while before is not None:
        error = before if isinstance(before, DBAPIError) else error
        before = before.__context__
    return (str(error.orig).splitlines() or [type(error.orig).__name__])[0]


def _speaks_of(said: str, words: tuple[str, ...]) -> bool:
    return any(word in said for word in words)


__all__ = ["BUSY_SECONDS", "HEAD", "Store", "metadata", "open_store", "translated"]
