"""Leases with fencing tokens, and what newer runs have confirmed while older ones still worked."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _moment() -> sa.types.TypeEngine[Any]:
    return sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Create both private tables, and give every run that there is its token."""
    op.create_table(
        "lease",
        sa.Column("run_id", sa.String(64), sa.ForeignKey("sync_run.run_id"), primary_key=True),
        sa.Column("token", sa.BigInteger(), nullable=False, unique=True),
        sa.Column("expires_at", _moment()),
        sa.Column("has_published", sa.Boolean(), nullable=False),
    )
    op.create_table(
        "confirmation",
        sa.Column("table_name", sa.String(63), primary_key=True),
        sa.Column("series", sa.String(250), primary_key=True),
        sa.Column("as_of", sa.Date(), primary_key=True),
        sa.Column("token", sa.BigInteger(), nullable=False),
    )
    # A run that is `running` has no lease that could be renewed: the next run marks it as dead.
    op.execute(
        "INSERT INTO lease (run_id, token, expires_at, has_published) "
        "SELECT run_id, row_number() OVER (ORDER BY started_at, run_id), "
        "CASE WHEN status = 'running' THEN started_at END, true FROM sync_run"
    )
