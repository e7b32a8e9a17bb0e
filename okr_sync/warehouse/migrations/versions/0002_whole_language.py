"""Associations, results of queries, measured baselines, overrides; a target may be unknown."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def _decimal() -> sa.types.TypeEngine[Any]:
    return sa.Numeric().with_variant(sa.Text(), "sqlite")


def _moment() -> sa.types.TypeEngine[Any]:
    return sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Create the new private tables, and let `key_result.target` be null."""
    _let_target_be_null()
    op.create_table(
        "source_association",
        sa.Column("source", sa.String(100), primary_key=True),
        sa.Column("dataset", sa.String(100), primary_key=True),
        sa.Column("to_dataset", sa.String(100), primary_key=True),
        sa.Column("from_id", sa.String(200), primary_key=True),
        sa.Column("to_id", sa.String(200), primary_key=True),
    )
    op.create_table(
        "source_query_result",
        sa.Column("source", sa.String(100), primary_key=True),
        sa.Column("query", sa.String(64), primary_key=True),
        sa.Column("as_of", sa.Date(), primary_key=True),
        sa.Column("window_start", sa.Date(), primary_key=True),
        sa.Column("window_end", sa.Date(), primary_key=True),
        sa.Column("value", _decimal()),
        sa.Column("numerator", _decimal()),
        sa.Column("denominator", _decimal()),
        sa.Column("read_at", _moment(), nullable=False),
    )
    op.create_table(
        "measured_baseline",
        sa.Column("key_result_id", sa.String(200), primary_key=True),
        sa.Column("cycle_start", sa.Date(), primary_key=True),
        sa.Column("baseline", _decimal(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("definition_hash", sa.String(64), nullable=False),
        sa.Column("measured_at", _moment(), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
    )
    op.create_table(
        "value_override",
        sa.Column("key_result_id", sa.String(200), primary_key=True),
        sa.Column("override_id", sa.Integer(), primary_key=True),
        sa.Column("value", _decimal(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("from_day", sa.Date(), nullable=False),
        sa.Column("until_day", sa.Date(), nullable=False),
        sa.Column("recorded_at", _moment(), nullable=False),
        sa.Column("withdrawn_at", _moment()),
    )


def _let_target_be_null() -> None:
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column("key_result", "target", nullable=True)
        return
    # SQLite can't alter a column, and a table that others refer to is not rebuilt inside a
    # transaction without breaking the references: so the column is exchanged, not the table.
    op.add_column("key_result", sa.Column("target_or_null", _decimal()))
    op.execute("UPDATE key_result SET target_or_null = target")
    op.execute("ALTER TABLE key_result DROP COLUMN target")
    op.execute("ALTER TABLE key_result RENAME COLUMN target_or_null TO target")
