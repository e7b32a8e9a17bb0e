"""What a plan computes and reads: inputs of formulas, associations, statements, rates."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal as D
from pathlib import Path
from zoneinfo import ZoneInfo

from okr_sync.config.bundle import Bundle
from okr_sync.config.cycles import Calendar
from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    AnyMetric,
    ConversionMetric,
    Cycle,
    Family,
    FormulaMetric,
    Goal,
    GoalKind,
    KeyResult,
    Position,
    Project,
    SnapshotMetric,
    SqlMetric,
)
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.needs import QueriesNeed, QueryNeed, RecordsNeed, ReportsNeed
from okr_sync.metrics.plan import make_plan, needs_of
from okr_sync.metrics.spans import closing_day

CALENDAR = Calendar(ZoneInfo("America/New_York"))
NOW = datetime(2026, 3, 20, 15, tzinfo=UTC)
TODAY = date(2026, 3, 20)
EVERYTHING = Where()


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


def bundle_of(project: Project, metrics: Iterable[AnyMetric], *used: str) -> Bundle:
    """A project with a key result on each of the metrics in `used`, over the first quarter."""
    key_results = {
        f"t/{name}": KeyResult(
            key_result_id=f"t/{name}",
            objective_id="t/o",
            team="t",
            title=name,
            metric=name,
            goal=Goal(kind=GoalKind.AT_LEAST, target=D(1), low=D(1)),
            cycle=Cycle("2026-Q1", date(2026, 1, 1), date(2026, 4, 1)),
            settle=timedelta(hours=48),
            revise=timedelta(days=7),
            defined_at=Position("okrs.yaml", 1, 1),
        )
        for name in used
    }
    by_name = {metric.name: metric for metric in metrics}
    return Bundle(Path(), project, by_name, {}, key_results, {}, {}, (), {}, "")


def test_a_formula_asks_its_inputs_for_its_own_spans(project: Project) -> None:
    """Inputs are computed over the formula's windows, once, also through another formula."""
    metrics: list[AnyMetric] = [
        SESSIONS,
        STAFF,
        ratio_of("inner", "staff"),
        ratio_of("outer", "inner", "sessions"),
    ]
    bundle = bundle_of(project, metrics, "outer", "sessions")
    days = {"t/outer": [TODAY, TODAY - timedelta(days=1)], "t/sessions": [TODAY]}
    plan = make_plan(bundle, days, CALENDAR, NOW)
    assert set(plan.by_metric) == {"sessions", "staff", "inner", "outer"}
    assert all(len(spans) == 2 for spans in plan.by_metric.values())
    assert plan.by_metric["staff"] == plan.by_key_result["t/outer"]


def test_a_plan_reads_what_its_metrics_rest_on(project: Project) -> None:
    """Records with associations and rates, reports, and a statement for each day and window."""
    metrics: list[AnyMetric] = [
        deals("paid", PAID),
        deals("pounds", currency="GBP"),
        deals("unused", Where((Condition("nobody", Operator.EQ, ("x",)),))),
        SESSIONS,
        STAFF,
        ratio_of("all", "paid", "pounds", "sessions", "staff"),
    ]
    bundle = bundle_of(project, metrics, "all")
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


def test_a_level_is_only_asked_for_today(project: Project) -> None:
    """A past day's level can't be had, nor a formula over it; after the cycle there is none."""
    bundle = bundle_of(project, [LEVEL, SESSIONS, ratio_of("f", "level", "sessions")], "level", "f")
    days = [TODAY - timedelta(days=1), TODAY]
    plan = make_plan(bundle, {"t/level": days, "t/f": days}, CALENDAR, NOW)
    assert all([s.as_of for s in spans] == [TODAY] for spans in plan.by_key_result.values())
    assert [span.as_of for span in plan.by_metric["sessions"]] == [TODAY]
    later = datetime(2026, 4, 5, 15, tzinfo=UTC)
    after = make_plan(bundle, {"t/level": [date(2026, 4, 5)]}, CALENDAR, later)
    assert after.by_key_result == {"t/level": ()}
    assert needs_of(bundle, after) == ()


def test_a_formula_closes_when_its_last_input_does(project: Project) -> None:
    """A formula over a conversion goes on until the last cohort has had its time."""
    bundle = bundle_of(project, [SESSIONS, LEADS, ratio_of("f", "sessions", "leads")], "f")
    key_result = bundle.key_results["t/f"]
    ends = {
        name: closing_day(key_result, each, bundle.metrics) for name, each in bundle.metrics.items()
    }
    last = date(2026, 3, 31)
    assert ends == {"sessions": last, "leads": last + timedelta(45), "f": last + timedelta(45)}
