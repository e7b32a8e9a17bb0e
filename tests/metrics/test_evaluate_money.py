"""Amounts in several currencies, converted at the rate of each record's local day."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal as D

import pytest

from okr_sync.config.models import AggMetric, Aggregation, Family, Project, Reduce
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.evaluate_records import Question, evaluate_records
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import FieldType

Measure = Callable[..., Measurement]
PutRecords = Callable[..., None]
TYPES = {
    "won_at": FieldType.INSTANT,
    "signed_on": FieldType.DAY,
    "amount": FieldType.NUMBER,
    "currency": FieldType.TEXT,
    "owner": FieldType.TEXT,
}
RATE_TYPES = {
    "date": FieldType.DAY,
    "from": FieldType.TEXT,
    "to": FieldType.TEXT,
    "rate": FieldType.NUMBER,
}


def rate(day: str, base: str, quote: str, number: str) -> dict[str, str | None]:
    """A row of the fx file."""
    return {"date": day, "from": base, "to": quote, "rate": number}


RATES = [
    rate("2026-03-01", "USD", "GBP", "0.8"),
    rate("2026-03-08", "USD", "GBP", "0.75"),
    rate("2026-03-02", "GBP", "EUR", "1.25"),
    rate("2026-03-02", "EUR", "USD", "1.1"),
]


def deal(
    won_at: str, amount: str | None, currency: str | None, owner: str = "a"
) -> dict[str, str | None]:
    """A deal."""
    return {"won_at": won_at, "amount": amount, "currency": currency, "owner": owner}


NO_RATE = "files.rates has a `rate` that is not a number above 0. Mend it."
DEALS = [
    deal("2026-03-01T12:00:00Z", "0.1", "USD"),
    deal("2026-03-01T12:00:00Z", "100", "USD"),
    deal("2026-03-01T12:00:00Z", "7", "GBP"),
    # Until 7 March, 23:59:59 in New York the rate of the 1st holds; on the 8th the clocks change.
    deal("2026-03-08T04:59:59Z", "1000", "USD", "b"),
    deal("2026-03-08T05:00:00Z", "1000", "USD", "b"),
    deal("2026-03-09T03:59:59Z", "1000", "USD", "b"),
    deal("2026-03-02T12:00:00Z", "250", "eur"),  # only GBP to EUR is given: 1 / 1.25
]


def pipeline(agg: str = "sum", **changes: object) -> AggMetric:
    """Amounts won, in pounds."""
    metric = AggMetric(
        name="m",
        dataset="hubspot.deals",
        family=Family.PIPELINE,
        aggregation=Aggregation(agg=agg, field="amount"),
        time="won_at",
        currency="GBP",
        currency_field="currency",
    )
    return metric.model_copy(update=changes)


def test_each_amount_is_converted_at_the_rate_of_its_local_day(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """100.10 × 0.8 + 7 + 1000 × 0.8 + 2 × 1000 × 0.75 + 250 ÷ 1.25, exactly."""
    put_records(warehouse, "hubspot.deals", TYPES, DEALS)
    put_records(warehouse, "files.rates", RATE_TYPES, RATES)
    measured = measure(warehouse, pipeline())
    assert measured == Measurement(D("2587.08"), sample_size=7)
    average = measure(warehouse, pipeline("average"))
    assert average.value == D("2587.08") / 7


def test_the_day_of_a_rate_is_right_all_year(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure, days: Callable[..., Span]
) -> None:
    """With another rate every day, a deal at each day's first and last instant gets that day's rate."""
    first = date(2026, 1, 1)
    each = [first + timedelta(days=i) for i in range(365)]
    put_records(
        warehouse,
        "files.rates",
        RATE_TYPES,
        [rate(str(day), "USD", "GBP", str(number)) for number, day in enumerate(each, 1)],
    )
    spans = [days(day, day) for day in each]
    instants = [
        at.isoformat()
        for span in spans
        for at in (span.window.start_at, span.window.end_at - timedelta(milliseconds=1))
    ]
    put_records(warehouse, "hubspot.deals", TYPES, [deal(at, "1", "USD") for at in instants])
    measured = measure(warehouse, pipeline(), days(each[0], each[-1]))
    assert measured.value == 2 * sum(range(1, 366))


def test_a_rates_instant_counts_for_its_local_day(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """A rate read at 23:59:59 in New York is that day's, one a second later the next day's."""
    rates = [
        rate("2026-03-02T04:59:59Z", "USD", "GBP", "0.5"),
        rate("2026-03-02T05:00:00Z", "USD", "GBP", "0.25"),
    ]
    put_records(warehouse, "files.rates", RATE_TYPES | {"date": FieldType.INSTANT}, rates)
    deals = [deal(f"2026-03-0{day}T12:00:00Z", "100", "USD") for day in (1, 2)]
    put_records(warehouse, "hubspot.deals", TYPES, deals)
    assert measure(warehouse, pipeline()).value == 75


def test_days_and_levels_of_detail(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """A calendar day needs no zone, and groups are converted each by itself."""
    put_records(warehouse, "files.rates", RATE_TYPES, RATES)
    signed: list[dict[str, str | None]] = [
        {"signed_on": "2026-03-07", "amount": "10", "currency": "USD"},
        {"signed_on": "2026-03-08", "amount": "10", "currency": "USD"},
    ]
    put_records(warehouse, "hubspot.deals", TYPES, signed)
    assert measure(warehouse, pipeline(time="signed_on")).value == D("15.5")


def test_groups_are_converted_each_by_itself(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """`by` and `currency` go together: the smallest owner's pounds."""
    put_records(warehouse, "hubspot.deals", TYPES, DEALS)
    put_records(warehouse, "files.rates", RATE_TYPES, RATES)
    measured = measure(warehouse, pipeline(by="owner", reduce=Reduce.MIN))
    assert (measured.value, measured.sample_size) == (D("287.08"), 7)


def test_amounts_without_a_rate_are_left_out_and_flagged(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """A rate holds for seven days; without one, or without a currency, an amount is not guessed."""
    put_records(warehouse, "files.rates", RATE_TYPES, RATES)
    put_records(
        warehouse,
        "hubspot.deals",
        TYPES,
        [
            deal("2026-03-15T12:00:00Z", "100", "USD"),  # seven days after the 8th
            deal("2026-03-16T12:00:00Z", "100", "USD"),
            deal("2026-03-01T12:00:00Z", "100", "EUR"),  # a day before the first rate
            deal("2026-03-01T12:00:00Z", "100", "JPY"),
            deal("2026-03-01T12:00:00Z", "100", None),
            deal("2026-03-01T12:00:00Z", None, "USD"),
        ],
    )
    measured = measure(warehouse, pipeline())
    assert (measured.value, measured.sample_size) == (75, 1)
    assert measured.quality == ("missing_rate:4", "missing_value:1")


def test_nothing_convertible_is_no_value(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """Deals in a currency without rates are not 0 pounds; no deals at all are."""
    put_records(warehouse, "files.rates", RATE_TYPES, RATES)
    put_records(warehouse, "hubspot.deals", TYPES, [deal("2026-03-01T12:00:00Z", "9", "JPY")])
    measured = measure(warehouse, pipeline())
    assert (measured.value, measured.quality) == (None, ("missing_rate:1",))
    put_records(warehouse, "hubspot.deals", TYPES, [deal("2026-02-01T12:00:00Z", "9", "JPY")])
    assert measure(warehouse, pipeline()) == Measurement(D(0), sample_size=0)


def test_rates_as_text_keep_all_their_digits(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """A column of rates declared as text is not cut to millionths."""
    texts = RATE_TYPES | {"rate": FieldType.TEXT}
    put_records(warehouse, "files.rates", texts, [rate("2026-03-01", "JPY", "GBP", "0.00526341")])
    put_records(warehouse, "hubspot.deals", TYPES, [deal("2026-03-01T12:00:00Z", "1000", "JPY")])
    assert measure(warehouse, pipeline()).value == D("5.26341")


def test_codes_of_rates_may_be_written_as_codes_of_records_may(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """`usd` and ` gbp` in the fx file are USD and GBP, as they are in a deal."""
    put_records(warehouse, "files.rates", RATE_TYPES, [rate("2026-03-01", "usd", " gbp", "0.8")])
    put_records(warehouse, "hubspot.deals", TYPES, [deal("2026-03-01T12:00:00Z", "10", "USD")])
    assert measure(warehouse, pipeline()) == Measurement(D(8), sample_size=1)


def test_rates_both_ways_may_differ_by_a_spread(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure
) -> None:
    """Who buys and sells gives both rates; the one that was written for this way is taken."""
    both = [rate("2026-03-01", "USD", "GBP", "0.8"), rate("2026-03-01", "GBP", "USD", "1.2")]
    put_records(warehouse, "files.rates", RATE_TYPES, both)
    put_records(warehouse, "hubspot.deals", TYPES, [deal("2026-03-01T12:00:00Z", "10", "USD")])
    assert measure(warehouse, pipeline()) == Measurement(D(8), sample_size=1)


@pytest.mark.parametrize(
    "number", ["n/a", "1e999999", "1e-999999", "NaN", "-1", "1e-12", "1e12", "1.5e12"]
)
def test_rates_out_of_reason_are_refused(
    warehouse: Warehouse, put_records: PutRecords, refusal: Callable[..., str], number: str
) -> None:
    """A rate kept as text that is no number, or one of no two currencies, makes no sum and no crash."""
    texts = RATE_TYPES | {"rate": FieldType.TEXT}
    put_records(warehouse, "hubspot.deals", TYPES, DEALS)
    put_records(warehouse, "files.rates", texts, [rate("2026-03-01", "USD", "GBP", number)])
    assert refusal(warehouse, pipeline()) == f"Metric m: {NO_RATE}"


@pytest.mark.parametrize(
    ("rows", "metric", "text"),
    [
        (
            RATES,
            pipeline("median"),
            (
                "`agg: median` can't be taken over several currencies. Use sum or average, or a field that "
                "is in one currency already."
            ),
        ),
        (
            [*RATES, rate("2026-03-01", "USD", "GBP", "0.9")],
            pipeline(),
            "files.rates has two rates from USD to GBP for one day. Keep one.",
        ),
        (
            [*RATES, rate("2026-03-01", "GBP", "USD", "0.8")],
            pipeline(),
            (
                "files.rates has rates from USD to GBP and back for 2026-03-01 that don't fit: 0.8 × 0.8 is "
                "not about 1. Mend the one that is upside down."
            ),
        ),
        ([rate("2026-03-01", "USD", "GBP", "0")], pipeline(), NO_RATE),
        (
            None,
            pipeline(),
            (
                "The exchange rates in files.rates have not been read with the field date. An fx dataset "
                "has the fields date, from, to and rate. Run `okr-sync sync`."
            ),
        ),
    ],
)
def test_rates_that_can_not_be_right_are_refused(
    warehouse: Warehouse,
    put_records: PutRecords,
    refusal: Callable[..., str],
    rows: list[dict[str, str | None]] | None,
    metric: AggMetric,
    text: str,
) -> None:
    """Two rates for a day, a rate of 0, or no rates at all: no number is made of them."""
    put_records(warehouse, "hubspot.deals", TYPES, DEALS)
    if rows is not None:
        put_records(warehouse, "files.rates", RATE_TYPES, rows)
    assert refusal(warehouse, metric) == f"Metric m: {text}"


def test_rates_without_days_are_refused(
    warehouse: Warehouse, put_records: PutRecords, refusal: Callable[..., str]
) -> None:
    """A `date` that is a text is no day."""
    put_records(warehouse, "hubspot.deals", TYPES, DEALS)
    put_records(warehouse, "files.rates", RATE_TYPES | {"date": FieldType.TEXT}, RATES)
    assert refusal(warehouse, pipeline()) == (
        "Metric m: `date` in files.rates does not hold days. Write them as 2026-10-01."
    )


@pytest.mark.parametrize("lacking", ["date", "from", "to", "rate"])
def test_an_unfinished_row_of_rates_says_nothing(
    warehouse: Warehouse, put_records: PutRecords, measure: Measure, lacking: str
) -> None:
    """A row without one of its four fields is no rate, and spoils none."""
    whole = rate("2026-03-01", "USD", "GBP", "0.8")
    unfinished = {**rate("2026-03-01", "USD", "GBP", "0.5"), lacking: None}
    put_records(warehouse, "files.rates", RATE_TYPES, [unfinished, whole])
    put_records(warehouse, "hubspot.deals", TYPES, [deal("2026-03-01T12:00:00Z", "10", "USD")])
    assert measure(warehouse, pipeline()) == Measurement(D(8), sample_size=1)


def test_windows_are_converted_each_by_itself(
    warehouse: Warehouse, put_records: PutRecords, project: Project, days: Callable[..., Span]
) -> None:
    """Asked for together, each window has its own amounts: a day's, two days' and the month's; both
    the metric's and the aggregation's conditions hold."""
    put_records(warehouse, "hubspot.deals", TYPES, DEALS)
    put_records(warehouse, "files.rates", RATE_TYPES, RATES)
    spans = tuple(
        days(date(2026, 3, first), date(2026, 3, last)) for first, last in ((1, 1), (7, 8), (1, 31))
    )
    by_b = Where((Condition("owner", Operator.EQ, ("b",)),))
    large = Where((Condition("amount", Operator.GTE, (D(100),)),))
    metrics = {
        "all": pipeline(name="all"),
        "average": pipeline("average", name="average"),
        "of_b": pipeline(name="of_b", where=by_b),
        "large": pipeline(
            name="large", aggregation=Aggregation(agg="sum", field="amount", where=large)
        ),
    }
    with warehouse.read() as connection:
        questions = [Question(metric, spans) for metric in metrics.values()]
        answers, refusals = evaluate_records(connection, project, "hubspot.deals", questions)
    assert not refusals
    values = {name: [answers[name, span].value for span in spans] for name in metrics}
    assert values == {
        "all": [D("87.08"), D(2300), D("2587.08")],
        "average": [D("87.08") / 3, D(2300) / 3, D("2587.08") / 7],
        "of_b": [D(0), D(2300), D(2300)],
        "large": [D(80), D(2300), D(2580)],
    }


def test_a_project_without_rates_says_how_to_name_them(
    warehouse: Warehouse, put_records: PutRecords, project: Project, march: Span
) -> None:
    """Without `fx` a converting metric is refused in words."""
    put_records(warehouse, "hubspot.deals", TYPES, DEALS)
    poor = project.model_copy(update={"fx": None})
    with warehouse.read() as connection:
        questions = [Question(pipeline(), (march,))]
        answers, refusals = evaluate_records(connection, poor, "hubspot.deals", questions)
    assert not answers
    assert refusals["m"] == (
        "Metric m: it converts money, but the project has no exchange rates. Name a dataset with the "
        "fields date, from, to and rate as `fx` in okr_sync.yaml."
    )
