"""`pool: mean`: the mean of each record's own rate, beside the pooled rate of all records."""

from collections.abc import Callable
from decimal import Decimal as D

import pytest

from okr_sync.config.models import Aggregation, Family, Pool, RatioMetric
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.measurement import Measurement
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import FieldType

Measure = Callable[..., Measurement]
PutRecords = Callable[..., None]
TYPES = {
    "day": FieldType.DAY,
    "clicks": FieldType.NUMBER,
    "views": FieldType.NUMBER,
    "kind": FieldType.TEXT,
}


def rates(pool: Pool = Pool.MEAN, **changes: object) -> RatioMetric:
    """Clicks ÷ views of posts."""
    metric = RatioMetric(
        name="m",
        dataset="files.posts",
        family=Family.ENGAGEMENT,
        numerator=Aggregation(agg="sum", field="clicks"),
        denominator=Aggregation(agg="sum", field="views"),
        time="day",
        pool=pool,
    )
    return metric.model_copy(update=changes)


def post(clicks: str | None, views: str | None, kind: str = "text") -> dict[str, str | None]:
    """A post of March."""
    return {"day": "2026-03-05", "clicks": clicks, "views": views, "kind": kind}


def test_the_mean_of_rates_is_not_the_pooled_rate(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """A small post counts as much as a large one in the mean, and not in the pooled rate."""
    put_records(warehouse, "files.posts", TYPES, [post("1", "2"), post("10", "100")])
    assert measure(warehouse, rates()) == Measurement(D("0.3"), sample_size=2)
    assert measure(warehouse, rates(Pool.SUMS)).value == D(11) / D(102)


def test_rates_keep_twelve_digits(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """Thirds, negative and huge rates come to the same twelve significant digits in every engine."""
    put_records(warehouse, "files.posts", TYPES, [post("1", "3"), post("2", "3"), post("-1", "3")])
    assert measure(warehouse, rates()).value == D("0.222222222222")
    put_records(
        warehouse,
        "files.posts",
        TYPES,
        [post("9000000000000", "0.000001"), post("1", "1024"), post("0", "5")],
    )
    assert measure(warehouse, rates()).value == 3 * 10**18


def test_records_without_a_rate_are_left_out_and_flagged(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """A denominator of 0 or none has no rate, and a missing numerator is not 0."""
    rows = [post("1", "4"), post("1", "0"), post("1", None), post(None, "4"), post("0", "4")]
    put_records(warehouse, "files.posts", TYPES, rows)
    measured = measure(warehouse, rates())
    assert (measured.value, measured.sample_size) == (D("0.125"), 2)
    assert measured.quality == ("missing_value:1", "zero_denominator:2")


def test_a_mean_over_nothing_is_no_value(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """Without records there is no mean, unless `empty: zero` asks for 0."""
    put_records(warehouse, "files.posts", TYPES, [])
    assert measure(warehouse, rates()) == Measurement(None, sample_size=0)
    assert measure(warehouse, rates(empty="zero")).value == 0


def test_a_half_with_its_own_condition(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """The denominator's condition chooses the records; one the numerator leaves out has a rate of 0."""
    put_records(warehouse, "files.posts", TYPES, [post("1", "2"), post("1", "4", "video")])
    video = Where((Condition("kind", Operator.EQ, ("video",)),))
    clicks = Aggregation(agg="sum", field="clicks", where=video)
    views = Aggregation(agg="sum", field="views", where=video)
    assert measure(warehouse, rates(numerator=clicks)).value == D("0.125")
    assert measure(warehouse, rates(denominator=views)).value == D("0.25")


@pytest.mark.parametrize("agg", ["count", "average"])
def test_only_sums_of_fields_have_a_rate_per_record(
    warehouse: Warehouse, put_records: PutRecords, refusal: Callable[..., str], agg: str
) -> None:
    """A count has no value in a single record: the words say so."""
    put_records(warehouse, "files.posts", TYPES, [post("1", "2")])
    field = None if agg == "count" else "views"
    metric = rates(denominator=Aggregation(agg=agg, field=field))
    assert "both halves must be `agg: sum`" in refusal(warehouse, metric)
