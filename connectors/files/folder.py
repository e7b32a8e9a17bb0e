"""Which files a dataset is made of, and what tells that they have changed.

Belongs here: names, patterns, links, and the fingerprint of contents. Does not belong here: what is
in a file (csv_rows, json_rows, parquet_rows).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from connectors.tabular.columns import near_miss
from okr_sync.config.models import FilesSource
from okr_sync.errors import IncompletePullError, SourceError
from okr_sync.metrics.needs import CheckInsNeed, RecordsNeed

SUFFIXES: Final = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_CHUNK: Final = 1 << 20


@dataclass(frozen=True)
class DataFile:
    """A file to read: where it really is, and its path within the project, for people."""

    path: Path
    shown: str

    def place(self, number: int) -> str:
        """A row of the file, for people: `surveys/nps.csv line 7`."""
        unit = "row" if self.shown.lower().endswith(".parquet") else "line"
        return f"{self.shown} {unit} {number}"


def files_of(source: FilesSource, folder: Path, dataset: str) -> list[DataFile]:
    """The files of a dataset, by name, all inside the project's folder once links are followed.

    Raises SourceError when there is none, when one lies outside or is of another kind.
    """
    project = folder.resolve()
    base = folder / source.path
    try:
        real = base.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself
        raise SourceError(
            f"Source {source.name}: there is no folder {source.path} in the project."
        ) from error
    if not real.is_relative_to(project):
        raise _outside(source, source.path)
    if not real.is_dir():
        raise SourceError(f"Source {source.name}: {source.path} is not a folder.")
    declared = source.datasets.get(dataset)
    if declared is not None:
        return _matched(source, project, base, declared.glob)
    return [_named(source, project, base, dataset)]


def _matched(source: FilesSource, project: Path, base: Path, pattern: str) -> list[DataFile]:
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise _outside(source, pattern)
    try:
        found = sorted(path for path in base.glob(pattern) if not path.is_dir())
    except (OSError, ValueError, NotImplementedError) as error:
        raise SourceError(
            f"Source {source.name}: the pattern {pattern} can't be used: {error}."
        ) from error
    if not found:
        raise SourceError(
            f"Source {source.name}: no file matches {source.path}/{pattern}. Put one there, or mend "
            "the pattern."
        )
    return [_checked(source, project, base, path) for path in found]


def _named(source: FilesSource, project: Path, base: Path, dataset: str) -> DataFile:
    there = sorted(path for path in base.iterdir() if path.suffix.lower() in SUFFIXES)
    found = [path for path in there if path.stem == dataset]
    if not found:
        known = {path.stem for path in there} | source.datasets.keys()
        raise SourceError(
            f"Source {source.name}: {source.path} has no file {dataset}.csv, .jsonl or .parquet."
            f"{near_miss(dataset, known)}"
        )
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise SourceError(
            f"Source {source.name}: {dataset} could be {names}. Keep one of them, or declare which "
            f"under `datasets:`, as in `{dataset}: {{glob: {found[0].name}}}`."
        )
    return _checked(source, project, base, found[0])


def _checked(source: FilesSource, project: Path, base: Path, path: Path) -> DataFile:
    shown = f"{source.path.rstrip('/')}/{path.relative_to(base).as_posix()}"
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise SourceError(f"Source {source.name}: {shown} is a link that leads nowhere.") from error
    if not real.is_relative_to(project):
        raise _outside(source, shown)
    if not real.is_file():
        raise SourceError(f"Source {source.name}: {shown} is not a file.")
    if path.suffix.lower() not in SUFFIXES:
        raise SourceError(
            f"Source {source.name}: {shown} is none of {', '.join(SUFFIXES)}. Save it as CSV (UTF-8), "
            "or make the pattern name other files."
        )
    return DataFile(real, shown)


def _outside(source: FilesSource, shown: str) -> SourceError:
    return SourceError(
        f"Source {source.name}: {shown} lies outside the project's folder, from which nothing is "
        "read. Copy it into the project."
    )


def fingerprint(files: Sequence[DataFile], reading: Sequence[str]) -> str:
    """64 hex digits that change with any file's name or content and with how they are read."""
    digest = hashlib.sha256(repr(list(reading)).encode())
    for file in files:
        digest.update(repr(file.shown).encode())
        try:
            with file.path.open("rb") as stream:
                content = hashlib.sha256()
                while part := stream.read(_CHUNK):
                    content.update(part)
        except OSError as error:
            raise unreadable(file, error) from error
        digest.update(content.digest())
    return digest.hexdigest()


def check_unchanged(
    need: RecordsNeed | CheckInsNeed, files: Sequence[DataFile], reading: Sequence[str], before: str
) -> None:
    """Raise IncompletePullError if the fingerprint is no longer what it was `before` the files were
    read: somebody may have been writing one, and half of it would pass for all."""
    if fingerprint(files, reading) != before:
        raise IncompletePullError(
            f"Source {need.source}: a file of {need.dataset} changed while it was read. "
            "Nothing of this read was used; the next run tries again."
        )


def unreadable(file: DataFile, error: OSError) -> SourceError:
    """The error for a file that the system does not give."""
    reason = (error.strerror or "it can't be opened").lower()
    return SourceError(f"{file.shown} can't be read: {reason}. Check that you may read it.")
