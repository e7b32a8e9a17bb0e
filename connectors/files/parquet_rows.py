"""Parquet files.

Belongs here: reading columns in batches, and what is wrong with a file. Does not belong here: types
of columns (connectors.tabular.values: a Parquet column is judged by its values like any other).
"""

from collections.abc import Collection, Iterator
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.files.folder import DataFile, unreadable
from connectors.tabular.mirroring import TextRow
from connectors.tabular.values import text_of
from okr_sync.errors import SourceError

_ROWS_PER_BATCH: Final = 10_000


class ParquetRows:
    """A Parquet file; see rows.FileRows. Times without a zone are UTC."""

    has_header = True

    def __init__(self, file: DataFile) -> None:
        self._file = file

    def columns(self) -> set[str]:
        """The names of the columns at the top of the schema."""
        try:
            return set(pq.read_schema(self._file.path).names)
        except pa.ArrowException as error:
            raise self._broken() from error
        except OSError as error:
            raise unreadable(self._file, error) from error

    def rows(self, names: Collection[str]) -> Iterator[tuple[int, TextRow]]:
        """The values of these columns, with the row's number from 1."""
        ordered = sorted(set(names) & self.columns())
        number = 0
        try:
            with pq.ParquetFile(self._file.path) as file:
                for batch in file.iter_batches(_ROWS_PER_BATCH, columns=ordered):
                    columns = [_values(batch.column(name)) for name in ordered]
                    for index in range(batch.num_rows):
                        number += 1
                        yield (
                            number,
                            {
                                name: text_of(column[index])
                                for name, column in zip(ordered, columns, strict=True)
                            },
                        )
        except pa.ArrowException as error:
            raise self._broken() from error
        except OSError as error:
            raise unreadable(self._file, error) from error

    def _broken(self) -> SourceError:
        return SourceError(
            f"{self._file.shown} can't be read as Parquet. Write it again; it may be cut off."
        )


def _values(column: pa.Array) -> list[object]:
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        # Python's times have microseconds.
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    values: list[object] = column.to_pylist()
    return values
