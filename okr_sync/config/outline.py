"""The little that a status needs to know of a project's files, kept while the files stay the same.

Belongs here: what that is, and when what is kept still holds. Does not belong here: loading
(loader), the warehouse.

Reading and checking all definitions takes as long as everything else that `okr-sync status` does. What
it needs of them is kept beside the warehouse, under a fingerprint of every file that could change it and
of the code that reads them; without it, or with another fingerprint, the project is loaded.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from okr_sync import __version__

if TYPE_CHECKING:
    from okr_sync.config.bundle import Bundle

_FOLDER: Final = ".okr_sync"
_NAME: Final = "outline.json"
_ENDINGS: Final = (".yaml", ".yml", ".sql")


@dataclass(frozen=True)
class Outline:
    """A project's zone and warehouse, its key results by id, and why others are out of use.

    `subjects` is what each key result rests on.
    """

    time_zone: str
    warehouse_url_env: str | None
    key_results: Collection[str]
    quarantined: Mapping[str, str]
    subjects: Mapping[str, Sequence[tuple[str, str]]]

    def rests_on(self, key_result_ids: Iterable[str]) -> dict[str, Sequence[tuple[str, str]]]:
        """What checks could fail of for each key result; itself where the files have it no more."""
        return {name: self.subjects.get(name, [("key_result", name)]) for name in key_result_ids}


def outline_of(bundle: "Bundle") -> Outline:
    """The outline of a loaded project."""
    from okr_sync.checks.subjects import subjects_of

    key_results = bundle.key_results
    return Outline(
        bundle.project.time_zone,
        bundle.project.warehouse_url_env,
        sorted(key_results),
        bundle.quarantined,
        {name: subjects_of(bundle, name) for name in key_results},
    )


def read_outline(folder: Path) -> Outline:
    """The outline of the project in a folder; ConfigError as load_project."""
    fingerprint = _fingerprint(folder)
    kept = None if fingerprint is None else _kept(folder, fingerprint)
    if kept is not None:
        return kept
    # Imported here because reading definitions is what is to be saved.
    from okr_sync.config.loader import load_project

    outline = outline_of(load_project(folder))
    # Of files that changed while they were read nobody knows which of them the outline has.
    if fingerprint is not None and _fingerprint(folder) == fingerprint:
        _keep(folder, fingerprint, outline)
    return outline


def _fingerprint(folder: Path) -> str | None:
    """A hash over names and contents of all definitions; None where not all can be read."""
    digest = hashlib.sha256(__version__.encode())
    try:
        for path in _code():
            found = path.stat()
            digest.update(f"\n{path}\n{found.st_size}\n{found.st_mtime_ns}\n".encode())
        for path in _definitions(folder):
            name = path.relative_to(folder).as_posix()
            digest.update(f"\n{name}\n{path.is_symlink()}\n".encode(errors="surrogateescape"))
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    except OSError:
        return None
    return digest.hexdigest()


def _code() -> list[Path]:
    """The modules that definitions are read, checked and looked through with."""
    package = Path(__file__).parent.parent
    found = list(package.glob("*.py"))
    for name in ("checks", "config", "metrics"):
        found += (package / name).glob("*.py")
    return sorted(found)


def _definitions(folder: Path) -> Iterator[Path]:
    """Every visible file that could be a definition, wherever it lies."""

    def fail(error: OSError) -> None:
        raise error

    for parent, subfolders, names in os.walk(folder, onerror=fail):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            if name.endswith(_ENDINGS) and not name.startswith("."):
                yield Path(parent) / name
        for name in subfolders:
            if (Path(parent) / name).is_symlink():
                raise OSError("a linked folder")


def _kept(folder: Path, fingerprint: str) -> Outline | None:
    try:
        kept: dict[str, Any] = json.loads((folder / _FOLDER / _NAME).read_text(encoding="utf-8"))
        if kept.pop("fingerprint") != fingerprint:
            return None
        subjects = {name: [(a, b) for a, b in own] for name, own in kept.pop("subjects").items()}
        return Outline(subjects=subjects, **kept)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None  # not there, or not what was written: the project is loaded instead


def _keep(folder: Path, fingerprint: str, outline: Outline) -> None:
    """Only where okr-sync has a folder already; not being able to write is no failure of reading."""
    kept = {**asdict(outline), "fingerprint": fingerprint}
    target = folder / _FOLDER / _NAME
    if not target.parent.is_dir():
        return
    unfinished = target.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        unfinished.write_text(json.dumps(kept), encoding="utf-8")
        unfinished.replace(target)
