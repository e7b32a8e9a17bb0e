"""JSON lines: a JSON object on each line.

Belongs here: reading objects, and what is wrong with a line. Does not belong here: types of columns
(connectors.tabular.values).
"""

import json
from collections.abc import Collection, Iterator
from typing import Any

from connectors.files.folder import DataFile, unreadable
from connectors.tabular.mirroring import TextRow
from connectors.tabular.values import text_of
from okr_sync.errors import SourceError


class JsonRows:
    """A file of JSON lines, whose columns are the keys of its objects; see rows.FileRows."""

    has_header = False

    def __init__(self, file: DataFile) -> None:
        self._file = file

    def columns(self) -> set[str]:
        """All keys that any object has."""
        found: set[str] = set()
        for _, row in self._objects():
            found |= row.keys()
        return found

    def rows(self, names: Collection[str]) -> Iterator[tuple[int, TextRow]]:
        """The values of these keys, with the line; what an object doesn't have is None."""
        for line, row in self._objects():
            yield line, {name: _text(row.get(name)) for name in names}

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        try:
            with self._file.path.open(encoding="utf-8-sig") as stream:
                for line, text in enumerate(stream, start=1):
                    if text.strip():
                        yield line, self._object(line, text)
        except UnicodeDecodeError as error:
            raise SourceError(f"{self._file.shown} is not UTF-8 text. Save it as UTF-8.") from error
        except OSError as error:
            raise unreadable(self._file, error) from error

    def _object(self, line: int, text: str) -> dict[str, Any]:
        try:
            # Numbers stay as they are written: a float would lose digits.
            content = json.loads(text, parse_float=str, parse_int=str, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise SourceError(
                f"{self._file.shown} line {line}: it is not JSON. Write one JSON object on each line."
            ) from error
        if not isinstance(content, dict):
            raise SourceError(
                f"{self._file.shown} line {line}: it is JSON, but not an object. Write "
                '`{"name": value}` on each line.'
            )
        return content


def _text(value: object) -> str | None:
    text = text_of(value)
    if text is None or text.isascii():
        return text
    # JSON can name half a character (\ud83d), which no database keeps.
    return text.encode("utf-8", "replace").decode("utf-8")


def _refuse(name: str) -> str:
    raise ValueError(f"{name} is not JSON")
