"""The fixed tables of the warehouse: those that people read, and the private ones beside them.

Belongs here: columns, keys and types. Names of published tables and columns are a contract (README,
docs/warehouse.md). Does not belong here: the source tables whose columns follow the bindings
(mirror), nor statements (publish, reads). A change here needs a migration.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from okr_sync.warehouse.types import ExactDecimal, FlagList, UtcDateTime

metadata = MetaData()


def _measures() -> list[Column[object]]:
    return [
        Column("value", ExactDecimal),
        Column("numerator", ExactDecimal),
        Column("denominator", ExactDecimal),
        Column("sample_size", BigInteger),
        Column("progress", ExactDecimal),
        Column("score", ExactDecimal),
        Column("expected_progress", ExactDecimal),
        Column("status", String(32), nullable=False),
    ]


def _key_result_id() -> Column[str]:
    """Part of a key. A key result that is renamed takes its rows along, and nothing else changes them."""
    key = ForeignKey("key_result.key_result_id", onupdate="CASCADE")
    return Column("key_result_id", String(200), key, primary_key=True)


# --- published -----------------------------------------------------------------------------------

objective = Table(
    "objective",
    metadata,
    Column("objective_id", String(200), primary_key=True),
    Column("team", String(100), nullable=False),
    Column("cycle", String(40), nullable=False),
    Column("title", Text, nullable=False),
    Column("owner", Text),
    Column("supports", FlagList, nullable=False),
)

key_result = Table(
    "key_result",
    metadata,
    Column("key_result_id", String(200), primary_key=True),
    Column("objective_id", String(200), nullable=False),
    Column("team", String(100), nullable=False),
    Column("cycle", String(40), nullable=False),
    Column("cycle_start", Date, nullable=False),
    Column("cycle_end", Date, nullable=False),  # the cycle's last day, as people say it
    Column("title", Text, nullable=False),
    Column("metric", String(200), nullable=False),
    Column("unit", String(40)),
    Column("baseline", ExactDecimal),
    Column("target", ExactDecimal),  # null until a measured baseline is known
    Column("goal_kind", String(20), nullable=False),
    Column("commitment", String(20), nullable=False),
    Column("indicator", String(20)),
    Column("owner", Text),
    Column("family", String(20), nullable=False),
    Column("definition_hash", String(64), nullable=False),
    Column("config_hash", String(64), nullable=False),
    Column("defined_in", Text, nullable=False),  # file:line, relative to the project
    Column("retired_at", UtcDateTime),  # when a run no longer found it in the project
)

key_result_current = Table(
    "key_result_current",
    metadata,
    _key_result_id(),
    *_measures(),
    Column("freshness", String(16), nullable=False),
    Column("quality", FlagList, nullable=False),
    Column("as_of", Date),
    Column("is_final", Boolean, nullable=False),
    Column("measured_at", UtcDateTime),
    Column("stale_after", UtcDateTime),
    Column("run_id", String(64), nullable=False),
    Column("error", Text),
)

key_result_history = Table(
    "key_result_history",
    metadata,
    _key_result_id(),
    Column("as_of", Date, primary_key=True),
    Column("revision", Integer, primary_key=True),
    *_measures(),
    Column("baseline", ExactDecimal),  # by which it was judged, as `target`
    Column("target", ExactDecimal),
    Column("is_final", Boolean, nullable=False),
    Column("origin", String(16), nullable=False),
    Column("cause", String(24)),  # why there is this revision (causes); null: before 0005
    Column("quality", FlagList, nullable=False),
    Column("definition_hash", String(64), nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("superseded_at", UtcDateTime),
    Column("run_id", String(64), nullable=False),
)

key_result_goal = Table(
    "key_result_goal",
    metadata,
    _key_result_id(),
    Column(
        "change", Integer, primary_key=True
    ),  # from 1; of those that reach a day, the last counts
    Column("cycle_start", Date, nullable=False),
    Column("effective_from", Date, nullable=False),
    Column("goal_kind", String(20), nullable=False),
    Column("baseline", ExactDecimal),
    Column("target", ExactDecimal),
    Column("low", ExactDecimal),
    Column("high", ExactDecimal),
    Column("baseline_is_measured", Boolean, nullable=False),
    Column(
        "target_share", ExactDecimal
    ),  # of a target that is a share more or less of the baseline
    Column("commitment", String(20), nullable=False),
    Column("pace", String(20), nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("config_hash", String(64), nullable=False),
    Column("run_id", String(64), nullable=False),
)

key_result_rename = Table(
    "key_result_rename",
    metadata,
    Column("rename_id", Integer, primary_key=True, autoincrement=False),
    Column("old_id", String(200), nullable=False),
    Column("new_id", String(200), nullable=False),
    Column("renamed_at", UtcDateTime, nullable=False),
    Column("config_hash", String(64), nullable=False),
    Column("token", BigInteger, nullable=False),  # of the newest run that began before it
)

metric_value = Table(
    "metric_value",
    metadata,
    Column("metric", String(200), primary_key=True),
    Column("as_of", Date, primary_key=True),
    Column("window_start", Date, primary_key=True),
    Column("window_end", Date, primary_key=True),  # the first day after the window
    Column("revision", Integer, primary_key=True),
    Column("value", ExactDecimal),
    Column("numerator", ExactDecimal),
    Column("denominator", ExactDecimal),
    Column("sample_size", BigInteger),
    Column("quality", FlagList, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("superseded_at", UtcDateTime),
    Column("run_id", String(64), nullable=False),
)

sync_run = Table(
    "sync_run",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("started_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("status", String(16), nullable=False),  # running, success, partial, failed
    Column("trigger", String(16), nullable=False),  # manual, schedule, backfill, dagster
    Column("dagster_run_id", String(64), unique=True),
    Column("config_hash", String(64), nullable=False),
    Column("key_results_expected", Integer, nullable=False),
    Column("key_results_ok", Integer, nullable=False),
    Column("key_results_failed", Integer, nullable=False),
    Column("key_results_unchanged", Integer, nullable=False),
    Column("error", Text),
)

source_pull = Table(
    "source_pull",
    metadata,
    Column("run_id", String(64), ForeignKey("sync_run.run_id"), primary_key=True),
    Column("source", String(100), primary_key=True),
    Column("dataset", String(100), primary_key=True),
    Column("requests", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("rows_expected", BigInteger),
    Column("is_complete", Boolean, nullable=False),
    Column("cursor_from", UtcDateTime),
    Column("cursor_to", UtcDateTime),
    Column("quota", Text),  # JSON object of what the API said is left
    Column("seconds", Float, nullable=False),
    Column("error", Text),
)

check_result = Table(
    "check_result",
    metadata,
    Column("subject_kind", String(16), primary_key=True),  # dataset, metric, key_result
    Column("subject", String(200), primary_key=True),
    Column("check_name", String(40), primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("passed", Boolean, nullable=False),
    Column("severity", String(16), nullable=False),  # error, warning: what a failure means
    Column("is_blocking", Boolean, nullable=False),  # whether a failure keeps numbers back
    Column("message", Text, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("superseded_at", UtcDateTime),
    Column("run_id", String(64), nullable=False),
)

config_version = Table(
    "config_version",
    metadata,
    Column("config_hash", String(64), primary_key=True),
    Column("loaded_at", UtcDateTime, nullable=False),
    Column("git_sha", String(64)),
    Column("body", Text, nullable=False),  # JSON object: file → its text
)

check_in = Table(
    "check_in",
    metadata,
    Column("key_result_id", String(200), primary_key=True),
    Column("check_in_id", Integer, primary_key=True),
    Column("day", Date, nullable=False),
    Column("value", ExactDecimal, nullable=False),
    Column("confidence", Integer, nullable=False),  # 1 to 10
    Column("note", Text),
    Column("author", Text, nullable=False),
    Column("dataset", String(200)),  # null: said by the command
    Column("place", String(500)),  # file and line
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("withdrawn_at", UtcDateTime),
)

# --- private: what the connectors know of each dataset --------------------------------------------

source_state = Table(
    "source_state",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("dataset", String(100), primary_key=True),
    # Changes before this instant are in the source tables; of reports: when a read that isn't
    # finished was begun, whose figures need not be read again.
    Column("cursor_at", UtcDateTime),
    Column("complete_at", UtcDateTime),  # when completeness was last proven; null: never
    Column("account", String(100)),  # portal or property id: another account means another mirror
    Column("time_zone", String(64)),
    Column("currency", String(8)),
)

source_field = Table(
    "source_field",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("dataset", String(100), primary_key=True),
    Column("field", String(200), primary_key=True),
    Column("field_type", String(16)),  # text, number, instant, day, flag; null when unknown
    Column("column_name", String(63)),
    Column("filled_at", UtcDateTime),  # when every record had been read with this field
    Column("error", Text),  # why this field can't be had, for people
    Column("quality", FlagList),  # flags that go with the error, such as blocked_metric; null: none
)

# A read of everything that is going on, or was when its process was killed.
source_checkpoint = Table(
    "source_checkpoint",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("dataset", String(100), primary_key=True),
    Column("stage", String(63), nullable=False),  # the table that holds what has been read
    Column("reading", Text, nullable=False),  # JSON: whose account, which fields of which types
    Column("position", Text),  # where the source's list goes on; null: at its beginning
    Column("is_listed", Boolean, nullable=False),  # the list has been read to its end
    Column("rows", BigInteger, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("reader", String(200)),  # which process is at work; null: none
    Column("beat_at", UtcDateTime, nullable=False),  # when it last wrote, by the database's clock
)

source_memory = Table(
    "source_memory",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("dataset", String(100), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("body", Text, nullable=False),  # JSON, the connector's own
    Column("noted_at", UtcDateTime, nullable=False),
)

# How often a mirror has been written, and since which of these writes its changes are known.
mirror_change = Table(
    "mirror_change",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("dataset", String(100), primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("known_since", BigInteger, nullable=False),
)

day_figures = Table(
    "day_figures",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("dataset", String(100), primary_key=True),
    Column("part", String(64), primary_key=True),  # sha256 of what is counted
    Column("sequence", BigInteger, nullable=False),  # the write of the mirror that they know of
    Column("first_day", Integer, nullable=False),  # days since 1970-01-01
    Column("figures", Text, nullable=False),  # JSON list: a figure a day
)

source_report_day = Table(
    "source_report_day",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("dataset", String(100), primary_key=True),
    Column("series", String(64), primary_key=True),  # Where.key() of the filter
    Column("metric", String(200), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("value_micros", BigInteger, nullable=False),  # millionths: sums are exact in any engine
    Column("quality", FlagList, nullable=False),
    Column("read_at", UtcDateTime, nullable=False),
)

source_report_window = Table(
    "source_report_window",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("dataset", String(100), primary_key=True),
    Column("series", String(64), primary_key=True),
    Column("metric", String(200), primary_key=True),
    Column("first_day", Date, primary_key=True),
    Column("last_day", Date, primary_key=True),
    Column("value", ExactDecimal),
    Column("quality", FlagList, nullable=False),
    Column("read_at", UtcDateTime, nullable=False),
)

source_association = Table(
    "source_association",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("dataset", String(100), primary_key=True),
    Column("to_dataset", String(100), primary_key=True),
    Column("from_id", String(200), primary_key=True),
    Column("to_id", String(200), primary_key=True),
)

source_query_result = Table(
    "source_query_result",
    metadata,
    Column("source", String(100), primary_key=True),
    Column("query", String(64), primary_key=True),  # sha256 of the statement's text
    Column("as_of", Date, primary_key=True),
    Column("window_start", Date, primary_key=True),
    Column("window_end", Date, primary_key=True),
    Column("value", ExactDecimal),
    Column("numerator", ExactDecimal),
    Column("denominator", ExactDecimal),
    Column("read_at", UtcDateTime, nullable=False),
)

# --- private: what a key result's goal and value hang on beside its metric -------------------------

measured_baseline = Table(
    "measured_baseline",
    metadata,
    Column("key_result_id", String(200), primary_key=True),
    Column("cycle_start", Date, primary_key=True),  # another cycle measures another baseline
    Column("baseline", ExactDecimal, nullable=False),
    Column("as_of", Date, nullable=False),
    Column("definition_hash", String(64), nullable=False),
    Column("measured_at", UtcDateTime, nullable=False),
    Column("run_id", String(64), nullable=False),
)

value_override = Table(
    "value_override",
    metadata,
    Column("key_result_id", String(200), primary_key=True),
    Column("override_id", Integer, primary_key=True),
    Column("value", ExactDecimal, nullable=False),
    Column("reason", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("from_day", Date, nullable=False),
    Column("until_day", Date, nullable=False),  # inclusive
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("withdrawn_at", UtcDateTime),
)

# --- private: what people are told, until it is sent and after --------------------------------------

message = Table(
    "message",
    metadata,
    Column("message_id", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),  # broken, mended, digest
    Column("subject", String(200), nullable=False),  # a key result, a team, or `sync`
    Column("occasion", String(64), nullable=False),  # what makes it another message
    Column("channel", String(100), nullable=False),  # the variable that holds the addresses
    Column("title", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("html", Text),
    Column("queued_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reached", FlagList, nullable=False),  # which of the channel's addresses have it
    Column("sent_at", UtcDateTime),
    Column("error", Text),
    UniqueConstraint("kind", "subject", "occasion", "channel"),
)

# --- private: rows of files that are no check-ins --------------------------------------------------

check_in_refusal = Table(
    "check_in_refusal",
    metadata,
    Column("dataset", String(200), primary_key=True),
    Column("place", String(500), primary_key=True),
    Column("key_result_id", String(200)),  # null: the row doesn't say, or says it wrongly
    Column("error", Text, nullable=False),
)

# --- private: what a run has computed and not yet published ---------------------------------------

evaluation = Table(
    "evaluation",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("metric", String(200), primary_key=True),
    Column("as_of", Date, primary_key=True),
    Column("window_start", Date, primary_key=True),
    Column("window_end", Date, primary_key=True),
    Column("start_at", UtcDateTime, nullable=False),
    Column("end_at", UtcDateTime, nullable=False),
    Column("value", ExactDecimal),
    Column("numerator", ExactDecimal),
    Column("denominator", ExactDecimal),
    Column("sample_size", BigInteger),
    Column("quality", FlagList, nullable=False),
    Column("error", Text),  # why there is no measurement, for people
)

# --- private: what the publishes of a running run have reported ------------------------------------

# A step that is tried again reports its key results again; counting rows here instead of adding to
# the run's counters keeps each key result counted once.
run_outcome = Table(
    "run_outcome",
    metadata,
    Column("run_id", String(64), ForeignKey("sync_run.run_id"), primary_key=True),
    Column("key_result_id", String(200), primary_key=True),
    Column("outcome", String(16), nullable=False),  # ok, unchanged, failed
)

# A run that publishes no key result ends with the last of its steps.
run_step = Table(
    "run_step",
    metadata,
    Column("run_id", String(64), ForeignKey("sync_run.run_id"), primary_key=True),
    Column("step", String(200), primary_key=True),
    Column("error", Text),  # what went wrong in it, for people
)

# --- private: which runs may publish, and in which order (lease, turns) -----------------------------

lease = Table(
    "lease",
    metadata,
    Column("run_id", String(64), ForeignKey("sync_run.run_id"), primary_key=True),
    Column("token", BigInteger, nullable=False, unique=True),  # grows in the order runs began
    Column("expires_at", UtcDateTime),  # by the database's clock; null: ended, never renewed
    Column("has_published", Boolean, nullable=False),
)

confirmation = Table(
    "confirmation",
    metadata,
    Column("table_name", String(63), primary_key=True),
    Column("series", String(250), primary_key=True),
    Column("as_of", Date, primary_key=True),
    Column("token", BigInteger, nullable=False),  # of the newest run that found it unchanged
)

Index("ix_key_result_history_run", key_result_history.c.run_id)
