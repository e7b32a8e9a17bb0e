"""Conversions and durations by group: a group's figure is the figure of its records alone.

Groups are scanned window by window, all records together day by day: two ways, which must agree.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from okr_sync.config.bundle import Bundle
from okr_sync.config.models import ConversionMetric, DurationMetric, Family, Project, Reduce
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.inspect.contributions import contributions
from okr_sync.metrics.evaluate_records import measure_groups
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.spans import Span
from okr_sync.metrics.windows import Window, local_midnight
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import FieldType

Measure = Callable[..., Measurement]
PutRecords = Callable[..., None]
TYPES = {
    "created": FieldType.INSTANT,
    "won": FieldType.INSTANT,
    "signed": FieldType.DAY,
    "paid": FieldType.DAY,
    "team": FieldType.TEXT,
}
SHAPES: list[dict[str, str | None]] = [
    # At the last moment, a millisecond later, at once, never, before it was created.
    {"created": "2026-03-01T12:00:00Z", "won": "2026-03-11T12:00:00Z"},
    {"created": "2026-03-02T12:00:00Z", "won": "2026-03-12T12:00:00.001Z"},
    {"created": "2026-03-03T12:00:00Z", "won": "2026-03-03T12:00:00Z"},
    {"created": "2026-03-04T12:00:00Z", "won": None},
    {"created": "2026-03-05T12:00:00Z", "won": "2026-03-04T12:00:00Z"},
    # Mature to the millisecond at the end of the 31st in New York, and a millisecond too young.
    {"created": "2026-03-22T04:00:00Z", "won": "2026-04-01T03:59:59.999Z"},
    {"created": "2026-03-22T04:00:00Z", "won": "2026-04-01T04:00:00Z"},
    {"created": "2026-03-22T04:00:00.001Z", "won": "2026-03-23T12:00:00Z"},
    # In a window of its own before, and after it began and ended the wrong way round.
    {"created": "2026-02-20T12:00:00Z", "won": "2026-03-06T18:00:00Z"},
    {"created": "2026-04-05T12:00:00Z", "won": "2026-03-30T12:00:00Z"},
    # The same of calendar days.
    {"signed": "2026-03-01", "paid": "2026-03-11"},
    {"signed": "2026-03-02", "paid": "2026-03-13"},
    {"signed": "2026-03-03", "paid": "2026-03-03"},
    {"signed": "2026-03-04", "paid": None},
    {"signed": "2026-03-05", "paid": "2026-03-04"},
    {"signed": "2026-03-21", "paid": "2026-03-31"},
    {"signed": "2026-03-22", "paid": "2026-04-01"},
    {"signed": "2026-02-20", "paid": "2026-03-06"},
    {"signed": "2026-04-05", "paid": "2026-03-30"},
]


@pytest.fixture
def two_teams(warehouse: Warehouse, put_records: PutRecords) -> Warehouse:
    """A warehouse in which team a has every shape of record, and team b every other."""
    records = [{**shape, "team": "a"} for shape in SHAPES]
    records += [{**shape, "team": "b"} for shape in SHAPES[::2]]
    put_records(warehouse, "hubspot.deals", TYPES, records)
    return warehouse


ZONE = ZoneInfo("America/New_York")
FIRST, END = date(2026, 3, 1), date(2026, 4, 1)
KNOWN_AT = [
    datetime(2026, 3, 11, 12, tzinfo=UTC),
    datetime(2026, 3, 11, 12, 0, 0, 1_000, tzinfo=UTC),
    local_midnight(date(2026, 3, 12), ZONE),
    local_midnight(END, ZONE),
    local_midnight(END, ZONE) + timedelta(milliseconds=1),
    local_midnight(date(2026, 5, 1), ZONE),
]
"""In the middle of March to the millisecond, at the end of a day, of March, and long after it."""

TIMES = [("created", "won"), ("signed", "paid")]
SIZES = {
    ("created", "arrival"): [2, 3, 3, 6, 6, 6],
    ("created", "start"): [1, 2, 2, 5, 6, 6],
    ("signed", "arrival"): [3, 3, 3, 5, 5, 5],
    ("signed", "start"): [1, 1, 2, 4, 4, 5],
}
"""Of how many records of team a the duration is known, by the times' fields and the cohort."""


def march(known_at: datetime) -> Span:
    """March up to an instant, as it is known then."""
    as_of = (known_at - timedelta(microseconds=1)).astimezone(ZONE).date()
    end = min(END, as_of + timedelta(days=1))
    ends_at = min(local_midnight(end, ZONE), known_at)
    return Span(as_of, known_at, Window(FIRST, end, local_midnight(FIRST, ZONE), ends_at))


def held_against_each_other(
    warehouse: Warehouse,
    project: Project,
    measure: Measure,
    metric: ConversionMetric | DurationMetric,
) -> list[Measurement]:
    """Team a's figures as of each instant, after each group's were those of its records alone."""
    grouped = metric.model_copy(update={"by": "team", "reduce": Reduce.MAX})
    found: list[Measurement] = []
    for known_at in KNOWN_AT:
        at = march(known_at)
        alone = [
            (team, measure(warehouse, metric.model_copy(update={"where": of_team(team)}), at))
            for team in ("a", "b")
        ]
        with warehouse.read() as connection:
            assert measure_groups(connection, project, grouped, at) == alone
        found.append(alone[0][1])
    return found


def of_team(team: str) -> Where:
    """The records of a team."""
    return Where((Condition("team", Operator.EQ, (team,)),))


@pytest.mark.parametrize(("from_time", "to_time"), TIMES)
def test_a_groups_conversion_is_that_of_its_records(
    two_teams: Warehouse, project: Project, measure: Measure, from_time: str, to_time: str
) -> None:
    """Who is mature, who converted and whose times are the wrong way round, to the last moment."""
    metric = ConversionMetric(
        name="m",
        dataset="hubspot.deals",
        family=Family.CONVERSION,
        from_time=from_time,
        to_time=to_time,
        within=timedelta(days=10),
    )
    found = held_against_each_other(two_teams, project, measure, metric)
    counts = [(one.numerator, one.denominator) for one in found]
    by_instant = [(0, 1), (1, 1), (1, 1), (3, 7), (5, 8), (5, 8)]
    by_day = [(0, 0), (0, 0), (1, 1), (3, 6), (3, 6), (4, 7)]
    assert counts == (by_instant if from_time == "created" else by_day)


@pytest.mark.parametrize("cohort", ["arrival", "start"])
@pytest.mark.parametrize("agg", ["average", "min", "max", "median", "p90"])
@pytest.mark.parametrize(("from_time", "to_time"), TIMES)
def test_a_groups_duration_is_that_of_its_records(
    two_teams: Warehouse,
    project: Project,
    measure: Measure,
    from_time: str,
    to_time: str,
    agg: str,
    cohort: str,
) -> None:
    """Whose duration is known by then, by the day of arrival and by the day of start."""
    metric = DurationMetric(
        name="m",
        dataset="hubspot.deals",
        family=Family.CONVERSION,
        from_time=from_time,
        to_time=to_time,
        agg=agg,
        cohort=cohort,
    )
    found = held_against_each_other(two_teams, project, measure, metric)
    assert [one.sample_size for one in found] == SIZES[from_time, cohort]


@pytest.mark.parametrize(("from_time", "to_time"), TIMES)
@pytest.mark.parametrize("known_at", KNOWN_AT[2:4], ids=["early", "at_its_end"])
def test_a_list_of_a_cohort_says_of_each_record_why_it_does_not_count(
    two_teams: Warehouse,
    project: Project,
    measure: Measure,
    from_time: str,
    to_time: str,
    known_at: datetime,
) -> None:
    """The records listed are those of the number: who is too young is named, and nobody else."""
    metric = ConversionMetric(
        name="m",
        dataset="hubspot.deals",
        family=Family.CONVERSION,
        from_time=from_time,
        to_time=to_time,
        within=timedelta(days=10),
        where=of_team("a"),
    )
    at = march(known_at)
    bundle = Bundle(Path(), project, {}, {}, {}, {}, {}, (), {}, "")
    with two_teams.read() as connection:
        listed = list(contributions(connection, bundle, metric, at))
    measured = measure(two_teams, metric, at)
    assert sum(bool(one.in_numerator) for one in listed) == measured.numerator
    assert sum(bool(one.in_denominator) for one in listed) == measured.denominator
    young = [one for one in listed if one.left_out == "its 10 days are not over"]
    assert not any(one.counted or one.in_denominator for one in young)
    assert len(listed) == len(young) + int(measured.denominator or 0)
    backwards = [one.record_id for one in listed if "lies before" in (one.left_out or "")]
    is_flagged = "negative_duration:1" in measured.quality
    assert (len(backwards) == 1) is is_flagged is (known_at == KNOWN_AT[3])
