"""What a written value stands for in a filter: days of the project's zone, times, numbers, flags."""

from collections.abc import Callable

import pytest

from okr_sync.config.models import AggMetric, Aggregation, Family
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.measurement import Measurement
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import FieldType

TYPES = {
    "createdate": FieldType.INSTANT,
    "seen": FieldType.INSTANT,
    "amount": FieldType.NUMBER,
    "is_won": FieldType.FLAG,
}
# New York's 8 March 2026 has 23 hours: it begins at 05:00 UTC and ends at 04:00 UTC.
SEEN = (
    "2026-03-08T04:59:59.999Z",
    "2026-03-08T05:00:00.000Z",
    "2026-03-09T03:59:59.999Z",
    "2026-03-09T04:00:00.000Z",
)


def count(*conditions: Condition) -> AggMetric:
    """How many contacts meet the conditions."""
    return AggMetric(
        name="m",
        dataset="hubspot.contacts",
        family=Family.FUNNEL,
        aggregation=Aggregation(agg="count"),
        time="createdate",
        where=Where(conditions),
    )


@pytest.fixture
def count_where(
    warehouse: Warehouse,
    put_records: Callable[..., None],
    measure: Callable[..., Measurement],
) -> Callable[..., int]:
    """A function that counts four contacts under one condition."""
    records = [
        {
            "createdate": "2026-03-05T12:00:00Z",
            "seen": seen,
            "amount": str(number),
            "is_won": "true" if number == 1 else "false",
        }
        for number, seen in enumerate(SEEN)
    ]
    put_records(warehouse, "hubspot.contacts", TYPES, records)

    def of(field: str, operator: Operator, *values: str) -> int:
        return int(measure(warehouse, count(Condition(field, operator, values))).value or 0)

    return of


@pytest.mark.parametrize(
    ("operator", "values", "found"),
    [
        (Operator.EQ, ("2026-03-08",), 2),
        (Operator.NOT, ("2026-03-08",), 2),
        (Operator.IN, ("2026-03-07", "2026-03-09"), 2),
        (Operator.GT, ("2026-03-08",), 1),
        (Operator.GTE, ("2026-03-08",), 3),
        (Operator.LT, ("2026-03-08",), 1),
        (Operator.LTE, ("2026-03-08",), 3),
        (Operator.BETWEEN, ("2026-03-08", "2026-03-08"), 2),
        (Operator.BETWEEN, ("2026-03-08", "2026-03-09"), 3),
        (Operator.EQ, ("2026-03-08T00:00:00",), 1),  # of the project's zone
        (Operator.EQ, ("2026-03-08T05:00:00+00:00",), 1),
        (Operator.EQ, ("2026-03-08T06:00:00+01:00",), 1),
        (Operator.NOT, ("2026-03-08T05:00:00Z",), 3),
        (Operator.LTE, ("2026-03-08T05:00:00Z",), 2),
        (Operator.BETWEEN, ("2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"), 3),
    ],
)
def test_a_day_is_all_its_milliseconds_in_the_projects_zone(
    count_where: Callable[..., int], operator: Operator, values: tuple[str, ...], found: int
) -> None:
    """The first and the last millisecond of a day belong to it, those beside it don't."""
    assert count_where("seen", operator, *values) == found


@pytest.mark.parametrize(("written", "found"), [("false", 3), ("False", 3), ("TRUE", 1)])
def test_flags_may_be_written_in_any_case(
    count_where: Callable[..., int], written: str, found: int
) -> None:
    """YAML's true and a quoted "True" are the same."""
    assert count_where("is_won", Operator.EQ, written) == found


def test_between_has_two_ends(count_where: Callable[..., int]) -> None:
    """Both ends count, and both bind."""
    assert count_where("amount", Operator.BETWEEN, "1", "2") == 2


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("is_won", "perhaps", "true or false"),
        ("amount", "many", "a number"),
        ("seen", "soon", "a day such as 2026-10-01 or a time such as 2026-10-01T09:00:00Z"),
    ],
)
def test_a_value_of_another_kind_is_refused(
    warehouse: Warehouse,
    count_where: Callable[..., int],
    refusal: Callable[..., str],
    field: str,
    value: str,
    wanted: str,
) -> None:
    """The reason names the field, what was written and what it wants."""
    told = refusal(warehouse, count(Condition(field, Operator.EQ, (value,))))
    assert f"compares {field} with {value!r}, but the field wants {wanted}." in told
