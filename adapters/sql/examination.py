"""What `syncd doctor` looks at in a database. Reads a few rows in a transaction that cannot write.

Not for: reading for a run (`adapters.sql.adapter`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection, text

from adapters.sql.mark import Overlap
from adapters.sql.settings import SqlSettings
from syncd.adapter import Check, SourceContext
from syncd.errors import AuthFailed, ConfigError, SourceUnavailable, SyncdError

if TYPE_CHECKING:
    from adapters.sql.adapter import Shape, SqlAdapter

_SAMPLE: Final = 50
_LISTED: Final = 8
_LONGEST_LABEL: Final = 60

_SSL: Final = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
_LOCAL: Final = "SELECT inet_server_addr() IS NULL OR inet_server_addr() <<= inet '127.0.0.0/8'"


async def examine(adapter: SqlAdapter, settings: SqlSettings, context: SourceContext) -> AsyncIterator[Check]:
    """Yield every check of one source; those that need the database are left out where it cannot be opened."""
    try:
        base = adapter.database()
        shape = await base.run(adapter.shape)
        yield Check(name="database", outcome="ok", says="it can be opened, and the query is understood")
        yield Check(name="credentials", outcome="ok", says="they are accepted")
        if base.snapshot:
            yield Check(
                name="read only", outcome="ok", says="the transaction reads one state of the data and cannot write"
            )
        else:
            says = "this database is not told to refuse writing; what a query did would be rolled back"
            remedy = "use an account that may only SELECT"
            yield Check(name="read only", outcome="warning", says=says, remedy=remedy)
        yield await base.run(_encrypted)
        rows = await base.run(lambda connection: _sample(connection, shape, settings))
        yield _columns(shape, context)
        yield _labels(shape, context, rows)
        if settings.modified is not None:
            yield await base.run(lambda connection: _increments(connection, shape, settings))
    except SyncdError as error:
        yield _failure(error)
    finally:
        await adapter.close()


def _failure(error: SyncdError) -> Check:
    name = "rows"
    if isinstance(error, AuthFailed):
        name = "credentials"
    elif isinstance(error, SourceUnavailable):
        name = "database"
    elif isinstance(error, ConfigError):
        name = "configuration"
    remedy = getattr(error, "remedy", "") or "correct the configuration"
    return Check(name=name, outcome="failed", says=str(error), remedy=remedy)


def _encrypted(connection: Connection) -> Check:
    name = "encryption"
    if connection.dialect.name != "postgresql":
        return Check(name=name, outcome="skipped", says="not looked at for this kind of database")
    if connection.execute(text(_SSL)).scalar():
        return Check(name=name, outcome="ok", says="the connection is encrypted")
    if connection.execute(text(_LOCAL)).scalar():
        return Check(name=name, outcome="skipped", says="the database is on this machine")
    says = "the connection is not encrypted, so that password and rows can be read on the way"
    return Check(name=name, outcome="warning", says=says, remedy="add ?sslmode=verify-full to `url`")


def _sample(connection: Connection, shape: Shape, settings: SqlSettings) -> list[Sequence[Any]]:
    return list(connection.execute(text(shape.select(None, settings))).fetchmany(_SAMPLE))


def _columns(shape: Shape, context: SourceContext) -> Check:
    name = "columns of the mapping"
    lacking = sorted((context.fields | context.children.keys()) - set(shape.names))
    if not lacking:
        return Check(name=name, outcome="ok", says="all there")
    fatal = {context.roles.get("id"), context.roles.get("stage")} & set(lacking)
    says = f"there is no column {_listed(lacking)}"
    remedy = "correct the mapping or the query; what a source does not have is unknown to the rules"
    return Check(name=name, outcome="failed" if fatal else "warning", says=says, remedy=remedy)


def _labels(shape: Shape, context: SourceContext, rows: Sequence[Sequence[Any]]) -> Check:
    name, field = "stage labels", context.roles.get("stage", "")
    at = shape.names.index(field) if field in shape.names else -1
    found = {str(row[at]) for row in rows if row[at] is not None} if at >= 0 else set()
    if not found or not context.labels:
        return Check(name=name, outcome="skipped", says="there is no stage to look at")
    known = {_folded(label) for labels in context.labels.values() for label in labels}
    unknown = sorted(label[:_LONGEST_LABEL] for label in found if _folded(label) not in known)
    if not unknown:
        return Check(name=name, outcome="ok", says="every label among the first rows has its stage")
    says = f"no stage of the mapping has the label {_listed([repr(one) for one in unknown])}"
    return Check(name=name, outcome="warning", says=says, remedy="add each label to its stage under [stages]")


def _increments(connection: Connection, shape: Shape, settings: SqlSettings) -> Check:
    name = "increments"
    latest = connection.execute(text(f"SELECT max({shape.modified}) FROM {shape.origin} q")).scalar()
    if latest is None:
        return Check(name=name, outcome="skipped", says="there is no row to look at")
    if Overlap(latest, settings.overlap_seconds).mark() is None:
        says = "the column `modified` holds no times that can be understood, so everything is read each time"
        remedy = "name a column of times, or one with texts in ISO 8601"
        return Check(name=name, outcome="warning", says=says, remedy=remedy)
    return Check(name=name, outcome="ok", says="the database lists only what changed")


def _folded(label: str) -> str:
    return " ".join(label.casefold().split())


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
