"""The SQL adapter: opportunities from a query or a table of any database SQLAlchemy has a dialect for.

Facts and limits
    reading     in one transaction that cannot write (`adapters.sql.database`), page by page from the server's cursor
    whole       as many rows as the database counts in the same transaction; where that is not one state of the data, as
                many as it counted before or after
    increments  where `modified` is set; from the latest change that the last pull saw, less an overlap
    deletions   by comparing ids
    evidence    columns, and columns that hold a JSON list of objects, as `json_agg` makes them
    writing     none, ever
    memory      two pages

Tested on SQLite and PostgreSQL. What is said of other databases is by their manuals.

Not for: databases without a driver for blocking calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.engine import URL

from adapters.sql import examination
from adapters.sql.database import Database, parsed
from adapters.sql.mark import Mark, Overlap, digest, read_mark, since
from adapters.sql.settings import SqlSettings, check, escaped, statement
from adapters.sql.values import Converter
from syncd.adapter import Capabilities, Check, Page, SourceContext
from syncd.errors import ConfigError, Problem, SourceIncomplete, WatermarkLost
from syncd.secrets import resolve


class SqlAdapter:
    """Reads one database."""

    Settings: ClassVar[type[Any]] = SqlSettings
    capabilities: ClassVar[Capabilities] = Capabilities(place="row")

    def __init__(self, settings: SqlSettings, context: SourceContext, url: URL) -> None:
        """Args: settings, already checked (`create` does); context; url, without its password."""
        self._settings = settings
        self._context = context
        self._url = url
        self._id = context.roles.get("id", "id")
        self._open: list[Database] = []

    @classmethod
    def create(cls, settings: SqlSettings, context: SourceContext) -> SqlAdapter:
        """Make the adapter of one source. Does no I/O.

        Raises:
            ConfigError: The settings contradict one another, the query does more than read, or a driver is missing.
        """
        check(settings)
        kind = cls if settings.modified is None else _Incremental
        return kind(settings, context, parsed(settings))

    async def pull(self, since: str | None = None) -> AsyncIterator[Page]:
        """Yield every row, or those that changed; see `syncd.adapter.Adapter.pull`."""
        settings = self._settings
        mark = read_mark(since) if settings.modified is not None else None
        base = self.database()
        try:
            shape = await base.run(self.shape)
            before = await base.run(lambda connection: self._counted(connection, shape, mark))
            overlap = Overlap(before.latest, settings.overlap_seconds)
            converter = Converter(shape.names, self._context.children)
            given = read = 0
            async for rows in self._rows(base, shape.select(mark, settings), mark):
                read += len(rows)
                fresh = shape.fresh(rows, mark, overlap)
                made = converter.rows(fresh)
                notes, converter.notes = converter.notes, []
                if made or notes:
                    yield Page(
                        shape.names, made, first=given + 1, notes=notes, done=read, total=max(before.rows or 0, read)
                    )
                given += len(made)
            await self._compare(base, shape, mark, before, read)
            last = overlap.mark() if settings.modified is not None else None
            if mark is not None and last is None and before.latest is not None:
                raise WatermarkLost("the times of the rows are not written alike any more")
            yield Page(shape.names, [], done=read, total=read, watermark=last)
        finally:
            await self._done(base)

    async def keys(self) -> AsyncIterator[Sequence[Any]]:
        """Yield the id of every row there is; see `syncd.adapter.KeyReader.keys`."""
        base = self.database()
        try:
            shape = (await base.run(self.shape)).only(self._id)
            before = await base.run(lambda connection: self._counted(connection, shape, None))
            converter, read = Converter(shape.names, ()), 0
            async for rows in self._rows(base, shape.select(None, self._settings), None):
                read += len(rows)
                yield [value for (value, *_) in converter.rows(rows)]
            await self._compare(base, shape, None, before, read)
        finally:
            await self._done(base)

    def examine(self) -> AsyncIterator[Check]:
        """Look at everything a pull needs; see `syncd.adapter.Adapter.examine`."""
        return examination.examine(self, self._settings, self._context)

    async def close(self) -> None:
        """Let go of connections; a pull under way ends as incomplete. Safe to call twice."""
        for base in [*self._open]:
            await self._done(base)

    def database(self) -> Database:
        """The database, not opened yet; closed with the adapter at the latest."""
        secret, folder = self._settings.password, self._context.folder
        password = None if secret is None else resolve(secret, folder=folder).reveal()
        base = Database(self._url, self._settings, name=self._context.name, folder=folder, password=password)
        self._open.append(base)
        return base

    def shape(self, connection: Connection) -> Shape:
        """What there is to select from, and the columns of it that are wanted.

        Raises:
            ConfigError: A column is there twice, or those that are named are not there.
        """
        settings, prepare = self._settings, connection.dialect.identifier_preparer
        if settings.query is not None:
            origin = f"({statement(settings.query)}\n)"  # the query may end in a comment
        else:
            schema = f"{prepare.quote(settings.schema)}." if settings.schema else ""
            origin = schema + prepare.quote(str(settings.table))
        found = list(connection.execute(text(f"SELECT * FROM {origin} q WHERE 1 = 0")).keys())
        if twice := {name for name in found if found.count(name) > 1}:
            raise ConfigError(Problem(message=f"query: it names a column twice: {', '.join(sorted(twice))}"))
        wanted = {*self._context.fields, *self._context.children} if self._context.fields else {*found}
        known = {name.casefold(): name for name in reversed(found)} | {name: name for name in found}
        # A database may fold names to another case than its people write them in.
        native = {name: known.get(name) or known.get(name.casefold()) for name in sorted(wanted)}
        columns = {name: prepare.quote(actual) for name, actual in native.items() if actual is not None}
        if not columns:
            names = f"the mapping names none of the columns there are: {', '.join(found)}"
            raise ConfigError(Problem(message=f"source {self._context.name}: {names}"))
        ordered = {name: prepare.quote(actual) for name, actual in known.items()}
        return Shape.of(self._id, columns, ordered, origin, settings)

    async def _rows(self, base: Database, query: str, mark: Mark | None) -> AsyncIterator[list[Any]]:
        """The rows of a query by pages, each fetched while the one before it is made use of."""
        size = self._settings.page_size

        pages = await base.run(lambda _: base.stream(self._bound(query, mark), size))
        coming = base.start(lambda _: next(pages, None))
        while (rows := await asyncio.wrap_future(coming)) is not None:
            coming = base.start(lambda _: next(pages, None))
            yield list(rows)

    def _bound(self, query: str, mark: Mark | None) -> Any:
        if mark is None:
            return text(query)
        return text(query).bindparams(bindparam("since", since(mark, self._settings.overlap_seconds)))

    def _counted(self, connection: Connection, shape: Shape, mark: Mark | None) -> _Counted:
        rows = latest = None
        if self._settings.count:
            query = f"SELECT count(*) FROM {shape.origin} q{shape.where(mark, self._settings)}"
            rows = connection.execute(self._bound(query, mark)).scalar()
        if shape.modified is not None:
            latest = connection.execute(text(f"SELECT max({shape.modified}) FROM {shape.origin} q")).scalar()
        return _Counted(rows=rows, latest=latest)

    async def _compare(self, base: Database, shape: Shape, mark: Mark | None, before: _Counted, read: int) -> None:
        """Were all rows read that there were?"""
        counted = before.rows
        if counted is None or read == counted:
            return
        if not base.snapshot:
            # Rows came or went meanwhile. All that were there throughout were read if neither count is above that.
            after = await base.run(lambda connection: self._counted(connection, shape, mark))
            counted = min(counted, after.rows or 0)
            if read >= counted:
                return
        raise SourceIncomplete(
            f"the database gave {read:,} rows and counts {counted:,}", "run again; if it stays so, check the query"
        )

    async def _done(self, base: Database) -> None:
        if base in self._open:
            self._open.remove(base)
        await base.close()


class _Incremental(SqlAdapter):
    capabilities = Capabilities(place="row", incremental=True)


@dataclass(frozen=True, kw_only=True)
class _Counted:
    """How many rows the database counts, and the latest change among all; None where it was not asked."""

    rows: int | None
    latest: Any


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What is selected from what.

    Attributes:
        names: Of the columns, as the mapping names them.
        columns: The same, quoted for the database; then those that only this adapter looks at.
        origin: The table, or the query in brackets.
        order: What to order by, quoted.
        modified: The column with the time of the last change, quoted; None where there is none.
        key_at, modified_at: Where a row holds its id and that time; -1 where it does not.
    """

    names: tuple[str, ...]
    columns: tuple[str, ...]
    origin: str
    order: tuple[str, ...]
    modified: str | None
    key_at: int
    modified_at: int

    @classmethod
    def of(cls, key: str, columns: dict[str, str], known: dict[str, str], origin: str, settings: SqlSettings) -> Shape:
        """Put one together.

        Args:
            key: The column with the id.
            columns: The wanted columns, quoted, by the names of the mapping.
            known: All columns, quoted, by their names in any case.
            origin: The table or query.
            settings: Of the source.
        """
        modified = None if settings.modified is None else _known(known, settings.modified, "modified")
        quoted = [*columns.values()]
        if modified is not None and modified not in quoted:
            quoted.append(modified)
        order = []
        for one in settings.order_by:
            name, _, direction = one.rpartition(" ") if one.casefold().endswith((" asc", " desc")) else (one, "", "")
            order.append(f"{_known(known, name.strip(), 'order_by')} {direction}".strip())
        return cls(
            names=tuple(columns),
            columns=tuple(quoted),
            origin=origin,
            order=tuple(order) or ((columns[key],) if key in columns else ()),
            modified=modified,
            key_at=list(columns).index(key) if key in columns else -1,
            modified_at=-1 if modified is None else quoted.index(modified),
        )

    def only(self, key: str) -> Shape:
        """The same with the id alone.

        Raises:
            ConfigError: There is none.
        """
        if key not in self.names:
            raise ConfigError(Problem(message=f"there is no column {key!r}, which the mapping names as the id"))
        quoted = self.columns[self.key_at]
        return Shape(
            names=(key,),
            columns=(quoted,),
            origin=self.origin,
            order=self.order,
            modified=None,
            key_at=0,
            modified_at=-1,
        )

    def where(self, mark: Mark | None, settings: SqlSettings) -> str:
        """What makes a row changed; rows that do not say when they were changed always are."""
        if mark is None:
            return ""
        if settings.condition is not None:
            return f" WHERE ({escaped(settings.condition, keep=':since')}\n)"
        return f" WHERE ({self.modified} >= :since OR {self.modified} IS NULL)"

    def select(self, mark: Mark | None, settings: SqlSettings) -> str:
        """The statement for the rows."""
        order = f" ORDER BY {', '.join(self.order)}" if self.order else ""
        return f"SELECT {', '.join(self.columns)} FROM {self.origin} q{self.where(mark, settings)}{order}"

    def fresh(self, rows: Sequence[Sequence[Any]], mark: Mark | None, overlap: Overlap) -> list[Sequence[Any]]:
        """The rows an earlier pull did not give just as they are, without what only this adapter looks at."""
        if self.modified_at < 0 or self.key_at < 0:
            return list(rows)
        width, kept = len(self.names), {} if mark is None else mark.kept
        fresh = []
        for row in rows:
            key = str(row[self.key_at])
            overlap.note(key, row[self.modified_at], row)
            if not kept or key not in kept or kept[key] != digest(row):
                fresh.append(row[:width])
        return fresh


def _known(known: dict[str, str], name: str, setting: str) -> str:
    found = known.get(name) or known.get(name.casefold())
    if found is None:
        raise ConfigError(Problem(message=f"{setting}: there is no column {name!r}; known: {', '.join(known)}"))
    return found
