"""The first tables of the warehouse."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _decimal() -> sa.types.TypeEngine[Any]:
    return sa.Numeric().with_variant(sa.Text(), "sqlite")


def _moment() -> sa.types.TypeEngine[Any]:
    return sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def _parts() -> list[sa.Column[object]]:
    return [
        sa.Column("value", _decimal()),
        sa.Column("numerator", _decimal()),
        sa.Column("denominator", _decimal()),
        sa.Column("sample_size", sa.BigInteger()),
    ]


def _measures() -> list[sa.Column[object]]:
    return [
        *_parts(),
        sa.Column("progress", _decimal()),
        sa.Column("score", _decimal()),
        sa.Column("expected_progress", _decimal()),
        sa.Column("status", sa.String(32), nullable=False),
    ]


def upgrade() -> None:
    """Create the tables that people read and the private ones beside them."""
    _published()
    _runs()
    _sources()
    _staging()


def _published() -> None:
    op.create_table(
        "objective",
        sa.Column("objective_id", sa.String(200), primary_key=True),
        sa.Column("team", sa.String(100), nullable=False),
        sa.Column("cycle", sa.String(40), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("supports", sa.Text(), nullable=False),
    )
    op.create_table(
        "key_result",
        sa.Column("key_result_id", sa.String(200), primary_key=True),
        sa.Column("objective_id", sa.String(200), nullable=False),
        sa.Column("team", sa.String(100), nullable=False),
        sa.Column("cycle", sa.String(40), nullable=False),
        sa.Column("cycle_start", sa.Date(), nullable=False),
        sa.Column("cycle_end", sa.Date(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("metric", sa.String(200), nullable=False),
        sa.Column("unit", sa.String(40)),
        sa.Column("baseline", _decimal()),
        sa.Column("target", _decimal(), nullable=False),
        sa.Column("goal_kind", sa.String(20), nullable=False),
        sa.Column("commitment", sa.String(20), nullable=False),
        sa.Column("indicator", sa.String(20)),
        sa.Column("owner", sa.Text()),
        sa.Column("family", sa.String(20), nullable=False),
        sa.Column("definition_hash", sa.String(64), nullable=False),
        sa.Column("config_hash", sa.String(64), nullable=False),
        sa.Column("defined_in", sa.Text(), nullable=False),
        sa.Column("retired_at", _moment()),
    )
    op.create_table(
        "key_result_current",
        sa.Column(
            "key_result_id",
            sa.String(200),
            sa.ForeignKey("key_result.key_result_id"),
            primary_key=True,
        ),
        *_measures(),
        sa.Column("freshness", sa.String(16), nullable=False),
        sa.Column("quality", sa.Text(), nullable=False),
        sa.Column("as_of", sa.Date()),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.Column("measured_at", _moment()),
        sa.Column("stale_after", _moment()),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("error", sa.Text()),
    )
    op.create_table(
        "key_result_history",
        sa.Column(
            "key_result_id",
            sa.String(200),
            sa.ForeignKey("key_result.key_result_id"),
            primary_key=True,
        ),
        sa.Column("as_of", sa.Date(), primary_key=True),
        sa.Column("revision", sa.Integer(), primary_key=True),
        *_measures(),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("quality", sa.Text(), nullable=False),
        sa.Column("definition_hash", sa.String(64), nullable=False),
        sa.Column("recorded_at", _moment(), nullable=False),
        sa.Column("superseded_at", _moment()),
        sa.Column("run_id", sa.String(64), nullable=False),
    )
    op.create_index("ix_key_result_history_run", "key_result_history", ["run_id"])
    op.create_table(
        "metric_value",
        sa.Column("metric", sa.String(200), primary_key=True),
        sa.Column("as_of", sa.Date(), primary_key=True),
        sa.Column("window_start", sa.Date(), primary_key=True),
        sa.Column("window_end", sa.Date(), primary_key=True),
        sa.Column("revision", sa.Integer(), primary_key=True),
        *_parts(),
        sa.Column("quality", sa.Text(), nullable=False),
        sa.Column("recorded_at", _moment(), nullable=False),
        sa.Column("superseded_at", _moment()),
        sa.Column("run_id", sa.String(64), nullable=False),
    )


def _runs() -> None:
    op.create_table(
        "sync_run",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("started_at", _moment(), nullable=False),
        sa.Column("finished_at", _moment()),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("trigger", sa.String(16), nullable=False),
        sa.Column("dagster_run_id", sa.String(64), unique=True),
        sa.Column("config_hash", sa.String(64), nullable=False),
        sa.Column("key_results_expected", sa.Integer(), nullable=False),
        sa.Column("key_results_ok", sa.Integer(), nullable=False),
        sa.Column("key_results_failed", sa.Integer(), nullable=False),
        sa.Column("key_results_unchanged", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text()),
    )
    op.create_table(
        "source_pull",
        sa.Column("run_id", sa.String(64), sa.ForeignKey("sync_run.run_id"), primary_key=True),
        sa.Column("source", sa.String(100), primary_key=True),
        sa.Column("dataset", sa.String(100), primary_key=True),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("rows_expected", sa.BigInteger()),
        sa.Column("is_complete", sa.Boolean(), nullable=False),
        sa.Column("cursor_from", _moment()),
        sa.Column("cursor_to", _moment()),
        sa.Column("quota", sa.Text()),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("error", sa.Text()),
    )
    op.create_table(
        "config_version",
        sa.Column("config_hash", sa.String(64), primary_key=True),
        sa.Column("loaded_at", _moment(), nullable=False),
        sa.Column("git_sha", sa.String(64)),
        sa.Column("body", sa.Text(), nullable=False),
    )


def _sources() -> None:
    op.create_table(
        "source_state",
        sa.Column("source", sa.String(100), primary_key=True),
        sa.Column("dataset", sa.String(100), primary_key=True),
        sa.Column("cursor_at", _moment()),
        sa.Column("complete_at", _moment()),
        sa.Column("account", sa.String(100)),
        sa.Column("time_zone", sa.String(64)),
        sa.Column("currency", sa.String(8)),
    )
    op.create_table(
        "source_field",
        sa.Column("source", sa.String(100), primary_key=True),
        sa.Column("dataset", sa.String(100), primary_key=True),
        sa.Column("field", sa.String(200), primary_key=True),
        sa.Column("field_type", sa.String(16)),
        sa.Column("column_name", sa.String(63)),
        sa.Column("filled_at", _moment()),
        sa.Column("error", sa.Text()),
    )
    op.create_table(
        "source_report_day",
        sa.Column("source", sa.String(100), primary_key=True),
        sa.Column("dataset", sa.String(100), primary_key=True),
        sa.Column("series", sa.String(64), primary_key=True),
        sa.Column("metric", sa.String(200), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("value_micros", sa.BigInteger(), nullable=False),
        sa.Column("quality", sa.Text(), nullable=False),
        sa.Column("read_at", _moment(), nullable=False),
    )
    op.create_table(
        "source_report_window",
        sa.Column("source", sa.String(100), primary_key=True),
        sa.Column("dataset", sa.String(100), primary_key=True),
        sa.Column("series", sa.String(64), primary_key=True),
        sa.Column("metric", sa.String(200), primary_key=True),
        sa.Column("first_day", sa.Date(), primary_key=True),
        sa.Column("last_day", sa.Date(), primary_key=True),
        sa.Column("value", _decimal()),
        sa.Column("quality", sa.Text(), nullable=False),
        sa.Column("read_at", _moment(), nullable=False),
    )


def _staging() -> None:
    op.create_table(
        "evaluation",
        sa.Column("run_id", sa.String(64), primary_key=True),
        sa.Column("metric", sa.String(200), primary_key=True),
        sa.Column("as_of", sa.Date(), primary_key=True),
        sa.Column("window_start", sa.Date(), primary_key=True),
        sa.Column("window_end", sa.Date(), primary_key=True),
        sa.Column("start_at", _moment(), nullable=False),
        sa.Column("end_at", _moment(), nullable=False),
        *_parts(),
        sa.Column("quality", sa.Text(), nullable=False),
        sa.Column("error", sa.Text()),
    )
    op.create_table(
        "run_outcome",
        sa.Column("run_id", sa.String(64), sa.ForeignKey("sync_run.run_id"), primary_key=True),
        sa.Column("key_result_id", sa.String(200), primary_key=True),
        sa.Column("outcome", sa.String(16), nullable=False),
    )
