"""Which metrics are refused for what is wrong with a field: those that it is wrong for, and no others."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    ConversionMetric,
    Family,
    Project,
    RecordMetric,
)
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.errors import SourceError
from okr_sync.metrics.mirrored import read_mirrored
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import DatasetState, FieldState, FieldType
from okr_sync.warehouse.mirror_writes import commit_changes

READ_AT = datetime(2026, 5, 1, tzinfo=UTC)
BASE: dict[str, Any] = {"dataset": "hubspot.deals", "family": Family.PIPELINE}


def agg(name: str, field: str | None, time: str = "day", where: Where | None = None) -> AggMetric:
    """An aggregation of deals."""
    aggregation = Aggregation(agg=name, field=field)
    return AggMetric(name="m", aggregation=aggregation, time=time, where=where or Where(), **BASE)


IS_LARGE = Where((Condition("stage", Operator.EQ, ("large",)),))


@pytest.mark.parametrize(
    ("wrong", "kind", "metric", "is_refused"),
    [
        # A text that another team's binding takes for a date or a number.
        ("stage", FieldType.TEXT, agg("count", None, where=IS_LARGE), False),
        ("stage", FieldType.TEXT, agg("count_distinct", "stage"), False),
        ("stage", FieldType.TEXT, agg("sum", "stage"), True),
        ("stage", FieldType.TEXT, agg("count", None, time="stage"), True),
        ("stage", FieldType.FLAG, agg("average", "stage"), True),
        # A number that another team takes for a date, and the other way round.
        ("amount", FieldType.NUMBER, agg("sum", "amount"), False),
        ("amount", FieldType.NUMBER, agg("count", None, time="amount"), True),
        ("day", FieldType.DAY, agg("count", None), False),
        ("day", FieldType.INSTANT, agg("count", None), False),
        ("day", FieldType.DAY, agg("max", "day"), True),
        # One that can't be had at all.
        ("stage", None, agg("count", None, where=IS_LARGE), True),
        ("stage", None, agg("count", None), False),
        (
            "stage",
            FieldType.TEXT,
            ConversionMetric(
                name="m", from_time="day", to_time="stage", within=timedelta(days=1), **BASE
            ),
            True,
        ),
    ],
)
def test_what_is_wrong_with_a_field_hurts_whom_it_concerns(
    warehouse: Warehouse,
    project: Project,
    wrong: str,
    kind: FieldType | None,
    metric: RecordMetric,
    is_refused: bool,
) -> None:
    """A field's error refuses the metrics that use it as what it isn't, with the source's own words."""
    types: dict[str, FieldType] = {
        "day": FieldType.DAY,
        "stage": FieldType.TEXT,
        "amount": FieldType.NUMBER,
    }
    fields = {field: FieldState(each, READ_AT, None) for field, each in types.items()}
    fields[wrong] = FieldState(kind, READ_AT if kind else None, "Its type is another one.")
    with warehouse.write() as connection:
        commit_changes(
            connection,
            "hubspot",
            "deals",
            rows=[],
            gone=(),
            fields=fields,
            known=None,
            state=DatasetState(READ_AT, READ_AT, "1", "America/New_York", "USD"),
        )
    with warehouse.read() as connection:
        mirrored = read_mirrored(connection, project, "hubspot.deals", [metric])
    if not is_refused:
        mirrored.check(metric, project)
        return
    with pytest.raises(SourceError) as refused:
        mirrored.check(metric, project)
    assert refused.value.user_text == "Its type is another one."
