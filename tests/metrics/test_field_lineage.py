"""Which fields a number rests on, and which key results rest on a field."""

from collections.abc import Callable

from okr_sync.config.bundle import Bundle
from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    AnyMetric,
    Family,
    FormulaMetric,
    ManualMetric,
    Project,
    RatioMetric,
    SqlMetric,
)
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.field_lineage import fields_read, key_results_by_field

PAID = Where((Condition("contacts.channel", Operator.EQ, ("PAID",)),))
PIPELINE = AggMetric(
    name="pipeline",
    dataset="hubspot.deals",
    family=Family.PIPELINE,
    aggregation=Aggregation(agg="sum", field="amount"),
    time="closedate",
    where=PAID,
)
DEALS = AggMetric(
    name="deals",
    dataset="hubspot.deals",
    family=Family.PIPELINE,
    aggregation=Aggregation(agg="count"),
    time="closedate",
)
ENGAGEMENT = RatioMetric(
    name="engagement",
    dataset="web.report",
    family=Family.ENGAGEMENT,
    numerator=Aggregation(agg="average", field="engagementRate"),
    denominator=Aggregation(agg="count_distinct", field="activeUsers"),
    time=None,
)
STAFF = SqlMetric(name="staff", family=Family.ENGAGEMENT, source="people", text="select 1 as value")
SAID = ManualMetric(name="t/said", family=Family.ENGAGEMENT, key_result_id="t/said")
SHARE = FormulaMetric(
    name="share",
    family=Family.PIPELINE,
    expression="a / b",
    inputs={"a": "pipeline", "b": "staff"},
)


def test_a_metric_reads_its_own_and_associated_fields_in_order(project: Project) -> None:
    """Own fields by name, then those of associated objects; a rate's parts and users of a report;
    what rests on no field of a dataset reads none."""
    assert fields_read(project, PIPELINE) == [
        ("hubspot.deals", "amount"),
        ("hubspot.deals", "closedate"),
        ("hubspot.contacts", "channel"),
    ]
    assert fields_read(project, ENGAGEMENT) == [
        ("web.report", "activeUsers"),
        ("web.report", "engagedSessions"),
        ("web.report", "sessions"),
    ]
    assert [fields_read(project, one) for one in (STAFF, SAID, SHARE)] == [[], [], []]


def test_a_field_knows_the_key_results_that_rest_on_it(bundle_of: Callable[..., Bundle]) -> None:
    """Each once, in order of their ids, also through a formula."""
    metrics: list[AnyMetric] = [PIPELINE, DEALS, ENGAGEMENT, STAFF, SAID, SHARE]
    uses = [
        ("t/z", "deals"),
        ("t/b", "share"),
        ("t/c", "pipeline"),
        ("t/a", "pipeline"),
        ("t/said", "t/said"),
        ("t/staff", "staff"),
    ]
    assert key_results_by_field(bundle_of(metrics, *uses)) == {
        ("hubspot.deals", "amount"): ["t/a", "t/b", "t/c"],
        ("hubspot.deals", "closedate"): ["t/a", "t/b", "t/c", "t/z"],
        ("hubspot.contacts", "channel"): ["t/a", "t/b", "t/c"],
    }
