"""Where a read of everything stands, and what a connector remembers between runs."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _moment() -> sa.types.TypeEngine[Any]:
    return sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Create both private tables."""
    op.create_table(
        "source_checkpoint",
        sa.Column("source", sa.String(100), primary_key=True),
        sa.Column("dataset", sa.String(100), primary_key=True),
        sa.Column("stage", sa.String(63), nullable=False),
        sa.Column("reading", sa.Text(), nullable=False),
        sa.Column("position", sa.Text()),
        sa.Column("is_listed", sa.Boolean(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("started_at", _moment(), nullable=False),
        sa.Column("reader", sa.String(200)),
        sa.Column("beat_at", _moment(), nullable=False),
    )
    op.create_table(
        "source_memory",
        sa.Column("source", sa.String(100), primary_key=True),
        sa.Column("dataset", sa.String(100), primary_key=True),
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("noted_at", _moment(), nullable=False),
    )
