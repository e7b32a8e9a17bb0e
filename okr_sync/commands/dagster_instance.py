"""The Dagster instance that a command's run is recorded by, and the places that dead runs hold in it.

Belongs here: which instance it is, and what a daemon would do for it. Does not belong here: the run
itself (sync).
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from okr_sync.errors import OkrSyncError, WarehouseError
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.reads import find_run
from okr_sync.warehouse.runs import mark_dead_runs

_LOOK_SECONDS = 20.0


def keeps_records() -> bool:
    """Whether a run of this process is recorded, so that people can look at it in Dagster."""
    return bool(os.environ.get("DAGSTER_HOME"))


def own_instance() -> dg.DagsterInstance:
    """The instance that DAGSTER_HOME names, so that its UI shows the run; else one for this run."""
    if not keeps_records():
        return _forgetful_instance()
    try:
        return dg.DagsterInstance.get()
    except (dg.DagsterError, OSError) as error:
        home = os.environ["DAGSTER_HOME"]
        raise OkrSyncError(
            f"Dagster can't keep its records in {home}, which DAGSTER_HOME names. Set it to the full "
            "path of an existing folder that you can write to, or unset it to run without records.",
            str(error),
        ) from error


def _forgetful_instance() -> dg.DagsterInstance:
    """An instance in memory that keeps no events of its one run.

    The run's result has them, and nobody can ask the instance for them later. Keeping them costs a
    third of a sync in which nothing has changed (docs/benchmarks.md).
    """
    instance = dg.DagsterInstance.ephemeral()
    nothing = dg.EventRecordsResult(records=[], cursor="", has_more=False)
    storage = instance.event_log_storage
    storage.store_event = lambda event: None  # type: ignore[method-assign]
    storage.fetch_observations = lambda *_, **__: nothing  # type: ignore[method-assign]
    storage.fetch_materializations = lambda *_, **__: nothing  # type: ignore[method-assign]
    return instance


@contextmanager
def places_given_back(
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    say: Callable[[str], None],
    *,
    every_seconds: float = _LOOK_SECONDS,
) -> Iterator[None]:
    """While the block works, give back the places at sources that dead runs hold, and say who waits.

    A pool of Dagster's has few places; a run that was killed keeps its own until a daemon looks, and a
    laptop may have none. Without this two killed syncs would keep the third waiting for ever.
    """
    if not keeps_records():
        yield  # nobody else is in an instance in memory
        return
    give_back_places(instance, warehouse)
    stop = threading.Event()
    told: set[str] = set()

    def look() -> None:
        while not stop.wait(every_seconds):
            try:
                give_back_places(instance, warehouse)
                waited_for = _waited_for(instance)
            except (WarehouseError, SQLAlchemyError):
                continue  # the warehouse or Dagster's own storage: the run itself complains of it
            for source in sorted(waited_for - told):
                told.add(source)
                say(f"{source}: waiting until another run has read it")

    thread = threading.Thread(target=look, name="okr-sync places", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def give_back_places(instance: dg.DagsterInstance, warehouse: Warehouse) -> None:
    """Free the places in Dagster's pools of runs that are over, by Dagster's word or by their lease."""
    storage = instance.event_log_storage
    holders = storage.get_concurrency_run_ids()
    if holders:
        mark_dead_runs(warehouse, now=datetime.now(UTC))
    for run_id in holders:
        run, ours = instance.get_run_by_id(run_id), find_run(warehouse, run_id)
        is_dead = ours is not None and ours.status != "running"
        if run is None or run.is_finished or is_dead:
            storage.free_concurrency_slots_for_run(run_id)


def _waited_for(instance: dg.DagsterInstance) -> set[str]:
    """The pools in which a step waits for a place."""
    storage = instance.event_log_storage
    return {
        key
        for key in storage.get_concurrency_keys()
        if any(
            step.assigned_timestamp is None
            for step in storage.get_concurrency_info(key).pending_steps
        )
    }
