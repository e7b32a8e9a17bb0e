"""Metrics over mirrored records, on SQLite and PostgreSQL alike, against figures worked out by hand."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from zoneinfo import ZoneInfo

import pytest

from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    ConversionMetric,
    DurationMetric,
    Family,
    HubSpotSource,
    Project,
    RatioMetric,
    RecordMetric,
)
from okr_sync.config.where import AnyOf, Condition, Operator, Scalar, Where
from okr_sync.metrics.evaluate_records import Question, evaluate_records
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.spans import Span
from okr_sync.metrics.windows import Window, local_midnight
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import DatasetState, FieldState, FieldType, Row, column_name
from okr_sync.warehouse.mirror_writes import commit_changes
from okr_sync.warehouse.record_values import parse_value

ZONE = ZoneInfo("America/New_York")
PROJECT = Project(
    time_zone=ZONE.key, currency="USD", sources={"hubspot": HubSpotSource(name="hubspot")}
)
READ_AT = datetime(2026, 5, 1, tzinfo=UTC)
TYPES = {
    "createdate": FieldType.INSTANT,
    "won_at": FieldType.INSTANT,
    "signed_on": FieldType.DAY,
    "paid_on": FieldType.DAY,
    "amount": FieldType.NUMBER,
    "amount_in_home_currency": FieldType.NUMBER,
    "channel": FieldType.TEXT,
    "is_won": FieldType.FLAG,
}


def mirror(warehouse: Warehouse, records: Sequence[Mapping[str, str | None]]) -> None:
    """Put records, written as a source writes them, into the mirror of hubspot.deals."""
    rows: list[Row] = []
    for number, record in enumerate(records, 1):
        row: Row = {"id": str(number), "created_ms": None, "updated_ms": None}
        bad = []
        for field, kind in TYPES.items():
            row[column_name(field)], is_bad = parse_value(record.get(field), kind)
            bad += [field] if is_bad else []
        row["bad_fields"] = f",{','.join(bad)}," if bad else None
        rows.append(row)
    with warehouse.write() as connection:
        commit_changes(
            connection,
            "hubspot",
            "deals",
            rows=rows,
            gone=(),
            fields={name: FieldState(kind, READ_AT, None) for name, kind in TYPES.items()},
            known=None,
            state=DatasetState(READ_AT, READ_AT, "1", "America/New_York", "USD"),
        )


def span(first: date, last: date, as_of: date | None = None) -> Span:
    """The days first..last, both inclusive, as known at the end of `as_of` (default: last)."""
    known = as_of or last
    window = Window(
        first,
        last + timedelta(days=1),
        local_midnight(first, ZONE),
        local_midnight(last + timedelta(days=1), ZONE),
    )
    return Span(known, local_midnight(known + timedelta(days=1), ZONE), window)


MARCH = span(date(2026, 3, 1), date(2026, 3, 31))


def measure(warehouse: Warehouse, metric: RecordMetric, at: Span = MARCH) -> Measurement:
    """One metric over one span; the test fails if it is refused."""
    with warehouse.read() as connection:
        question = Question(metric, (at,))
        answers, refusals = evaluate_records(connection, PROJECT, "hubspot.deals", [question])
    assert not refusals
    return answers[metric.name, at]


def refusal(warehouse: Warehouse, metric: RecordMetric) -> str:
    """Why a metric is refused."""
    with warehouse.read() as connection:
        question = Question(metric, (MARCH,))
        answers, refusals = evaluate_records(connection, PROJECT, "hubspot.deals", [question])
    assert not answers
    return refusals[metric.name]


def where(field: str, operator: Operator, *values: Scalar) -> Where:
    """A single test."""
    return Where((Condition(field, operator, values),))


def agg(
    name: str,
    field: str | None = None,
    *,
    on: Where | None = None,
    time: str = "createdate",
    empty: str | None = None,
) -> AggMetric:
    """An aggregation over deals by the day they were created."""
    return AggMetric(
        name="m",
        dataset="hubspot.deals",
        family=Family.PIPELINE,
        aggregation=Aggregation(agg=name, field=field),
        time=time,
        where=on or Where(),
        empty=empty,
    )


def in_march(day: int, **fields: str | None) -> dict[str, str | None]:
    """A record created at noon UTC of a day of March 2026."""
    return {"createdate": f"2026-03-{day:02}T12:00:00Z", **fields}


AMOUNTS = [
    in_march(1, amount="0.1", channel="PAID"),
    in_march(2, amount="0.2", channel="PAID"),
    in_march(3, amount="0.3", channel="ORGANIC"),
    in_march(4, amount="1000.25"),
    in_march(5, amount=None, channel="PAID"),
]


@pytest.mark.parametrize(
    ("name", "value", "sample"),
    [
        ("sum", "1000.85", 4),
        ("average", "250.2125", 4),
        ("min", "0.1", 4),
        ("max", "1000.25", 4),
        ("median", "0.25", 4),
        ("p90", "700.265", 4),
        ("p25", "0.175", 4),
    ],
)
def test_aggregations_of_numbers_are_exact(
    warehouse: Warehouse, name: str, value: str, sample: int
) -> None:
    """Sums and order statistics are exact decimals (0.1 + 0.2 is 0.3); empty amounts don't count."""
    mirror(warehouse, AMOUNTS)
    measured = measure(warehouse, agg(name, "amount"))
    assert (measured.value, measured.sample_size) == (D(value), sample)


def test_counts_count_records_and_distinct_values(warehouse: Warehouse) -> None:
    """`count` counts every record of the window, `count_distinct` the different values in it."""
    mirror(warehouse, AMOUNTS)
    assert measure(warehouse, agg("count")).value == 5
    distinct = measure(warehouse, agg("count_distinct", "channel"))
    assert (distinct.value, distinct.sample_size) == (2, 4)


def test_a_sum_beyond_the_integers_of_the_engine_stays_exact(warehouse: Warehouse) -> None:
    """Three amounts near the largest that a column holds add up without overflow or rounding."""
    mirror(warehouse, [in_march(day, amount="9000000000000.000001") for day in (1, 2, 3)])
    assert measure(warehouse, agg("sum", "amount")).value == D("27000000000000.000003")


def test_negative_amounts_add_up_exactly(warehouse: Warehouse) -> None:
    """Refunds and fractions below zero keep their sign when wholes and rests are added apart."""
    amounts = ("-1.75", "0.5", "-0.25", "10")
    mirror(warehouse, [in_march(1, amount=amount) for amount in amounts])
    assert measure(warehouse, agg("sum", "amount")).value == D("8.5")
    assert measure(warehouse, agg("average", "amount")).value == D("2.125")


def test_missing_amounts_in_a_sum_are_flagged(warehouse: Warehouse) -> None:
    """A deal without an amount is not a deal of 0: the sum says how many are missing."""
    mirror(warehouse, [in_march(1, amount="5", amount_in_home_currency=None), in_march(2)])
    assert measure(warehouse, agg("sum", "amount")).quality == ("missing_value:1",)
    home = measure(warehouse, agg("sum", "amount_in_home_currency"))
    assert (home.value, home.quality) == (None, ("missing_home_currency:2",))


def test_unreadable_values_are_left_out_and_flagged(warehouse: Warehouse) -> None:
    """A value that isn't a number is neither 0 nor a crash: it is left out, and counted as bad."""
    mirror(warehouse, [in_march(1, amount="3092727991;3881228353"), in_march(2, amount="7")])
    measured = measure(warehouse, agg("sum", "amount"))
    assert measured.value == 7
    assert measured.quality == ("bad_value:1", "missing_value:1")


@pytest.mark.parametrize(
    ("name", "field", "empty", "value"),
    [
        ("count", None, None, D(0)),
        ("sum", "amount", None, D(0)),
        ("count_distinct", "channel", None, D(0)),
        ("average", "amount", None, None),
        ("median", "amount", None, None),
        ("min", "amount", None, None),
        ("count", None, "null", None),
        ("sum", "amount", "null", None),
        ("average", "amount", "zero", D(0)),
        ("median", "amount", "zero", D(0)),
    ],
)
def test_missing_is_not_zero(
    warehouse: Warehouse, name: str, field: str | None, empty: str | None, value: D | None
) -> None:
    """Over no record a count or sum is 0 and an average is no value, unless `empty` says otherwise."""
    mirror(warehouse, [{"createdate": "2026-04-01T12:00:00Z", "amount": "5"}])
    measured = measure(warehouse, agg(name, field, empty=empty))
    assert (measured.value, measured.sample_size) == (value, 0)


def test_windows_are_half_open_at_local_midnight(warehouse: Warehouse) -> None:
    """A record at the window's first instant counts, one at its end does not (New York, DST inside)."""
    edges = (
        "2026-03-01T04:59:59.999Z",  # still February in New York
        "2026-03-01T05:00:00Z",
        "2026-04-01T03:59:59.999Z",  # daylight saving began on the 8th
        "2026-04-01T04:00:00Z",
    )
    mirror(warehouse, [{"createdate": edge} for edge in edges])
    assert measure(warehouse, agg("count")).value == 2


def test_a_field_of_days_is_counted_by_its_day(warehouse: Warehouse) -> None:
    """A calendar day has no hour, so no zone can move it into another month."""
    days = ("2026-02-28", "2026-03-01", "2026-03-31", "2026-04-01")
    mirror(warehouse, [{"signed_on": day} for day in days])
    assert measure(warehouse, agg("count", time="signed_on")).value == 2


def ratio(
    numerator: Aggregation, denominator: Aggregation, empty: str | None = None
) -> RatioMetric:
    """A ratio over deals by the day they were created."""
    return RatioMetric(
        name="m",
        dataset="hubspot.deals",
        family=Family.PIPELINE,
        numerator=numerator,
        denominator=denominator,
        time="createdate",
        empty=empty,
    )


def test_a_ratio_divides_sums_once(warehouse: Warehouse) -> None:
    """A ratio is the sum of numerators over the sum of denominators, never a mean of rates."""
    mirror(warehouse, AMOUNTS)
    paid = Aggregation(agg="count", where=where("channel", Operator.EQ, "PAID"))
    measured = measure(warehouse, ratio(paid, Aggregation(agg="count")))
    assert (measured.numerator, measured.denominator, measured.sample_size) == (3, 5, 5)
    assert measured.value == D("0.6")


def test_a_ratio_over_nothing_is_no_value(warehouse: Warehouse) -> None:
    """x ÷ 0 differs between engines; here it is no value, or 0 where `empty: zero` says so."""
    mirror(warehouse, [])
    count = Aggregation(agg="count")
    assert measure(warehouse, ratio(count, count)).value is None
    assert measure(warehouse, ratio(count, count, empty="zero")).value == 0


def test_a_ratio_over_sums_that_nobody_knows_is_no_value(warehouse: Warehouse) -> None:
    """Deals none of which has an amount don't have an average of 0: what was missing is not zero."""
    mirror(warehouse, [in_march(1), in_march(2)])
    total, count = Aggregation(agg="sum", field="amount"), Aggregation(agg="count")
    for metric in (ratio(total, count), ratio(count, total, empty="zero")):
        measured = measure(warehouse, metric)
        assert (measured.value, measured.quality) == (None, ("missing_value:2",))


def conversion(on: Where | None = None) -> ConversionMetric:
    """Deals won within ten days of their creation."""
    return ConversionMetric(
        name="m",
        dataset="hubspot.deals",
        family=Family.CONVERSION,
        from_time="createdate",
        to_time="won_at",
        within=timedelta(days=10),
        where=on or Where(),
    )


def test_a_cohort_counts_only_those_that_had_time_to_convert(warehouse: Warehouse) -> None:
    """Only entities whose `within` has wholly passed count; the share that is too young is told."""
    mirror(
        warehouse,
        [
            in_march(1, won_at="2026-03-11T12:00:00Z"),  # exactly at the end of its ten days
            in_march(2, won_at="2026-03-12T12:00:00.001Z"),  # a millisecond too late
            in_march(3, won_at="2026-03-03T12:00:00Z"),  # at once
            in_march(4),
            in_march(5, won_at="2026-03-04T12:00:00Z"),  # won before it was created
            in_march(30, won_at="2026-03-31T12:00:00Z"),  # converted, but its cohort isn't mature
            {"createdate": "2026-02-28T12:00:00Z", "won_at": "2026-03-01T12:00:00Z"},
        ],
    )
    measured = measure(warehouse, conversion())
    assert (measured.numerator, measured.denominator, measured.sample_size) == (2, 5, 5)
    assert measured.value == D("0.4")
    assert measured.quality == ("immature:0.17", "negative_duration:1")


def test_a_cohort_matures_after_its_cycle(warehouse: Warehouse) -> None:
    """The window stands still at the cycle's end, the as-of instant moves on."""
    mirror(warehouse, [in_march(30, won_at="2026-04-08T12:00:00Z")])
    window_days = (date(2026, 3, 1), date(2026, 3, 31))
    young = measure(warehouse, conversion(), span(*window_days))
    mature = measure(warehouse, conversion(), span(*window_days, as_of=date(2026, 4, 9)))
    assert (young.value, young.quality) == (None, ("immature:1.00",))
    assert (mature.value, mature.quality) == (D(1), ())


def test_days_convert_by_the_calendar(warehouse: Warehouse) -> None:
    """Of calendar days, the last day of `within` must be over, whatever the distance from UTC."""
    days = [
        ("2026-03-20", "2026-03-30"),
        ("2026-03-21", "2026-03-31"),
        ("2026-03-22", "2026-03-23"),
    ]
    mirror(warehouse, [{"signed_on": first, "paid_on": second} for first, second in days])
    metric = conversion().model_copy(update={"from_time": "signed_on", "to_time": "paid_on"})
    window = (date(2026, 3, 1), date(2026, 3, 31))
    found = [
        measure(warehouse, metric, span(*window, as_of=as_of))
        for as_of in (date(2026, 3, 30), date(2026, 3, 31), date(2026, 4, 1))
    ]
    assert [(each.numerator, each.denominator) for each in found] == [(1, 1), (2, 2), (3, 3)]


def test_the_instant_of_maturity_itself_is_mature(warehouse: Warehouse) -> None:
    """`within` has wholly passed at the very instant at which it ends."""
    mirror(
        warehouse,
        [{"createdate": "2026-03-22T04:00:00Z"}, {"createdate": "2026-03-22T04:00:00.001Z"}],
    )
    measured = measure(warehouse, conversion())
    assert (measured.denominator, measured.quality) == (1, ("immature:0.50",))


@pytest.mark.parametrize("zone_name", ["America/New_York", "UTC", "Pacific/Auckland"])
def test_a_cohort_of_days_has_its_whole_last_day_in_every_zone(
    warehouse: Warehouse, zone_name: str
) -> None:
    """Signed on the 1st, two days to pay: young on the 2nd, on the 3rd while it lasts, then mature."""
    zone = ZoneInfo(zone_name)
    mirror(warehouse, [{"signed_on": "2026-03-01", "paid_on": "2026-03-03"}])
    two_days = {"from_time": "signed_on", "to_time": "paid_on", "within": timedelta(days=2)}
    metric = conversion().model_copy(update=two_days)
    first, end = date(2026, 3, 1), date(2026, 3, 31)
    window = Window(first, end, local_midnight(first, zone), local_midnight(end, zone))
    ends = {day: local_midnight(date(2026, 3, day + 1), zone) for day in (2, 3)}
    spans = (
        Span(date(2026, 3, 2), ends[2], window),
        Span(date(2026, 3, 3), ends[3] - timedelta(hours=1), window),
        Span(date(2026, 3, 3), ends[3], window),
    )
    with warehouse.read() as connection:
        question = Question(metric, spans)
        there = PROJECT.model_copy(update={"time_zone": zone.key})
        answers, _ = evaluate_records(connection, there, "hubspot.deals", [question])
    assert [answers["m", at].denominator for at in spans] == [0, 0, 1]
    assert answers["m", spans[2]].value == 1


def test_a_time_that_cannot_be_read_is_told_of(warehouse: Warehouse) -> None:
    """A record whose time is rubbish is in no window: a count that it may belong to is flagged."""
    mirror(warehouse, [{"createdate": "soon"}, {"createdate": "later"}])
    measured = measure(warehouse, agg("count"))
    assert (measured.value, measured.quality) == (0, ("bad_time:2",))
    mirrored = measure(warehouse, agg("count", time="won_at"))
    assert mirrored.quality == ()


def duration(agg_name: str = "median", cohort: str = "arrival") -> DurationMetric:
    """Days from creation to winning."""
    return DurationMetric(
        name="m",
        dataset="hubspot.deals",
        family=Family.CONVERSION,
        from_time="createdate",
        to_time="won_at",
        agg=agg_name,
        cohort=cohort,
    )


@pytest.mark.parametrize(
    ("agg_name", "value"),
    [("median", "3"), ("average", "4"), ("min", "1"), ("max", "8"), ("p50", "3"), ("p75", "5.5")],
)
def test_durations_are_days_between_by_the_day_of_arrival(
    warehouse: Warehouse, agg_name: str, value: str
) -> None:
    """Days between two times of those that arrived in the window; negative ones are left out, flagged."""
    mirror(
        warehouse,
        [
            {"createdate": "2026-02-25T00:00:00Z", "won_at": "2026-03-05T00:00:00Z"},
            {"createdate": "2026-03-01T00:00:00Z", "won_at": "2026-03-04T00:00:00Z"},
            {"createdate": "2026-03-10T12:00:00Z", "won_at": "2026-03-11T12:00:00Z"},
            {"createdate": "2026-03-20T00:00:00Z", "won_at": "2026-03-19T00:00:00Z"},
            {"createdate": "2026-03-20T00:00:00Z", "won_at": "2026-04-19T00:00:00Z"},
            {"createdate": None, "won_at": "2026-03-19T00:00:00Z"},
        ],
    )
    measured = measure(warehouse, duration(agg_name))
    assert (measured.value, measured.sample_size) == (D(value), 3)
    assert measured.quality == ("negative_duration:1",)


@pytest.mark.parametrize("agg_name", ["median", "average"])
def test_durations_by_the_day_of_the_start_know_only_arrivals_so_far(
    warehouse: Warehouse, agg_name: str
) -> None:
    """With `cohort: start` an arrival after the as-of instant is not yet known."""
    mirror(
        warehouse,
        [
            {"createdate": "2026-03-01T00:00:00Z", "won_at": "2026-04-20T00:00:00Z"},
            {"createdate": "2026-03-05T05:00:00Z", "won_at": "2026-03-07T05:00:00Z"},
            {"createdate": "2026-03-31T00:00:00Z", "won_at": "2026-04-05T00:00:00Z"},
        ],
    )
    measured = measure(warehouse, duration(agg_name, "start"))
    assert (measured.value, measured.sample_size) == (D(2), 1)


@pytest.mark.parametrize("zone_name", ["America/New_York", "UTC", "Pacific/Auckland"])
def test_an_arrival_on_the_day_after_is_not_yet_known(warehouse: Warehouse, zone_name: str) -> None:
    """By start and in days, the as-of day's own arrivals count and the next day's don't, anywhere."""
    zone = ZoneInfo(zone_name)
    mirror(
        warehouse,
        [
            {"signed_on": "2026-03-01", "paid_on": "2026-03-05"},
            {"signed_on": "2026-03-01", "paid_on": "2026-03-06"},
        ],
    )
    days = {"from_time": "signed_on", "to_time": "paid_on"}
    metric = duration("max", "start").model_copy(update=days)
    first, end = date(2026, 3, 1), date(2026, 3, 6)
    window = Window(first, end, local_midnight(first, zone), local_midnight(end, zone))
    at = Span(date(2026, 3, 5), local_midnight(end, zone), window)
    with warehouse.read() as connection:
        question = Question(metric, (at,))
        there = PROJECT.model_copy(update={"time_zone": zone.key})
        answers, _ = evaluate_records(connection, there, "hubspot.deals", [question])
    assert (answers["m", at].value, answers["m", at].sample_size) == (4, 1)


def test_many_windows_are_answered_at_once_and_alike(warehouse: Warehouse) -> None:
    """Ninety windows in one statement give what each gives alone, empty days included."""
    mirror(warehouse, AMOUNTS)
    spans = tuple(span(date(2026, 3, 1), date(2026, 3, day)) for day in range(1, 32))
    metrics: list[RecordMetric] = [agg("sum", "amount"), agg("median", "amount"), conversion()]
    named: list[RecordMetric] = [
        m.model_copy(update={"name": f"m{i}"}) for i, m in enumerate(metrics)
    ]
    with warehouse.read() as connection:
        questions = [Question(metric, spans) for metric in named]
        answers, refusals = evaluate_records(connection, PROJECT, "hubspot.deals", questions)
    assert not refusals
    assert len(answers) == 3 * 31
    for (name, at), answer in answers.items():
        assert answer == measure(warehouse, metrics[int(name[1])], at)


FILTERED = [
    in_march(1, channel="PAID_SEARCH", amount="10", is_won="true", signed_on="2026-03-02"),
    in_march(2, channel="paid_social", amount="20.5", is_won="false", signed_on="2026-03-03"),
    in_march(3, channel="100%_off", amount="30", signed_on="2026-03-04"),
    in_march(4),
]


@pytest.mark.parametrize(
    ("test", "days"),
    [
        (where("channel", Operator.EQ, "PAID_SEARCH"), {1}),
        (where("channel", Operator.EQ, "paid_search"), set()),
        (where("channel", Operator.NOT, "PAID_SEARCH"), {2, 3, 4}),
        (where("channel", Operator.IN, "PAID_SEARCH", "paid_social"), {1, 2}),
        (where("channel", Operator.NOT_IN, "PAID_SEARCH", "paid_social"), {3, 4}),
        (where("channel", Operator.CONTAINS, "_s"), {2}),
        (where("channel", Operator.CONTAINS, "%_"), {3}),
        (where("channel", Operator.STARTS_WITH, "PAID"), {1}),
        (where("channel", Operator.STARTS_WITH, "100%"), {3}),
        (where("channel", Operator.IS_SET, True), {1, 2, 3}),
        (where("channel", Operator.IS_SET, False), {4}),
        (where("amount", Operator.GT, D("20.5")), {3}),
        (where("amount", Operator.GTE, "20.5"), {2, 3}),
        (where("amount", Operator.LT, D("20.5")), {1}),
        (where("amount", Operator.LTE, D("20.5")), {1, 2}),
        (where("amount", Operator.BETWEEN, D(10), D("20.5")), {1, 2}),
        (where("amount", Operator.EQ, D("20.50")), {2}),
        (where("amount", Operator.NOT, D(30)), {1, 2, 4}),
        (where("is_won", Operator.EQ, True), {1}),
        (where("is_won", Operator.NOT, True), {2, 3, 4}),
        (where("signed_on", Operator.GT, "2026-03-03"), {3}),
        (where("signed_on", Operator.BETWEEN, "2026-03-02", "2026-03-03"), {1, 2}),
        (where("createdate", Operator.EQ, "2026-03-02"), {2}),
        (where("createdate", Operator.GT, "2026-03-02"), {3, 4}),
        (where("createdate", Operator.GTE, "2026-03-02"), {2, 3, 4}),
        (where("createdate", Operator.LTE, "2026-03-02"), {1, 2}),
        (where("createdate", Operator.LT, "2026-03-02T12:00:00Z"), {1}),
        (where("createdate", Operator.LT, "2026-03-02T08:00:00"), {1, 2}),
        (
            Where(
                (
                    AnyOf(
                        (
                            where("channel", Operator.EQ, "PAID_SEARCH"),
                            where("amount", Operator.GT, D(25))
                            & where("channel", Operator.CONTAINS, "off"),
                        )
                    ),
                    Condition("amount", Operator.LT, (D(25),)),
                )
            ),
            {1},
        ),
        (Where(), {1, 2, 3, 4}),
    ],
)
def test_every_operator_on_every_type(warehouse: Warehouse, test: Where, days: set[int]) -> None:
    """Each operator selects the same records in every engine; empty fields fail all but the negations."""
    mirror(warehouse, FILTERED)
    found = {
        day
        for day in (1, 2, 3, 4)
        if measure(
            warehouse, agg("count", on=test), span(date(2026, 3, day), date(2026, 3, day))
        ).value
    }
    assert found == days


@pytest.mark.parametrize(
    ("metric", "text"),
    [
        (agg("sum", "channel"), "`agg: sum` needs a number, but channel is of type text"),
        (agg("median", "createdate"), "`agg: median` needs a number, but createdate"),
        (agg("count", on=where("channel", Operator.GT, "a")), "`gt` needs a number or a date"),
        (agg("count", on=where("amount", Operator.CONTAINS, "1")), "`contains` needs text"),
        (agg("count", on=where("amount", Operator.EQ, "many")), "the field wants a number"),
        (agg("count", on=where("is_won", Operator.EQ, "yes")), "the field wants true or false"),
        (agg("count", on=where("signed_on", Operator.EQ, "March")), "a day such as 2026-10-01"),
        (
            agg("count", on=where("nope", Operator.EQ, "x")),
            "has not yet been read with the field nope",
        ),
        (
            conversion().model_copy(update={"to_time": "paid_on"}),
            "one is a day, the other a time of day",
        ),
    ],
)
def test_what_does_not_fit_a_fields_type_is_refused_in_words(
    warehouse: Warehouse, metric: RecordMetric, text: str
) -> None:
    """A metric that can't be right is refused by itself, saying what to change; it never gives 0."""
    mirror(warehouse, AMOUNTS)
    assert text in refusal(warehouse, metric)


def test_one_refused_metric_leaves_the_others_alone(warehouse: Warehouse) -> None:
    """Metrics are evaluated together, but a wrong one fails alone."""
    mirror(warehouse, AMOUNTS)
    wrong = agg("sum", "channel").model_copy(update={"name": "wrong"})
    with warehouse.read() as connection:
        questions = [Question(wrong, (MARCH,)), Question(agg("count"), (MARCH,))]
        answers, refusals = evaluate_records(connection, PROJECT, "hubspot.deals", questions)
    assert answers["m", MARCH].value == 5
    assert set(refusals) == {"wrong"}
