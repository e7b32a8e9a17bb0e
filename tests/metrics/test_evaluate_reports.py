"""Metrics over stored GA4 reports, on SQLite and PostgreSQL alike."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from zoneinfo import ZoneInfo

import pytest

from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    Family,
    Ga4Source,
    Pool,
    Project,
    RatioMetric,
    RecordMetric,
    Reduce,
)
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.evaluate_records import Question
from okr_sync.metrics.evaluate_reports import evaluate_reports
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.report_figures import refusal_flags
from okr_sync.metrics.spans import Span
from okr_sync.metrics.windows import Window, local_midnight
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.report_store import (
    DailyFigures,
    FigureRefusal,
    ReportAccount,
    ReportKey,
    WindowFigure,
    put_windows,
    record_account,
    record_refusals,
    replace_days,
)

ZONE = ZoneInfo("America/New_York")
PROJECT = Project(
    time_zone=ZONE.key, currency="USD", sources={"web": Ga4Source(name="web", property="1")}
)
READ_AT = datetime(2026, 5, 1, tzinfo=UTC)
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 4)
EVERYTHING = ReportKey("web", "report", "")
ORGANIC = Where((Condition("sessionDefaultChannelGroup", Operator.EQ, ("Organic Search",)),))


def span(first: date = FIRST, last: date = LAST) -> Span:
    """The days first..last, both inclusive."""
    end = last + timedelta(days=1)
    end_at = local_midnight(end, ZONE)
    return Span(last, end_at, Window(first, end, local_midnight(first, ZONE), end_at))


def agg(name: str, field: str, on: Where | None = None) -> AggMetric:
    """An aggregation of a GA4 metric."""
    return AggMetric(
        name="m",
        dataset="web.report",
        family=Family.ENGAGEMENT,
        aggregation=Aggregation(agg=name, field=field),
        time=None,
        where=on or Where(),
    )


def store_days(
    warehouse: Warehouse, figures: Mapping[str, list[str]], key: ReportKey = EVERYTHING
) -> None:
    """Store a figure for each of the days 1…4 March, by metric."""
    with warehouse.write() as connection:
        record_account(
            connection, "web", "report", ReportAccount("1", "America/New_York", "USD"), READ_AT
        )
        daily = {
            metric: DailyFigures(
                {FIRST + timedelta(days=i): D(value) for i, value in enumerate(values)}
            )
            for metric, values in figures.items()
        }
        replace_days(connection, key, daily, FIRST, LAST, READ_AT)


def measure(warehouse: Warehouse, metric: RecordMetric, at: Span | None = None) -> Measurement:
    """One metric over one span; the test fails if it is refused."""
    asked = at or span()
    with warehouse.read() as connection:
        answers, refusals = evaluate_reports(
            connection, PROJECT, "web.report", [Question(metric, (asked,))]
        )
    assert not refusals
    return answers["m", asked]


SESSIONS = {"sessions": ["100", "50", "0", "50"], "engagedSessions": ["90", "10", "0", "20"]}


@pytest.mark.parametrize(
    ("name", "value", "sample"),
    [
        ("sum", "200", 4),
        ("average", "50", 4),
        ("min", "0", 4),
        ("max", "100", 4),
        ("median", "50", 4),
    ],
)
def test_daily_figures_add_up_and_zero_days_count(
    warehouse: Warehouse, name: str, value: str, sample: int
) -> None:
    """An additive metric is summed over days, or taken as daily figures; a day of zero is a day."""
    store_days(warehouse, SESSIONS)
    measured = measure(warehouse, agg(name, "sessions"))
    assert (measured.value, measured.sample_size) == (D(value), sample)


def test_rates_are_recomputed_from_their_parts(warehouse: Warehouse) -> None:
    """An engagement rate is pooled: 120 of 200 sessions, not the mean of 90 %, 20 % and 40 %."""
    store_days(warehouse, SESSIONS)
    rate = measure(warehouse, agg("average", "engagementRate"))
    assert (rate.value, rate.numerator, rate.denominator) == (D("0.6"), 120, 200)
    assert rate.sample_size == 200
    assert measure(warehouse, agg("average", "bounceRate")).value == D("0.4")


def test_a_rate_over_no_session_is_no_value(warehouse: Warehouse) -> None:
    """Zero of zero sessions engaged is not a rate of zero."""
    store_days(warehouse, {"sessions": ["0"] * 4, "engagedSessions": ["0"] * 4})
    assert measure(warehouse, agg("average", "engagementRate")).value is None


def test_people_come_from_the_exact_window_and_are_never_added(warehouse: Warehouse) -> None:
    """Users are what GA4 said of the whole window; another window's figure isn't used for it."""
    store_days(warehouse, SESSIONS)
    with warehouse.write() as connection:
        put_windows(
            connection,
            EVERYTHING,
            [
                WindowFigure("totalUsers", FIRST, LAST, D(77), ("sampled",)),
                WindowFigure("totalUsers", FIRST, FIRST, D(60)),
            ],
            READ_AT,
        )
    users = agg("count_distinct", "totalUsers")
    measured = measure(warehouse, users)
    assert (measured.value, measured.sample_size, measured.quality) == (77, 77, ("sampled",))
    assert measure(warehouse, users, span(FIRST, FIRST)).value == 60


def test_an_exact_rate_rests_on_its_sessions(warehouse: Warehouse) -> None:
    """A rate that only GA4 knows has its sessions as sample; over none there is no value."""
    store_days(warehouse, SESSIONS)
    rate = agg("average", "sessionKeyEventRate")
    with warehouse.write() as connection:
        put_windows(
            connection,
            EVERYTHING,
            [
                WindowFigure("sessionKeyEventRate", FIRST, LAST, D("0.021220159151193633")),
                WindowFigure("sessions", FIRST, LAST, D(200)),
                WindowFigure("sessionKeyEventRate", FIRST, FIRST, D(0)),
                WindowFigure("sessions", FIRST, FIRST, D(0)),
            ],
            READ_AT,
        )
    measured = measure(warehouse, rate)
    assert (measured.value, measured.sample_size) == (D("0.021220159151193633"), 200)
    assert measure(warehouse, rate, span(FIRST, FIRST)).value is None


def test_a_ratio_takes_each_part_under_its_own_filter(warehouse: Warehouse) -> None:
    """Numerator and denominator are different series of the same property."""
    store_days(warehouse, SESSIONS)
    store_days(
        warehouse, {"sessions": ["30", "10", "0", "0"]}, ReportKey("web", "report", ORGANIC.key())
    )
    share = RatioMetric(
        name="m",
        dataset="web.report",
        family=Family.ENGAGEMENT,
        numerator=Aggregation(agg="sum", field="sessions", where=ORGANIC),
        denominator=Aggregation(agg="sum", field="sessions"),
        time=None,
    )
    measured = measure(warehouse, share)
    assert (measured.value, measured.numerator, measured.denominator) == (D("0.2"), 40, 200)


@pytest.mark.parametrize(("empty", "value"), [(None, None), ("null", None), ("zero", D(0))])
def test_a_quotient_over_nothing_is_what_the_metric_says(
    warehouse: Warehouse, empty: str | None, value: D | None
) -> None:
    """No sessions: no share and no rate, or 0 where the metric says `empty: zero`."""
    store_days(warehouse, {"sessions": ["0"] * 4, "engagedSessions": ["0"] * 4})
    share = RatioMetric(
        name="m",
        dataset="web.report",
        family=Family.ENGAGEMENT,
        numerator=Aggregation(agg="sum", field="engagedSessions"),
        denominator=Aggregation(agg="sum", field="sessions"),
        time=None,
    )
    rate = agg("average", "engagementRate")
    if empty is not None:
        share, rate = (one.model_copy(update={"empty": empty}) for one in (share, rate))  # type: ignore[assignment]
    assert measure(warehouse, share) == Measurement(value, D(0), D(0), 0)
    assert measure(warehouse, rate) == Measurement(value, D(0), D(0), 0)


def test_a_ratio_has_its_parts_its_sample_and_its_flags(warehouse: Warehouse) -> None:
    """The sample is the denominator; a flag of either part's days stands beside the share."""
    store_days(warehouse, SESSIONS)
    with warehouse.write() as connection:
        again = {"engagedSessions": DailyFigures({FIRST: D(90)}, ("sampled",))}
        replace_days(connection, EVERYTHING, again, FIRST, FIRST, READ_AT)
    share = RatioMetric(
        name="m",
        dataset="web.report",
        family=Family.ENGAGEMENT,
        numerator=Aggregation(agg="sum", field="engagedSessions"),
        denominator=Aggregation(agg="sum", field="sessions"),
        time=None,
    )
    assert measure(warehouse, share) == Measurement(D("0.6"), D(120), D(200), 200, ("sampled",))


def test_people_nobody_saw_are_none(warehouse: Warehouse) -> None:
    """GA4 gives no row for a window without users: that is 0 users, with a sample of 0."""
    with warehouse.write() as connection:
        put_windows(
            connection, EVERYTHING, [WindowFigure("totalUsers", FIRST, LAST, None)], READ_AT
        )
    users = measure(warehouse, agg("count_distinct", "totalUsers"))
    assert users == Measurement(D(0), None, None, 0)


def test_another_datasets_figures_are_not_read(warehouse: Warehouse) -> None:
    """Two properties with the same metric: each report is answered from its own days and windows."""
    store_days(warehouse, SESSIONS)
    other = ReportKey("shop", "report", "")
    late = ReportKey("web", "other", "")
    for key, figure in ((other, "7"), (late, "9")):
        store_days(warehouse, {"sessions": [figure] * 4, "engagedSessions": [figure] * 4}, key)
    with warehouse.write() as connection:
        for key, people in ((EVERYTHING, 77), (other, 7), (late, 9)):
            figure_of_all = WindowFigure("totalUsers", FIRST, LAST, D(people))
            put_windows(connection, key, [figure_of_all], READ_AT)
    assert measure(warehouse, agg("sum", "sessions")).value == 200
    assert measure(warehouse, agg("median", "sessions")).value == 50
    assert measure(warehouse, agg("average", "engagementRate")).value == D("0.6")
    assert measure(warehouse, agg("count_distinct", "totalUsers")).value == 77


def test_several_metrics_are_answered_together(warehouse: Warehouse) -> None:
    """Each over its own spans, none in the place of another."""
    store_days(warehouse, SESSIONS)
    first, second = (
        agg("sum", field).model_copy(update={"name": field})
        for field in ("sessions", "engagedSessions")
    )
    spans = (span(), span(FIRST, FIRST))
    with warehouse.read() as connection:
        answers, refusals = evaluate_reports(
            connection, PROJECT, "web.report", [Question(first, spans), Question(second, spans)]
        )
    assert not refusals
    assert {key: one.value for key, one in answers.items()} == {
        ("sessions", spans[0]): 200,
        ("sessions", spans[1]): 100,
        ("engagedSessions", spans[0]): 120,
        ("engagedSessions", spans[1]): 90,
    }


def test_flags_of_any_day_stand_beside_the_value(warehouse: Warehouse) -> None:
    """A window is as good as its worst day, and only its own days count."""
    store_days(warehouse, SESSIONS)
    flagged = {2: ("sampled",), 4: ("other_row", "thresholded")}
    with warehouse.write() as connection:
        for number, flags in flagged.items():
            day = date(2026, 3, number)
            again = {"sessions": DailyFigures({day: D(1)}, flags)}
            replace_days(connection, EVERYTHING, again, day, day, READ_AT)
    sessions = agg("sum", "sessions")
    assert measure(warehouse, sessions).quality == ("other_row", "sampled", "thresholded")
    assert measure(warehouse, sessions, span(FIRST, date(2026, 3, 3))).quality == ("sampled",)


def test_a_refused_figure_is_not_taken_from_what_was_stored_before(warehouse: Warehouse) -> None:
    """Once GA4 refuses a metric, the days stored earlier don't go on as if nothing had happened."""
    store_days(warehouse, SESSIONS)
    with warehouse.write() as connection:
        refusal = FigureRefusal("GA4 refuses sessions.")
        record_refusals(connection, EVERYTHING, ["sessions"], {"sessions": refusal})
    with warehouse.read() as connection:
        question = Question(agg("average", "engagementRate"), (span(),))
        answers, refusals = evaluate_reports(connection, PROJECT, "web.report", [question])
    assert not answers
    assert refusals == {"m": "Metric m: GA4 refuses sessions."}


@pytest.mark.parametrize(
    ("flags", "is_refused"),
    [
        ((), False),
        (("sampled",), False),
        (("thresholded",), True),
        (("other_row",), True),
        (("truncated",), True),
        (("other_row", "sampled", "thresholded"), True),
    ],
)
def test_a_zero_whose_rows_may_be_missing_is_refused(
    warehouse: Warehouse, flags: tuple[str, ...], is_refused: bool
) -> None:
    """GA4 leaves rows out when it holds them back: nothing shown is then no 0, by day or window."""
    store_days(warehouse, SESSIONS)
    third = date(2026, 3, 3)
    with warehouse.write() as connection:
        figures = {"sessions": DailyFigures({}, flags)}
        replace_days(connection, EVERYTHING, figures, third, third, READ_AT)
        put_windows(
            connection,
            EVERYTHING,
            [WindowFigure("totalUsers", third, third, D(0), flags)],
            READ_AT,
        )
    users = agg("count_distinct", "totalUsers").model_copy(update={"name": "users"})
    asked = (span(third, third),)
    with warehouse.read() as connection:
        questions = [Question(agg("sum", "sessions"), asked), Question(users, asked)]
        answers, refusals = evaluate_reports(connection, PROJECT, "web.report", questions)
        whole = evaluate_reports(
            connection, PROJECT, "web.report", [Question(agg("sum", "sessions"), (span(),))]
        )
    assert refusals.keys() == ({"m", "users"} if is_refused else set())
    assert {one.value for one in answers.values()} == (set() if is_refused else {0})
    doubts = " and ".join(flag for flag in flags if flag != "sampled")
    assert refusals == {
        name: f"Metric {name}: GA4 shows nothing of {field} from 2026-03-03 to 2026-03-03, and its "
        f"report is {doubts}: rows may be missing, so this is no 0. Look at it in GA4; a wider filter "
        "or window, or another reporting identity, can bring the rows back."
        for name, field in (("m", "sessions"), ("users", "totalUsers"))
        if is_refused
    }
    # A day that lacks something among others is a doubt beside the sum, not the end of it.
    assert not whole[1]


def test_days_that_are_not_stored_are_refused(warehouse: Warehouse) -> None:
    """A day that was never pulled is not a day of zero: the metric is refused and says which days."""
    store_days(warehouse, SESSIONS)
    longer = span(FIRST, date(2026, 3, 6))
    users = agg("count_distinct", "totalUsers").model_copy(update={"name": "users"})
    with warehouse.read() as connection:
        questions = [Question(agg("sum", "sessions"), (longer,)), Question(users, (longer,))]
        answers, refusals = evaluate_reports(connection, PROJECT, "web.report", questions)
    assert not answers
    remedy = "is not in the warehouse. Run `okr-sync sync` for this key result."
    days = "2026-03-01 to 2026-03-06"
    assert refusals == {
        "m": f"Metric m: GA4's sessions of 2 of the 6 days from {days} {remedy}",
        "users": f"Metric users: GA4's totalUsers for exactly {days} {remedy}",
    }


def test_days_of_another_time_zone_are_said_to_be(warehouse: Warehouse) -> None:
    """GA4's days are the property's; where that isn't the project's zone, the value says so."""
    store_days(warehouse, SESSIONS)
    elsewhere = PROJECT.model_copy(update={"time_zone": "Pacific/Auckland"})
    with warehouse.read() as connection:
        question = Question(agg("sum", "sessions"), (span(),))
        answers, _ = evaluate_reports(connection, elsewhere, "web.report", [question])
    assert answers["m", span()].quality == ("property_time_zone:America/New_York",)


def test_amounts_in_another_currency_are_said_to_be(warehouse: Warehouse) -> None:
    """An amount in the property's currency, where the project or the metric says another, is doubted."""
    ads = {"advertiserAdCost": ["2"] * 4, "advertiserAdClicks": ["1"] * 4}
    store_days(warehouse, {"totalRevenue": ["5"] * 4, **ads, **SESSIONS})
    elsewhere = PROJECT.model_copy(update={"currency": "EUR"})
    revenue, spent = agg("sum", "totalRevenue"), agg("sum", "advertiserAdCost")
    in_dollars = revenue.model_copy(update={"currency": "USD"})
    in_pounds = revenue.model_copy(update={"currency": "GBP"})
    a_session, on_spend = (
        RatioMetric(
            name="m",
            dataset="web.report",
            family=Family.ENGAGEMENT,
            numerator=revenue.aggregation,
            denominator=below.aggregation,
            time=None,
        )
        for below in (agg("sum", "sessions"), spent)
    )
    of_metrics = (
        (revenue, ("property_currency:USD",)),
        (in_dollars, ()),
        (in_pounds, ("property_currency:USD",)),
        (agg("average", "advertiserAdCostPerClick"), ("property_currency:USD",)),
        (a_session, ("property_currency:USD",)),
        (on_spend, ()),
        (agg("average", "returnOnAdSpend"), ()),
        (agg("sum", "sessions"), ()),
    )
    for metric, quality in of_metrics:
        with warehouse.read() as connection:
            answers, _ = evaluate_reports(
                connection, elsewhere, "web.report", [Question(metric, (span(),))]
            )
        assert answers["m", span()].quality == quality, metric
    assert measure(warehouse, revenue).quality == ()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"by": "sessionDefaultChannelGroup", "reduce": Reduce.MIN}, "combine them in a formula"),
        ({"pool": Pool.MEAN}, "not a record with a rate of its own"),
    ],
)
def test_what_report_rows_can_not_say_is_refused(
    warehouse: Warehouse, changes: dict[str, object], text: str
) -> None:
    """A report row is a day: it has neither groups nor a rate of its own to take the mean of."""
    store_days(warehouse, SESSIONS)
    sessions = Aggregation(agg="sum", field="sessions")
    ratio = RatioMetric(
        name="m",
        dataset="web.report",
        family=Family.ENGAGEMENT,
        numerator=sessions,
        denominator=sessions,
        time=None,
    ).model_copy(update=changes)
    with warehouse.read() as connection:
        question = Question(ratio, (span(),))
        answers, refusals = evaluate_reports(connection, PROJECT, "web.report", [question])
    assert not answers
    assert text in refusals["m"]


def test_the_flags_of_a_refusal_are_those_of_the_figures_that_a_metric_reads(
    warehouse: Warehouse,
) -> None:
    """Also of a rate's parts; not those of another filter, metric or dataset, nor refusals without."""
    organic = replace(EVERYTHING, series=ORGANIC.key())
    with warehouse.write() as connection:
        for key, metric, flags in (
            (EVERYTHING, "sessions", ("blocked_metric",)),
            (EVERYTHING, "keyEvents", ()),
            (organic, "engagedSessions", ("restricted", "sampled")),
            (replace(EVERYTHING, dataset="other"), "newUsers", ("thresholded",)),
        ):
            record_refusals(connection, key, [metric], {metric: FigureRefusal("No.", flags)})
    with warehouse.read() as connection:
        found = {
            metric.aggregation.field: refusal_flags(connection, metric)
            for metric in (
                agg("sum", "sessions"),
                agg("average", "engagementRate"),
                agg("sum", "keyEvents"),
                agg("sum", "newUsers"),
                agg("sum", "engagedSessions"),
            )
        }
        of_organic = refusal_flags(connection, agg("average", "bounceRate", ORGANIC))
    blocked, nothing = frozenset({"blocked_metric"}), frozenset[str]()
    assert found == {
        "sessions": blocked,
        "engagementRate": blocked,
        "keyEvents": nothing,
        "newUsers": nothing,
        "engagedSessions": nothing,
    }
    assert of_organic == {"restricted", "sampled"}


def test_nothing_refused_has_no_flags(warehouse: Warehouse) -> None:
    """Most projects have none."""
    with warehouse.read() as connection:
        assert refusal_flags(connection, agg("sum", "sessions")) == frozenset()
