"""What must hold of evaluation whatever the records are: Hypothesis, on a real SQLite file."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
from okr_sync.metrics.fx import Rates
from okr_sync.metrics.grouping import is_additive
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.mirrored import read_mirrored
from okr_sync.metrics.record_fields import anchor_field, converts_currency
from okr_sync.metrics.record_readings import reading_of
from okr_sync.metrics.scans import cells_of_spans, scan
from okr_sync.metrics.spans import Span
from okr_sync.metrics.windows import Window, local_midnight
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.mirror import FieldType

PutRecords = Callable[..., None]
Measure = Callable[..., Measurement]
Days = Callable[..., Span]
Record = dict[str, str | None]

TYPES = {
    "created_at": FieldType.INSTANT,
    "won_at": FieldType.INSTANT,
    "created_on": FieldType.DAY,
    "won_on": FieldType.DAY,
    "amount": FieldType.NUMBER,
    "cost": FieldType.NUMBER,
    "currency": FieldType.TEXT,
    "channel": FieldType.TEXT,
}
RATE_TYPES = {
    "date": FieldType.DAY,
    "from": FieldType.TEXT,
    "to": FieldType.TEXT,
    "rate": FieldType.NUMBER,
}
ZONE = ZoneInfo("America/New_York")
FIRST = date(2026, 2, 20)
DAYS = 30  # with 8 March, which has 23 hours in New York

# The properties use fixtures that hold no state between examples but the mirror, which each example
# replaces.
checked = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """One warehouse for all examples."""
    opened = open_warehouse(f"sqlite:///{tmp_path_factory.mktemp('properties') / 'w.sqlite'}")
    yield opened
    opened.close()


def _instant(minutes: int) -> str:
    start = datetime(FIRST.year, FIRST.month, FIRST.day, 5, tzinfo=UTC)  # midnight in New York
    return (start + timedelta(minutes=minutes)).isoformat()


def amounts() -> st.SearchStrategy[str]:
    """Amounts with cents, negative ones and zero included."""
    return st.decimals(-1000, 1000, places=2).map(str)


def instants(first_day: int = 0, last_day: int = DAYS) -> st.SearchStrategy[str]:
    """Times from the first to the last day, the last not included."""
    return st.integers(first_day * 1440, last_day * 1440 - 61).map(_instant)


def records(
    first_day: int = 0, last_day: int = DAYS, number: str = ""
) -> st.SearchStrategy[list[Record]]:
    """Records whose times lie between two days; `number` begins their ids."""
    one = st.fixed_dictionaries(
        {
            "created_at": instants(first_day, last_day),
            "won_at": st.none() | instants(first_day, last_day),
            "amount": amounts(),
            "cost": st.none() | amounts(),
            "currency": st.sampled_from(["GBP", "USD", "JPY"]),
            "channel": st.sampled_from(["PAID", "ORGANIC", "NEWS"]) | st.none(),
        }
    )
    return st.lists(one, max_size=12).map(
        lambda found: [_with_days(each) | {"id": f"{number}{i}"} for i, each in enumerate(found)]
    )


def _with_days(record: Record) -> Record:
    """The same record with the local days of its times."""
    days = {
        name.replace("_at", "_on"): str(datetime.fromisoformat(at).astimezone(ZONE).date())
        for name, at in record.items()
        if name.endswith("_at") and at
    }
    return record | days


def agg(name: str, field: str | None = "amount", **changes: object) -> AggMetric:
    """An aggregation by the day of creation."""
    metric = AggMetric(
        name="m",
        dataset="hubspot.deals",
        family=Family.PIPELINE,
        aggregation=Aggregation(agg=name, field=field),
        time="created_at",
    )
    return metric.model_copy(update=changes)


PAID = Where((Condition("channel", Operator.EQ, ("PAID",)),))
ADDITIVE = (
    agg("count", None),
    agg("sum"),
    agg("count", None, where=PAID),
    agg("sum", currency="GBP", currency_field="currency", where=Where((
        Condition("currency", Operator.NOT, ("JPY",)),
    ))),
)  # fmt: skip
RATIO = RatioMetric(
    name="m",
    dataset="hubspot.deals",
    family=Family.PIPELINE,
    numerator=Aggregation(agg="sum", field="amount"),
    denominator=Aggregation(agg="sum", field="cost"),
    time="created_at",
)
CONVERSION = ConversionMetric(
    name="m",
    dataset="hubspot.deals",
    family=Family.CONVERSION,
    from_time="created_at",
    to_time="won_at",
    within=timedelta(days=5),
)
DURATION = DurationMetric(
    name="m",
    dataset="hubspot.deals",
    family=Family.CONVERSION,
    from_time="created_at",
    to_time="won_at",
)
OTHERS: tuple[RecordMetric, ...] = (
    agg("average"),
    agg("median"),
    agg("min"),
    agg("count_distinct", "channel"),
    agg("average", currency="GBP", currency_field="currency"),
    RATIO,
    RATIO.model_copy(update={"pool": Pool.MEAN}),
    CONVERSION,
    DURATION,
    DURATION.model_copy(update={"cohort": "start", "agg": "average"}),
)
BY_DAY = (
    CONVERSION.model_copy(update={"from_time": "created_on", "to_time": "won_on"}),
    DURATION.model_copy(update={"from_time": "created_on", "to_time": "won_on"}),
    DURATION.model_copy(
        update={"from_time": "created_on", "to_time": "won_on", "cohort": "start", "agg": "max"}
    ),
)
GROUPED = (
    agg("count", None, by="channel", reduce=Reduce.MIN),
    agg("p90", by="channel", reduce=Reduce.AVERAGE),
    CONVERSION.model_copy(update={"by": "channel", "reduce": Reduce.MAX}),
)
CONDITIONED = tuple(
    agg(what, field, where=Where(tests))
    for what, field in (("count", None), ("max", "cost"))
    for tests in (
        (Condition("channel", Operator.NOT_IN, ("PAID", "NEWS")),),
        (Condition("channel", Operator.IS_SET, (True,)),),
        (Condition("channel", Operator.IS_SET, ("false",)), Condition("cost", Operator.LTE, (D(10),))),
        (Condition("channel", Operator.CONTAINS, ("A",)), Condition("cost", Operator.EQ, (D(0),))),
        (Condition("won_at", Operator.EQ, ("2026-03-08",)),),
        (Condition("won_on", Operator.NOT, ("2026-03-08",)), Condition("won_at", Operator.IS_SET, (True,))),
        (
            AnyOf((
                Where((Condition("channel", Operator.EQ, ("PAID",)),)),
                Where((Condition("amount", Operator.GT, (D(500),)),)),
            )),
            Condition("currency", Operator.IN, ("USD", "JPY")),
        ),
    )
)  # fmt: skip
EVERYTHING = (*ADDITIVE, *OTHERS, *BY_DAY, *GROUPED)


def measure_all(warehouse: Warehouse, project: Project, at: Span) -> list[Measurement]:
    """What every metric is over a span, in one evaluation."""
    questions = [
        Question(metric.model_copy(update={"name": f"m{i}"}), (at,))
        for i, metric in enumerate(EVERYTHING)
    ]
    with warehouse.read() as connection:
        answers, refusals = evaluate_records(connection, project, "hubspot.deals", questions)
    assert not refusals
    return [answers[question.metric.name, at] for question in questions]


def put_rates(put_records: PutRecords, warehouse: Warehouse) -> None:
    """Another rate every day, for dollars; none for yen."""
    rows = [
        {
            "date": str(FIRST + timedelta(days=i)),
            "from": "USD",
            "to": "GBP",
            "rate": f"0.{700 + i}",
        }
        for i in range(DAYS)
    ]
    put_records(warehouse, "files.rates", RATE_TYPES, rows)


@checked
@given(found=records(), split=st.integers(1, DAYS - 1))
def test_splitting_a_window_adds_up(
    sqlite_file: Warehouse,
    put_records: PutRecords,
    measure: Measure,
    days: Days,
    found: list[Record],
    split: int,
) -> None:
    """A count or a sum of a window is exactly the sum of its parts', wherever it is cut."""
    put_rates(put_records, sqlite_file)
    put_records(sqlite_file, "hubspot.deals", TYPES, found)
    last, cut = FIRST + timedelta(days=DAYS - 1), FIRST + timedelta(days=split)
    for metric in ADDITIVE:
        whole = measure(sqlite_file, metric, days(FIRST, last))
        before = measure(sqlite_file, metric, days(FIRST, cut - timedelta(days=1)))
        after = measure(sqlite_file, metric, days(cut, last))
        assert None not in (before.value, after.value)
        assert whole.value == (before.value or D(0)) + (after.value or D(0))
        assert whole.sample_size == (before.sample_size or 0) + (after.sample_size or 0)


def test_what_does_not_add_up_is_known(
    sqlite_file: Warehouse, put_records: PutRecords, refusal: Callable[..., str]
) -> None:
    """Averages, extremes, distinct values, ratios and conversions are refused to be summed."""
    put_rates(put_records, sqlite_file)
    put_records(sqlite_file, "hubspot.deals", TYPES, [])
    assert all(is_additive(metric) for metric in ADDITIVE)
    for metric in OTHERS:
        assert not is_additive(metric)
        summed = metric.model_copy(update={"by": "channel", "reduce": Reduce.SUM})
        assert "add up only for counts and sums" in refusal(sqlite_file, summed)


@checked
@given(data=st.data(), found=records())
def test_order_and_duplicate_pages_do_not_matter(
    sqlite_file: Warehouse,
    put_records: PutRecords,
    project: Project,
    days: Days,
    data: st.DataObject,
    found: list[Record],
) -> None:
    """The same records in another order, some of them twice, give the same measurements."""
    put_rates(put_records, sqlite_file)
    at = days(FIRST, FIRST + timedelta(days=DAYS - 1))
    put_records(sqlite_file, "hubspot.deals", TYPES, found)
    once = measure_all(sqlite_file, project, at)
    put_records(sqlite_file, "hubspot.deals", TYPES, [])
    pages = data.draw(st.permutations(found))
    cut = data.draw(st.integers(0, len(pages)))
    put_records(sqlite_file, "hubspot.deals", TYPES, pages[cut:], keep=True)
    put_records(sqlite_file, "hubspot.deals", TYPES, pages, keep=True)
    assert measure_all(sqlite_file, project, at) == once


@checked
@given(early=records(), late=records(DAYS, 2 * DAYS, "late"), as_of=st.integers(0, DAYS - 1))
def test_a_day_never_sees_what_happened_after_it(
    sqlite_file: Warehouse,
    put_records: PutRecords,
    project: Project,
    days: Days,
    early: list[Record],
    late: list[Record],
    as_of: int,
) -> None:
    """As of a day, later records are as if they weren't there, and later events as if not yet had."""
    put_rates(put_records, sqlite_file)
    at = days(FIRST, FIRST + timedelta(days=as_of))
    put_records(sqlite_file, "hubspot.deals", TYPES, [*early, *late])
    later_known = measure_all(sqlite_file, project, at)
    then = [_as_known(record, at.as_of_at) for record in early]
    known = [record for record in then if record["created_at"]]
    put_records(sqlite_file, "hubspot.deals", TYPES, known)
    assert measure_all(sqlite_file, project, at) == later_known


def _as_known(record: Record, end: datetime) -> Record:
    """A record with only those of its times that lie before an instant."""
    happened = {
        name
        for name in ("created_at", "won_at")
        if record[name] and datetime.fromisoformat(str(record[name])) < end
    }
    return {
        name: value
        for name, value in record.items()
        if name[-3:] not in ("_at", "_on") or name.replace("_on", "_at") in happened
    } | dict.fromkeys({"created_at", "won_at"} - happened)


@checked
@given(
    found=records(),
    first=st.integers(0, DAYS - 1),
    length=st.integers(1, DAYS),
    minutes=st.integers(1, 1440 * DAYS),
)
def test_days_added_up_are_what_a_scan_finds(
    sqlite_file: Warehouse,
    put_records: PutRecords,
    project: Project,
    found: list[Record],
    first: int,
    length: int,
    minutes: int,
) -> None:
    """Adding up days and pieces of days is exact: also as of the middle of a day, or of daylight saving."""
    put_records(sqlite_file, "hubspot.deals", TYPES, found)
    start = FIRST + timedelta(days=first)
    now = local_midnight(start, ZONE) + timedelta(minutes=minutes)
    end = min(start + timedelta(days=length), now.astimezone(ZONE).date() + timedelta(days=1))
    window = Window(start, end, local_midnight(start, ZONE), min(local_midnight(end, ZONE), now))
    span = Span(end - timedelta(days=1), now, window)
    metrics = [
        metric.model_copy(update={"name": f"m{i}"})
        for i, metric in enumerate((*EVERYTHING, *CONDITIONED))
        if metric.by is None and not converts_currency(metric)
    ]
    with sqlite_file.read() as connection:
        questions = [Question(metric, (span,)) for metric in metrics]
        answers, _ = evaluate_records(connection, project, "hubspot.deals", questions)
        source = read_mirrored(connection, project, "hubspot.deals", metrics).source
        readings = {metric.name: reading_of(metric, source, (), no_rates) for metric in metrics}
        assert sum(reading.daily is not None for reading in readings.values()) > 20
        for anchor in {anchor_field(metric) for metric in metrics}:
            names = [metric.name for metric in metrics if anchor_field(metric) == anchor]
            cells = cells_of_spans(source, anchor, (span,))
            scanned = scan(connection, cells, [readings[name] for name in names])
            assert [[answers[name, span]] for name in names] == scanned


def no_rates(currency: str) -> Rates:
    """None of these metrics converts money."""
    raise AssertionError(currency)
