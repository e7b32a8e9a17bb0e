"""Resources: the warehouse, the connectors, the clock and the reporter that the steps are given.

Belongs here: how a run gets at what it works with, so that a test or an operator can put another in
its place. Does not belong here: what is done with them (steps).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg

from connectors.base import Connector
from connectors.ga4.connector import Ga4Connector
from connectors.hubspot.connector import HubSpotConnector
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import HubSpotSource, Source
from okr_sync.warehouse.address import warehouse_url
from okr_sync.warehouse.connect import Warehouse, open_warehouse


class WarehouseResource(dg.ConfigurableResource[Warehouse]):
    """The warehouse that a project names in its environment, opened once for each step.

    The URL is read from the environment when a step begins and never becomes run config, where
    Dagster would store it in plain sight.
    """

    url_env: str | None = None
    folder: str

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Warehouse]:
        from pathlib import Path

        warehouse = open_warehouse(warehouse_url(self.url_env, Path(self.folder), os.environ))
        try:
            yield warehouse
        finally:
            warehouse.close()


class ConnectorsResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Makes the connector of a source, with its credentials from the environment."""

    def connect(self, source: Source) -> Connector:  # type: ignore[type-arg]
        """A connector for one source; close it after use."""
        if isinstance(source, HubSpotSource):
            return HubSpotConnector(source, os.environ)
        return Ga4Connector(source, os.environ)


class ClockResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """What time it is, as an aware UTC time; a fixed time makes a run repeatable."""

    fixed_at: str | None = None

    def now(self) -> datetime:
        """The fixed time if there is one, else the machine's clock."""
        if self.fixed_at is None:
            return datetime.now(UTC)
        return datetime.fromisoformat(self.fixed_at).astimezone(UTC)


class ReporterResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where a step says what it has done, for people who watch; silent unless replaced."""

    def say(self, text: str) -> None:
        """One line of progress."""


def default_resources(bundle: Bundle) -> dict[str, object]:
    """The resources of a project, by the names that the steps ask for."""
    return {
        "warehouse": WarehouseResource(
            url_env=bundle.project.warehouse_url_env, folder=str(bundle.folder)
        ),
        "connectors": ConnectorsResource(),
        "clock": ClockResource(),
        "reporter": ReporterResource(),
    }
