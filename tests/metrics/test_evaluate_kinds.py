"""Formulas, statements and levels: what `evaluate` makes of a project's metrics of every kind."""

from collections.abc import Callable, Iterable, Mapping
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
    Project,
    SnapshotMetric,
    SqlMetric,
)
from okr_sync.metrics.evaluate import evaluate
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import FieldType
from okr_sync.warehouse.query_store import (
    QueryResult,
    put_query_results,
    query_key,
    record_queries_complete,
)
from okr_sync.warehouse.tables import metric_value

PutRecords = Callable[..., None]
NOW = datetime(2026, 5, 1, tzinfo=UTC)
TYPES = {"day": FieldType.DAY, "spend": FieldType.NUMBER, "followers": FieldType.NUMBER}
SPENDING = [
    {"day": "2026-03-02", "spend": "10.5", "followers": "100"},
    {"day": "2026-03-03", "spend": "20", "followers": "200"},
    {"day": "2026-02-01", "spend": None, "followers": "7"},
]


def over(agg: str, field: str | None, name: str) -> AggMetric:
    """An aggregation of the days of March."""
    return AggMetric(
        name=name,
        dataset="files.spending",
        family=Family.ENGAGEMENT,
        aggregation=Aggregation(agg=agg, field=field),
        time="day",
    )


def formula(expression: str, inputs: Mapping[str, str], **changes: object) -> FormulaMetric:
    """A formula named m."""
    metric = FormulaMetric(
        name="m", family=Family.PIPELINE, expression=expression, inputs=dict(inputs)
    )
    return metric.model_copy(update=changes)


def bundle_of(project: Project, metrics: Iterable[AnyMetric]) -> Bundle:
    """A project's metrics, without key results."""
    by_name = {metric.name: metric for metric in metrics}
    return Bundle(Path(), project, by_name, {}, {}, {}, {}, (), {}, "")


def found(
    warehouse: Warehouse, project: Project, metrics: Iterable[AnyMetric], at: Span
) -> Measurement | str:
    """What the metric m is, or why it is refused."""
    with warehouse.read() as connection:
        answers, refusals = evaluate(connection, bundle_of(project, metrics), {"m": [at]})
    assert ("m" in refusals) != (("m", at) in answers)
    return refusals.get("m") or answers["m", at]


# --- formulas ------------------------------------------------------------------------------------


def test_a_formula_is_worked_out_from_its_inputs(
    warehouse: Warehouse, put_records: PutRecords, project: Project, march: Span
) -> None:
    """Inputs needn't be asked for; a formula may be an input; the sample is the smallest."""
    put_records(warehouse, "files.spending", TYPES, SPENDING)
    metrics: list[AnyMetric] = [
        over("sum", "spend", "spend"),
        over("count", None, "days"),
        over("max", "followers", "most"),
        formula("a / n", {"a": "spend", "n": "days"}, name="mean"),
        formula("100 * (x - 0.25) / most", {"x": "mean", "most": "most"}),
    ]
    assert found(warehouse, project, metrics, march) == Measurement(D("7.5"), sample_size=2)


@pytest.mark.parametrize(
    ("expression", "value", "quality"),
    [
        ("spend / (n - n)", None, ("division_by_zero",)),
        ("spend + none", None, ("missing_input:none",)),
        ("spend + 0 * n", D("30.5"), ()),
    ],
)
def test_what_a_formula_can_not_say_is_no_value(
    warehouse: Warehouse,
    put_records: PutRecords,
    project: Project,
    march: Span,
    expression: str,
    value: D | None,
    quality: tuple[str, ...],
) -> None:
    """A division by zero or an input without a value is no value, and says why."""
    put_records(warehouse, "files.spending", TYPES, SPENDING)
    nothing = over("average", "spend", "none").model_copy(update={"time": "followers_day"})
    types = TYPES | {"followers_day": FieldType.DAY}
    put_records(warehouse, "files.spending", types, SPENDING)
    inputs = {"spend": "spend", "n": "n"} | ({"none": "none"} if "none" in expression else {})
    metric = formula(expression, inputs)
    inputs_of: list[AnyMetric] = [over("sum", "spend", "spend"), over("count", None, "n"), nothing]
    measured = found(warehouse, project, [*inputs_of, metric], march)
    assert isinstance(measured, Measurement)
    assert (measured.value, measured.quality) == (value, quality)
    zero = formula(expression, inputs, empty="zero")
    measured = found(warehouse, project, [*inputs_of, zero], march)
    assert isinstance(measured, Measurement)
    assert measured.value == (value or 0)


def test_a_formula_unites_the_flags_of_its_inputs(
    warehouse: Warehouse, put_records: PutRecords, project: Project, march: Span
) -> None:
    """What is wrong with an input is wrong with the formula."""
    rows = [*SPENDING, {"day": "2026-03-04", "spend": None}]
    put_records(warehouse, "files.spending", TYPES, rows)
    metrics = [over("sum", "spend", "a"), over("sum", "followers", "b")]
    sums = formula("a + b", {"a": "a", "b": "b"})
    measured = found(warehouse, project, [*metrics, sums], march)
    assert isinstance(measured, Measurement)
    assert measured.quality == ("missing_value:1",)


def test_a_formula_over_a_refused_input_is_refused_with_its_reason(
    warehouse: Warehouse, put_records: PutRecords, project: Project, march: Span
) -> None:
    """A number is never made of half the inputs."""
    put_records(warehouse, "files.spending", TYPES, SPENDING)
    metrics = [over("sum", "spend", "a"), over("sum", "clicks", "b")]
    text = found(warehouse, project, [*metrics, formula("a + y", {"a": "a", "y": "b"})], march)
    assert isinstance(text, str)
    assert text.startswith("Metric m: its input y has no number. Metric b: files.spending has not")


# --- statements ----------------------------------------------------------------------------------

QUERY = "select count(*) as value from staff where left_on is null"


def statement(**changes: object) -> SqlMetric:
    """A metric of a statement on the source people."""
    metric = SqlMetric(name="m", family=Family.ENGAGEMENT, source="people", text=QUERY)
    return metric.model_copy(update=changes)


def store(warehouse: Warehouse, at: Span, **row: D | None) -> None:
    """Keep what a statement said for a span."""
    window = at.window
    result = QueryResult(query_key(QUERY), at.as_of, window.start_day, window.end_day, **row)
    with warehouse.write() as connection:
        put_query_results(connection, "people", [result], NOW)


@pytest.mark.parametrize(
    ("row", "empty", "expected"),
    [
        ({"value": D("12.5")}, None, Measurement(D("12.5"))),
        ({"value": None}, None, Measurement(None)),
        ({"value": None}, "zero", Measurement(D(0))),
        (
            {"numerator": D(3), "denominator": D(4)},
            None,
            Measurement(D("0.75"), D(3), D(4), 4),
        ),
        (
            {"numerator": D(3), "denominator": D("0.5")},
            None,
            Measurement(D(6), D(3), D("0.5")),
        ),
        ({"numerator": D(0), "denominator": D(0)}, None, Measurement(None, D(0), D(0), 0)),
        ({"numerator": D(0), "denominator": D(0)}, "zero", Measurement(D(0), D(0), D(0), 0)),
        ({"numerator": D(3), "denominator": None}, None, Measurement(None, D(3))),
        ({"numerator": None, "denominator": D(4)}, None, Measurement(None, None, D(4), 4)),
    ],
)
def test_the_row_of_a_statement_is_a_measurement(
    warehouse: Warehouse,
    project: Project,
    march: Span,
    row: dict[str, D | None],
    empty: str | None,
    expected: Measurement,
) -> None:
    """A value stands for itself; a numerator and a denominator are divided here, once."""
    store(warehouse, march, **row)
    assert found(warehouse, project, [statement(empty=empty)], march) == expected


def test_a_statement_that_was_not_run_or_failed_has_no_number(
    warehouse: Warehouse, project: Project, march: Span
) -> None:
    """Results of another text or day don't count, and a refusal is handed on."""
    store(warehouse, march, value=D(1))
    other = statement(text="select 1 as value")
    assert "its statement has not been run on people" in str(
        found(warehouse, project, [other], march)
    )
    with warehouse.write() as connection:
        record_queries_complete(connection, "people", {query_key(QUERY): "It took too long."}, NOW)
    refused = found(warehouse, project, [statement()], march)
    assert refused == "Metric m: It took too long."


# --- levels --------------------------------------------------------------------------------------


def followers(change: bool = False) -> SnapshotMetric:
    """All followers there are."""
    return SnapshotMetric(
        name="m",
        dataset="files.spending",
        family=Family.ENGAGEMENT,
        aggregation=Aggregation(agg="sum", field="followers"),
        change=change,
    )


def saw(
    warehouse: Warehouse,
    as_of: date,
    level: str | None,
    *,
    is_superseded: bool = False,
    metric: str = "m",
) -> None:
    """Publish a level that was measured on a day."""
    with warehouse.write() as connection:
        connection.execute(
            metric_value.insert(),
            {
                "metric": metric,
                "as_of": as_of,
                "window_start": date(2026, 1, 1),
                "window_end": date(2026, 2, 1),
                "revision": 1 if is_superseded else 2,
                "numerator": None if level is None else D(level),
                "quality": (),
                "recorded_at": NOW,
                "superseded_at": NOW if is_superseded else None,
                "run_id": "r",
            },
        )


def test_a_level_is_of_all_records_whenever_they_are_from(
    warehouse: Warehouse, put_records: PutRecords, project: Project, march: Span
) -> None:
    """A snapshot has no window."""
    put_records(warehouse, "files.spending", TYPES, SPENDING)
    assert found(warehouse, project, [followers()], march) == Measurement(D(307), sample_size=3)


@pytest.mark.parametrize(
    ("seen", "value", "then", "quality"),
    [
        ([(date(2026, 2, 28), "300")], "7", "300", ()),
        ([(date(2026, 2, 27), "1"), (date(2026, 2, 28), "310.5")], "-3.5", "310.5", ()),
        ([(date(2026, 2, 20), "290")], "17", "290", ("level_since:2026-02-20",)),
        (
            [(date(2026, 3, 9), "305"), (date(2026, 3, 5), "301")],
            "6",
            "301",
            ("level_since:2026-03-05",),
        ),
        (
            [(date(2026, 3, 1), "302"), (date(2026, 3, 5), "301")],
            "5",
            "302",
            ("level_since:2026-03-01",),
        ),
        (
            [(date(2026, 2, 20), "290"), (date(2026, 3, 1), "302")],
            "17",
            "290",
            ("level_since:2026-02-20",),
        ),
        # Neither today's own earlier measurement nor a day without a level is an earlier level.
        (
            [(date(2026, 3, 31), "306"), (date(2026, 2, 28), None)],
            None,
            None,
            ("no_earlier_level",),
        ),
        ([], None, None, ("no_earlier_level",)),
    ],
)
def test_a_change_is_since_the_windows_start(
    warehouse: Warehouse,
    put_records: PutRecords,
    project: Project,
    march: Span,
    seen: list[tuple[date, str | None]],
    value: str | None,
    then: str | None,
    quality: tuple[str, ...],
) -> None:
    """The level then is the last one seen before the window, else the first one in it, and is named."""
    put_records(warehouse, "files.spending", TYPES, SPENDING)
    saw(warehouse, date(2026, 2, 28), "1000", is_superseded=True)
    saw(warehouse, date(2026, 2, 28), "2000", metric="another")
    for as_of, level in seen:
        saw(warehouse, as_of, level)
    measured = found(warehouse, project, [followers(change=True)], march)
    assert measured == Measurement(
        None if value is None else D(value),
        D(307),
        None if then is None else D(then),
        3,
        quality,
    )


def test_the_level_of_a_statement_changes_too(
    warehouse: Warehouse, project: Project, march: Span
) -> None:
    """`snapshot: {sql: …}` with `change: true` subtracts the earlier level as well."""
    store(warehouse, march, value=D(12))
    saw(warehouse, date(2026, 2, 28), "10")
    metric = statement(snapshot=True, change=True)
    assert found(warehouse, project, [metric], march) == Measurement(D(2), D(12), D(10))


def test_a_level_that_is_not_there_has_not_changed(
    warehouse: Warehouse, project: Project, march: Span
) -> None:
    """A statement that gives nothing today has no change, though there was a level before."""
    store(warehouse, march, value=None)
    saw(warehouse, date(2026, 2, 28), "10")
    metric = statement(snapshot=True, change=True)
    assert found(warehouse, project, [metric], march) == Measurement(None, None, D(10))
