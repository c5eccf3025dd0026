"""The first schema: sources, runs, snapshots, visits, discrepancies, rejections."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "source",
        sa.Column("source_id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(200), nullable=False, unique=True),
        sa.Column("next_number", sa.BigInteger, nullable=False),
        sa.Column("records", sa.BigInteger, nullable=False),
        sa.Column("complete_run", sa.Integer),
        sa.Column("judged_run", sa.Integer),
    )
    op.create_table(
        "run",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("run", sa.String(64), unique=True),
        sa.Column("command", sa.String(40), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("pinned", sa.Boolean, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("summary", sa.Text),
    )
    op.create_table(
        "layout",
        sa.Column("layout_id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("evidence", sa.Text, nullable=False),
    )
    op.create_table(
        "snapshot",
        sa.Column("key", KEY, primary_key=True, autoincrement=False),
        sa.Column("source_id", sa.Integer, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary(16), nullable=False),
        sa.Column("layout_id", sa.Integer, nullable=False),
        sa.Column("stage", sa.Text),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("appeared", sa.Boolean, nullable=False),
        sa.Column("first_run", sa.Integer, nullable=False),
        sa.Column("changed_run", sa.Integer, nullable=False),
        sa.Column("gone_run", sa.Integer),
        sa.UniqueConstraint("source_id", "id", name="snapshot_identity"),
    )
    op.create_table(
        "snapshot_past",
        sa.Column("key", KEY, primary_key=True, autoincrement=False),
        sa.Column("changed_run", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("until_run", sa.Integer, nullable=False),
        sa.Column("layout_id", sa.Integer, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )
    op.create_table(
        "visit",
        sa.Column("key", KEY, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("seen", sa.Date, nullable=False),
        sa.Column("entered", sa.Date),
        sa.Column("assessed", sa.Date),
    )
    op.create_table(
        "discrepancy",
        sa.Column("key", KEY, primary_key=True, autoincrement=False),
        sa.Column("rule", sa.String(16), primary_key=True),
        sa.Column("opened_run", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("first_run", sa.Integer, nullable=False),
        sa.Column("closed_run", sa.Integer),
        sa.Column("last_run", sa.Integer),
        sa.Column("ended", sa.String(20)),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index(
        "discrepancy_closed", "discrepancy", ["closed_run"], sqlite_where=sa.text("closed_run IS NOT NULL")
    )
    op.create_table(
        "discrepancy_past",
        sa.Column("key", KEY, primary_key=True, autoincrement=False),
        sa.Column("rule", sa.String(16), primary_key=True),
        sa.Column("until_run", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "rejection",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("source_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Not offered: a discrepancy's history is never thrown away."""
    raise RuntimeError("syncd's store is not downgraded; restore a copy of the database instead")
