"""A look at one folder of files: whether what is bound is there.

Belongs here: finding the files. Does not belong here: reading them (connector).
"""

from collections.abc import Iterable
from pathlib import Path

from connectors.files.folder import files_of
from connectors.health import Finding, Level, failed
from okr_sync.config.models import FilesSource
from okr_sync.errors import SourceError


def look(source: FilesSource, datasets: Iterable[str], folder: Path) -> list[Finding]:
    """Which files there are of each dataset that bindings read; `folder` is the project's."""
    found: list[Finding] = []
    for name in sorted(datasets):
        subject = f"{source.name}: {name}"
        try:
            files = files_of(source, folder, name)
        except SourceError as error:
            found.append(failed(subject, error.user_text))
            continue
        shown = ", ".join(file.shown for file in files[:3])
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        found.append(Finding(Level.OK, subject, f"{shown}{more}"))
    return found
