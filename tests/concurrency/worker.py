"""A worker that publishes to a warehouse beside others; test_concurrency.py starts it.

What it does is its first argument: `many` runs one after the other, one run over the same `window`
as its fellows, or one run that is `paused` for longer than its lease is long. Its clock is wrong by
so many hours as its last argument says.
"""

import sys
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from okr_sync.errors import LeaseLostError
from okr_sync.metrics.measurement import Measurement, MetricObservation
from okr_sync.metrics.windows import Window
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.observations import KeyResultObservation, KeyResultRow, ObjectiveRow
from okr_sync.warehouse.publish import publish
from okr_sync.warehouse.runs import finish_run, mark_dead_runs, start_run

IDS = [f"growth/{number}" for number in range(5)]
DAYS = [date(2026, 10, 3) + timedelta(days=n) for n in range(3)]
SHORT_LEASE = timedelta(seconds=1)
LEASE_LOST = 7


class Worker:
    """A worker on a machine whose clock is wrong."""

    def __init__(self, url: str, skew_hours: int) -> None:
        self._warehouse: Warehouse = open_warehouse(url)
        self._skew = timedelta(hours=skew_hours)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._skew

    def begin(self, run_id: str, lasting: timedelta = timedelta(minutes=15)) -> None:
        mark_dead_runs(self._warehouse, now=self.now())
        start_run(
            self._warehouse,
            run_id=run_id,
            trigger="manual",
            dagster_run_id=None,
            config_hash="c1",
            expected=len(IDS),
            started_at=self.now(),
            lasting=lasting,
        )

    def publish(self, run_id: str, value: int) -> None:
        """Publish the same value for every key result and day, so that a mixture would show."""
        publish(
            self._warehouse,
            run_id=run_id,
            published_at=self.now(),
            measured_at=self.now(),
            objectives=[ObjectiveRow("growth/aim", "growth", "2026-Q4", f"Aim {value}", None, ())],
            key_results=[_defined(name) for name in IDS],
            observations=[_observed(name, day, value) for name in IDS for day in DAYS],
            metric_observations=[_measured(day, value) for day in DAYS],
            failures=[],
            stale_after=dict.fromkeys(IDS, self.now() + timedelta(hours=2)),
        )

    def finish(self, run_id: str) -> None:
        finish_run(self._warehouse, run_id, finished_at=self.now())


def _defined(name: str) -> KeyResultRow:
    return KeyResultRow(
        key_result_id=name,
        objective_id="growth/aim",
        team="growth",
        cycle="2026-Q4",
        cycle_start=date(2026, 10, 1),
        cycle_end=date(2026, 12, 31),
        title="t",
        metric="leads",
        unit=None,
        baseline=None,
        target=Decimal(1),
        goal_kind="from_to",
        commitment="committed",
        indicator=None,
        owner=None,
        family="funnel",
        definition_hash="d1",
        config_hash="c1",
        defined_in="okrs.yaml:3",
    )


def _observed(name: str, day: date, value: int) -> KeyResultObservation:
    measurement = Measurement(Decimal(value))
    return KeyResultObservation(
        name, day, measurement, None, None, None, "on_track", False, (), "automatic", "d1"
    )


def _measured(day: date, value: int) -> MetricObservation:
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    window = Window(day, day + timedelta(days=1), at, at + timedelta(days=1))
    return MetricObservation("leads", day, window, Measurement(Decimal(value)))


def _wait_for(go: Path, name: str) -> None:
    Path(f"{go}.{name}").touch()
    while not go.exists():
        time.sleep(0.001)


def main() -> int:
    task, url, name, go, count, skew_hours = sys.argv[1:]
    worker = Worker(url, int(skew_hours))
    if task == "many":
        _wait_for(Path(go), name)
        for number in range(int(count)):
            run_id = f"{name}-{number}"
            worker.begin(run_id)
            worker.publish(run_id, int(name) * 1000 + number)
            worker.finish(run_id)
        return 0
    if task == "window":
        worker.begin(name)
        _wait_for(Path(go), name)
        worker.publish(name, 5)
        worker.finish(name)
        return 0
    worker.begin(name, SHORT_LEASE)
    _wait_for(Path(go), name)
    try:
        worker.publish(name, 1)
    except LeaseLostError as error:
        print(error.user_text)
        return LEASE_LOST
    return 0


if __name__ == "__main__":
    sys.exit(main())
