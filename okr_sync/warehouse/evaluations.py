"""Evaluated metrics on their way from one step of a run to the next.

Belongs here: staging measurements until key results are published from them. Does not belong here:
publishing (publish) and clearing what runs have left (runs.clear_staging).
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from okr_sync.metrics.measurement import Measurement, MetricObservation
from okr_sync.metrics.windows import Window
from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.observations import MetricFailure
from okr_sync.warehouse.tables import evaluation
from okr_sync.warehouse.upsert import upsert

Evaluated = MetricObservation | MetricFailure


def stage(warehouse: Warehouse, run_id: str, evaluated: Sequence[Evaluated]) -> None:
    """Keep what a step has evaluated; a step that runs again replaces what it left.

    The same metric, day and window twice is one row: the last.
    """
    rows = {
        (row["metric"], row["as_of"], row["window_start"], row["window_end"]): row
        for row in (_to_row(run_id, one) for one in evaluated)
    }
    if rows:
        with warehouse.write() as connection:
            upsert(connection, evaluation, list(rows.values()))


def staged(warehouse: Warehouse, run_id: str, metrics: Collection[str]) -> list[Evaluated]:
    """What earlier steps of the run have evaluated of these metrics, in order of metric and day."""
    found: list[Evaluated] = []
    with warehouse.read() as connection:
        for names in in_chunks(sorted(set(metrics))):
            statement = select(evaluation).where(
                evaluation.c.run_id == run_id, evaluation.c.metric.in_(names)
            )
            found += [_from_row(row) for row in connection.execute(statement).mappings()]
    found.sort(key=lambda one: (one.metric, one.as_of, one.window.start_day, one.window.end_day))
    return found


def _to_row(run_id: str, one: Evaluated) -> dict[str, Any]:
    if isinstance(one, MetricFailure):
        measurement, error = Measurement(None, quality=one.quality), one.error
    else:
        measurement, error = one.measurement, None
    return {
        "run_id": run_id,
        "metric": one.metric,
        "as_of": one.as_of,
        "window_start": one.window.start_day,
        "window_end": one.window.end_day,
        "start_at": one.window.start_at,
        "end_at": one.window.end_at,
        "value": measurement.value,
        "numerator": measurement.numerator,
        "denominator": measurement.denominator,
        "sample_size": measurement.sample_size,
        "quality": measurement.quality,
        "error": error,
    }


def _from_row(row: Mapping[Any, Any]) -> Evaluated:
    window = Window(row["window_start"], row["window_end"], row["start_at"], row["end_at"])
    if row["error"] is not None:
        return MetricFailure(row["metric"], row["as_of"], window, row["error"], row["quality"])
    measurement = Measurement(
        row["value"], row["numerator"], row["denominator"], row["sample_size"], row["quality"]
    )
    return MetricObservation(row["metric"], row["as_of"], window, measurement)
