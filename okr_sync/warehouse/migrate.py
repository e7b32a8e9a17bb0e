"""Bringing the tables of a warehouse to this version, with Alembic.

Belongs here: running the migrations of this package. Does not belong here: the migrations
(migrations/versions) and when they run (connect). Imported only when a warehouse is not up to date.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from okr_sync.warehouse.locks import Lock, hold


def upgrade(connection: Connection) -> None:
    """Run what is missing, inside the caller's write transaction; two at once both succeed."""
    # Alembic looks at the version after this: what another process did meanwhile is not repeated.
    hold(connection, Lock.MIGRATION)
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def is_known(version: str) -> bool:
    """Whether this okr-sync has the migration that the tables are of."""
    known = ScriptDirectory.from_config(_config()).walk_revisions()
    return version in {script.revision for script in known}


def _config() -> Config:
    config = Config()
    folder = Path(__file__).with_name("migrations")
    # The option is read with %-interpolation, and a path may hold a percent sign.
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
