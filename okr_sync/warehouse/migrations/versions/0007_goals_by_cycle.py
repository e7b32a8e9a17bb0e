"""The cycle that a goal is for."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _decimal() -> sa.types.TypeEngine[Any]:
    return sa.Numeric().with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Make the table of goals anew: no version that has written it was without the column."""
    op.drop_table("key_result_goal")
    op.create_table(
        "key_result_goal",
        sa.Column(
            "key_result_id",
            sa.String(200),
            sa.ForeignKey("key_result.key_result_id", onupdate="CASCADE"),
            primary_key=True,
        ),
        sa.Column("change", sa.Integer(), primary_key=True),
        sa.Column("cycle_start", sa.Date(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("goal_kind", sa.String(20), nullable=False),
        sa.Column("baseline", _decimal()),
        sa.Column("target", _decimal()),
        sa.Column("low", _decimal()),
        sa.Column("high", _decimal()),
        sa.Column("baseline_is_measured", sa.Boolean(), nullable=False),
        sa.Column("target_share", _decimal()),
        sa.Column("commitment", sa.String(20), nullable=False),
        sa.Column("pace", sa.String(20), nullable=False),
        sa.Column(
            "recorded_at",
            sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite"),
            nullable=False,
        ),
        sa.Column("config_hash", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
    )
