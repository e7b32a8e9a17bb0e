"""Publishing: history that only grows, numbers that only change when they have changed."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update

from okr_sync.metrics.measurement import Measurement, MetricObservation
from okr_sync.metrics.windows import Window
from okr_sync.warehouse.audit import violations
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.observations import (
    KeyResultFailure,
    KeyResultObservation,
    KeyResultRow,
    ObjectiveRow,
)
from okr_sync.warehouse.publish import Change, PublishOutcome, publish
from okr_sync.warehouse.reads import history
from okr_sync.warehouse.status import status
from okr_sync.warehouse.tables import key_result_current

Observe = Callable[..., KeyResultObservation]
Send = Callable[..., PublishOutcome]
Dump = Callable[..., dict[str, list[tuple[Any, ...]]]]

RUN_TABLES = ("sync_run", "lease", "confirmation")
"""What a run says of itself; every other table is about numbers."""

LEADS = "growth/leads"
HOUR = timedelta(hours=1)


def test_what_is_published_is_read_back_digit_for_digit(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """Decimals, days, times, flags and nulls come back as they were given."""
    exact = Decimal("123456789012345678901234567890.000000000000000000000000012345")
    one = observe(LEADS, "2026-10-05", None)
    two = observe(
        LEADS,
        "2026-10-06",
        str(exact),
        numerator="-0.1",
        denominator="3",
        progress=Decimal("1e-30"),
        quality=("sampled", "provisional"),
        status="lagging",
    )
    send(one, two)
    first, second = history(warehouse, LEADS)
    assert (first.value, first.numerator, first.sample_size) == (None, None, 7)
    assert str(second.value) == str(exact)
    assert (second.numerator, second.denominator) == (Decimal("-0.1"), Decimal(3))
    assert second.progress == Decimal("1e-30")
    assert second.quality == ("provisional", "sampled")
    assert (second.recorded_at, second.superseded_at) == (noon, None)
    assert second.recorded_at.tzinfo is UTC
    (row,) = status(warehouse, now=noon)
    assert (row.as_of, row.value, row.status) == (date(2026, 10, 6), exact, "lagging")
    assert (row.freshness, row.measured_at, row.stale_after) == ("fresh", noon, noon + 3 * HOUR)


def test_the_same_again_writes_nothing_new(
    observe: Observe, send: Send, dump: Dump, noon: datetime
) -> None:
    """A second run with the same data adds no row anywhere but its own run; history is untouched."""
    observations = [observe(LEADS, "2026-10-05", "1.50"), observe("growth/x", "2026-10-05", None)]
    assert send(*observations).new == 2
    before = dump(*RUN_TABLES, "run_outcome", "key_result_current")
    again = [observe(LEADS, "2026-10-05", "1.5"), observations[1]]
    outcome = send(*again, run_id="run-2", at=noon + HOUR)
    flags = {name: {date(2026, 10, 5): ("provisional",)} for name in (LEADS, "growth/x")}
    assert outcome == PublishOutcome(
        0, 0, 2, 0, (), revisions={LEADS: 1, "growth/x": 1}, flags=flags
    )
    assert dump(*RUN_TABLES, "run_outcome", "key_result_current") == before


def test_an_unchanged_number_is_confirmed(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """Finding the same number again moves measured_at, stale_after and run_id, nothing else."""
    send(observe(LEADS, "2026-10-05", "1.5"))
    (before,) = status(warehouse, now=noon)
    send(observe(LEADS, "2026-10-05", "1.5"), run_id="run-2", at=noon + HOUR)
    (after,) = status(warehouse, now=noon)
    assert after == dataclasses.replace(
        before, measured_at=noon + HOUR, stale_after=noon + 4 * HOUR, run_id="run-2"
    )


def test_a_settled_number_is_left_alone(
    observe: Observe, send: Send, dump: Dump, noon: datetime
) -> None:
    """A key result whose cycle is over and settled: the same number again writes nothing at all."""
    settled = {"stale_after": {LEADS: None}}
    send(observe(LEADS, "2026-10-05", "1.5"), **settled)
    before = dump(*RUN_TABLES, "run_outcome")
    send(observe(LEADS, "2026-10-05", "1.5"), run_id="run-2", at=noon + HOUR, **settled)
    assert dump(*RUN_TABLES, "run_outcome") == before
    send(observe(LEADS, "2026-10-05", "1.6"), run_id="run-3", at=noon + HOUR, **settled)
    assert dump(*RUN_TABLES, "run_outcome") != before


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"value": "1.6"}, "restated"),
        ({"value": None}, "restated"),
        ({"numerator": "4"}, "restated"),
        ({"denominator": "5"}, "restated"),
        ({"sample_size": 8}, "restated"),
        ({"progress": None}, "settings"),
        ({"score": Decimal("0.6")}, "settings"),
        ({"expected_progress": Decimal("0.41")}, "settings"),
        ({"status": "lagging"}, "settings"),
        ({"is_final": True}, "final"),
        ({"quality": ("sampled",)}, "quality"),
        ({"definition_hash": "d2"}, "definition"),
    ],
)
def test_each_measure_that_changes_makes_a_revision(
    warehouse: Warehouse,
    observe: Observe,
    send: Send,
    noon: datetime,
    change: dict[str, Any],
    cause: str,
) -> None:
    """A changed number is added beside the old one, which only learns when it was superseded."""
    send(observe(LEADS, "2026-10-05", "1.5"))
    (before,) = history(warehouse, LEADS)
    given = {"value": "1.5"} | change
    outcome = send(
        observe(LEADS, "2026-10-05", given.pop("value"), **given),
        run_id="run-2",
        at=noon + HOUR,
    )
    first, second = history(warehouse, LEADS)
    assert first == dataclasses.replace(before, superseded_at=noon + HOUR)
    assert (second.revision, second.recorded_at, second.run_id) == (2, noon + HOUR, "run-2")
    assert second.superseded_at is None
    assert (outcome.new, outcome.revised, outcome.unchanged) == (0, 1, 0)
    assert outcome.changes == (
        Change(LEADS, date(2026, 10, 5), Decimal("1.5"), second.value, 2, cause),
    )


def test_origin_alone_is_no_change(observe: Observe, send: Send) -> None:
    """A backfill that finds what a run found writes no revision."""
    send(observe(LEADS, "2026-10-05", "1.5"))
    outcome = send(observe(LEADS, "2026-10-05", "1.5", origin="backfill"), run_id="run-2")
    assert outcome.unchanged == 1


def test_a_number_that_goes_back_is_a_third_revision(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """The comparison is with the latest revision, not with any earlier one."""
    for number, value in enumerate(["1", "2", "1"]):
        send(observe(LEADS, "2026-10-05", value), run_id=f"run-{number}", at=noon + number * HOUR)
    rows = history(warehouse, LEADS)
    assert [(row.revision, str(row.value)) for row in rows] == [(1, "1"), (2, "2"), (3, "1")]
    assert [row.superseded_at for row in rows] == [noon + HOUR, noon + 2 * HOUR, None]


def test_a_clock_that_is_behind_keeps_revisions_in_order(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """A publish from a machine whose clock is behind never begins before what it replaces."""
    send(observe(LEADS, "2026-10-05", "1"))
    send(observe(LEADS, "2026-10-05", "2"), run_id="run-2", at=noon - HOUR)
    first, second = history(warehouse, LEADS)
    assert first.superseded_at == second.recorded_at == noon


def test_an_older_day_does_not_overwrite_the_current_number(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """A backfill of past days fills history; what is current stays, in whatever order they come."""
    send(observe(LEADS, "2026-10-05", "5"))
    (before,) = status(warehouse, now=noon)
    days = [observe(LEADS, f"2026-10-0{day}", str(day)) for day in (4, 1, 2, 3)]
    assert send(*days, run_id="run-2", at=noon + HOUR).new == 4
    assert status(warehouse, now=noon) == [before]
    assert [row.value for row in history(warehouse, LEADS)] == [1, 2, 3, 4, 5]
    send(observe(LEADS, "2026-10-07", "7"), observe(LEADS, "2026-10-06", "6"), run_id="run-3")
    (after,) = status(warehouse, now=noon)
    assert (after.as_of, after.value) == (date(2026, 10, 7), Decimal(7))


def test_a_restated_current_day_is_current(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """The current number is the latest revision of the greatest day."""
    send(observe(LEADS, "2026-10-05", "5"))
    send(observe(LEADS, "2026-10-05", "4"), run_id="run-2")
    (row,) = status(warehouse, now=noon)
    assert (row.value, row.run_id) == (Decimal(4), "run-2")


def test_a_failures_flags_stand_beside_those_of_the_number_that_stays(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """Nothing is wrong with tables that say why the last good number has no successor."""
    send(observe(LEADS, "2026-10-05", "1.5", quality=("sampled",)))
    failure = KeyResultFailure(LEADS, "hidden", ("schema_restricted",))
    send(failures=[failure], run_id="run-2", at=noon + HOUR)
    (row,) = status(warehouse, now=noon)
    assert row.quality == ("sampled", "schema_restricted")
    with warehouse.read() as connection:
        assert violations(connection) == []
    with warehouse.write() as connection:
        connection.execute(update(key_result_current).values(quality=("schema_restricted",)))
    with warehouse.read() as connection:
        assert len(violations(connection)) == 1


def test_a_key_twice_in_one_publish(observe: Observe, send: Send, warehouse: Warehouse) -> None:
    """The same thing twice counts once; two different things for one key are refused."""
    one = observe(LEADS, "2026-10-05", "1.5")
    assert send(one, observe(LEADS, "2026-10-05", "1.50")).new == 1
    with pytest.raises(ValueError, match="comes twice and differs"):
        send(one, observe(LEADS, "2026-10-05", "1.6"))
    assert len(history(warehouse, LEADS)) == 1


def test_an_error_leaves_nothing_of_a_publish(
    warehouse: Warehouse,
    observe: Observe,
    send: Send,
    dump: Dump,
    define: Callable[..., KeyResultRow],
    noon: datetime,
) -> None:
    """An error, half-way or at the very end, takes everything written before it back."""
    send(observe(LEADS, "2026-10-05", "1"))
    before = dump(*RUN_TABLES)
    metric = _metric("leads", "2026-10-05", "9", quality=("sampled",))
    with pytest.raises(KeyError):  # no stale_after for the second one
        send(
            observe(LEADS, "2026-10-05", "2"),
            observe("growth/x", "2026-10-05", "2"),
            key_results=[define(LEADS, title="new"), define("growth/x")],
            metric_observations=[metric],
            stale_after={LEADS: None},
        )
    assert dump(*RUN_TABLES) == before
    with pytest.raises(ValueError, match="no run 'run-9' was started"):
        publish(
            warehouse,
            run_id="run-9",
            published_at=noon,
            measured_at=noon,
            objectives=[],
            key_results=[define(LEADS, title="new")],
            observations=[observe(LEADS, "2026-10-05", "2")],
            metric_observations=[metric],
            failures=[KeyResultFailure(LEADS, "refused")],
            stale_after={LEADS: None},
        )
    assert dump(*RUN_TABLES) == before


def test_metric_values_have_revisions_too(send: Send, dump: Dump, noon: datetime) -> None:
    """metric_value follows the same rule, one series per metric, day and window."""
    day, long = _metric("leads", "2026-10-05", "9"), _metric("leads", "2026-10-05", "90", days=30)
    send(metric_observations=[day, long])
    before = dump()["metric_value"]
    assert len(before) == 2
    send(metric_observations=[day, long], at=noon + HOUR)
    assert dump()["metric_value"] == before
    send(metric_observations=[_metric("leads", "2026-10-05", "10"), long], at=noon + HOUR)
    rows = dump()["metric_value"]
    assert len(rows) == 3
    assert sorted((row[4], row[5], row[11]) for row in rows if row[2] == date(2026, 10, 5)) == [
        (1, Decimal(9), noon + HOUR),
        (2, Decimal(10), None),
    ]


@pytest.mark.parametrize(
    "change", [{"quality": ("sampled",)}, {"sample": 4}, {"numerator": "1"}, {"value": None}]
)
def test_each_part_of_a_metric_value_counts(send: Send, dump: Dump, change: dict[str, Any]) -> None:
    """A metric's number, parts, sample and flags each make a revision when they change."""
    send(metric_observations=[_metric("leads", "2026-10-05", "9")])
    send(metric_observations=[_metric("leads", "2026-10-05", **{"value": "9"} | change)])
    assert [row[4] for row in dump()["metric_value"]] == [1, 2]


def test_definitions_are_written_only_when_they_change(
    warehouse: Warehouse,
    observe: Observe,
    send: Send,
    dump: Dump,
    define: Callable[..., KeyResultRow],
    aim: ObjectiveRow,
    noon: datetime,
) -> None:
    """Another config_hash alone, from someone else's edit, is not a change of this key result."""
    one = observe(LEADS, "2026-10-05", "1.5")
    send(one, objectives=[aim])
    before = {name: dump()[name] for name in ("objective", "key_result")}
    same = {"objectives": [aim], "key_results": [define(LEADS, config_hash="c2")]}
    send(one, run_id="run-2", **same)
    assert {name: dump()[name] for name in ("objective", "key_result")} == before
    changed = define(LEADS, config_hash="c3", title="Another title", baseline=None)
    renamed = dataclasses.replace(aim, title="Another aim", supports=())
    send(one, run_id="run-3", key_results=[changed], objectives=[renamed])
    (row,) = status(warehouse, now=noon)
    assert (row.title, row.config_hash, row.baseline) == ("Another title", "c3", None)
    assert dump()["objective"] == [dataclasses.astuple(renamed)]


def test_a_large_publish_takes_few_statements(
    warehouse: Warehouse, observe: Observe, send: Send
) -> None:
    """Writing goes in bulk: ten times the rows is not ten times the statements."""
    from sqlalchemy import event

    statements: list[str] = []

    def count(*given: Any) -> None:
        statements.append(given[2])

    event.listen(warehouse.engine, "before_cursor_execute", count)
    counts = []
    for run, size in enumerate((10, 100)):
        observations = [
            observe(f"growth/{number}", f"2026-10-{day:02}", str(run))
            for number in range(size)
            for day in range(1, 11)
        ]
        statements.clear()
        assert send(*observations, run_id=f"run-{run}").new == (100 if run == 0 else 900)
        counts.append(len(statements))
    assert counts[1] <= counts[0] + 4  # what is superseded, and why


def _metric(
    name: str,
    day: str,
    value: str | None,
    *,
    days: int = 1,
    sample: int = 3,
    numerator: str | None = None,
    quality: tuple[str, ...] = (),
) -> MetricObservation:
    as_of = date.fromisoformat(day)
    end = as_of + timedelta(days=1)
    at = datetime(end.year, end.month, end.day, 4, tzinfo=UTC)
    window = Window(end - timedelta(days=days), end, at - timedelta(days=days), at)
    measurement = Measurement(
        None if value is None else Decimal(value),
        None if numerator is None else Decimal(numerator),
        None,
        sample,
        quality,
    )
    return MetricObservation(name, as_of, window, measurement)
