"""`by` and `reduce`: one figure from each group's, on SQLite and PostgreSQL alike."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal as D
from pathlib import Path

import pytest

from okr_sync.config.bundle import Bundle
from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    Family,
    Project,
    RatioMetric,
    Reduce,
    SnapshotMetric,
)
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.inspect.contributions import contributions
from okr_sync.metrics.evaluate_records import measure_groups
from okr_sync.metrics.grouping import MOST_GROUPS, check_by
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import FieldType

Measure = Callable[..., Measurement]
PutRecords = Callable[..., None]
TYPES = {
    "day": FieldType.DAY,
    "platform": FieldType.TEXT,
    "product": FieldType.NUMBER,
    "likes": FieldType.NUMBER,
    "views": FieldType.NUMBER,
}
POSTS: list[dict[str, str | None]] = [
    {"day": "2026-03-01", "platform": "LinkedIn", "product": "1", "likes": "10", "views": "100"},
    {"day": "2026-03-09", "platform": "LinkedIn", "product": "2", "likes": "30", "views": "100"},
    {"day": "2026-03-31", "platform": "YouTube", "product": "1", "likes": "7.5", "views": "50"},
    {"day": "2026-02-01", "platform": "X", "product": "2", "likes": "99", "views": "99"},
    {"day": "2026-04-01", "platform": "TikTok", "product": "2", "likes": "1", "views": "1"},
    {"day": "2026-03-05", "platform": None, "product": "1", "likes": "500", "views": "500"},
]


def posts(agg: str, reduce: Reduce, by: str = "platform", field: str | None = "likes") -> AggMetric:
    """An aggregation of posts by a field."""
    return AggMetric(
        name="m",
        dataset="files.posts",
        family=Family.ENGAGEMENT,
        aggregation=Aggregation(agg=agg, field=field),
        time="day",
        by=by,
        reduce=reduce,
    )


@pytest.mark.parametrize(
    ("agg", "reduce", "value"),
    [
        ("sum", Reduce.MIN, "0"),  # X had nothing in March
        ("sum", Reduce.MAX, "40"),
        ("sum", Reduce.SUM, "47.5"),
        ("average", Reduce.MIN, "7.5"),  # X has no average, and takes no part
        ("average", Reduce.AVERAGE, "13.75"),
        ("median", Reduce.MAX, "20"),
        ("p25", Reduce.MAX, "15"),
        ("max", Reduce.MIN, "7.5"),
    ],
)
def test_groups_are_worked_out_and_then_reduced(
    warehouse: Warehouse,
    put_records: PutRecords,
    measure: Measure,
    agg: str,
    reduce: Reduce,
    value: str,
) -> None:
    """Each platform has its own figure; reduce makes one of them, and the records without are told."""
    put_records(warehouse, "files.posts", TYPES, POSTS)
    measured = measure(warehouse, posts(agg, reduce))
    assert (measured.value, measured.numerator, measured.sample_size) == (D(value), None, 3)
    assert {"groups:3", "missing_group:1"} <= set(measured.quality)
    assert ("empty_groups:1" in measured.quality) == (agg != "sum")


def test_a_group_exists_from_its_first_record_on(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure, days: Callable[..., Span]
) -> None:
    """A platform that joins later changes nothing before, and one with nothing in the window is empty."""
    put_records(warehouse, "files.posts", TYPES, POSTS)
    metric = posts("count", Reduce.MIN, field=None)
    ends = (date(2026, 2, 15), date(2026, 3, 1), date(2026, 4, 1))
    found = [measure(warehouse, metric, days(date(2026, 2, 1), end)) for end in ends]
    assert [each.value for each in found] == [1, 1, 1]
    assert [each.quality[0] for each in found] == ["groups:1", "groups:2", "groups:4"]
    alone = measure(warehouse, metric, days(date(2026, 4, 1), date(2026, 4, 1)))
    assert (alone.value, alone.sample_size) == (0, 1)


def test_groups_may_be_numbers_and_filtered(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """`where` decides which groups there are; a number field groups as well as a text."""
    put_records(warehouse, "files.posts", TYPES, POSTS)
    metric = posts("sum", Reduce.AVERAGE, by="product")
    assert measure(warehouse, metric).value == D("273.75")  # (10 + 7.5 + 500 and 30) / 2
    only = Where((Condition("platform", Operator.EQ, ("LinkedIn",)),))
    filtered = measure(warehouse, metric.model_copy(update={"where": only}))
    assert (filtered.value, filtered.quality) == (20, ("groups:2",))


def test_ratios_and_levels_have_groups_too(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """A ratio is pooled within each group; a snapshot's groups are those of all records."""
    put_records(warehouse, "files.posts", TYPES, POSTS)
    ratio = RatioMetric(
        name="m",
        dataset="files.posts",
        family=Family.ENGAGEMENT,
        numerator=Aggregation(agg="sum", field="likes"),
        denominator=Aggregation(agg="sum", field="views"),
        time="day",
        by="platform",
        reduce=Reduce.MIN,
    )
    assert measure(warehouse, ratio).value == D("0.15")
    level = SnapshotMetric(
        name="m",
        dataset="files.posts",
        family=Family.ENGAGEMENT,
        aggregation=Aggregation(agg="count"),
        by="platform",
        reduce=Reduce.MAX,
    )
    measured = measure(warehouse, level)
    assert (measured.value, measured.quality) == (2, ("groups:4", "missing_group:1"))


def test_no_group_is_no_value(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """Without any group there is nothing to reduce: no value, not zero."""
    put_records(warehouse, "files.posts", TYPES, POSTS[5:])
    measured = measure(warehouse, posts("sum", Reduce.SUM))
    assert (measured.value, measured.quality) == (None, ("groups:0", "missing_group:1"))


def test_too_many_groups_are_refused(
    warehouse: Warehouse, put_records: PutRecords, refusal: Callable[..., str]
) -> None:
    """A field with a thousand values is an id, not a category."""
    many: list[dict[str, str | None]] = [
        {"day": "2026-03-01", "platform": str(i)} for i in range(MOST_GROUPS + 1)
    ]
    put_records(warehouse, "files.posts", TYPES, many)
    assert "more than 1000 different values" in refusal(warehouse, posts("sum", Reduce.MIN))


@pytest.mark.parametrize("agg", ["average", "median", "p90", "min", "max", "count_distinct"])
def test_only_counts_and_sums_are_summed_over_groups(
    warehouse: Warehouse, put_records: PutRecords, refusal: Callable[..., str], agg: str
) -> None:
    """Rates, extremes and distinct values of groups don't add up: `reduce: sum` is refused."""
    put_records(warehouse, "files.posts", TYPES, POSTS)
    assert "add up only for counts and sums" in refusal(warehouse, posts(agg, Reduce.SUM))


def test_reports_can_not_be_grouped() -> None:
    """GA4's figures are asked for one filter at a time: the words say what to do instead."""
    text = check_by(posts("sum", Reduce.MIN), is_report=True)
    assert text is not None and "combine them in a formula" in text
    assert check_by(posts("sum", Reduce.MIN), is_report=False) is None


def test_the_groups_behind_a_number_are_named_as_people_write_them(
    warehouse: Warehouse, put_records: PutRecords, project: Project, march: Span
) -> None:
    """A number groups as 1 and not as it is stored; a group of a later day is not there yet."""
    put_records(warehouse, "files.posts", TYPES, POSTS)
    with warehouse.read() as connection:
        products = measure_groups(
            connection, project, posts("sum", Reduce.MIN, by="product"), march
        )
        platforms = measure_groups(connection, project, posts("sum", Reduce.MIN), march)
        bundle = Bundle(Path(), project, {}, {}, {}, {}, {}, (), {}, "")
        by_product = posts("sum", Reduce.MIN, by="product")
        listed = list(contributions(connection, bundle, by_product, march))
    assert [(name, one.value) for name, one in products] == [("1", D("517.5")), ("2", 30)]
    assert sorted(str(one.group) for one in listed) == ["1", "1", "1", "2"]
    assert [(name, one.value) for name, one in platforms] == [
        ("LinkedIn", 40),
        ("X", 0),
        ("YouTube", D("7.5")),
    ]
