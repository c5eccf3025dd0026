"""What these tests share: an adapter over a database, and what came."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import sqlalchemy
from sqlalchemy import text

from adapters.sql import SqlAdapter
from syncd.adapter import MISSING, SourceContext


def adapter(url, *, fields=("id", "name"), children=None, folder=None, context=None, **settings):
    more = {"roles": {"id": "id", "stage": "stage"}, **(context or {})}
    given = {name: value for name, value in {"url": url, **settings}.items() if value is not None}
    values = msgspec.convert(given, SqlAdapter.Settings)
    source = SourceContext(
        name="crm", folder=folder or Path(), fields=frozenset(fields), children=children or {}, **more
    )
    return SqlAdapter.create(values, source)


def gathered(source, values):
    async def gather():
        try:
            return [value async for value in values]
        finally:
            await source.close()

    return asyncio.run(gather())


def pull(url, since=None, **more):
    source = adapter(url, **more)
    return gathered(source, source.pull(since))


def records(pages):
    return [
        {name: value for name, value in zip(page.columns, row, strict=True) if value is not MISSING}
        for page in pages
        for row in page.rows
    ]


def ids(pages):
    return [record["id"] for record in records(pages)]


def mark(pages):
    return next((page.watermark for page in reversed(pages) if page.watermark), None)


def run(url, *statements, **bound):
    """Do something to the database, as somebody else."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement), bound)
    engine.dispose()
