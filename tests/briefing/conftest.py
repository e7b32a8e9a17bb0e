"""What the tests of the report and the digest share: a project whose key results are in every state."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from okr_sync.config.bundle import Bundle
from okr_sync.config.loader import load_project
from okr_sync.metrics.measurement import Measurement
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.observations import (
    KeyResultFailure,
    KeyResultObservation,
    KeyResultRow,
    ObjectiveRow,
)
from okr_sync.warehouse.publish import publish
from okr_sync.warehouse.runs import start_run

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)
TODAY = date(2026, 11, 23)
START, END = date(2026, 10, 1), date(2026, 12, 31)

PROJECT = """\
version: 1
time_zone: America/New_York
currency: USD
sources:
  people: {kind: files, path: people}
"""


class Story:
    """A warehouse that is told what happened, key result by key result, as runs would publish it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.write("okr_sync.yaml", PROJECT)
        self.warehouse: Warehouse = open_warehouse(f"sqlite:///{folder}/warehouse.sqlite")
        self._run = 0

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    @property
    def bundle(self) -> Bundle:
        """The project as it is now."""
        return load_project(self.folder)

    def tell(
        self,
        name: str,
        values: Iterable[tuple[date, str | None]] = (),
        *,
        title: str = "Grow it from 0 to 100",
        status: str = "on_track",
        quality: tuple[str, ...] = (),
        error: str | None = None,
        at: datetime = NOW,
        objective: str = "Be known",
        owner: str | None = "ana",
        **columns: object,
    ) -> None:
        """Publish numbers of a key result that goes from 0 to 100, and a failure if there is an `error`."""
        self.publish(
            [self.define(name, title, owner, **columns)],
            values,
            status,
            quality,
            error,
            at,
            objective,
        )

    def define(self, name: str, title: str, owner: str | None, **columns: object) -> KeyResultRow:
        """The definition of a key result."""
        usual: dict[str, object] = {
            "key_result_id": name,
            "objective_id": f"{name.partition('/')[0]}/known",
            "team": name.partition("/")[0],
            "cycle": "2026-Q4",
            "cycle_start": START,
            "cycle_end": END,
            "title": title,
            "metric": "m",
            "unit": None,
            "baseline": Decimal(0),
            "target": Decimal(100),
            "goal_kind": "from_to",
            "commitment": "committed",
            "indicator": None,
            "owner": owner,
            "family": "engagement",
            "definition_hash": "d1",
            "config_hash": "c1",
            "defined_in": "okrs.yaml:3",
        }
        return KeyResultRow(**usual | columns)  # type: ignore[arg-type]

    def publish(
        self,
        rows: list[KeyResultRow],
        values: Iterable[tuple[date, str | None]],
        status: str,
        quality: tuple[str, ...],
        error: str | None,
        at: datetime,
        objective: str,
    ) -> None:
        """Publish the same numbers for each of the key results, in a run of their own."""
        self._run += 1
        run_id = f"run-{self._run}"
        start_run(
            self.warehouse,
            run_id=run_id,
            trigger="manual",
            dagster_run_id=None,
            config_hash="c1",
            expected=len(rows),
            started_at=at,
        )
        team = rows[0].team
        days = list(values)
        publish(
            self.warehouse,
            run_id=run_id,
            published_at=at,
            measured_at=at,
            objectives=[
                ObjectiveRow(
                    rows[0].objective_id, team, "2026-Q4", objective, "vp", ("company/grow",)
                )
            ],
            key_results=rows,
            observations=[
                _observed(row, day, value, status, quality) for row in rows for day, value in days
            ],
            metric_observations=[],
            failures=[]
            if error is None
            else [KeyResultFailure(row.key_result_id, error) for row in rows],
            stale_after=dict.fromkeys((row.key_result_id for row in rows), at + timedelta(hours=2)),
        )


def _observed(
    row: KeyResultRow, day: date, value: str | None, status: str, quality: tuple[str, ...]
) -> KeyResultObservation:
    number = None if value is None else Decimal(value)
    progress = None if number is None else number / 100
    return KeyResultObservation(
        key_result_id=row.key_result_id,
        as_of=day,
        measurement=Measurement(number),
        progress=progress,
        score=progress,
        expected_progress=Decimal((day - START).days + 1) / Decimal(92),
        status=status if number is not None else "no_data",
        is_final=False,
        quality=quality,
        origin="automatic",
        definition_hash=row.definition_hash,
        baseline=row.baseline,
        target=row.target,
    )


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """An empty warehouse and a project without key results."""
    return Story(tmp_path / "project")
