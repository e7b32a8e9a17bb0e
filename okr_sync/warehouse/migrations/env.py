"""Alembic's entry: runs the migrations on the connection that migrate.upgrade hands over.

Belongs here: Alembic's settings. The caller's transaction holds all migrations, so that a crash
leaves the old tables; that is also why DDL is declared transactional, which Alembic does not assume
of SQLite.
"""

from alembic import context

from okr_sync.warehouse.connect import VERSION_TABLE
from okr_sync.warehouse.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
