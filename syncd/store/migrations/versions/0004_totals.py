"""What it takes to judge only records whose verdict may be another: totals by source, and when a record is due again."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the tables. Without totals a source is judged whole once more, which fills both."""
    op.create_table(
        "wake",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("day", sa.Integer, nullable=False),
    )
    op.create_index("wake_day", "wake", ["day", "key"])
    op.create_table(
        "totals",
        sa.Column("source_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("as_of", sa.Date, nullable=False),
        sa.Column("ruling", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
