"""Metrics as they are written, and everything that is refused of them."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import pytest

from okr_sync.config.loader import Inspection
from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    AnyMetric,
    ConversionMetric,
    DurationMetric,
    Family,
    RatioMetric,
)
from okr_sync.config.where import Condition, Operator, Where

InspectProject = Callable[[Mapping[str, str]], Inspection]

MQL = "hs_v2_date_entered_marketingqualifiedlead"


def metric(inspect: InspectProject, text: str) -> AnyMetric:
    """The only metric of a project, written as a flow mapping."""
    inspection = inspect({"metrics.yaml": f"metrics:\n  mqls: {text}\n"})
    assert [str(problem) for problem in inspection.problems] == []
    assert inspection.bundle is not None
    return inspection.bundle.metrics["mqls"]


def test_agg(inspect: InspectProject) -> None:
    """`agg`, `field`, `from`, `time` and what all metrics have become an AggMetric."""
    found = metric(
        inspect,
        "{agg: sum, field: amount, from: hubspot.deals, time: closedate, where: {dealstage: won}, "
        "min_n: 5, empty: null, unit: USD, owner: ana, tags: [a, b], description: Won}",
    )
    assert found == AggMetric(
        name="mqls",
        dataset="hubspot.deals",
        description="Won",
        family=Family.PIPELINE,
        where=Where((Condition("dealstage", Operator.EQ, ("won",)),)),
        min_n=5,
        empty="null",
        unit="USD",
        owner="ana",
        tags=("a", "b"),
        aggregation=Aggregation(agg="sum", field="amount"),
        time="closedate",
    )


@pytest.mark.parametrize(
    "agg", ["sum", "average", "median", "min", "max", "count_distinct", "p1", "p90", "p99"]
)
def test_every_aggregation(inspect: InspectProject, agg: str) -> None:
    """All aggregations of the design, with a field."""
    found = metric(inspect, f"{{agg: {agg}, field: f, from: hubspot.tickets, time: t}}")
    assert isinstance(found, AggMetric)
    assert found.aggregation == Aggregation(agg=agg, field="f")
    assert found.family is Family.FUNNEL


def test_ratio(inspect: InspectProject) -> None:
    """Numerator and denominator have conditions of their own and share dataset and time."""
    found = metric(
        inspect,
        "{ratio: {numerator: {agg: count, where: {s: PAID}}, denominator: {agg: count}}, "
        "from: hubspot.contacts, time: createdate, pool: sums, empty: zero}",
    )
    assert isinstance(found, RatioMetric)
    assert found.numerator.where.fields() == {"s"}
    assert found.denominator == Aggregation(agg="count")
    assert (found.time, found.empty) == ("createdate", "zero")


def test_conversion_and_duration(inspect: InspectProject) -> None:
    """Both name two times; a conversion is of the family of that name."""
    found = metric(
        inspect, f"{{conversion: {{from: {MQL}, to: b, within: 45d}}, of: hubspot.deals}}"
    )
    assert isinstance(found, ConversionMetric)
    assert (found.from_time, found.to_time, found.within) == (MQL, "b", timedelta(days=45))
    assert found.family is Family.CONVERSION
    found = metric(inspect, "{duration: {from: a, to: b}, of: hubspot.contacts, family: pipeline}")
    assert isinstance(found, DurationMetric)
    assert (found.agg, found.cohort, found.family) == ("median", "arrival", Family.PIPELINE)
    found = metric(
        inspect, "{duration: {from: a, to: b, agg: p90, cohort: start}, of: hubspot.p12_cars}"
    )
    assert isinstance(found, DurationMetric)
    assert (found.agg, found.cohort, found.dataset) == ("p90", "start", "hubspot.p12_cars")


def test_ga4(inspect: InspectProject) -> None:
    """A GA4 report needs no `time`, and is engagement."""
    found = metric(inspect, "{agg: sum, field: sessions, from: web.report}")
    assert isinstance(found, AggMetric)
    assert (found.time, found.family) == (None, Family.ENGAGEMENT)


@pytest.mark.parametrize(
    ("text", "column", "rule", "words"),
    [
        ("{}", 9, "missing-key", "Give it one of the keys agg, ratio, conversion, duration, "),
        ("count", 9, "wrong-type", "Write a mapping"),
        ("{agg: count, ratio: {}}", 22, "two-kinds", "agg and ratio"),
        ("{agg: avg, field: f, from: hubspot.deals, time: t}", 15, "unknown-aggregation",
         "Did you mean `average`?"),
        ("{agg: p100, field: f, from: hubspot.deals, time: t}", 15, "unknown-aggregation",
         "Did you mean `max`?"),
        ("{agg: sum, from: hubspot.deals, time: t}", 9, "missing-key", "needs `field`"),
        ("{agg: count, field: f, from: hubspot.deals, time: t}", 29, "field-of-count", "no field"),
        ("{agg: count, from: hubspot.deals}", 9, "missing-key", "needs `time`"),
        ("{agg: count, of: hubspot.deals, from: hubspot.deals, time: t}", 22, "unknown-key",
         "Write `from` instead of `of`"),
        ("{agg: count, from: hubspt.deals, time: t}", 28, "unknown-source",
         "Did you mean `hubspot`?"),
        ("{agg: count, from: deals, time: t}", 28, "unknown-source", "`hubspot.deals`"),
        ("{agg: count, from: hubspot, time: t}", 28, "unknown-dataset", "without a dataset"),
        ("{agg: count, from: hubspot.contact, time: t}", 28, "unknown-dataset",
         "Did you mean `hubspot.contacts`?"),
        ("{agg: sum, field: sessions, from: web.sessions}", 43, "unknown-dataset",
         "Write `web.report`"),
        ("{agg: sum, field: sessions, from: web.report, time: date}", 61, "report-time",
         "Remove `time`"),
        ("{agg: sum, field: totalUsers, from: web.report}", 27, "report-aggregation",
         "Write `agg: count_distinct`"),
        ("{agg: count, from: web.report}", 15, "report-aggregation", "field: sessions"),
        ("{agg: sum, field: conversions, from: web.report}", 27, "report-aggregation",
         "Write `field: keyEvents`"),
        ("{conversion: {from: a, to: b, within: 3d}, of: web.report}", 56, "kind-needs-records",
         "a GA4 report has none"),
        ("{conversion: {from: a, to: b}, of: hubspot.deals}", 22, "missing-key", "within: 45d"),
        ("{conversion: {from: a, to: b, within: 0d}, of: hubspot.deals}", 47, "bad-duration",
         "no time at all"),
        ("{conversion: {from: a, to: a, within: 3d}, of: hubspot.deals}", 36, "same-times",
         "later step"),
        ("{conversion: {from: a, to: b, within: 3d}, from: hubspot.deals, of: hubspot.deals}", 52,
         "unknown-key", "Write `of` instead of `from`"),
        ("{duration: {from: a, to: b, agg: count}, of: hubspot.deals}", 42, "unknown-aggregation",
         "Use sum, average"),
        ("{agg: count, from: hubspot.deals, time: hs_date_entered_123}", 49,
         "legacy-stage-property", "Use `hs_v2_date_entered_123`."),
        ("{agg: count, from: hubspot.contacts, time: hs_lifecyclestage_lead_date}", 52,
         "legacy-stage-property", "Use `hs_v2_date_entered_lead`."),
        ("{agg: count, from: hubspot.contacts, time: Close Date}", 52, "bad-property",
         "internal name"),
        ("{agg: count, from: hubspot.contacts, time: t, where: {Stage: a}}", 63, "bad-property",
         "internal name"),
        ("{agg: count, from: hubspot.contacts, time: t, wher: {a: b}}", 55, "unknown-key",
         "Did you mean `where`?"),
        ("{agg: count, from: hubspot.contacts, time: t, min_n: 0}", 62, "bad-number", "from 1 to"),
        ("{agg: count, from: hubspot.contacts, time: t, min_n: }", 55, "empty-value", "no value"),
        ("{agg: count, from: hubspot.contacts, time: t, empty: none}", 62, "bad-choice",
         "null or zero"),
        ("{agg: count, from: hubspot.contacts, time: t, family: funel}", 63, "bad-choice",
         "Did you mean `funnel`?"),
        ("{agg: count, from: hubspot.contacts, time: t, agg: sum}", 55, "duplicate-key", "twice"),
        (("{ratio: {numerator: {agg: count, time: t}, denominator: {agg: count}}, "
         "from: hubspot.deals, time: t}"), 42, "unknown-key", "beside `ratio`"),
        ("{agg: count, from: hubspot.contacts, time: t, goal: {at_least: 3}}", 55, "unknown-key",
         "in the key result"),
    ],
)  # fmt: skip
def test_wrong_metrics_are_told_and_spoil_their_key_results(
    inspect: InspectProject, text: str, column: int, rule: str, words: str
) -> None:
    """Each mistake has its exact place and advice, and the key result that uses it points there."""
    inspection = inspect({"metrics.yaml": f"metrics:\n  mqls: {text}\n"})
    first = inspection.problems[0]
    place = (first.position.file, first.position.line, first.position.column, first.rule)
    assert place == ("metrics.yaml", 2, column, rule)
    assert words in f"{first.message} {first.fix}"
    last = inspection.problems[-1]
    assert (str(last.position), last.rule) == ("okrs.yaml:7:46", "invalid-metric")
    assert str(first.position) in last.message
    assert inspection.bundle is not None
    assert list(inspection.bundle.quarantined) == ["growth/mqls"]


def test_metric_names(inspect: InspectProject) -> None:
    """A name that isn't one is told with the form that it should have."""
    text = "metrics:\n  MQL-Count: {agg: count, from: hubspot.deals, time: t}\n"
    inspection = inspect({"metrics/more.yaml": text})
    assert str(inspection.problems[0]).startswith("metrics/more.yaml:2:3: error: `MQL-Count`")
    assert "`mql_count`" in inspection.problems[0].fix
