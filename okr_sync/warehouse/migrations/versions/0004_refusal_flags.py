"""Flags beside the reason why a field or a figure can't be had."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column to source_field; none of the reasons known so far has a flag."""
    op.add_column("source_field", sa.Column("quality", sa.Text()))
