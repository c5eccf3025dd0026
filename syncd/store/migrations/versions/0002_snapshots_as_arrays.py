"""Snapshots are JSON arrays in the order of the fields, no longer objects: a third smaller, read in half the time."""

from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

FIELDS: tuple[tuple[str, Any], ...] = (
    ("id", None), ("stage", None), ("status", "open"), ("probability", None), ("form", -1), ("met", 0), ("not_met", 0),
    ("latest", None), ("decision_due", None), ("amount", None), ("currency", None), ("dates", {}), ("missing", 0),
    ("unreadable", []), ("bare", 0), ("untold", 0), ("name", None), ("account", None), ("owner", None),
    ("territory", None), ("stage_label", None), ("close_date", None), ("closed", None), ("created_at", None),
    ("updated_at", None), ("stage_entered_at", None), ("source_type", None), ("version", None), ("forecast", None),
    ("by", {}), ("ref", {}),
)  # fmt: skip
BATCH = 1_000


def upgrade() -> None:
    """Rewrite every snapshot, in batches that are ordered by the key."""
    snapshot = sa.table("snapshot", sa.column("key", sa.BigInteger), sa.column("payload", sa.Text))
    past = sa.table("snapshot_past", sa.column("key", sa.BigInteger), sa.column("changed_run", sa.Integer), sa.column("payload", sa.Text))
    _rewrite(snapshot, [snapshot.c.key])
    _rewrite(past, [past.c.key, past.c.changed_run])


def _rewrite(table: sa.TableClause, keys: list[sa.ColumnElement[Any]]) -> None:
    connection = op.get_bind()
    chosen = sa.select(*keys, table.c.payload).order_by(*keys).limit(BATCH)
    change = sa.update(table).values(payload=sa.bindparam("as_array"))
    for number, key in enumerate(keys):
        change = change.where(key == sa.bindparam(f"of_{number}"))
    after = None
    while rows := connection.execute(chosen if after is None else chosen.where(sa.tuple_(*keys) > after)).all():
        after = sa.tuple_(*(sa.literal(value) for value in rows[-1][:-1]))
        changed = [
            {f"of_{number}": value for number, value in enumerate(row[:-1])} | {"as_array": _array(row[-1])}
            for row in rows
        ]
        connection.execute(change, changed)


def _array(payload: str) -> str:
    given = msgspec.json.decode(payload)
    return msgspec.json.encode([given.get(name, default) for name, default in FIELDS]).decode()
