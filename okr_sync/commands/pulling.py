"""Reading what a draft needs into the source tables, outside of a run.

Belongs here: the pulls of `preview` and of a notebook. Does not belong here: a run's pulls, which are
recorded (assets.sources), or how an API is read (connectors).

Source tables are not published numbers: reading them anew changes nothing that people see.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, select

from assets.resources import Connectors
from connectors.base import PullResult
from okr_sync.config.bundle import Bundle
from okr_sync.metrics.needs import Need, RecordsNeed
from okr_sync.metrics.plan import Plan, needs_of
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import fields_of
from okr_sync.warehouse.tables import source_association

Watch = Callable[[str, int], None]
"""Called with a dataset and the rows of it that have been read so far."""


def pull_for(
    warehouse: Warehouse, bundle: Bundle, plan: Plan, now: datetime, watch: Watch
) -> list[PullResult]:
    """Read everything that a plan needs; a source's failure is in its result's `error`."""
    results: list[PullResult] = []
    for need in needs_of(bundle, plan):
        dataset = f"{need.source}.{need.dataset}"
        with warehouse.read() as connection:
            widened = _keeping_what_is_there(connection, need)
        connector = Connectors(bundle.folder).connect(bundle.project.sources[need.source])

        def progress(rows: int, dataset: str = dataset) -> None:
            watch(dataset, rows)

        progress(0)
        try:
            results.append(connector.pull(widened, warehouse, now, progress))
        finally:
            connector.close()
    return results


def _keeping_what_is_there(connection: Connection, need: Need) -> Need:
    """The need and whatever the mirror has beside it.

    A draft may bind less than the project that the schedule runs; that one must not have to read all
    records again because somebody looked at a draft.
    """
    if not isinstance(need, RecordsNeed):
        return need
    states = fields_of(connection, need.source, need.dataset)
    fields = {name for name, state in states.items() if state.type and state.error is None}
    pairs = source_association.c
    tied = connection.scalars(
        select(pairs.to_dataset)
        .where(pairs.source == need.source, pairs.dataset == need.dataset)
        .distinct()
    )
    return replace(need, fields=need.fields | fields, associations=need.associations | set(tied))
