"""A project's files and its warehouse, opened for a command.

Belongs here: what reading commands have in common. Does not belong here: what they show.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from okr_sync.config.bundle import Bundle
from okr_sync.config.loader import load_project
from okr_sync.warehouse.address import warehouse_url
from okr_sync.warehouse.connect import Warehouse, open_warehouse


@contextmanager
def opened(folder: Path, *, migrate: bool = False) -> Iterator[tuple[Bundle, Warehouse]]:
    """The project and its warehouse; a reading command doesn't make tables that aren't there."""
    bundle = load_project(folder)
    url = warehouse_url(bundle.project.warehouse_url_env, bundle.folder, os.environ)
    warehouse = open_warehouse(url, migrate=migrate)
    try:
        yield bundle, warehouse
    finally:
        warehouse.close()
