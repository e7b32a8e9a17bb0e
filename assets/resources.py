"""Resources: the warehouse, connectors, clock, reporter and retries that the steps are given.

Belongs here: how a run gets at what it works with, so that a test or an operator can put another in
its place. Does not belong here: what is done with them (steps).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from connectors.base import Connector
from connectors.ga4.connector import Ga4Connector
from connectors.hubspot.connector import HubSpotConnector
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import Ga4Source, HubSpotSource, Source, SqlSource
from okr_sync.warehouse.address import warehouse_url
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.lease import beating


class WarehouseResource(dg.ConfigurableResource[Warehouse]):
    """The warehouse that a project names in its environment, opened once for each step.

    The URL is read from the environment when a step begins and never becomes run config, where
    Dagster would store it in plain sight. While it is open, the run's lease is renewed.
    """

    url_env: str | None = None
    folder: str

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Warehouse]:
        warehouse = open_warehouse(warehouse_url(self.url_env, Path(self.folder), os.environ))
        # Outside of a run (a resource that is built by hand) there is no lease to renew.
        run = context.run
        try:
            with nullcontext() if run is None else beating(warehouse, run.run_id):
                yield warehouse
        finally:
            warehouse.close()


class Connectors:
    """Makes the connector of a source, with its credentials from the environment.

    `folder` is the project's: what a `files` source reads lies in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def connect(self, source: Source) -> Connector[Any]:
        """A connector for one source; close it after use."""
        if isinstance(source, HubSpotSource):
            return HubSpotConnector(source, os.environ)
        if isinstance(source, Ga4Source):
            return Ga4Connector(source, os.environ)
        # Imported here: only projects with such a source pay for what reads it.
        if isinstance(source, SqlSource):
            from connectors.sql.connector import SqlConnector

            return SqlConnector(source, os.environ)
        from connectors.files.connector import FilesConnector

        return FilesConnector(source, self._folder)


class Clock:
    """What time it is; a fixed time makes a run repeatable."""

    def __init__(self, fixed_at: datetime | None = None) -> None:
        self._fixed_at = fixed_at

    def now(self) -> datetime:
        """The fixed time if there is one, else the machine's, as an aware UTC time."""
        return self._fixed_at or datetime.now(UTC)


@dataclass(frozen=True)
class StepRetries:
    """How often a step whose source failed for the moment is tried again in the same run, and when.

    Only what may pass by itself is tried again: a time-out, a server's trouble. The first wait is
    `wait_seconds`, each next one twice as long. Connectors have tried each request several times before,
    so whoever waits for a command is told at once; runs of Dagster's own have the time.
    """

    most: int = 0
    wait_seconds: float = 60.0

    def wait(self, retries_made: int) -> float:
        """Seconds before the next try."""
        return self.wait_seconds * 2.0**retries_made


class Reporter:
    """Tells people who watch how a run goes; this one is silent, for runs that nobody watches."""

    def say(self, text: str) -> None:
        """A line about what was done."""

    def reading(self, dataset: str, rows: int) -> None:
        """So many rows of a dataset have been read so far."""


def default_resources(bundle: Bundle) -> dict[str, object]:
    """The resources of a project, by the names that the steps ask for."""
    return {
        "warehouse": WarehouseResource(
            url_env=bundle.project.warehouse_url_env, folder=str(bundle.folder)
        ),
        "connectors": Connectors(bundle.folder),
        "clock": Clock(),
        "reporter": Reporter(),
        "retries": StepRetries(),
    }
