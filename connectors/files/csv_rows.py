"""CSV files as people save them: UTF-8, with commas, semicolons or tabs.

Belongs here: reading a header and rows, and what is wrong with a line. Does not belong here: types of
columns (connectors.tabular.values).
"""

import csv
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Final

from connectors.files.folder import DataFile, unreadable
from connectors.tabular.mirroring import TextRow
from okr_sync.errors import SourceError

_DELIMITERS: Final = (",", ";", "\t")


class CsvRows:
    """A CSV file whose first line names the columns; see rows.FileRows."""

    has_header = True

    def __init__(self, file: DataFile) -> None:
        self._file = file
        headers = {delimiter: self._header(delimiter) for delimiter in _DELIMITERS}
        # The delimiter that finds the most columns in the first line; the comma when in doubt.
        self._delimiter = max(_DELIMITERS, key=lambda one: len(headers[one]))
        self._names = [name.strip() for name in headers[self._delimiter]]
        doubled = [name for name, times in Counter(self._names).items() if name and times > 1]
        if doubled:
            raise self._wrong(1, f"the column {doubled[0]} comes twice", "Rename one of them")

    def columns(self) -> set[str]:
        """The names in the first line."""
        return {name for name in self._names if name}

    def rows(self, names: Collection[str]) -> Iterator[tuple[int, TextRow]]:
        """The values of these columns, with the line that the row begins in."""
        places = [(name, self._names.index(name)) for name in names if name in self._names]
        width = len(self._names)
        for line, values in self._lines(self._delimiter, skip_header=True):
            if len(values) != width:
                raise self._wrong(
                    line,
                    f"it has {len(values)} values where the first line has {width} columns",
                    "Put values that hold the separator into quotes",
                )
            yield line, {name: values[index] for name, index in places}

    def _header(self, delimiter: str) -> list[str]:
        for _, values in self._lines(delimiter, skip_header=False):
            return values
        raise SourceError(
            f"{self._file.shown} is empty. Write the names of the columns into its first line."
        )

    def _lines(self, delimiter: str, *, skip_header: bool) -> Iterator[tuple[int, list[str]]]:
        """The rows that are not blank, with the line that each begins in."""
        line = 1
        try:
            with self._file.path.open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.reader(stream, delimiter=delimiter, strict=True)
                is_first = True
                for values in reader:
                    began, line = line, reader.line_num + 1
                    if not values:
                        continue
                    if not (is_first and skip_header):
                        yield began, values
                    is_first = False
        except UnicodeDecodeError as error:
            raise SourceError(
                f"{self._file.shown} is not UTF-8 text. Save it as `CSV UTF-8`."
            ) from error
        except csv.Error as error:
            raise self._wrong(line, f"it can't be read as CSV ({error})", "Mend it") from error
        except OSError as error:
            raise unreadable(self._file, error) from error

    def _wrong(self, line: int, what: str, action: str) -> SourceError:
        return SourceError(f"{self._file.shown} line {line}: {what}. {action}.")
