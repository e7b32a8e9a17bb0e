"""A project's files and its warehouse, opened for a command.

Belongs here: what reading commands have in common. Does not belong here: what they show.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from okr_sync.config.outline import Outline, read_outline
from okr_sync.errors import NoWarehouseError
from okr_sync.warehouse.address import warehouse_url
from okr_sync.warehouse.connect import Warehouse, open_warehouse

# Definitions are loaded only by the commands that need them: `status` does without.
if TYPE_CHECKING:
    from okr_sync.config.bundle import Bundle


@contextmanager
def opened(folder: Path, *, migrate: bool = False) -> Iterator[tuple["Bundle", Warehouse]]:
    """The project and its warehouse; a reading command doesn't make tables that aren't there."""
    from okr_sync.config.loader import load_project

    bundle = load_project(folder)
    warehouse = _open(bundle, migrate)
    try:
        yield bundle, warehouse
    finally:
        warehouse.close()


@contextmanager
def outlined(folder: Path) -> Iterator[tuple[Outline, Warehouse]]:
    """The project's outline and its warehouse, as `opened` but sooner."""
    outline = read_outline(folder)
    url = warehouse_url(outline.warehouse_url_env, folder, os.environ)
    warehouse = open_warehouse(url, migrate=False)
    try:
        yield outline, warehouse
    finally:
        warehouse.close()


@contextmanager
def opened_or_temporary(bundle: "Bundle") -> Iterator[tuple[Warehouse, bool]]:
    """A project's warehouse, or where there is none yet a temporary one; and whether it is that."""
    try:
        warehouse = _open(bundle, migrate=False)
    except NoWarehouseError:
        warehouse = None
    with ExitStack() as until_done:
        is_temporary = warehouse is None
        if warehouse is None:
            folder = until_done.enter_context(tempfile.TemporaryDirectory(prefix="okr-sync-"))
            warehouse = open_warehouse(f"sqlite:///{folder}/warehouse.sqlite")
        until_done.callback(warehouse.close)
        yield warehouse, is_temporary


def end_of_day(time_zone: str, day: date) -> datetime:
    """The instant at which a day of the project's time zone is over: what was known by then counts."""
    from okr_sync.metrics.windows import local_midnight

    return local_midnight(day + timedelta(days=1), ZoneInfo(time_zone))


def _open(bundle: "Bundle", migrate: bool) -> Warehouse:
    url = warehouse_url(bundle.project.warehouse_url_env, bundle.folder, os.environ)
    return open_warehouse(url, migrate=migrate)
