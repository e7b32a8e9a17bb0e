"""Tell readers about key results that the project can't run: quarantined ones, and ones gone.

Belongs here: which published key results a broken file or definition concerns. Does not belong here:
finding the problems (config) or writing rows (warehouse.publish).
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from okr_sync.checks.results import Subject
from okr_sync.config.bundle import Bundle
from okr_sync.metrics.dependencies import datasets_read, with_inputs
from okr_sync.warehouse.check_results import end_checks
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.definitions import retire
from okr_sync.warehouse.observations import KeyResultFailure
from okr_sync.warehouse.publish import publish
from okr_sync.warehouse.tables import key_result


def quarantined_failures(warehouse: Warehouse, bundle: Bundle) -> list[KeyResultFailure]:
    """A failure for every key result that is quarantined or whose file can't be read.

    Which key results an unreadable file held is known from what was published of it before.
    """
    texts = dict(bundle.quarantined)
    if bundle.broken_files:
        with warehouse.read() as connection:
            rows = connection.execute(
                select(key_result.c.key_result_id, key_result.c.defined_in).where(
                    key_result.c.retired_at.is_(None)
                )
            ).all()
        for key_result_id, defined_in in rows:
            text = bundle.broken_files.get(defined_in.rpartition(":")[0])
            if text is not None and key_result_id not in bundle.key_results:
                texts.setdefault(key_result_id, text)
    return [KeyResultFailure(key_result_id, text) for key_result_id, text in texts.items()]


def publish_quarantined(
    warehouse: Warehouse,
    bundle: Bundle,
    failures: Sequence[KeyResultFailure],
    run_id: str,
    published_at: datetime,
) -> None:
    """Mark quarantined key results as failed, and retire those that the project no longer has.

    What checks have found of subjects that are gone holds no more.
    """
    if failures:
        publish(
            warehouse,
            run_id=run_id,
            published_at=published_at,
            objectives=(),
            key_results=(),
            observations=(),
            metric_observations=(),
            failures=failures,
            stale_after={},
            measured_at=published_at,
        )
    kept = {*bundle.key_results, *(failure.key_result_id for failure in failures)}
    retire(warehouse, present=kept, retired_at=published_at)
    end_checks(
        warehouse,
        present=_checked(bundle) | {Subject.KEY_RESULT: kept},
        run_id=run_id,
        ended_at=published_at,
    )


def _checked(bundle: Bundle) -> dict[Subject, set[str]]:
    """The datasets and metrics that key results rest on; nothing where some can't be read."""
    if bundle.quarantined or bundle.broken_files:
        return {}
    metrics = with_inputs(bundle.metrics, {one.metric for one in bundle.key_results.values()})
    datasets = (datasets_read(bundle.project, metric) for metric in metrics)
    return {
        Subject.METRIC: {metric.name for metric in metrics},
        Subject.DATASET: {name for names in datasets for name in names},
    }
