"""What a plan computes and reads: inputs of formulas, associations, statements, rates."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from okr_sync.config.bundle import Bundle
from okr_sync.config.cycles import Calendar
from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    AnyMetric,
    CheckIns,
    ConversionMetric,
    Family,
    FormulaMetric,
    ManualMetric,
    Project,
    SnapshotMetric,
    SqlMetric,
)
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.dependencies import datasets_read
from okr_sync.metrics.needs import (
    CheckInsNeed,
    ExactWindowNeed,
    Need,
    QueriesNeed,
    QueryNeed,
    RecordsNeed,
    ReportsNeed,
    SeriesNeed,
)
from okr_sync.metrics.plan import make_plan, needs_of
from okr_sync.metrics.spans import closing_day

CALENDAR = Calendar(ZoneInfo("America/New_York"))
NOW = datetime(2026, 3, 20, 15, tzinfo=UTC)
TODAY = date(2026, 3, 20)
EVERYTHING = Where()
BundleOf = Callable[..., Bundle]


def deals(name: str, where: Where = EVERYTHING, currency: str | None = None) -> AggMetric:
    """What deals amount to."""
    return AggMetric(
        name=name,
        dataset="hubspot.deals",
        family=Family.PIPELINE,
        aggregation=Aggregation(agg="sum", field="amount"),
        time="closedate",
        where=where,
        currency=currency,
        currency_field=None if currency is None else "deal_currency_code",
    )


PAID = Where((Condition("contacts.channel", Operator.EQ, ("PAID",)),))
SESSIONS = AggMetric(
    name="sessions",
    dataset="web.report",
    family=Family.ENGAGEMENT,
    aggregation=Aggregation(agg="sum", field="sessions"),
    time=None,
)
LEADS = ConversionMetric(
    name="leads",
    dataset="hubspot.contacts",
    family=Family.CONVERSION,
    from_time="a",
    to_time="b",
    within=timedelta(days=45),
)
STAFF = SqlMetric(name="staff", family=Family.ENGAGEMENT, source="people", text="select 1 as value")
LEVEL = SnapshotMetric(
    name="level",
    dataset="hubspot.contacts",
    family=Family.ENGAGEMENT,
    aggregation=Aggregation(agg="count"),
)


def ratio_of(name: str, *inputs: str) -> FormulaMetric:
    """A formula over metrics."""
    names = {f"x{i}": each for i, each in enumerate(inputs)}
    return FormulaMetric(
        name=name, family=Family.PIPELINE, expression=" + ".join(names), inputs=names
    )


def test_a_formula_asks_its_inputs_for_its_own_spans(bundle_of: BundleOf) -> None:
    """Inputs are computed over the formula's windows, once, also through another formula."""
    metrics: list[AnyMetric] = [
        SESSIONS,
        STAFF,
        ratio_of("inner", "staff"),
        ratio_of("outer", "inner", "sessions"),
    ]
    bundle = bundle_of(metrics, "outer", "sessions")
    days = {"t/outer": [TODAY, TODAY - timedelta(days=1)], "t/sessions": [TODAY]}
    plan = make_plan(bundle, days, CALENDAR, NOW)
    assert set(plan.by_metric) == {"sessions", "staff", "inner", "outer"}
    assert all(len(spans) == 2 for spans in plan.by_metric.values())
    assert plan.by_metric["staff"] == plan.by_key_result["t/outer"]


def test_a_plan_reads_what_its_metrics_rest_on(bundle_of: BundleOf) -> None:
    """Records with associations and rates, reports, and a statement for each day and window."""
    metrics: list[AnyMetric] = [
        deals("paid", PAID),
        deals("pounds", currency="GBP"),
        deals("unused", Where((Condition("nobody", Operator.EQ, ("x",)),))),
        SESSIONS,
        STAFF,
        ratio_of("all", "paid", "pounds", "sessions", "staff"),
    ]
    bundle = bundle_of(metrics, "all")
    needs = needs_of(bundle, make_plan(bundle, {"t/all": [TODAY]}, CALENDAR, NOW))
    rates, contacts, own, queries, reports = needs
    assert rates == RecordsNeed(
        "files",
        "rates",
        frozenset({"date", "from", "to", "rate"}),
        frozenset({"date"}),
        exact_fields=frozenset({"rate"}),
    )
    assert contacts == RecordsNeed("hubspot", "contacts", frozenset({"channel"}))
    assert own == RecordsNeed(
        "hubspot",
        "deals",
        frozenset({"amount", "closedate", "deal_currency_code"}),
        frozenset({"closedate"}),
        frozenset({"amount"}),
        frozenset({"contacts"}),
    )
    start, end = date(2026, 1, 1), date(2026, 3, 21)
    query = QueryNeed("staff", "select 1 as value", TODAY, start, end)
    assert queries == QueriesNeed("people", (query,))
    assert isinstance(reports, ReportsNeed)
    assert (reports.series[0].first_day, reports.series[0].last_day) == (start, TODAY)


def test_a_level_is_only_asked_for_today(bundle_of: BundleOf) -> None:
    """A past day's level can't be had, nor a formula over it; after the cycle there is none."""
    bundle = bundle_of([LEVEL, SESSIONS, ratio_of("f", "level", "sessions")], "level", "f")
    days = [TODAY - timedelta(days=1), TODAY]
    plan = make_plan(bundle, {"t/level": days, "t/f": days}, CALENDAR, NOW)
    assert all([s.as_of for s in spans] == [TODAY] for spans in plan.by_key_result.values())
    assert [span.as_of for span in plan.by_metric["sessions"]] == [TODAY]
    later = datetime(2026, 4, 5, 15, tzinfo=UTC)
    after = make_plan(bundle, {"t/level": [date(2026, 4, 5)]}, CALENDAR, later)
    assert after.by_key_result == {"t/level": ()}
    assert needs_of(bundle, after) == ()


def test_a_formula_closes_when_its_last_input_does(bundle_of: BundleOf) -> None:
    """A formula over a conversion goes on until the last cohort has had its time."""
    bundle = bundle_of([SESSIONS, LEADS, ratio_of("f", "sessions", "leads")], "f")
    key_result = bundle.key_results["t/f"]
    ends = {
        name: closing_day(key_result, each, bundle.metrics) for name, each in bundle.metrics.items()
    }
    last = date(2026, 3, 31)
    assert ends == {"sessions": last, "leads": last + timedelta(45), "f": last + timedelta(45)}


def test_records_are_read_with_every_field_that_any_key_result_binds(bundle_of: BundleOf) -> None:
    """Also with those of a metric that isn't planned today, which a mirror would lack tomorrow; rates
    that are measured themselves are kept as numbers."""
    by_owner = Where((Condition("contacts.owner", Operator.EQ, ("ada",)),))
    rates = AggMetric(
        name="a_rate",
        dataset="files.rates",
        family=Family.PIPELINE,
        aggregation=Aggregation(agg="average", field="rate"),
        time="published",
    )
    published = rates.model_copy(
        update={"name": "z_published", "aggregation": Aggregation(agg="count")}
    )
    won = ConversionMetric(
        name="won",
        dataset="hubspot.deals",
        family=Family.CONVERSION,
        from_time="createdate",
        to_time="won_at",
        within=timedelta(days=9),
    )
    size = deals("size").model_copy(update={"aggregation": Aggregation(agg="sum", field="seats")})
    metrics: list[AnyMetric] = [
        deals("paid", PAID),
        deals("owned", by_owner),
        deals("pounds", currency="GBP"),
        rates,
        published,
        won,
        size,
        LEADS,
        STAFF,
        SESSIONS,
    ]
    bundle = bundle_of(metrics, *(metric.name for metric in metrics))
    days = {"t/pounds": [TODAY], "t/leads": [TODAY]}
    assert needs_of(bundle, make_plan(bundle, days, CALENDAR, NOW)) == (
        RecordsNeed(
            "files",
            "rates",
            frozenset({"date", "from", "to", "rate", "published"}),
            frozenset({"date", "published"}),
            frozenset({"rate"}),
        ),
        RecordsNeed(
            "hubspot",
            "contacts",
            frozenset({"channel", "owner", "a", "b"}),
            frozenset({"a", "b"}),
        ),
        RecordsNeed(
            "hubspot",
            "deals",
            frozenset(
                {"amount", "closedate", "deal_currency_code", "createdate", "won_at", "seats"}
            ),
            frozenset({"closedate", "createdate", "won_at"}),
            frozenset({"amount", "seats"}),
            frozenset({"contacts"}),
        ),
    )


def test_rates_that_convert_nothing_are_records_like_others(bundle_of: BundleOf) -> None:
    """Where no metric converts money, of the rates only what is measured is read."""
    mean = AggMetric(
        name="mean",
        dataset="files.rates",
        family=Family.PIPELINE,
        aggregation=Aggregation(agg="average", field="rate"),
        time="published",
    )
    bundle = bundle_of([mean], "mean")
    assert needs_of(bundle, make_plan(bundle, {"t/mean": [TODAY]}, CALENDAR, NOW)) == (
        RecordsNeed(
            "files",
            "rates",
            frozenset({"rate", "published"}),
            frozenset({"published"}),
            frozenset({"rate"}),
        ),
    )


def test_reports_are_read_by_filter_and_window(bundle_of: BundleOf) -> None:
    """Daily series of a filter together, from the first day of any window to the last of any; what
    can't be added once for each window, with what a rate rests on."""
    mobile = Where((Condition("deviceCategory", Operator.EQ, ("mobile",)),))

    def report(name: str, field: str, where: Where = EVERYTHING) -> AggMetric:
        aggregation = Aggregation(agg="average", field=field)
        return SESSIONS.model_copy(
            update={"name": name, "aggregation": aggregation, "where": where}
        )

    metrics: list[AnyMetric] = [
        SESSIONS,
        report("engagement", "engagementRate"),
        report("on_mobile", "sessions", mobile),
        report("rate", "userKeyEventRate", mobile),
        report("buyers", "purchaserRate", mobile),
        report("users", "totalUsers"),
    ]
    bundle = bundle_of(metrics, *(metric.name for metric in metrics))
    start, yesterday = date(2026, 1, 1), TODAY - timedelta(days=1)
    days = {f"t/{metric.name}": [yesterday, TODAY] for metric in metrics} | {"t/users": [TODAY]}
    (need,) = needs_of(bundle, make_plan(bundle, days, CALENDAR, NOW))
    people = frozenset({"userKeyEventRate", "totalUsers", "purchaserRate", "activeUsers"})
    assert need == ReportsNeed(
        "web",
        "report",
        (
            SeriesNeed(EVERYTHING, frozenset({"sessions", "engagedSessions"}), start, TODAY),
            SeriesNeed(mobile, frozenset({"sessions"}), start, TODAY),
        ),
        (
            ExactWindowNeed(mobile, people, start, yesterday),
            ExactWindowNeed(mobile, people, start, TODAY),
            ExactWindowNeed(EVERYTHING, frozenset({"totalUsers"}), start, TODAY),
        ),
    )


def test_check_ins_are_read_from_their_files_if_the_project_names_them(
    project: Project, bundle_of: BundleOf
) -> None:
    """For all key results that take check-ins, planned or not; nothing else is said to read them."""
    said = ManualMetric(name="t/said", family=Family.ENGAGEMENT, key_result_id="t/said")
    more = ManualMetric(name="t/more", family=Family.ENGAGEMENT, key_result_id="t/more")
    with_files = project.model_copy(update={"check_ins": CheckIns(dataset="files.said")})

    def needs(of: Project, planned: str) -> tuple[Need, ...]:
        found = replace(bundle_of([said, more, STAFF], "staff"), project=of)
        key_results = dict(found.key_results)
        for name in ("t/said", "t/more"):
            key_results[name] = found.key_results["t/staff"].model_copy(
                update={"key_result_id": name, "metric": name, "check_in_every": timedelta(7)}
            )
        bundle = replace(found, key_results=key_results)
        return needs_of(bundle, make_plan(bundle, {planned: [TODAY]}, CALENDAR, NOW))

    (need,) = needs(with_files, "t/said")
    assert isinstance(need, CheckInsNeed)
    assert (need.source, need.dataset) == ("files", "said")
    assert (set(need.key_results), need.others) == ({"t/said", "t/more"}, frozenset({"t/staff"}))
    assert need.zone == ZoneInfo("America/New_York")
    assert [type(one) for one in needs(with_files, "t/staff")] == [QueriesNeed]
    assert needs(project, "t/said") == ()
    assert datasets_read(with_files, said) == ("files.said",)
    assert datasets_read(project, said) == ()
    assert datasets_read(project, deals("paid")) == ("hubspot.deals",)
