"""Reads the CSV and JSON files of an account folder, and says where one is wrong.

Belongs here: rows with their line numbers, and the wording of a file's errors. Does not belong
here: what the columns mean (account_files).
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from okr_sync.errors import OkrSyncError

_LONGEST_NAME = 100


def read_rows(file: Path, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers, each checked to fit the header.

    `needed` columns must be there. Raises OkrSyncError.
    """
    header = read_header(file)
    for name in needed:
        if name not in header:
            raise bad_file(file, f"it has no column {name}", "Add it to the first line")
    doubled = {name for name in header if header.count(name) > 1}
    if doubled:
        raise bad_file(file, f"the column {min(doubled)} comes twice", "Keep one of them")
    for name in header:
        if not name or len(name) > _LONGEST_NAME:
            raise bad_file(
                file, f"the column name {name!r} can't be used", "Use 1 to 100 characters"
            )
    for number, row in _lines(file):
        if number > 1 and row:
            if len(row) != len(header):
                raise bad_row(
                    file,
                    number,
                    f"it has {len(row)} fields where the first line has {len(header)}",
                    "Quote fields that hold commas",
                )
            yield number, dict(zip(header, row, strict=True))


def read_header(file: Path) -> list[str]:
    """The column names in the first line of a CSV file."""
    for _, row in _lines(file):
        return row
    raise bad_file(file, "it is empty", "Write the column names in the first line")


def _lines(file: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            first = True
            for row in reader:
                yield (1 if first else reader.line_num), row
                first = False
    except UnicodeDecodeError as error:
        raise bad_file(file, "it is not UTF-8 text", "Save it as UTF-8") from error
    except csv.Error as error:
        raise bad_row(file, reader.line_num, str(error), "Mend the line") from error


def read_json(file: Path) -> dict[str, Any]:
    """The mapping in a JSON file; empty if there is no such file."""
    if not file.is_file():
        return {}
    try:
        content = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as error:
        raise bad_file(file, f"it is not JSON ({error})", "Mend it") from error
    if not isinstance(content, dict):
        raise bad_file(file, "it is not a mapping", "Write {object: …}")
    return content


def bad_file(file: Path, what: str, action: str) -> OkrSyncError:
    """The error for a file: where, what is wrong, what to do."""
    return OkrSyncError(f"{file}: {what}. {action}.")


def bad_row(file: Path, number: int, what: str, action: str) -> OkrSyncError:
    """The error for a line of a file: where, what is wrong, what to do."""
    return OkrSyncError(f"{file}:{number}: {what}. {action}.")
