"""The connector of files: from a folder of the project into mirrors.

Belongs here: the course of a pull, and that an unchanged dataset is not read again. Does not belong
here: finding files (folder), reading them (rows), mirrors (connectors.tabular).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from connectors.base import Progress, PullResult, unwatched
from connectors.files.check_ins import pull_check_ins
from connectors.files.folder import DataFile, check_unchanged, files_of, fingerprint
from connectors.files.rows import FileRows, open_rows
from connectors.tabular.columns import BoundColumn, inferred_column, missing_column, typed_column
from connectors.tabular.mirroring import (
    TextRow,
    confirm_dataset,
    records_of,
    replace_records,
    types_of,
)
from connectors.tabular.pulls import Pulled, report_pull
from connectors.tabular.values import Inference
from okr_sync.config.models import FilesSource
from okr_sync.metrics.needs import CheckInsNeed, RecordsNeed
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import DatasetState, FieldType, fields_of, state_of

_RULES = "1"
"""Raised when files are read by other rules, so that every dataset is read again."""


class FilesConnector:
    """Reads the files of one source, which lie inside the project's folder."""

    def __init__(self, source: FilesSource, folder: Path) -> None:
        self._source = source
        self._folder = folder

    def pull(
        self,
        need: RecordsNeed | CheckInsNeed,
        warehouse: Warehouse,
        now: datetime,
        progress: Progress = unwatched,
    ) -> PullResult:
        """Bring a dataset's mirror, or its check-ins, up to date with its files, as of `now`.

        Files whose contents are as they were are not read again. A file or a row that can't be read
        comes back in `error`, by its name, and leaves the mirror as it was.
        """
        return report_pull(
            need.source,
            need.dataset,
            now,
            lambda done: (
                pull_check_ins(need, self._files(need), warehouse, now, done)
                if isinstance(need, CheckInsNeed)
                else self._pulled(need, warehouse, now, progress, done)
            ),
        )

    def _files(self, need: RecordsNeed | CheckInsNeed) -> list[DataFile]:
        return files_of(self._source, self._folder, need.dataset)

    def close(self) -> None:
        """Nothing is kept open between pulls."""

    def _pulled(
        self,
        need: RecordsNeed,
        warehouse: Warehouse,
        now: datetime,
        progress: Progress,
        done: Pulled,
    ) -> None:
        files = self._files(need)
        declared = self._declared(need.dataset)
        reading = [
            _RULES,
            repr([sorted(need.fields), sorted(need.time_fields), sorted(need.number_fields)]),
            repr(sorted(need.exact_fields)),
            repr(sorted(declared.items())),
        ]
        content = fingerprint(files, reading)
        # Where other sources keep whose data it is, a folder keeps which contents were read.
        state = DatasetState(now, now, content, None, None)
        with warehouse.read() as connection:
            known = state_of(connection, need.source, need.dataset)
            before = fields_of(connection, need.source, need.dataset)
        if known is not None and known.account == content and known.complete_at is not None:
            done.rows = confirm_dataset(warehouse, need, before, known, state)
            done.rows_expected = done.rows
            return
        tables = [(file, open_rows(file)) for file in files]
        done.requests = len(files)
        columns, count = _bound(need, tables, declared)

        def expected() -> int:
            check_unchanged(need, files, reading, content)
            return count

        types = types_of(columns)
        done.rows = replace_records(
            warehouse,
            need,
            columns,
            records_of(_rows(tables, sorted(types)), types),
            expected=expected,
            known=known,
            state=state,
            now=now,
            progress=progress,
        )
        done.rows_expected = count

    def _declared(self, dataset: str) -> dict[str, FieldType]:
        declared = self._source.datasets.get(dataset)
        columns = declared.columns if declared is not None else {}
        return {name: FieldType(kind) for name, kind in columns.items()}


def _bound(
    need: RecordsNeed,
    tables: Sequence[tuple[DataFile, FileRows]],
    declared: dict[str, FieldType],
) -> tuple[dict[str, BoundColumn], int]:
    """A verdict on each bound column, judging by all values, and how many rows there are."""
    what = f"{need.source}.{need.dataset}"
    columns: dict[str, BoundColumn] = {}
    inferences: dict[str, Inference] = {}
    known: set[str] = set()
    for file, table in tables:
        here = table.columns()
        known |= here
        if table.has_header:
            for field in sorted(need.fields - here - columns.keys()):
                columns[field] = missing_column(field, file.shown, here)
    for field in sorted(need.fields - columns.keys()):
        if field not in known:
            columns[field] = missing_column(field, what, known)
        elif field in declared:
            columns[field] = typed_column(field, declared[field], need, what)
        else:
            inferences[field] = Inference()
    count = 0
    for file, table in tables:
        for number, row in table.rows(inferences):
            count += 1
            for field, inference in inferences.items():
                inference.see(row.get(field), _Place(file, number))
    for field, inference in inferences.items():
        columns[field] = inferred_column(field, inference, need, what)
    return dict(sorted(columns.items())), count


class _Place:
    """Where a value stands, put into words only when somebody has to be told."""

    def __init__(self, file: DataFile, number: int) -> None:
        self._file = file
        self._number = number

    def __call__(self) -> str:
        """The file and its row or line."""
        return self._file.place(self._number)


def _rows(tables: Sequence[tuple[DataFile, FileRows]], names: Sequence[str]) -> Iterator[TextRow]:
    for _, table in tables:
        for _, row in table.rows(names):
            yield row
