"""okr-sync: automated current values and history for marketing key results.

Belongs here: the package's version and the door for notebooks. What a binding means lives in
`config`, `metrics`, `progress` and `warehouse`; the command is `cli`, Dagster's entry point
`definitions`.
"""

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from okr_sync.notebook import NotebookProject

__version__ = "0.1.0"


def open_project(path: "str | PathLike[str]" = ".") -> "NotebookProject":
    """The project in a folder, for notebooks: status, history, previews and records as DataFrames.

    Raises ConfigError if there is no usable project in the folder.
    """
    # Imported here: `import okr_sync` must not load pandas for those who only want a command.
    from okr_sync.notebook import NotebookProject

    return NotebookProject(path)
