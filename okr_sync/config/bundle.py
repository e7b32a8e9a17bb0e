"""A loaded project: all that could be used, and all that was wrong.

Belongs here: the result type of loading. Does not belong here: how it is read (loader).
"""

from dataclasses import dataclass
from pathlib import Path

from okr_sync.config.models import AnyMetric, KeyResult, Objective, Project
from okr_sync.config.problems import Problem


@dataclass(frozen=True)
class Bundle:
    """The project's usable definitions, by name, and every problem found.

    A key result is in `key_results` only if it and its metric are valid; otherwise its id (where it
    could be read) is in `quarantined` with the first problem's text. `files` maps each file read to
    its text (what config_version records).
    """

    folder: Path
    project: Project
    metrics: dict[str, AnyMetric]
    objectives: dict[str, Objective]
    key_results: dict[str, KeyResult]
    quarantined: dict[str, str]
    broken_files: dict[str, str]
    """Files that could not be read, or of which some ids could not: key results last defined there,
    and not in `key_results`, are quarantined too."""
    problems: tuple[Problem, ...]
    files: dict[str, str]
    config_hash: str
