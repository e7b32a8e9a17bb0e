"""Files of check-ins: each row is what somebody says of a key result.

Belongs here: the course of such a pull, row by row. Does not belong here: what a row may say
(okr_sync.sync.check_in_rows) or keeping it (okr_sync.warehouse.check_ins).

A row that is no check-in is refused by its place and stops nothing else; a file that can't be read,
or that changes while it is read, fails the pull: what it lacks would be withdrawn.
"""

from collections.abc import Sequence
from datetime import datetime

from connectors.files.folder import DataFile, check_unchanged, fingerprint
from connectors.files.rows import open_rows
from connectors.tabular.columns import near_miss
from connectors.tabular.pulls import Pulled
from okr_sync.config.check_in_reader import CHECK_IN_COLUMNS
from okr_sync.errors import SourceError
from okr_sync.metrics.needs import CheckInsNeed
from okr_sync.sync.check_in_rows import RefusedRow, read_row
from okr_sync.warehouse.check_ins import Refusal, Said, take_in_file
from okr_sync.warehouse.connect import Warehouse

_OPTIONAL = "note"


def pull_check_ins(
    need: CheckInsNeed,
    files: Sequence[DataFile],
    warehouse: Warehouse,
    now: datetime,
    done: Pulled,
) -> None:
    """Take in the check-ins of a dataset's files.

    Raises SourceError for a file that can't be read, IncompletePullError for one that changes meanwhile.
    """
    content = fingerprint(files, ())
    today = now.astimezone(need.zone).date()
    said: list[tuple[str, Said]] = []
    refusals: list[Refusal] = []
    for file in files:
        table = open_rows(file)
        done.requests += 1
        if table.has_header:
            _check_columns(file, table.columns())
        for number, row in table.rows(CHECK_IN_COLUMNS):
            done.rows += 1
            place = file.place(number)
            try:
                found = read_row(row, need.key_results, need.others, today)
            except RefusedRow as refused:
                refusals.append(Refusal(place, refused.key_result_id, str(refused)))
                continue
            if found is not None:
                said.append((place, found))
    check_unchanged(need, files, (), content)
    done.rows_expected = done.rows
    # Those about a key result are told as its failure.
    done.warnings = tuple(f"{one.place}: {one.error}" for one in refusals if not one.key_result_id)
    take_in_file(
        warehouse,
        f"{need.source}.{need.dataset}",
        said,
        refusals,
        need.key_results.keys(),
        now,
    )


def _check_columns(file: DataFile, columns: set[str]) -> None:
    for column in CHECK_IN_COLUMNS:
        if column not in columns and column != _OPTIONAL:
            raise SourceError(
                f"{file.shown} has no column {column}, which check-ins need."
                f"{near_miss(column, columns)}"
            )
