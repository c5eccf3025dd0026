"""One database, opened so that nothing can be written, and read in a thread of its own.

    SQLite          the file is opened read-only (`mode=ro`, https://sqlite.org/uri.html) and told `query_only`; one
                    read transaction is one state of the data
    PostgreSQL      SET TRANSACTION ... REPEATABLE READ, READ ONLY: one state of the data, and writing is refused
    MySQL, MariaDB  START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY, by their manuals
    Oracle          SET TRANSACTION READ ONLY, by its manual; it too reads one state
    others          a transaction that is always rolled back

Not for: what is asked (`adapters.sql.adapter`).
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import sqlalchemy
from sqlalchemy import Connection, CursorResult, Engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from adapters.sql.errors import translated
from adapters.sql.settings import SqlSettings
from syncd.errors import ConfigError, Problem, SourceIncomplete

_Value = TypeVar("_Value")

_BEGIN: Final[dict[str, tuple[str, ...]]] = {
    "sqlite": ("BEGIN",),
    "postgresql": (
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        "SET LOCAL statement_timeout = {milliseconds}",
    ),
    "mysql": (
        "SET SESSION max_execution_time = {milliseconds}",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    ),
    "mariadb": (
        "SET SESSION max_statement_time = {seconds}",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    ),
    "oracle": ("SET TRANSACTION READ ONLY",),
}
"""What begins a transaction of each kind that has more than the usual to say."""

_PACKAGES: Final = {"psycopg": "syncd[postgresql]", "psycopg2": "psycopg2-binary", "MySQLdb": "mysqlclient"}
"""Packages that are not called as their modules are."""

_STEPS: Final = 50_000
"""Instructions of SQLite between two looks at the clock: some milliseconds."""


def parsed(settings: SqlSettings) -> URL:
    """The URL, once everything is known to be there that it needs. Opens nothing.

    Raises:
        ConfigError: It is no URL, holds a password, or needs a driver that is not installed.
    """
    try:
        url = make_url(settings.url)
        if url.password is not None or any("pass" in key.casefold() for key in url.query):
            raise _wrong("url: a password is never written here; refer to it with `password`")
        dialect = url.get_dialect()
        dialect.import_dbapi()
    except NoSuchModuleError:
        raise _wrong(f"url: SQLAlchemy knows no database {url.drivername!r}; is its package installed?") from None
    except ArgumentError:
        raise _wrong("url: this is no SQLAlchemy URL; one looks like postgresql+psycopg://user@host/database") from None
    except ModuleNotFoundError as error:
        package = _PACKAGES.get(error.name or "", error.name or "")
        raise _wrong(f"url: the driver {error.name!r} is not installed: pip install {package!r}") from None
    if dialect.is_async:
        raise _wrong(f"url: {url.drivername} is a driver for asyncio; name another, as in postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and (dialect.driver != "pysqlite" or url.database in {None, "", ":memory:"}):
        raise _wrong("url: of SQLite, a file is read: sqlite:///folder/file.db")
    return url


class Database:
    """An open database; everything is done one after the other, in one thread.

    Attributes:
        snapshot: Whether all that is read is of one moment.
    """

    def __init__(self, url: URL, settings: SqlSettings, *, name: str, folder: Path, password: str | None) -> None:
        """Opens nothing yet.

        Args:
            url: As `parsed` gives it.
            settings: Of the source.
            name: Of the source, for messages.
            folder: Where the path of a SQLite file starts.
            password: Where there is one.
        """
        self._url = url if password is None else url.set(password=password)
        self._settings, self._name, self._folder = settings, name, folder
        self._kind = url.get_backend_name()
        if self._kind == "mysql" and url.drivername.startswith("mariadb"):
            self._kind = "mariadb"
        self.snapshot = self._kind in _BEGIN
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sql")
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._result: CursorResult[Any] | None = None
        self._deadline = 0.0

    def start(self, work: Callable[[Connection], _Value]) -> Future[_Value]:
        """Do something with the connection, which is opened when first needed.

        Raises:
            SourceIncomplete: The database was closed.
        """
        try:
            return self._thread.submit(self._do, work)
        except RuntimeError:
            raise SourceIncomplete("the source was closed before it was read whole") from None

    async def run(self, work: Callable[[Connection], _Value]) -> _Value:
        """As `start`, waiting for what comes of it.

        Raises:
            ConfigError, AuthFailed, SourceUnavailable, SourceIncomplete: By what the database says.
        """
        return await asyncio.wrap_future(self.start(work))

    def stream(self, query: Any, size: int) -> Iterator[Sequence[Any]]:
        """Begin a query; gives its rows by pages, from the server's cursor. To be called by what is being done.

        Args:
            query: A statement with its parameters.
            size: Rows a page.
        """
        given = 0
        try:
            for rows in self._executed(query, size):
                given += len(rows)
                yield rows
        except OperationalError as error:
            if "decode" not in str(error.orig) or self._kind != "sqlite":
                raise
        else:
            return
        # A text of SQLite that is no UTF-8 costs its record, which the core refuses, and not the source. To look out
        # for one from the beginning would take three times as long. The transaction still shows the same rows.
        self._driver().text_factory = partial(str, encoding="utf-8", errors="surrogateescape")
        for rows in self._executed(query, size):
            if rows[given:]:
                yield rows[given:]
            given = max(0, given - len(rows))

    async def close(self) -> None:
        """Roll back and let go, once what is under way has ended. Safe to call twice."""
        try:
            ended = self._thread.submit(self._shut)
        except RuntimeError:
            return
        self._thread.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(ended))

    def _executed(self, query: Any, size: int) -> Iterator[Sequence[Any]]:
        assert self._connection is not None  # noqa: S101 - something is being done with it
        self._result = self._connection.execute(query, execution_options={"yield_per": size})
        return self._result.partitions(size)

    def _driver(self) -> Any:
        assert self._connection is not None  # noqa: S101 - something is being done with it
        return self._connection.connection.driver_connection

    def _do(self, work: Callable[[Connection], _Value]) -> _Value:
        self._deadline = time.monotonic() + self._settings.timeout_seconds
        with translated(self._name):
            if self._connection is None:
                self._connection = self._opened()
            return work(self._connection)

    def _shut(self) -> None:
        try:
            if self._result is not None:
                self._result.close()
            if self._connection is not None:
                self._connection.close()
        except SQLAlchemyError:
            pass  # the connection broke before; there is nothing to roll back any more
        finally:
            self._result = self._connection = None
            if self._engine is not None:
                self._engine.dispose()

    def _opened(self) -> Connection:
        creator = {"creator": self._sqlite} if self._kind == "sqlite" else {}
        url = "sqlite://" if creator else self._url
        # Nothing is pooled: one connection serves one pull. Parameters are hidden, as errors would quote them.
        self._engine = sqlalchemy.create_engine(url, poolclass=NullPool, hide_parameters=True, **creator)
        connection = self._engine.connect()
        milliseconds = int(self._settings.timeout_seconds * 1000)
        for statement in _BEGIN.get(self._kind, ()):
            connection.exec_driver_sql(statement.format(milliseconds=milliseconds, seconds=milliseconds / 1000))
        return connection

    def _sqlite(self) -> sqlite3.Connection:
        path = (self._folder / str(self._url.database)).resolve()
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)
        connection.execute("PRAGMA query_only = ON").close()
        connection.set_progress_handler(lambda: time.monotonic() > self._deadline, _STEPS)
        return connection


def _wrong(message: str) -> ConfigError:
    return ConfigError(Problem(message=message))
