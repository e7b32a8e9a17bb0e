"""What checks found, and which steps of a run that publishes nothing have ended."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _moment() -> sa.types.TypeEngine[Any]:
    return sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Create the published table of checks, and the private one of steps."""
    op.create_table(
        "check_result",
        sa.Column("subject_kind", sa.String(16), primary_key=True),
        sa.Column("subject", sa.String(200), primary_key=True),
        sa.Column("check_name", sa.String(40), primary_key=True),
        sa.Column("revision", sa.Integer(), primary_key=True),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("is_blocking", sa.Boolean(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("recorded_at", _moment(), nullable=False),
        sa.Column("superseded_at", _moment()),
        sa.Column("run_id", sa.String(64), nullable=False),
    )
    op.create_table(
        "run_step",
        sa.Column("run_id", sa.String(64), sa.ForeignKey("sync_run.run_id"), primary_key=True),
        sa.Column("step", sa.String(200), primary_key=True),
        sa.Column("error", sa.Text()),
    )
