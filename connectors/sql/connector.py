"""The connector of databases: tables into mirrors, and the statements of `sql` metrics.

Belongs here: the course of both kinds of pull. Does not belong here: how each engine is kept from
writing (postgresql, sqlite), mirrors (connectors.tabular) or stored results (warehouse.query_store).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from functools import partial
from typing import Any

import sqlalchemy as sa

from connectors.base import Progress, PullResult, unwatched
from connectors.sql.address import Address, read_address
from connectors.sql.reading import (
    CatalogueTable,
    Reading,
    Rows,
    StatementError,
    find_table,
    select_text,
)
from connectors.sql.results import only_row
from connectors.tabular.columns import BoundColumn, inferred_column, missing_column, typed_column
from connectors.tabular.mirroring import TextRow, records_of, replace_records, types_of
from connectors.tabular.pulls import Pulled, report_pull
from connectors.tabular.values import Inference, text_of
from okr_sync.config.models import SqlSource
from okr_sync.errors import SourceError, TransientSourceError
from okr_sync.metrics.needs import QueriesNeed, QueryNeed, RecordsNeed
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import DatasetState, FieldType, state_of
from okr_sync.warehouse.query_store import (
    QueryResult,
    put_query_results,
    query_key,
    record_queries_complete,
)


class SqlConnector:
    """Reads one database, each pull on a connection of its own that can't write.

    `environ` holds the URL, under the name that the source gives.
    """

    def __init__(self, source: SqlSource, environ: Mapping[str, str]) -> None:
        self._source = source
        self._environ = environ

    def pull(
        self,
        need: RecordsNeed | QueriesNeed,
        warehouse: Warehouse,
        now: datetime,
        progress: Progress = unwatched,
    ) -> PullResult:
        """Bring a table's mirror or the results of statements up to date, as of `now`.

        Of a table or view all rows are read, at most `row_cap`, in the place of those before. Of the
        statements one that is refused is told of by its key (query_store.query_refusals) and stops
        no other. What stops all of them comes back in `error` and changes nothing.
        """
        if isinstance(need, QueriesNeed):
            return report_pull(
                need.source,
                need.dataset,
                now,
                lambda done: self._run_queries(need, warehouse, now, progress, done),
            )
        return report_pull(
            need.source,
            need.dataset,
            now,
            lambda done: self._read_table(need, warehouse, now, progress, done),
        )

    def close(self) -> None:
        """Nothing is kept open between pulls."""

    def reading(self) -> AbstractContextManager[Reading]:
        """A connection that can't write, for as long as it is entered. Raises SourceError."""
        address: Address = read_address(self._source, self._environ)
        # Imported when used: who reads no PostgreSQL needs no driver for it.
        if address.is_sqlite:
            from connectors.sql.sqlite import read_sqlite

            return read_sqlite(self._source, address)
        from connectors.sql.postgresql import read_postgresql

        return read_postgresql(self._source, address)

    # --- tables and views ---

    def _read_table(
        self,
        need: RecordsNeed,
        warehouse: Warehouse,
        now: datetime,
        progress: Progress,
        done: Pulled,
    ) -> None:
        with warehouse.read() as connection:
            known = state_of(connection, need.source, need.dataset)
        try:
            with self.reading() as reading:
                found = find_table(reading, need.source, need.dataset)
                count = self._count(reading, found, need, done)
                columns = _bound(reading, found, need, done)
                types = types_of(columns)
                done.requests += 1
                done.rows = replace_records(
                    warehouse,
                    need,
                    columns,
                    records_of(_rows(reading, found, sorted(types)), types),
                    expected=lambda: count,
                    known=known,
                    state=DatasetState(now, now, None, None, None),
                    now=now,
                    progress=progress,
                )
                done.rows_expected = count
        except StatementError as error:
            kind = TransientSourceError if error.is_transient else SourceError
            raise kind(
                f"Source {need.source}: {need.dataset} can't be read: {error.text}."
            ) from error

    def _count(
        self, reading: Reading, found: CatalogueTable, need: RecordsNeed, done: Pulled
    ) -> int:
        statement = sa.select(sa.func.count()).select_from(found.table)
        done.requests += 1
        with reading.run(select_text(reading, statement), {}) as answer:
            count = int(next(answer.rows)[0])
        cap = self._source.row_cap
        if count > cap:
            raise SourceError(
                f"Source {need.source}: {need.dataset} has {count:,} rows, and at most {cap:,} are "
                "read. Bind a view with fewer rows, use a `sql` metric, or raise `row_cap`."
            )
        return count

    # --- statements ---

    def _run_queries(
        self,
        need: QueriesNeed,
        warehouse: Warehouse,
        now: datetime,
        progress: Progress,
        done: Pulled,
    ) -> None:
        results: list[QueryResult] = []
        refusals: dict[str, str] = {}
        with self.reading() as reading:
            for query in dict.fromkeys(need.queries):
                key = query_key(query.text)
                # What failed for one day fails for the next, after as long a wait.
                if key in refusals:
                    continue
                done.requests += 1
                try:
                    results.append(_result(reading, query))
                except StatementError as error:
                    refusals[key] = (
                        f"Source {need.source}: the statement of {query.metric} failed for "
                        f"{query.as_of}: {error.text}."
                    )
                progress(len(results))
        kept = [one for one in results if one.query not in refusals]
        with warehouse.write() as connection:
            put_query_results(connection, need.source, kept, now)
            record_queries_complete(connection, need.source, refusals, now)
        done.rows = done.rows_expected = len(kept)


def _result(reading: Reading, query: QueryNeed) -> QueryResult:
    days: dict[str, date] = {
        "as_of": query.as_of,
        "window_start": query.window_start,
        "window_end": query.window_end,
    }
    with reading.run(query.text, days) as answer:
        return only_row(query, answer)


def _bound(
    reading: Reading, found: CatalogueTable, need: RecordsNeed, done: Pulled
) -> dict[str, BoundColumn]:
    """A verdict on each bound column; those without a type are judged by all their values."""
    what = f"{need.source}.{need.dataset}"
    columns: dict[str, BoundColumn] = {}
    open_names: list[str] = []
    for field in sorted(need.fields):
        kind = found.columns.get(field)
        is_text_time = kind is FieldType.TEXT and field in need.time_fields
        if field not in found.columns:
            columns[field] = missing_column(field, what, found.columns)
        elif kind is None or (is_text_time and reading.infers_times):
            open_names.append(field)
        else:
            columns[field] = typed_column(field, kind, need, what)
    if open_names:
        done.requests += 1
        inferences = {name: Inference() for name in open_names}
        for row in _rows(reading, found, open_names):
            for name, inference in inferences.items():
                inference.see(row[name], partial("the column {}".format, name))
        for name, inference in inferences.items():
            columns[name] = inferred_column(name, inference, need, what)
    return columns


def _rows(reading: Reading, found: CatalogueTable, names: Sequence[str]) -> Iterator[TextRow]:
    """The rows of a table with these columns and no others, as texts."""
    picked: list[Any] = [found.table.c[name] for name in names]
    statement = sa.select(*(picked or [sa.literal_column("1")])).select_from(found.table)
    answer: Rows
    with reading.run(select_text(reading, statement), {}) as answer:
        for row in answer.rows:
            yield dict(zip(names, (text_of(value) for value in row), strict=False))
