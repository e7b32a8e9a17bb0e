"""Fixtures for the tests of the warehouse: small definitions, observations, publishes and dumps."""

import dataclasses
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from okr_sync.metrics.measurement import Measurement
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.observations import KeyResultObservation, KeyResultRow, ObjectiveRow
from okr_sync.warehouse.publish import PublishOutcome, publish
from okr_sync.warehouse.runs import start_run
from okr_sync.warehouse.tables import metadata


@pytest.fixture
def noon() -> datetime:
    """The instant at which the tests' publishes happen unless they say otherwise."""
    return datetime(2026, 10, 6, 12, 0, tzinfo=UTC)


@pytest.fixture
def aim() -> ObjectiveRow:
    """An objective."""
    return ObjectiveRow(
        "growth/pipeline", "growth", "2026-Q4", "Build pipeline", None, ("company/grow",)
    )


@pytest.fixture
def define() -> Callable[..., KeyResultRow]:
    """A key result's definition: `define(id, **other_columns)`."""

    def make(key_result_id: str, **columns: Any) -> KeyResultRow:
        row = KeyResultRow(
            key_result_id=key_result_id,
            objective_id="growth/pipeline",
            team="growth",
            cycle="2026-Q4",
            cycle_start=date(2026, 10, 1),
            cycle_end=date(2026, 12, 31),
            title="Lift the number",
            metric="leads",
            unit=None,
            baseline=Decimal("0.18"),
            target=Decimal("0.27"),
            goal_kind="from_to",
            commitment="committed",
            indicator=None,
            owner="vp-marketing",
            family="funnel",
            definition_hash="d1",
            config_hash="c1",
            defined_in="okrs.yaml:3",
        )
        return dataclasses.replace(row, **columns)

    return make


@pytest.fixture
def observe() -> Callable[..., KeyResultObservation]:
    """An observation: `observe(id, "2026-10-05", "12.5", **other_fields)`; None for no value."""

    def make(
        key_result_id: str,
        day: str,
        value: str | None,
        sample_size: int = 7,
        numerator: str | None = None,
        denominator: str | None = None,
        **fields: Any,
    ) -> KeyResultObservation:
        measurement = Measurement(
            _decimal(value), _decimal(numerator), _decimal(denominator), sample_size
        )
        observation = KeyResultObservation(
            key_result_id=key_result_id,
            as_of=date.fromisoformat(day),
            measurement=measurement,
            progress=Decimal("0.5"),
            score=Decimal("0.5"),
            expected_progress=Decimal("0.4"),
            status="on_track",
            is_final=False,
            quality=("provisional",),
            origin="automatic",
            definition_hash="d1",
        )
        return dataclasses.replace(observation, **fields)

    return make


@pytest.fixture
def publish_as(noon: datetime) -> Callable[..., PublishOutcome]:
    """Publish in a run that has begun; what is not given has a usual value."""

    def make(
        warehouse: Warehouse, run_id: str, *observations: KeyResultObservation, **given: Any
    ) -> PublishOutcome:
        at = given.get("published_at", noon)
        usual: dict[str, Any] = {
            "published_at": at,
            "measured_at": at,
            "objectives": [],
            "key_results": [],
            "metric_observations": [],
            "failures": [],
            "stale_after": {one.key_result_id: at + timedelta(hours=3) for one in observations},
        }
        return publish(warehouse, run_id=run_id, observations=observations, **usual | given)

    return make


@pytest.fixture
def send(
    warehouse: Warehouse,
    noon: datetime,
    define: Callable[..., KeyResultRow],
    publish_as: Callable[..., PublishOutcome],
) -> Callable[..., PublishOutcome]:
    """Publish as `publish_as`, in a run that is started if need be."""

    def make(*observations: KeyResultObservation, **given: Any) -> PublishOutcome:
        run_id = given.pop("run_id", "run-1")
        at = given.pop("at", noon)
        start_run(
            warehouse,
            run_id=run_id,
            trigger="manual",
            dagster_run_id=None,
            config_hash="c1",
            expected=given.pop("expected", 1000),
            started_at=at,
        )
        ids = {one.key_result_id for one in observations}
        usual = {"published_at": at, "key_results": [define(name) for name in sorted(ids)]}
        return publish_as(warehouse, run_id, *observations, **usual | given)

    return make


@pytest.fixture
def dump(warehouse: Warehouse) -> Callable[..., dict[str, list[tuple[Any, ...]]]]:
    """Every row of every fixed table, except of the tables named."""

    def make(*left_out: str) -> dict[str, list[tuple[Any, ...]]]:
        with warehouse.read() as connection:
            return {
                table.name: sorted(
                    (tuple(row) for row in connection.execute(select(table))), key=str
                )
                for table in metadata.sorted_tables
                if table.name not in left_out
            }

    return make


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
