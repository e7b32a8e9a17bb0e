"""Evaluation beyond SQLite and PostgreSQL: run on an emulated Snowflake, compiled for BigQuery.

Belongs here: that every kind of metric over records and reports is one SQL for all engines. Does not
belong here: what the numbers mean (test_evaluate_*). Only evaluation is meant for these engines; the
warehouse that is published to is SQLite or PostgreSQL (docs/adr/0045).
"""

import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import fakesnow
import pytest
from sqlalchemy import Connection, Executable, create_engine, event, insert, literal, select
from sqlalchemy.dialects import registry
from sqlalchemy.sql.elements import ClauseElement

from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    ConversionMetric,
    DurationMetric,
    Family,
    Pool,
    Project,
    RatioMetric,
    RecordMetric,
    Reduce,
)
from okr_sync.config.where import AnyOf, Condition, Operator, Where
from okr_sync.metrics.evaluate_records import Question, evaluate_records
from okr_sync.metrics.evaluate_reports import evaluate_reports
from okr_sync.metrics.whole_numbers import rest, whole_quotient
from okr_sync.warehouse.mirror import FieldType, column_name, record_table
from okr_sync.warehouse.record_values import parse_value
from okr_sync.warehouse.tables import metadata

TYPES = {
    "createdate": FieldType.INSTANT,
    "became_sql": FieldType.INSTANT,
    "signed": FieldType.DAY,
    "source": FieldType.TEXT,
    "amount": FieldType.NUMBER,
    "employees": FieldType.NUMBER,
    "won": FieldType.FLAG,
}
RECORDS: list[dict[str, str | None]] = [
    {
        "createdate": f"2026-03-{1 + i % 28:02d}T{i % 24:02d}:30:00Z",
        "became_sql": f"2026-03-{2 + i % 27:02d}T12:00:00Z" if i % 3 else None,
        "signed": f"2026-03-{1 + i % 28:02d}",
        "source": ("PAID_SEARCH", "ORGANIC", "E_MAIL", None)[i % 4],
        "amount": str(i * 1.25) if i % 5 else None,
        "employees": str(i % 7),
        "won": "true" if i % 2 else "false",
    }
    for i in range(60)
]
_READ = ("source_field", "source_state", "source_association", "mirror_change", "day_figures")
"""The tables beside the records that evaluation looks into."""

BEFORE_APRIL = datetime(2026, 4, 2, tzinfo=UTC)


def metrics() -> list[RecordMetric]:
    """A metric of every kind and aggregation over the records, with conditions of every operator."""
    own: dict[str, Any] = {"dataset": "hubspot.contacts", "family": Family.FUNNEL}
    at: dict[str, Any] = {**own, "time": "createdate"}
    paid = Where((Condition("source", Operator.EQ, ("PAID_SEARCH",)),))
    large = Where((Condition("amount", Operator.GTE, (Decimal(20),)),))
    found: list[RecordMetric] = [
        AggMetric(name=agg, aggregation=Aggregation(agg=agg, field="amount"), **at)
        for agg in ("sum", "average", "min", "max", "median", "p90", "count_distinct")
    ]
    conditions = {
        "eq": paid,
        "not": Where((Condition("source", Operator.NOT, ("ORGANIC",)),)),
        "in": Where((Condition("source", Operator.IN, ("ORGANIC", "E_MAIL")),)),
        "not_in": Where((Condition("source", Operator.NOT_IN, ("ORGANIC", "E_MAIL")),)),
        "between": Where((Condition("amount", Operator.BETWEEN, (Decimal(5), Decimal(40))),)),
        "contains": Where((Condition("source", Operator.CONTAINS, ("SEARCH",)),)),
        "starts_with": Where((Condition("source", Operator.STARTS_WITH, ("E_",)),)),
        "is_set": Where((Condition("amount", Operator.IS_SET, (True,)),)),
        "gt": Where((Condition("createdate", Operator.GT, ("2026-03-09",)),)),
        "gte": Where((Condition("amount", Operator.GTE, (Decimal(20),)),)),
        "lt": Where((Condition("signed", Operator.LT, ("2026-03-10",)),)),
        "lte": Where((Condition("employees", Operator.LTE, (Decimal(4),)),)),
        "flag": Where((Condition("won", Operator.EQ, (True,)),)),
        "any": Where((AnyOf((paid, large)), Condition("won", Operator.NOT, (True,)))),
    }
    assert {test.operator for where in conditions.values() for test in where.tests
            if isinstance(test, Condition)} == set(Operator)  # fmt: skip
    found += [
        AggMetric(name=f"count_{name}", aggregation=Aggregation(agg="count"), where=where, **at)
        for name, where in conditions.items()
    ]
    found += [
        AggMetric(name="by_day", aggregation=Aggregation(agg="count"), time="signed", **own),
        *(
            AggMetric(
                name=f"groups_{reduce}",
                aggregation=Aggregation(agg="sum", field="amount"),
                by="source",
                reduce=reduce,
                **at,
            )
            for reduce in Reduce
        ),
        RatioMetric(
            name="mean_of_rates",
            numerator=Aggregation(agg="sum", field="amount"),
            denominator=Aggregation(agg="sum", field="employees"),
            pool=Pool.MEAN,
            **at,
        ),
        RatioMetric(
            name="ratio",
            numerator=Aggregation(agg="count", where=paid),
            denominator=Aggregation(agg="count"),
            **at,
        ),
        ConversionMetric(
            name="conversion",
            from_time="createdate",
            to_time="became_sql",
            within=timedelta(days=7),
            **own,
        ),
        *(
            DurationMetric(
                name=f"duration_{agg}",
                from_time="createdate",
                to_time="became_sql",
                agg=agg,
                **own,
            )
            for agg in ("median", "average")
        ),
    ]
    return found


def fill(connection: Connection) -> None:
    """Make the tables that evaluation reads, with the records in them."""
    for name in _READ:
        metadata.tables[name].create(connection, checkfirst=True)
    table = record_table("hubspot", "contacts", TYPES)
    table.create(connection)
    rows = [
        {column_name(field): parse_value(record[field], kind)[0] for field, kind in TYPES.items()}
        | {"id": str(number), "bad_fields": None, "created_ms": None, "updated_ms": None}
        for number, record in enumerate(RECORDS)
    ]
    connection.execute(insert(table), rows)
    connection.execute(
        insert(metadata.tables["source_field"]),
        [
            {
                "source": "hubspot",
                "dataset": "contacts",
                "field": field,
                "field_type": kind.value,
                "column_name": column_name(field),
                "filled_at": BEFORE_APRIL,
                "error": None,
            }
            for field, kind in TYPES.items()
        ],
    )


@pytest.fixture
def snowflake() -> Iterator[Connection]:
    """A connection to an emulated Snowflake, through Snowflake's own dialect."""
    with warnings.catch_warnings():
        # The emulator's and the dialect's own; nothing that we could mend.
        warnings.simplefilter("ignore")
        with fakesnow.patch():
            engine = create_engine("snowflake://user:word@account/db/schema?warehouse=small")
            with engine.connect() as connection:
                yield connection
            engine.dispose()


@pytest.fixture
def sqlite() -> Iterator[Connection]:
    """A connection to SQLite, in memory."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def asked(days: Any) -> list[Question]:
    """Every metric over two windows."""
    spans = (
        days(date(2026, 3, 1), date(2026, 3, 31)),
        days(date(2026, 3, 8), date(2026, 3, 14)),
    )
    return [Question(metric, spans) for metric in metrics()]


def test_snowflake_gives_the_same_numbers(
    snowflake: Connection, sqlite: Connection, project: Project, days: Any
) -> None:
    """Run through Snowflake's dialect, every kind of metric is the number that SQLite gives."""
    found = {}
    for connection in (sqlite, snowflake):
        fill(connection)
        answers, refusals = evaluate_records(connection, project, "hubspot.contacts", asked(days))
        assert refusals == {}
        found[connection.dialect.name] = answers
    assert len(found["sqlite"]) == 2 * len(metrics())
    assert found["snowflake"] == found["sqlite"]


def test_a_division_by_what_is_computed_is_the_same_everywhere(
    snowflake: Connection, sqlite: Connection
) -> None:
    """Both parts may be sums and differences: 23 goes 3 times into 10 - 3, and 2 are left."""
    x, divisor = literal(20) + literal(3), literal(10) - literal(3)
    statement = select(whole_quotient(x, divisor), rest(x, divisor), whole_quotient(-x, divisor))
    for connection in (sqlite, snowflake):
        assert connection.execute(statement).one() == (3, 2, -3)


PAID = Where((Condition("sessionDefaultChannelGroup", Operator.EQ, ("Paid Search",)),))
WINDOWS = ((date(2026, 3, 1), date(2026, 3, 31)), (date(2026, 3, 10), date(2026, 3, 14)))


def report_metrics() -> list[RecordMetric]:
    """Metrics of every way to a figure: days added up, ranked and divided, a filter, an exact window."""
    own: dict[str, Any] = {"dataset": "web.report", "family": Family.ENGAGEMENT, "time": "date"}
    sessions = Aggregation(agg="sum", field="sessions")
    return [
        *(
            AggMetric(name=agg, aggregation=Aggregation(agg=agg, field="sessions"), **own)
            for agg in ("sum", "average", "min", "max", "median", "p90")
        ),
        AggMetric(name="paid", aggregation=sessions, where=PAID, **own),
        AggMetric(
            name="rate", aggregation=Aggregation(agg="average", field="engagementRate"), **own
        ),
        AggMetric(
            name="people", aggregation=Aggregation(agg="count_distinct", field="totalUsers"), **own
        ),
        RatioMetric(
            name="paid_share",
            numerator=Aggregation(agg="sum", field="sessions", where=PAID),
            denominator=sessions,
            **own,
        ),
    ]


def fill_reports(connection: Connection) -> None:
    """Make the tables of GA4's figures, with March's days and two windows in them."""
    for name in ("source_state", "source_field", "source_report_day", "source_report_window"):
        metadata.tables[name].create(connection, checkfirst=True)
    of = {"source": "web", "dataset": "report"}
    connection.execute(
        insert(metadata.tables["source_state"]),
        [{**of, "complete_at": BEFORE_APRIL, "account": "1", "time_zone": "America/New_York"}],
    )
    connection.execute(
        insert(metadata.tables["source_report_day"]),
        [
            {
                **of,
                "series": series,
                "metric": metric,
                "day": date(2026, 3, day),
                "value_micros": day * micros,
                "quality": ("sampled",) if day == 9 else (),
                "read_at": BEFORE_APRIL,
            }
            for series, metric, micros in (
                ("", "sessions", 1_500_000),
                ("", "engagedSessions", 1_000_000),
                (PAID.key(), "sessions", 500_000),
            )
            for day in range(1, 32)
        ],
    )
    connection.execute(
        insert(metadata.tables["source_report_window"]),
        [
            {
                **of,
                "series": "",
                "metric": "totalUsers",
                "first_day": first,
                "last_day": last,
                "value": users,
                "quality": ("thresholded",),
                "read_at": BEFORE_APRIL,
            }
            for (first, last), users in zip(WINDOWS, (Decimal(300), Decimal(41)), strict=True)
        ],
    )


def test_reports_give_the_same_numbers_on_snowflake(
    snowflake: Connection, sqlite: Connection, project: Project, days: Any
) -> None:
    """Figures of GA4's reports are read and added up alike, with their flags."""
    spans = tuple(days(*window) for window in WINDOWS)
    questions = [Question(metric, spans) for metric in report_metrics()]
    found = {}
    for connection in (sqlite, snowflake):
        fill_reports(connection)
        answers, refusals = evaluate_reports(connection, project, "web.report", questions)
        assert refusals == {}
        found[connection.dialect.name] = answers
    answers = found["sqlite"]
    assert len(answers) == 2 * len(report_metrics())
    assert found["snowflake"] == answers
    assert [answers["sum", span].value for span in spans] == [Decimal(744), Decimal(90)]
    assert [answers["people", span].value for span in spans] == [Decimal(300), Decimal(41)]
    share = answers["paid_share", spans[0]]
    assert (share.numerator, share.denominator) == (Decimal(248), Decimal(744))
    whole, part = (answers["sum", span].quality for span in spans)
    assert "sampled" in whole and "sampled" not in part


def test_every_statement_compiles_for_bigquery(
    sqlite: Connection, project: Project, days: Any
) -> None:
    """BigQuery's dialect takes each statement of an evaluation, and none has what BigQuery lacks."""
    statements: list[ClauseElement] = []

    def note(connection: Any, statement: Executable, *_: Any) -> None:
        if isinstance(statement, ClauseElement):
            statements.append(statement)

    fill(sqlite)
    fill_reports(sqlite)
    reports = [
        Question(one, tuple(days(*window) for window in WINDOWS)) for one in report_metrics()
    ]
    event.listen(sqlite, "before_execute", note)
    of_records, _ = evaluate_records(sqlite, project, "hubspot.contacts", asked(days))
    of_reports, _ = evaluate_reports(sqlite, project, "web.report", reports)
    event.remove(sqlite, "before_execute", note)
    assert len(of_records) == 2 * len(metrics()) and len(of_reports) == 2 * len(reports)
    dialect = registry.load("bigquery")()
    texts = [str(one.compile(dialect=dialect)) for one in statements]
    whole = "\n".join(texts)
    for table in ("source_report_day", "source_report_window", "contacts"):
        assert table in whole
    for text in texts:
        assert "VALUES" not in text
        assert " % " not in text
    assert "UNNEST(ARRAY<STRUCT<`span` INT64, " in whole
    assert "DIV(" in whole and "MOD(" in whole
