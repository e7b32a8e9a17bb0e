"""Values that can't be read: the records with them are counted in every figure's flags, and no others."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    ConversionMetric,
    DurationMetric,
    Family,
    Project,
    RatioMetric,
    RecordMetric,
    Reduce,
)
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.evaluate_records import measure_groups
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import FieldType

Measure = Callable[..., Measurement]
PutRecords = Callable[..., None]
TYPES = {
    "created": FieldType.INSTANT,
    "won": FieldType.INSTANT,
    "amount": FieldType.NUMBER,
    "a_ount": FieldType.NUMBER,
    "seats": FieldType.NUMBER,
    "team": FieldType.TEXT,
}
GOOD: list[dict[str, str | None]] = [
    {
        "created": f"2026-03-{day:02}T12:00:00Z",
        "won": "2026-03-20T12:00:00Z",
        "amount": str(day),
        "a_ount": str(day),
        "seats": "2",
        "team": "a",
    }
    for day in range(2, 9)
]
BAD: list[dict[str, str | None]] = [
    # Two in the window, one with another field that can't be read, one before the window.
    {
        "created": "2026-03-02T12:00:00Z",
        "amount": "a lot",
        "a_ount": "5",
        "seats": "1",
        "team": "a",
    },
    {
        "created": "2026-03-30T12:00:00Z",
        "amount": "n/a",
        "a_ount": "5",
        "seats": "two",
        "team": "a",
    },
    {"created": "2026-03-03T12:00:00Z", "amount": "1", "a_ount": "5", "seats": "two", "team": "a"},
    {"created": "2026-02-03T12:00:00Z", "amount": "many", "a_ount": "5", "seats": "1", "team": "a"},
]
BASE: dict[str, Any] = {"dataset": "hubspot.deals", "family": Family.PIPELINE}


def total(agg: str, field: str) -> AggMetric:
    """An aggregation of deals by their creation."""
    return AggMetric(
        name="m", aggregation=Aggregation(agg=agg, field=field), time="created", **BASE
    )


def paid(field: str) -> Where:
    """Deals of which a number is more than 0."""
    return Where((Condition(field, Operator.GT, (D(0),)),))


METRICS: dict[str, RecordMetric] = {
    "sum": total("sum", "amount"),
    "average": total("average", "amount"),
    "median": total("median", "amount"),
    "distinct": total("count_distinct", "amount"),
    "ratio": RatioMetric(
        name="m",
        numerator=Aggregation(agg="sum", field="amount"),
        denominator=Aggregation(agg="count"),
        time="created",
        **BASE,
    ),
    "conversion": ConversionMetric(
        name="m",
        from_time="created",
        to_time="won",
        within=timedelta(days=15),
        where=paid("amount"),
        **BASE,
    ),
    "duration": DurationMetric(
        name="m", from_time="created", to_time="won", cohort="start", where=paid("amount"), **BASE
    ),
}


@pytest.mark.parametrize("kind", METRICS)
def test_records_with_a_bad_value_are_told_beside_the_number(
    warehouse: Warehouse,
    put_records: PutRecords,
    measure: Measure,
    project: Project,
    kind: str,
    march: Span,
) -> None:
    """The number is that of the readable values with all that belongs to it, and the flag counts the
    window's records that hold a bad one, by group as well."""
    metric = METRICS[kind]
    readable = [{**one, "amount": None} if one in BAD[:2] else one for one in GOOD + BAD]
    readable = [{**one, "seats": None} if one in BAD[1:3] else one for one in readable]
    put_records(warehouse, "hubspot.deals", TYPES, readable)
    without = measure(warehouse, metric)
    put_records(warehouse, "hubspot.deals", TYPES, GOOD + BAD)
    quality = tuple(sorted((*without.quality, "bad_value:2")))
    assert measure(warehouse, metric) == replace(without, quality=quality)
    grouped = metric.model_copy(update={"by": "team", "reduce": Reduce.MAX})
    with warehouse.read() as connection:
        ((team, of_team),) = measure_groups(connection, project, grouped, march)
    assert (team, of_team) == ("a", replace(without, quality=quality))


def test_a_field_is_known_by_its_whole_name(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """`a_ount` is not `amount`, though an underscore stands for any letter in SQL; bad values of two
    fields in one record are one record."""
    put_records(warehouse, "hubspot.deals", TYPES, [*GOOD, {**GOOD[0], "a_ount": "?"}, *BAD])
    assert "bad_value:1" in measure(warehouse, total("sum", "a_ount")).quality
    both = RatioMetric(
        name="m",
        numerator=Aggregation(agg="sum", field="amount"),
        denominator=Aggregation(agg="sum", field="seats"),
        time="created",
        **BASE,
    )
    assert "bad_value:3" in measure(warehouse, both).quality


def test_a_duration_that_must_be_counted_anew_keeps_its_flag(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure, days: Callable[..., Span]
) -> None:
    """Where a start after the as-of day keeps days from being added up, the records are scanned."""
    late = {"created": "2026-04-05T12:00:00Z", "won": "2026-03-10T12:00:00Z", "amount": "1"}
    bad = {"created": "2026-03-01T12:00:00Z", "won": "2026-03-05T12:00:00Z", "amount": "?"}
    put_records(warehouse, "hubspot.deals", TYPES, [*GOOD, late, bad])
    metric = DurationMetric(
        name="m",
        from_time="created",
        to_time="won",
        agg="max",
        where=paid("amount"),
        **BASE,
    )
    measured = measure(warehouse, metric, days(date(2026, 3, 1), date(2026, 3, 31)))
    assert (measured.value, measured.sample_size) == (18, 7)
    assert measured.quality == ("bad_value:1",)
