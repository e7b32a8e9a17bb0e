"""The keys of the binding language: what each mapping may hold, what it takes and what it means.

Belongs here: the table that the JSON Schemas and the key tables of docs/bindings.md are made from. A
test holds it against the keys that the readers know. Does not belong here: reading (readers), findings
(rule_table).
"""

from dataclasses import dataclass
from typing import Any, Final

from okr_sync.config.cycles import WEEKDAYS
from okr_sync.config.models import Family, Pool, Reduce
from okr_sync.config.source_reader import COLUMN_TYPES, SOURCE_KINDS

Schema = dict[str, Any]


@dataclass(frozen=True)
class Key:
    """A key of a mapping: its JSON Schema, its meaning, and its default where it has one."""

    name: str
    schema: Schema
    meaning: str
    is_required: bool = False
    default: str | None = None


def ref(name: str) -> Schema:
    """A reference to a shared definition."""
    return {"$ref": f"#/$defs/{name}"}


def word(*words: str) -> Schema:
    """One of a few words."""
    return {"enum": list(words)}


TEXT: Final = {"type": ["string", "number"]}
NUMBER: Final = ref("number")
DURATION: Final = ref("duration")
DAY: Final = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
TEXTS: Final = {"type": "array", "items": TEXT, "uniqueItems": True}
DATASET: Final = {"type": "string", "pattern": r"^[a-z][a-z0-9_]*\..+$"}
FIELD: Final = {"type": "string", "minLength": 1, "maxLength": 100}
ENVIRONMENT: Final = {"type": "string", "pattern": "^[A-Z_][A-Z0-9_]{0,99}$"}
CURRENCY: Final = {"type": "string", "pattern": "^[A-Z]{3}$"}


def _whole(low: int, high: int) -> Schema:
    return {"type": "integer", "minimum": low, "maximum": high}


_RESTATED = "From which share on a number is flagged that changes after its day is over."
_IGNORE = Key("ignore", ref("ignore"), "Warnings not to show, with the reason for each.")

COMMON: Final = (
    Key("description", TEXT, "What the number is, for people."),
    Key("family", word(*Family), "The group that it belongs to.", default="by source"),
    Key("min_n", _whole(1, 1_000_000_000), "With fewer records there is no score."),
    Key("empty", {"enum": [None, "null", "zero"]}, "What no records mean: no value, or 0."),
    Key(
        "unit", {"type": "string", "maxLength": 40}, "`percent` (or `%`), a currency, or any word."
    ),
    Key("owner", TEXT, "Who answers for it."),
    Key("tags", TEXTS, "Words to find it by."),
    Key(
        "plausible",
        ref("plausible"),
        "The numbers that can be right. One beyond is not published.",
        default="what is learnt from the history, which only warns",
    ),
)
OF_RECORDS: Final = (
    Key("where", ref("where"), "Only records that meet it."),
    Key("by", FIELD, "The field that makes groups: a figure for each of its values."),
    Key(
        "reduce",
        word(*Reduce),
        "How the groups' figures become one. `sum` only of counts and sums.",
    ),
)
_FROM = Key("from", DATASET, "The dataset, `source.name`.", True)
_OF = Key("of", DATASET, "The dataset, `source.name`.", True)
_TIME = Key("time", FIELD, "The field that puts a record into the window. Not for GA4 reports.")
_AGG = (
    Key("agg", ref("aggregation"), "How records become a number.", True),
    Key("field", FIELD, "The field it is taken of; `count` has none."),
)

KINDS: Final[dict[str, tuple[Key, ...]]] = {
    "agg": (
        *_AGG,
        _FROM,
        _TIME,
        Key("currency", ref("currency"), "What the amounts are in, or are converted to."),
        *OF_RECORDS,
        *COMMON,
    ),
    "ratio": (
        Key("ratio", ref("ratio"), "`numerator` and `denominator`.", True),
        _FROM,
        _TIME,
        Key(
            "pool",
            word(*Pool),
            "Sums divided once, or the mean of each record's rate.",
            default="sums",
        ),
        *OF_RECORDS,
        *COMMON,
    ),
    "conversion": (
        Key("conversion", ref("conversion"), "Two times and how long it may take.", True),
        _OF,
        *OF_RECORDS,
        *COMMON,
    ),
    "duration": (
        Key("duration", ref("durations"), "Two times, and how days become a number.", True),
        _OF,
        *OF_RECORDS,
        *COMMON,
    ),
    "formula": (
        Key("formula", {"type": "string", "maxLength": 1000}, "Arithmetic over the inputs.", True),
        Key(
            "inputs",
            ref("inputs"),
            "A metric for each name: its name, or one written in place.",
            True,
        ),
        *COMMON,
    ),
    "sql": (
        Key(
            "sql",
            {"type": "string"},
            "A SELECT, or the path of a `.sql` file in the project.",
            True,
        ),
        Key("on", TEXT, "The `sql` source that it runs on.", True),
        *COMMON,
    ),
    "snapshot": (
        Key("snapshot", ref("snapshot"), "`agg` and `field`: a level as it is now.", True),
        _FROM,
        Key(
            "change",
            {"type": "boolean"},
            "Subtract the level at the window's start.",
            default="false",
        ),
        *OF_RECORDS,
        *COMMON,
    ),
    "snapshot of a query": (
        Key("snapshot", ref("snapshot_sql"), "`sql` and `on`: a level as it is now.", True),
        Key(
            "change",
            {"type": "boolean"},
            "Subtract the level at the window's start.",
            default="false",
        ),
        *COMMON,
    ),
}
"""The keys of a metric, by its kind."""

_HALF = (*_AGG, Key("where", ref("where"), "Only records that meet it, in this half."))
_HALF_SCHEMA: Final = ref("half")

PARTS: Final[dict[str, tuple[Key, ...]]] = {
    "half": _HALF,
    "ratio": (
        Key("numerator", _HALF_SCHEMA, "What is divided.", True),
        Key("denominator", _HALF_SCHEMA, "What it is divided by.", True),
    ),
    "conversion": (
        Key("from", FIELD, "When an entity joins the cohort.", True),
        Key("to", FIELD, "When it has converted.", True),
        Key("within", DURATION, "How long it may take.", True),
    ),
    "durations": (
        Key("from", FIELD, "Where the time begins.", True),
        Key("to", FIELD, "Where it ends.", True),
        Key("agg", ref("aggregation"), "How the days become a number.", default="median"),
        Key(
            "cohort",
            word("arrival", "start"),
            "Which of the two lies in the window.",
            default="arrival",
        ),
    ),
    "snapshot": _AGG,
    "snapshot_sql": (
        Key("sql", {"type": "string"}, "A SELECT, or the path of a `.sql` file.", True),
        Key("on", TEXT, "The `sql` source that it runs on.", True),
    ),
    "currency_of": (
        Key("field", FIELD, "The field with each record's currency code.", True),
        Key("to", CURRENCY, "The currency that amounts are converted to.", True),
    ),
}
"""The keys of the mappings within metrics, by the name of their definition in the schema."""

SOURCES: Final[dict[str, tuple[Key, ...]]] = {
    "hubspot": (
        Key("kind", word("hubspot"), "HubSpot.", True),
        Key(
            "token_env", ENVIRONMENT, "The variable with the token.", default="HUBSPOT_ACCESS_TOKEN"
        ),
        Key("endpoint", TEXT, "Another address: `https://…`, or `http://…` on this machine."),
        Key(
            "api",
            {"type": "string", "pattern": "^(v3|20[0-9]{2}-[0-9]{2})$"},
            "`v3` or a dated version.",
            default="v3",
        ),
    ),
    "ga4": (
        Key("kind", word("ga4"), "Google Analytics 4.", True),
        Key("property", {"type": ["string", "integer"]}, "The property's numeric id.", True),
        Key(
            "credentials_env",
            ENVIRONMENT,
            "The variable with the path of a service account's key.",
            default="Application Default Credentials",
        ),
        Key("endpoint", TEXT, "Another address: `grpc://…` or `http://…` on this machine."),
    ),
    "sql": (
        Key("kind", word("sql"), "A database.", True),
        Key("url_env", ENVIRONMENT, "The variable with its SQLAlchemy URL.", True),
        Key("timeout", DURATION, "How long a statement may run.", default="60s"),
        Key("row_cap", _whole(1, 10_000_000), "How many rows one may give.", default="100000"),
    ),
    "files": (
        Key("kind", word("files"), "CSV, Parquet and JSON-lines files.", True),
        Key("path", {"type": "string"}, "Their folder, inside the project.", True),
        Key(
            "datasets",
            ref("datasets"),
            "Datasets of several files, or with declared columns.",
            default="one for each file, by its name",
        ),
    ),
}
FILES_DATASET: Final = (
    Key("glob", {"type": "string", "pattern": r"\.(csv|parquet|jsonl|ndjson)$"}, "Which files it is.", True),
    Key("columns", {"type": "object", "additionalProperties": word(*COLUMN_TYPES)}, "The types of columns that are not to be inferred."),
)  # fmt: skip

PROJECT: Final = (
    Key("version", {"enum": [1, "1"]}, "The language's version, 1.", True),
    Key(
        "time_zone", {"type": "string"}, "An IANA name. Days begin and end at its midnights.", True
    ),
    Key("currency", CURRENCY, "What amounts are in where nothing else is said.", True),
    Key(
        "fiscal_year_start",
        _whole(1, 12),
        "The month in which the fiscal year begins.",
        default="1",
    ),
    Key("week_start", word(*WEEKDAYS), "The day on which weeks begin.", default="monday"),
    Key("sources", ref("sources"), "What is read, by name.", True),
    Key("fx", DATASET, "The dataset of exchange rates: date, from, to, rate."),
    Key(
        "warehouse",
        ref("warehouse"),
        "Where numbers are kept.",
        default="a SQLite file in the project",
    ),
    Key("schedule", {"type": "string"}, "Cron, in the project's time zone.", default="`0 * * * *`"),
    Key(
        "settle",
        DURATION,
        "A day is final when this long has passed since it ended.",
        default="48h",
    ),
    Key("revise", DURATION, "How far back each run measures again.", default="7d"),
    Key("restated", NUMBER, _RESTATED, default="5%"),
    Key(
        "status",
        ref("status"),
        "Percentage points behind expected progress.",
        default="16.5, 33, -10",
    ),
    Key(
        "check_ins",
        ref("check_ins"),
        "Numbers that people say: files with check-ins, and how often one is due.",
        default="every 7d, by the command only",
    ),
    Key(
        "tell",
        ref("tell"),
        "Channels on which people are told of broken key results and of the week.",
        default="nobody is told",
    ),
    Key("rules", ref("rules"), "Rules of `check` to tune or to turn off."),
)
STATUS: Final = (
    Key("on_track", NUMBER, "From here on a key result is lagging.", default="16.5"),
    Key("lagging", NUMBER, "From here on it is severely lagging.", default="33"),
    Key("exceeding", NUMBER, "Up to here it exceeds.", default="-10"),
)
CHECK_INS: Final = (
    Key("from", DATASET, "A dataset of a `files` source with one check-in a row."),
    Key("every", DURATION, "Without a check-in for so long a number is stale.", default="7d"),
)
CHECK_IN_RHYTHM: Final = (Key("every", DURATION, "How often a check-in is due.", True),)
CHANNELS: Final = {"type": "object", "additionalProperties": ENVIRONMENT}
TELL: Final = (
    Key(
        "url_env", ENVIRONMENT, "The variable with the addresses for whatever has no other channel."
    ),
    Key("teams", CHANNELS, "The variable for each team: its digest, and its key results."),
    Key(
        "owners", CHANNELS, "The variable for each owner: broken key results that they answer for."
    ),
    Key(
        "digest",
        {"type": "string"},
        "When the digest is sent: cron, in the project's time zone.",
        default="`0 8 * * 1`, Mondays at 8",
    ),
)
WAREHOUSE: Final = (Key("url_env", ENVIRONMENT, "The variable with the warehouse's URL.", True),)

OKR_FILE: Final = (
    Key("team", ref("id"), "Whose objectives these are.", True),
    Key("cycle", ref("cycle"), "The period they are for.", True),
    Key(
        "objectives",
        {"type": "array", "minItems": 1, "items": ref("objective")},
        "The objectives.",
        True,
    ),
)
OBJECTIVE: Final = (
    Key("id", ref("id"), "A short id that stays.", True),
    Key("title", TEXT, "What is to be reached.", True),
    Key("owner", TEXT, "Who answers for it."),
    Key("supports", TEXTS, "Objectives that it serves, as `team/objective`."),
    Key("key_results", {"type": "array", "minItems": 1, "items": ref("key_result")}, "What tells that it is reached.", True),
    _IGNORE,
)  # fmt: skip
KEY_RESULT: Final = (
    Key("id", ref("id"), "A short id that stays; the history belongs to it.", True),
    Key("title", TEXT, "What is to be reached, with its number.", True),
    Key("metric", {"anyOf": [{"type": "string"}, ref("metric")]}, "A metric's name, or a metric written in place.", default="people say the number in check-ins"),
    Key("check_ins", ref("check_in_rhythm"), "Without a metric: `every`, how often a check-in is due.", default="the project's"),
    Key("goal", ref("goal"), "What it is to reach.", True),
    Key("goal_since", DAY, "The day from which the goal counts.", default="the day on which a run first finds it"),
    Key("over", ref("over"), "The days it looks at.", default="cycle"),
    Key(
        "unit",
        {"type": "string", "maxLength": 40},
        "As for a metric.",
        default="the metric's, or `percent` for a goal in per cent",
    ),
    Key("owner", TEXT, "Who answers for it.", default="the objective's"),
    Key("commitment", word("committed", "aspirational"), "100 % is meant, or 70 % is good.", default="committed"),
    Key("indicator", word("leading", "lagging"), "Whether it moves before or after the result."),
    Key("pace", word("linear", "none"), "Whether progress is expected to follow the calendar.", default="linear"),
    Key("shared_with", TEXTS, "Other teams that answer for it too."),
    Key("plausible", ref("plausible"), "As for a metric.", default="the metric's"),
    Key("settle", DURATION, "As in the project file.", default="the project's"),
    Key("revise", DURATION, "As in the project file.", default="the project's"),
    Key("restated", NUMBER, "As in the project file.", default="the project's"),
    Key("was", {"type": ["string", "integer"], "maxLength": 181}, "The id that it had before, `id` or `team/id`: the history goes on."),
    _IGNORE,
)  # fmt: skip
GOAL_FORMS: Final = (
    (
        Key("from", {"anyOf": [word("measured"), NUMBER]}, "Where it starts; `measured`: the metric over the cycle before.", True),
        Key("to", NUMBER, "Where it is to go; `+25%` and `-10%` are shares of the baseline.", True),
    ),
    (Key("at_least", NUMBER, "Met at this number or above.", True),),
    (Key("at_most", NUMBER, "Met at this number or below.", True),),
    (Key("between", {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}, "Met within these two.", True),),
)  # fmt: skip
_PERIOD = word("week", "month", "quarter", "year")
PLAUSIBLE: Final = (
    Key("at_least", NUMBER, "Nothing below it can be right."),
    Key("at_most", NUMBER, "Nothing above it can be right."),
    Key("between", {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}, "Both ends at once."),
)  # fmt: skip
OVER_FORMS: Final = (
    Key("last", DURATION, "The days that end with the as-of day."),
    Key("to_date", _PERIOD, "From the period's start to the as-of day."),
    Key("previous", _PERIOD, "The whole period before that."),
)
CYCLE: Final = (
    Key("start", {"type": "string"}, "The first day.", True),
    Key("end", {"type": "string"}, "The last day, which belongs to it.", True),
)

assert set(SOURCES) == set(SOURCE_KINDS)  # a new kind of source needs its keys here
