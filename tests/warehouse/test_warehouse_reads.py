"""Reading: status of a day, what was known when, and rows as JSON."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import update

from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.json_rows import to_jsonable
from okr_sync.warehouse.observations import (
    KeyResultFailure,
    KeyResultObservation,
    KeyResultRow,
)
from okr_sync.warehouse.publish import PublishOutcome
from okr_sync.warehouse.reads import history, last_runs, pulls
from okr_sync.warehouse.runs import PullRecord, record_pull
from okr_sync.warehouse.status import status
from okr_sync.warehouse.tables import key_result, key_result_current

Observe = Callable[..., KeyResultObservation]
Send = Callable[..., PublishOutcome]
Define = Callable[..., KeyResultRow]

LEADS = "growth/leads"
HOUR = timedelta(hours=1)


def test_status_of_a_past_day(
    warehouse: Warehouse, observe: Observe, send: Send, define: Define, noon: datetime
) -> None:
    """The numbers are the latest revisions for that day; a key result without one has no value."""
    send(observe(LEADS, "2026-10-04", "4", is_final=True), observe(LEADS, "2026-10-05", "5"))
    send(observe(LEADS, "2026-10-04", "4.5"), run_id="run-2", at=noon + HOUR)
    send(observe("growth/x", "2026-10-05", "7"), key_results=[define("growth/x")])
    leads, other = status(warehouse, now=noon, as_of=date(2026, 10, 4))
    assert (leads.value, leads.as_of, leads.is_final) == (Decimal("4.5"), date(2026, 10, 4), False)
    assert (leads.measured_at, leads.run_id, leads.freshness) == (noon + HOUR, "run-2", "fresh")
    assert (other.value, other.as_of, other.status) == (None, None, "no_data")
    assert (other.quality, other.is_final, other.measured_at) == ((), False, None)


def test_a_baseline_that_was_not_known_then_is_not_shown(
    warehouse: Warehouse, observe: Observe, send: Send, define: Define, noon: datetime
) -> None:
    """A day whose number could not be judged says so, also after the baseline has become known."""
    send(
        observe(LEADS, "2026-10-04", "4", quality=("no_baseline",), progress=None),
        observe(LEADS, "2026-10-05", "5", baseline=Decimal(2), target=Decimal(6)),
        key_results=[define(LEADS, baseline=Decimal(2), target=Decimal(6))],
    )
    (before,) = status(warehouse, now=noon, as_of=date(2026, 10, 4))
    assert (before.quality, before.baseline, before.target) == (("no_baseline",), None, None)
    (after,) = status(warehouse, now=noon, as_of=date(2026, 10, 5))
    assert (after.baseline, after.target) == (2, 6)


def test_status_of_a_past_day_tells_of_failures_now(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """Freshness is about the key result, not the day: a broken source shows there too."""
    send(observe(LEADS, "2026-10-04", "4"), observe(LEADS, "2026-10-05", "5"))
    send(failures=[KeyResultFailure(LEADS, "refused")])
    (row,) = status(warehouse, now=noon, as_of=date(2026, 10, 4))
    assert (row.value, row.freshness, row.error) == (Decimal(4), "failed", "refused")


def test_status_as_it_was_known(
    warehouse: Warehouse, observe: Observe, send: Send, define: Define, noon: datetime
) -> None:
    """What did we believe on Monday about last quarter: the revisions, days and goals of that instant."""
    send(
        observe(LEADS, "2026-10-04", "4", baseline=Decimal(0), target=Decimal(8)),
        observe(LEADS, "2026-10-05", "5"),
    )
    later = {"run_id": "run-2", "at": noon + HOUR}
    send(observe(LEADS, "2026-10-04", "4.5"), observe(LEADS, "2026-10-06", "6"), **later)
    send(observe("growth/x", "2026-10-05", "7"), run_id="run-3", at=noon + HOUR)
    send(failures=[KeyResultFailure(LEADS, "refused")], run_id="run-4", at=noon + 2 * HOUR)
    with warehouse.write() as connection:
        gone = update(key_result).where(key_result.c.key_result_id == LEADS)
        connection.execute(gone.values(retired_at=noon + 2 * HOUR))

    def known(hours: float, as_of: date | None = None) -> list[tuple[str, str, Decimal | None]]:
        at = noon + hours * HOUR
        rows = status(warehouse, now=noon, as_of=as_of, as_known_on=at)
        assert {(row.freshness, row.error) for row in rows} <= {("fresh", None)}
        return [(row.key_result_id, str(row.as_of), row.value) for row in rows]

    day = date(2026, 10, 4)
    assert known(-1) == []
    assert known(0) == [(LEADS, "2026-10-05", Decimal(5))]
    assert known(0, day) == [(LEADS, "2026-10-04", Decimal(4))]
    assert known(1) == [
        (LEADS, "2026-10-06", Decimal(6)),
        ("growth/x", "2026-10-05", Decimal(7)),
    ]
    assert known(1, day) == [
        (LEADS, "2026-10-04", Decimal("4.5")),
        ("growth/x", "None", None),
    ]
    assert [name for name, _, _ in known(3)] == ["growth/x"]  # retired by then
    (then,) = status(warehouse, now=noon, as_of=day, as_known_on=noon)
    assert (then.baseline, then.target) == (0, 8)
    only = status(warehouse, now=noon, key_result_ids=["growth/x"], as_known_on=noon + HOUR)
    assert [row.value for row in only] == [7]


def test_status_of_chosen_key_results(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """Ids choose, unknown ones are left out, and the order is that of the ids."""
    ids = [f"growth/{number}" for number in range(1200)]
    send(*(observe(name, "2026-10-05", "1") for name in ids))
    assert [row.key_result_id for row in status(warehouse, now=noon)] == sorted(ids)
    wanted = [*reversed(ids), "growth/unknown", ids[0]]
    found = status(warehouse, now=noon, key_result_ids=wanted, as_of=date(2026, 10, 5))
    assert [row.key_result_id for row in found] == sorted(ids)
    assert {row.value for row in found} == {1}
    assert status(warehouse, now=noon, key_result_ids=[]) == []


def test_a_key_result_that_is_defined_and_never_published(
    warehouse: Warehouse, send: Send, define: Define, noon: datetime
) -> None:
    """It is in the status, as `never`."""
    send(key_results=[define(LEADS)])
    (row,) = status(warehouse, now=noon)
    assert (row.freshness, row.status, row.value, row.quality) == ("never", "no_data", None, ())
    assert row.is_final is False


def test_what_was_known_when(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """What did we believe at an instant about each day: one revision a day, none from later."""
    send(observe(LEADS, "2026-10-04", "1"), observe(LEADS, "2026-10-05", "2"))
    send(observe(LEADS, "2026-10-04", "3"), run_id="run-2", at=noon + 2 * HOUR)

    def believed(at: datetime) -> list[Decimal | None]:
        return [row.value for row in history(warehouse, LEADS, as_known_on=at)]

    moment = timedelta(microseconds=1)
    assert believed(noon - moment) == []
    assert believed(noon) == [1, 2]
    assert believed(noon + 2 * HOUR - moment) == [1, 2]
    assert believed(noon + 2 * HOUR) == [3, 2]
    assert [row.value for row in history(warehouse, LEADS)] == [1, 3, 2]
    assert history(warehouse, "growth/unknown") == []


def test_status_rows_as_json(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """Every column of key_result and key_result_current, and `low`: numbers, ISO days, times with Z, lists."""
    baseline = Decimal("0.18")
    send(observe(LEADS, "2026-10-05", "0.1234567890123456789", numerator="3", baseline=baseline))
    (row,) = status(warehouse, now=noon)
    found = json.loads(json.dumps(to_jsonable(row)))
    columns = {column.name for column in (*key_result.c, *key_result_current.c)}
    assert set(found) == {*columns, "low"}
    assert (found["value"], found["numerator"], found["denominator"]) == (
        0.1234567890123456789,
        3.0,
        None,
    )
    assert (found["as_of"], found["cycle_start"]) == ("2026-10-05", "2026-10-01")
    assert (found["measured_at"], found["quality"]) == ("2026-10-06T12:00:00Z", ["provisional"])
    assert (found["is_final"], found["sample_size"], found["baseline"]) == (False, 7, 0.18)


def test_other_rows_as_json(
    warehouse: Warehouse, observe: Observe, send: Send, noon: datetime
) -> None:
    """History, runs and pulls turn into JSON too, with times in UTC to the microsecond."""
    at = datetime(2026, 10, 6, 23, 0, 0, 1, tzinfo=UTC)
    send(observe(LEADS, "2026-10-05", "2"), at=at)
    record_pull(
        warehouse, "run-1", PullRecord("web", "reports", 1, 2, 2, True, 0.5, quota={"t": 9})
    )
    (revision,) = history(warehouse, LEADS)
    assert to_jsonable(revision)["recorded_at"] == "2026-10-06T23:00:00.000001Z"
    (pull,) = pulls(warehouse, "run-1")
    (run,) = last_runs(warehouse)
    assert json.loads(json.dumps([to_jsonable(pull), to_jsonable(run)]))[0]["quota"] == {"t": 9}
