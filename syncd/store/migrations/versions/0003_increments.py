"""What increments need: watermarks, when a source was last read or swept whole, and the systems' own stage history."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns and the table. Sources read before have no watermark, so they are read whole once more."""
    op.add_column("source", sa.Column("watermark", sa.Text))
    op.add_column("source", sa.Column("read_digest", sa.String(64), nullable=False, server_default=""))
    op.add_column("source", sa.Column("content", sa.String(200), nullable=False, server_default=""))
    op.add_column("source", sa.Column("swept_at", sa.DateTime(timezone=True)))
    op.create_table(
        "move",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sa.Column("at", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("stage", sa.Text, primary_key=True),
    )
