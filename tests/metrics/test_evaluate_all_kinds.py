"""A project with metrics of every kind, evaluated at once: each by its own way, none lost to another."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal as D
from pathlib import Path

import pytest

from okr_sync.config.bundle import Bundle
from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    AnyMetric,
    Family,
    FormulaMetric,
    ManualMetric,
    Project,
    SqlMetric,
)
from okr_sync.metrics.evaluate import evaluate
from okr_sync.metrics.formula import FormulaError, parse_formula
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.check_ins import Said, add_check_in
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import FieldType
from okr_sync.warehouse.query_store import QueryResult, put_query_results, query_key
from okr_sync.warehouse.report_store import DailyFigures, ReportAccount, ReportKey, replace_days
from okr_sync.warehouse.report_store import record_account as record_report_account
from okr_sync.warehouse.tally_store import Counted

NOW = datetime(2026, 5, 1, tzinfo=UTC)
QUERY = "select count(*) as value from staff"


def over(dataset: str, field: str, time: str | None, name: str) -> AggMetric:
    """The sum of a field."""
    return AggMetric(
        name=name,
        dataset=dataset,
        family=Family.ENGAGEMENT,
        aggregation=Aggregation(agg="sum", field=field),
        time=time,
    )


def formula(name: str, expression: str, **inputs: str) -> FormulaMetric:
    """A formula."""
    return FormulaMetric(name=name, family=Family.PIPELINE, expression=expression, inputs=inputs)


def statement(name: str, text: str) -> SqlMetric:
    """A metric of a statement on the source people."""
    return SqlMetric(name=name, family=Family.ENGAGEMENT, source="people", text=text)


def said(key_result_id: str) -> ManualMetric:
    """What people say of a key result."""
    return ManualMetric(name=key_result_id, family=Family.ENGAGEMENT, key_result_id=key_result_id)


METRICS: list[AnyMetric] = [
    over("files.spending", "spend", "day", "spend"),
    over("web.report", "sessions", None, "sessions"),
    over("files.spending", "clicks", "day", "not_in_the_file"),
    over("web.report", "keyEvents", None, "never_pulled"),
    statement("a_failed_one", "select 1 as value"),
    statement("staff", QUERY),
    statement("staff_again", QUERY),
    said("t/mood"),
    said("t/nerve"),
    formula("all", "s + v + p + m", s="spend", v="sessions", p="staff", m="t/mood"),
    formula("broken", "v / p", v="never_pulled", p="staff"),
    formula("unreadable", "2 * * v", v="sessions"),
    formula("after_them", "2 * p", p="staff"),
]


def test_each_metric_is_evaluated_its_own_way(
    warehouse: Warehouse,
    put_records: Callable[..., None],
    project: Project,
    march: Span,
    days: Callable[..., Span],
) -> None:
    """Records, reports, statements, check-ins and formulas over them; those that can't be had are named
    with their reason and hold up no other; what can be kept of records is handed on."""
    early = days(date(2026, 3, 1), date(2026, 3, 4))
    types = {"day": FieldType.DAY, "spend": FieldType.NUMBER}
    rows = [{"day": "2026-03-02", "spend": "10.5"}, {"day": "2026-03-09", "spend": "20"}]
    put_records(warehouse, "files.spending", types, rows)
    with warehouse.write() as connection:
        account = ReportAccount("1", "America/New_York", "USD")
        record_report_account(connection, "web", "report", account, NOW)
        sessions = DailyFigures({date(2026, 3, 3): D(7), date(2026, 3, 30): D(100)})
        first, last = date(2026, 3, 1), date(2026, 3, 31)
        key = ReportKey("web", "report", "")
        replace_days(connection, key, {"sessions": sessions}, first, last, NOW)
        results = [
            QueryResult(
                query_key(QUERY), at.as_of, at.window.start_day, at.window.end_day, value=D(3)
            )
            for at in (early, march)
        ]
        put_query_results(connection, "people", results, NOW)
    for key_result_id, value in (("t/mood", "0.5"), ("t/nerve", "9")):
        add_check_in(
            warehouse, Said(key_result_id, date(2026, 3, 2), D(value), 6, None, "ada"), NOW
        )
    by_name = {metric.name: metric for metric in METRICS}
    bundle = Bundle(Path(), project, by_name, {}, {}, {}, {}, (), {}, "")
    counted: list[Counted] = []
    with warehouse.read() as connection:
        answers, refusals = evaluate(
            connection, bundle, dict.fromkeys(by_name, (early, march)), counted
        )
    values = {
        (name, at.as_of): one.value for (name, at), one in answers.items() if name != "unreadable"
    }
    expected = {
        "spend": ("10.5", "30.5"),
        "sessions": ("7", "107"),
        "staff": ("3", "3"),
        "staff_again": ("3", "3"),
        "t/mood": ("0.5", "0.5"),
        "t/nerve": ("9", "9"),
        "all": ("21", "141"),
        "after_them": ("6", "6"),
    }
    assert values == {
        (name, at.as_of): D(value)
        for name, both in expected.items()
        for at, value in zip((early, march), both, strict=True)
    }
    quality = {"checked_in:2026-03-02", "confidence:6"}
    assert answers["t/mood", march] == Measurement(D("0.5"), quality=tuple(sorted(quality)))
    assert quality <= set(answers["all", march].quality)
    assert [one.dataset for one in counted] == ["spending"]
    assert refusals.keys() == {
        "not_in_the_file",
        "never_pulled",
        "a_failed_one",
        "broken",
        "unreadable",
    }
    assert refusals["a_failed_one"] == (
        "Metric a_failed_one: its statement has not been run on people for 2026-03-01 to "
        "2026-03-04. Run `okr-sync sync` for this key result."
    )
    assert refusals["broken"] == (
        f"Metric broken: its input v has no number. {refusals['never_pulled']}"
    )
    with pytest.raises(FormulaError) as unreadable:
        parse_formula("2 * * v")
    assert refusals["unreadable"] == f"Metric unreadable: {unreadable.value}"
