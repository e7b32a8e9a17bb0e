"""The rows of a file, whatever its form.

Belongs here: the choice of the reader, and the contract that readers keep. Does not belong here: the
forms themselves (csv_rows, json_rows, parquet_rows).
"""

from collections.abc import Collection, Iterator
from typing import Protocol

from connectors.files.csv_rows import CsvRows
from connectors.files.folder import DataFile
from connectors.files.json_rows import JsonRows
from connectors.tabular.mirroring import TextRow


class FileRows(Protocol):
    """A file as a table; all methods raise SourceError, which names the file and the row."""

    has_header: bool
    """Whether each row has all columns, so that a column missing from the file is a mistake."""

    def columns(self) -> set[str]:
        """The names of the columns."""
        ...

    def rows(self, names: Collection[str]) -> Iterator[tuple[int, TextRow]]:
        """The values of these columns, with the row's number or line; None where there is none."""
        ...


def open_rows(file: DataFile) -> FileRows:
    """The reader of a file, by its ending."""
    name = file.shown.lower()
    if name.endswith((".jsonl", ".ndjson")):
        return JsonRows(file)
    if name.endswith(".parquet"):
        # Imported when used: it takes a while to load.
        from connectors.files.parquet_rows import ParquetRows

        return ParquetRows(file)
    return CsvRows(file)
