"""The project's files: which ones there are, and their text, read with care.

Belongs here: names, links, sizes and encodings. Does not belong here: YAML (yaml_reader) and what the
files say (readers).
"""

import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from okr_sync.config.findings import Findings
from okr_sync.config.models import Position
from okr_sync.config.problems import Problem
from okr_sync.config.project_reader import PROJECT_FILE
from okr_sync.config.secret_scan import scan

MAX_BYTES = 1024 * 1024


class FileRole(StrEnum):
    """What a file defines, by its name."""

    PROJECT = "project"
    METRICS = "metrics"
    OKRS = "okrs"


@dataclass
class ProjectFiles:
    """The texts (secrets overwritten) by name relative to the folder, and why others have none.

    A file with a secret is in both: its text may be kept, but it is not used.
    """

    texts: dict[str, str] = field(default_factory=dict)
    broken: dict[str, Problem] = field(default_factory=dict)
    roles: dict[str, FileRole] = field(default_factory=dict)
    has_unread_folder: bool = False

    def usable(self, role: FileRole) -> list[str]:
        """The names of the files of this role that can be read, sorted."""
        return sorted(
            name
            for name, of_role in self.roles.items()
            if of_role is role and name in self.texts and name not in self.broken
        )


def read_files(folder: Path, findings: Findings) -> ProjectFiles:
    """Read okr_sync.yaml, metrics*.yaml, metrics/*.yaml, okrs*.yaml and okrs/**/*.yaml.

    Names that begin with a dot are left out (a Kubernetes volume keeps its versions in such), and
    folders that are links are not followed; a file may be a link to another place in the folder.
    """
    files = ProjectFiles()
    root = folder.resolve()
    for name in _names(folder, files, findings):
        role = _role(name)
        if role is None:
            continue
        files.roles[name] = role
        own = Findings()
        text = _read_text(folder / name, name, root, own)
        if text is not None:
            text, secrets = scan(text, name, role is FileRole.PROJECT)
            own.include(secrets)
            files.texts[name] = text
        if own.first_error is not None:
            files.broken[name] = own.first_error
        findings.include(own)
    return files


def _names(folder: Path, files: ProjectFiles, findings: Findings) -> list[str]:
    """Every visible YAML file in the places where binding files are, relative to the folder."""
    names: list[str] = []

    def unread(error: OSError) -> None:
        place = Path(error.filename).relative_to(folder)
        if isinstance(error, FileNotFoundError):
            return  # metrics/ and okrs/ need not be there
        files.has_unread_folder = True
        findings.error(
            Position(place.as_posix(), 1, 1),
            "unreadable-folder",
            f"The folder can't be read: {str(error.strerror).lower()}.",
            "Check that you may read it.",
        )

    for place, is_deep in (("", False), ("metrics", False), ("okrs", True)):
        for parent, subfolders, found in os.walk(folder / place, onerror=unread):
            prefix = Path(parent).relative_to(folder)
            subfolders[:] = [name for name in subfolders if is_deep and not name.startswith(".")]
            for name in subfolders:
                if (Path(parent) / name).is_symlink():
                    findings.warn(
                        Position((prefix / name).as_posix(), 1, 1),
                        "linked-folder",
                        "This folder is a link, and linked folders are not read.",
                        "Move the files into the project.",
                    )
            names += [(prefix / name).as_posix() for name in found if not name.startswith(".")]
    for name in names:
        if name.endswith(".yml") and _role(name.removesuffix(".yml") + ".yaml") is not None:
            findings.warn(
                Position(name, 1, 1),
                "file-ending",
                "Files that end with .yml are not read.",
                "Rename it to end with .yaml.",
            )
    return sorted(name for name in names if name.endswith(".yaml"))


def _role(name: str) -> FileRole | None:
    parent, _, base = name.rpartition("/")
    if not base.endswith(".yaml"):
        return None
    if name == PROJECT_FILE:
        return FileRole.PROJECT
    if parent == "metrics" or (not parent and base.startswith("metrics")):
        return FileRole.METRICS
    if parent.split("/")[0] == "okrs" or (not parent and base.startswith("okrs")):
        return FileRole.OKRS
    return None


def _read_text(path: Path, name: str, root: Path, findings: Findings) -> str | None:
    start = Position(name, 1, 1)
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root):
            findings.error(
                start,
                "outside-project",
                "This is a link to a file outside the project's folder.",
                "Put the file itself here.",
            )
            return None
        if not real.is_file():
            findings.error(start, "not-a-file", "This is not a file.", "Remove or rename it.")
            return None
        with real.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "a loop"
        findings.error(
            start,
            "unreadable-file",
            f"The file can't be read: {reason.lower()}.",
            "Check that it exists and that you may read it.",
        )
        return None
    if len(content) > MAX_BYTES:
        findings.error(
            start, "yaml-too-big", "The file is larger than 1 MiB.", "Split it into several files."
        )
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8-sig")) + 1
        is_utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        findings.error(
            Position(name, line, column),
            "yaml-encoding",
            "The file is not UTF-8" + (" (it looks like UTF-16)." if is_utf16 else "."),
            "Save it with the encoding UTF-8.",
        )
        return None
