"""Opening a warehouse: from a URL to a connected, migrated database.

Belongs here: engines, connection settings and clear errors about them. Does not belong here: the
tables (tables), what is written (publish, mirror) or read (reads).
"""

from dataclasses import dataclass

from sqlalchemy import Engine


@dataclass(frozen=True)
class Warehouse:
    """A warehouse that is reachable and whose tables are of this version."""

    engine: Engine
    label: str
    """The URL without its password, for people."""
