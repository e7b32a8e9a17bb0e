"""Metrics asked for together, by group or under a filter: the same numbers as each by itself."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal as D
from typing import Any

import pytest

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
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.evaluate_records import Question, evaluate_records, measure_groups
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import FieldType

TYPES = {
    "created": FieldType.INSTANT,
    "won": FieldType.INSTANT,
    "lost": FieldType.INSTANT,
    "clicks": FieldType.NUMBER,
    "sends": FieldType.NUMBER,
    "opens": FieldType.NUMBER,
    "kind": FieldType.TEXT,
    "team": FieldType.TEXT,
}
LARGE = Where((Condition("sends", Operator.GTE, (D(3),)),))
MAIL = Where((Condition("kind", Operator.EQ, ("mail",)),))
BASE: dict[str, Any] = {"dataset": "hubspot.deals", "family": Family.ENGAGEMENT}


def drawn(seed: int) -> list[dict[str, str | None]]:
    """Sixty records from February to April, some of their values missing, 0 or out of order."""
    chance = random.Random(seed)

    def number() -> str | None:
        return chance.choice([None, "0", "1", "2.5", "3", "7", "-4", "0.000001", "123456789.5"])

    def instant() -> str | None:
        day = date(2026, 2, 20) + timedelta(days=chance.randrange(50))
        return chance.choice([None, *[f"{day}T{chance.randrange(24):02}:30:00Z"] * 5])

    return [
        {
            "created": instant(),
            "won": instant(),
            "lost": instant(),
            "clicks": number(),
            "sends": number(),
            "opens": number(),
            "kind": chance.choice(["mail", "post", None]),
            "team": chance.choice(["a", "a", "b"]),
        }
        for _ in range(60)
    ]


def agg(name: str, field: str | None, where: Where | None = None) -> AggMetric:
    """An aggregation of the records created in a window."""
    aggregation = Aggregation(agg=name, field=field, where=where or Where())
    return AggMetric(name="", aggregation=aggregation, time="created", where=MAIL, **BASE)


def ratio(
    above: str, below: str, pool: Pool, where: Where | None = None, of_below: Where | None = None
) -> RatioMetric:
    """A sum over a sum, or the mean of each record's own."""
    return RatioMetric(
        name="",
        numerator=Aggregation(agg="sum", field=above, where=of_below or Where()),
        denominator=Aggregation(agg="sum", field=below, where=of_below or Where()),
        pool=pool,
        time="created",
        where=where or Where(),
        **BASE,
    )


def times(first: str, second: str, days: int) -> ConversionMetric:
    """Who gets from one time to another in so many days."""
    within = timedelta(days=days)
    return ConversionMetric(name="", from_time=first, to_time=second, within=within, **BASE)


def takes(first: str, second: str, agg: str) -> DurationMetric:
    """How long it takes from one time to another."""
    return DurationMetric(name="", from_time=first, to_time=second, agg=agg, **BASE)


# Alike in all but a field, a filter or a number, so that one taken for the other shows.
_METRICS: list[RecordMetric] = [
    agg("count", None),
    agg("count", None, LARGE),
    agg("count_distinct", "kind"),
    agg("count_distinct", "team"),
    agg("sum", "clicks"),
    agg("sum", "clicks", LARGE),
    agg("sum", "opens"),
    agg("average", "clicks"),
    agg("average", "opens"),
    agg("min", "clicks"),
    agg("max", "clicks"),
    agg("max", "opens"),
    agg("median", "clicks"),
    agg("median", "opens"),
    agg("p90", "opens"),
    ratio("clicks", "sends", Pool.MEAN),
    ratio("clicks", "sends", Pool.MEAN, MAIL),
    ratio("clicks", "sends", Pool.MEAN, MAIL, LARGE),
    ratio("opens", "sends", Pool.MEAN),
    ratio("clicks", "opens", Pool.MEAN),
    ratio("clicks", "sends", Pool.SUMS),
    ratio("opens", "sends", Pool.SUMS, MAIL, LARGE),
    times("created", "won", 3),
    times("created", "won", 9),
    times("created", "lost", 9),
    takes("created", "won", "average"),
    takes("created", "won", "max"),
    takes("created", "lost", "min"),
    takes("created", "lost", "median"),
]
METRICS = [metric.model_copy(update={"name": f"m{i}"}) for i, metric in enumerate(_METRICS)]


@pytest.mark.parametrize("seed", range(3))
def test_together_metrics_say_what_each_says_alone(
    warehouse: Warehouse,
    put_records: Callable[..., None],
    measure: Callable[..., Measurement],
    project: Project,
    days: Callable[..., Span],
    seed: int,
) -> None:
    """Asked for at once over several windows, or each by itself over one."""
    put_records(warehouse, "hubspot.deals", TYPES, drawn(seed))
    spans = tuple(
        days(date(2026, 3, first), date(2026, 3, last)) for first, last in ((1, 31), (5, 8), (9, 9))
    )
    with warehouse.read() as connection:
        questions = [Question(metric, spans) for metric in METRICS]
        answers, refusals = evaluate_records(connection, project, "hubspot.deals", questions)
    assert not refusals
    alone = {
        (metric.name, span): measure(warehouse, metric, span)
        for metric in METRICS
        for span in spans
    }
    assert answers == alone
    of_month = {alone[metric.name, spans[0]] for metric in METRICS}
    assert len(of_month) > len(METRICS) - 3, "metrics that differ have figures that differ"


def test_a_group_has_the_number_of_its_records(
    warehouse: Warehouse,
    put_records: Callable[..., None],
    measure: Callable[..., Measurement],
    project: Project,
    march: Span,
) -> None:
    """Every kind, under a filter of the metric's own and of its halves."""
    put_records(warehouse, "hubspot.deals", TYPES, drawn(7))
    for metric in METRICS:
        by_team = metric.model_copy(update={"by": "team", "reduce": Reduce.MAX})
        with warehouse.read() as connection:
            found = measure_groups(connection, project, by_team, march)
        for team, measured in found:
            of_team = metric.where & Where((Condition("team", Operator.EQ, (team,)),))
            alone = metric.model_copy(update={"where": of_team})
            assert measured == measure(warehouse, alone), (metric, team)
        assert [team for team, _ in found] == ["a", "b"]
