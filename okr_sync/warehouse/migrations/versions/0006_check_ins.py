"""Check-ins: numbers that people say, and the rows of files that are none."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def _decimal() -> sa.types.TypeEngine[Any]:
    return sa.Numeric().with_variant(sa.Text(), "sqlite")


def _moment() -> sa.types.TypeEngine[Any]:
    return sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "check_in",
        sa.Column("key_result_id", sa.String(200), primary_key=True),
        sa.Column("check_in_id", sa.Integer(), primary_key=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("value", _decimal(), nullable=False),
        sa.Column("confidence", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text()),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("dataset", sa.String(200)),
        sa.Column("place", sa.String(500)),
        sa.Column("recorded_at", _moment(), nullable=False),
        sa.Column("withdrawn_at", _moment()),
    )
    op.create_table(
        "check_in_refusal",
        sa.Column("dataset", sa.String(200), primary_key=True),
        sa.Column("place", sa.String(500), primary_key=True),
        sa.Column("key_result_id", sa.String(200)),
        sa.Column("error", sa.Text(), nullable=False),
    )
