"""Causes and goals beside numbers, goals and renames over time, and views of what was known when."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_MEASURES = (
    "value",
    "numerator",
    "denominator",
    "sample_size",
    "progress",
    "score",
    "expected_progress",
    "status",
)
_CURRENT = (
    "key_result_id",
    *_MEASURES,
    "freshness",
    "quality",
    "as_of",
    "is_final",
    "measured_at",
    "stale_after",
    "run_id",
    "error",
)
_HISTORY = (
    "key_result_id",
    "as_of",
    "revision",
    *_MEASURES,
    "is_final",
    "origin",
    "quality",
    "definition_hash",
    "recorded_at",
    "superseded_at",
    "run_id",
)
_KNOWN = (
    "key_result_id",
    "as_of",
    "revision",
    *_MEASURES,
    "baseline",
    "target",
    "is_final",
    "origin",
    "cause",
    "quality",
    "definition_hash",
    "run_id",
)
_FOREVER = {
    "postgresql": "timestamptz '9999-12-31 00:00:00+00'",
    "sqlite": "'9999-12-31T00:00:00.000000+00:00'",
}
# Numbers are text in SQLite, where 0.10 and 0.1 must be the same.
_DIFFERS = {
    "postgresql": "a.value IS DISTINCT FROM b.value",
    "sqlite": "CAST(a.value AS REAL) IS NOT CAST(b.value AS REAL)",
}


def _decimal() -> sa.types.TypeEngine[Any]:
    return sa.Numeric().with_variant(sa.Text(), "sqlite")


def _moment() -> sa.types.TypeEngine[Any]:
    return sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def _key_result_id() -> sa.Column[str]:
    key = sa.ForeignKey("key_result.key_result_id", onupdate="CASCADE")
    return sa.Column("key_result_id", sa.String(200), key, primary_key=True)


def _measures() -> list[sa.Column[object]]:
    return [
        sa.Column("value", _decimal()),
        sa.Column("numerator", _decimal()),
        sa.Column("denominator", _decimal()),
        sa.Column("sample_size", sa.BigInteger()),
        sa.Column("progress", _decimal()),
        sa.Column("score", _decimal()),
        sa.Column("expected_progress", _decimal()),
        sa.Column("status", sa.String(32), nullable=False),
    ]


def upgrade() -> None:
    """Add the columns and tables, let ids be changed in one place, and make the views."""
    if op.get_bind().dialect.name == "sqlite":
        # SQLite can't change a reference, so both tables are made anew; nothing refers to them.
        _remake("key_result_current", _current_columns(), _CURRENT)
        op.drop_index("ix_key_result_history_run")
        _remake("key_result_history", _history_columns(), _HISTORY)
        op.create_index("ix_key_result_history_run", "key_result_history", ["run_id"])
    else:
        op.add_column("key_result_history", sa.Column("baseline", _decimal()))
        op.add_column("key_result_history", sa.Column("target", _decimal()))
        op.add_column("key_result_history", sa.Column("cause", sa.String(24)))
        for table in ("key_result_current", "key_result_history"):
            _let_ids_change(table)
    # What can be told of the numbers that there are; why others changed is not known any more.
    op.execute(
        "UPDATE key_result_history SET cause = CASE WHEN origin IN ('override', 'manual') THEN origin "
        "WHEN origin = 'backfill' THEN 'backfill' ELSE 'first' END "
        "WHERE revision = 1 OR origin IN ('override', 'manual')"
    )
    _goals_and_renames()
    _views(op.get_bind().dialect.name)


def _remake(name: str, columns: list[sa.Column[Any]], kept: tuple[str, ...]) -> None:
    op.rename_table(name, f"{name}_before_0005")
    op.create_table(name, *columns)
    names = ", ".join(kept)
    op.execute(f"INSERT INTO {name} ({names}) SELECT {names} FROM {name}_before_0005")
    op.drop_table(f"{name}_before_0005")


def _let_ids_change(table: str) -> None:
    name = f"{table}_key_result_id_fkey"
    op.drop_constraint(name, table, type_="foreignkey")
    op.create_foreign_key(
        name, table, "key_result", ["key_result_id"], ["key_result_id"], onupdate="CASCADE"
    )


def _current_columns() -> list[sa.Column[Any]]:
    return [
        _key_result_id(),
        *_measures(),
        sa.Column("freshness", sa.String(16), nullable=False),
        sa.Column("quality", sa.Text(), nullable=False),
        sa.Column("as_of", sa.Date()),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.Column("measured_at", _moment()),
        sa.Column("stale_after", _moment()),
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("error", sa.Text()),
    ]


def _history_columns() -> list[sa.Column[Any]]:
    return [
        _key_result_id(),
        sa.Column("as_of", sa.Date(), primary_key=True),
        sa.Column("revision", sa.Integer(), primary_key=True),
        *_measures(),
        sa.Column("baseline", _decimal()),
        sa.Column("target", _decimal()),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("cause", sa.String(24)),
        sa.Column("quality", sa.Text(), nullable=False),
        sa.Column("definition_hash", sa.String(64), nullable=False),
        sa.Column("recorded_at", _moment(), nullable=False),
        sa.Column("superseded_at", _moment()),
        sa.Column("run_id", sa.String(64), nullable=False),
    ]


def _goals_and_renames() -> None:
    op.create_table(
        "key_result_goal",
        _key_result_id(),
        sa.Column("change", sa.Integer(), primary_key=True),
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
        sa.Column("recorded_at", _moment(), nullable=False),
        sa.Column("config_hash", sa.String(64), nullable=False),
        sa.Column("run_id", sa.String(64), nullable=False),
    )
    op.create_table(
        "key_result_rename",
        sa.Column("rename_id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("old_id", sa.String(200), nullable=False),
        sa.Column("new_id", sa.String(200), nullable=False),
        sa.Column("renamed_at", _moment(), nullable=False),
        sa.Column("config_hash", sa.String(64), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=False),
    )


def _views(engine: str) -> None:
    op.execute(
        f"CREATE VIEW key_result_as_known AS SELECT {', '.join(_KNOWN)}, recorded_at AS known_from, "
        f"COALESCE(superseded_at, {_FOREVER[engine]}) AS known_until FROM key_result_history"
    )
    # A day in progress is not restated: it goes on.
    op.execute(
        "CREATE VIEW key_result_restatements AS SELECT a.key_result_id, a.as_of, a.revision, "
        "b.value AS old_value, a.value AS new_value, a.cause, b.is_final AS was_final, a.quality, "
        "b.recorded_at AS known_from, a.recorded_at AS restated_at, "
        "b.definition_hash AS old_definition_hash, a.definition_hash, a.run_id "
        "FROM key_result_history a JOIN key_result_history b ON b.key_result_id = a.key_result_id "
        "AND b.as_of = a.as_of AND b.revision = a.revision - 1 "
        f"WHERE {_DIFFERS[engine]} "
        "AND (a.cause IS NULL OR a.cause <> 'day_in_progress')"
    )
