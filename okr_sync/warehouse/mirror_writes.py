"""Writing the mirror of a source's records, all or nothing.

Belongs here: the storing of records, and the two commits (changes, full read). Does not belong here:
names and columns (mirror), stages (checkpoints), reading a source (connectors).

A full read goes to a table of its own (a stage), page by page, and takes the place of the mirror's
rows in one transaction once it is proven complete: a killed or refused read leaves the mirror as it
was, and a first read that was killed leaves a dataset that has never been complete.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from okr_sync.errors import IncompletePullError
from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.mirror import (
    DatasetState,
    FieldState,
    Row,
    Stored,
    column_name,
    count_records,
    fields_of,
    record_table,
    state_of,
    table_name,
)
from okr_sync.warehouse.mirror_changes import forget_changes, note_changes
from okr_sync.warehouse.tables import source_field, source_state
from okr_sync.warehouse.upsert import upsert

_ROWS_PER_STATEMENT: Final = 2_000
_DUPLICATE_TABLE: Final = "42P07"


def store(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert or overwrite records by id; a version older than the stored one is left out.

    A search index may still show a record as it was before the read that the mirror has.
    """
    insert = (
        postgresql.insert(table)
        if connection.dialect.name == "postgresql"
        else sqlite.insert(table)
    )
    excluded = insert.excluded
    statement = insert.on_conflict_do_update(
        index_elements=["id"],
        set_={column.name: excluded[column.name] for column in table.c if column.name != "id"},
        where=sa.or_(
            table.c.updated_ms.is_(None),
            excluded["updated_ms"].is_(None),
            excluded["updated_ms"] >= table.c.updated_ms,
        ),
    )
    # An id twice in one statement is an error in PostgreSQL.
    for some in in_chunks(list(_newest_by_id(rows).values()), _ROWS_PER_STATEMENT):
        connection.execute(statement, some)


def _newest_by_id(rows: Sequence[Row]) -> dict[Stored, Row]:
    newest: dict[Stored, Row] = {}
    for row in rows:
        known = newest.get(row["id"])
        if known is None or _updated_ms(row) >= _updated_ms(known):
            newest[row["id"]] = row
    return newest


def _updated_ms(row: Row) -> int:
    at = row["updated_ms"]
    return at if isinstance(at, int) else 0


def remove(connection: Connection, table: Table, ids: Collection[str]) -> None:
    """Delete records by id; those that are not there are no error."""
    for some in in_chunks(sorted(ids)):
        connection.execute(sa.delete(table).where(table.c.id.in_(some)))


def commit_changes(
    connection: Connection,
    source: str,
    dataset: str,
    *,
    rows: Sequence[Row],
    gone: Collection[str],
    fields: Mapping[str, FieldState],
    known: DatasetState | None,
    state: DatasetState,
) -> int:
    """Apply changes and move the cursor; the caller's transaction makes it all or nothing.

    `fields` are all bound fields, `known` is the state that the changes were read against. Returns
    how many records the mirror then holds. Raises IncompletePullError when another run has written
    the dataset in between.
    """
    table = _prepare(connection, source, dataset, fields, known)
    note_changes(connection, table, source, dataset, {*gone, *(str(row["id"]) for row in rows)})
    remove(connection, table, gone)
    store(connection, table, rows)
    _record(connection, source, dataset, fields, state)
    return count_records(connection, table)


def commit_full_read(
    connection: Connection,
    source: str,
    dataset: str,
    *,
    stage: Table,
    fields: Mapping[str, FieldState],
    known: DatasetState | None,
    state: DatasetState,
) -> int:
    """Put a stage's records in the place of the mirror's, as commit_changes does with changes."""
    if not sa.inspect(connection).has_table(table_name(source, dataset)):
        # Nobody can have read what was not there, so the stage itself becomes the mirror.
        return _adopt(connection, source, dataset, stage, fields, known, state)
    table = _prepare(connection, source, dataset, fields, known)
    forget_changes(connection, table, source, dataset)
    names = [column.name for column in table.c]
    # Rows are exchanged and not tables: a reader whose snapshot is older would find a new table
    # empty in PostgreSQL, which looks like a zero, and views or indexes that a team has made on a
    # mirror would be lost with it.
    connection.execute(sa.delete(table))
    connection.execute(
        sa.insert(table).from_select(names, sa.select(*(stage.c[name] for name in names)))
    )
    stage.drop(connection, checkfirst=True)
    _record(connection, source, dataset, fields, state)
    return count_records(connection, table)


def _adopt(
    connection: Connection,
    source: str,
    dataset: str,
    stage: Table,
    fields: Mapping[str, FieldState],
    known: DatasetState | None,
    state: DatasetState,
) -> int:
    types = {name: field.type for name, field in fields.items() if field.type is not None}
    table = record_table(source, dataset, types)
    quote = connection.dialect.identifier_preparer.quote
    # Of two first reads at once the second waits here, and then finds that the name is taken.
    try:
        connection.exec_driver_sql(f"ALTER TABLE {quote(stage.name)} RENAME TO {quote(table.name)}")
    except sa.exc.ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) == _DUPLICATE_TABLE:
            raise _written_by_another(source, dataset) from None
        raise
    _refuse_if_written(connection, source, dataset, known)
    forget_changes(connection, table, source, dataset)
    _record(connection, source, dataset, fields, state)
    return count_records(connection, table)


def _prepare(
    connection: Connection,
    source: str,
    dataset: str,
    fields: Mapping[str, FieldState],
    known: DatasetState | None,
) -> Table:
    """The mirror with exactly these fields' columns, locked against other writers."""
    types = {name: state.type for name, state in fields.items() if state.type is not None}
    table = record_table(source, dataset, types)
    table.create(connection, checkfirst=True)
    # Few records have values that can't be read, and each evaluation asks for them.
    bad = table.c.bad_fields
    sa.Index(
        f"ix_{table.name}__bad",
        bad,
        postgresql_where=bad.is_not(None),
        sqlite_where=bad.is_not(None),
    ).create(connection, checkfirst=True)
    if connection.dialect.name == "postgresql":
        quoted = connection.dialect.identifier_preparer.quote(table.name)
        connection.exec_driver_sql(f"LOCK TABLE {quoted} IN SHARE ROW EXCLUSIVE MODE")
    _refuse_if_written(connection, source, dataset, known)
    before = fields_of(connection, source, dataset)
    retyped = {
        column_name(name)
        for name, kind in types.items()
        if name in before and before[name].type not in (None, kind)
    }
    if _align_columns(connection, table, retyped):
        forget_changes(connection, table, source, dataset)
    return table


def _refuse_if_written(
    connection: Connection, source: str, dataset: str, known: DatasetState | None
) -> None:
    if state_of(connection, source, dataset) != known:
        raise _written_by_another(source, dataset)


def _written_by_another(source: str, dataset: str) -> IncompletePullError:
    return IncompletePullError(
        f"Source {source}: another run wrote {dataset} while this one was reading it. What it "
        "wrote stays; the next run reads what has changed since."
    )


def _align_columns(connection: Connection, table: Table, retyped: Collection[str]) -> bool:
    """Whether the mirror's columns had to be changed to be those of the table."""
    present = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
    preparer = connection.dialect.identifier_preparer
    name = preparer.quote(table.name)
    wanted = {column.name: column for column in table.c}
    for surplus in sorted((present - wanted.keys()) | (present & set(retyped))):
        connection.exec_driver_sql(f"ALTER TABLE {name} DROP COLUMN {preparer.quote(surplus)}")
    for missing in sorted((wanted.keys() - present) | (present & set(retyped))):
        kind = wanted[missing].type.compile(connection.dialect)
        connection.exec_driver_sql(
            f"ALTER TABLE {name} ADD COLUMN {preparer.quote(missing)} {kind}"
        )
    return present != wanted.keys() or bool(present & set(retyped))


def _record(
    connection: Connection,
    source: str,
    dataset: str,
    fields: Mapping[str, FieldState],
    state: DatasetState,
) -> None:
    # A field that is no longer bound is forgotten with its column: if it comes back it is read anew.
    connection.execute(
        sa.delete(source_field).where(
            source_field.c.source == source, source_field.c.dataset == dataset
        )
    )
    key = {"source": source, "dataset": dataset}
    upsert(
        connection,
        source_field,
        [
            {
                **key,
                "field": name,
                "field_type": field.type.value if field.type else None,
                "column_name": column_name(name) if field.type else None,
                "filled_at": field.filled_at,
                "error": field.error,
                "quality": field.quality or None,
            }
            for name, field in sorted(fields.items())
        ],
    )
    upsert(connection, source_state, [{**key, **vars(state)}])
