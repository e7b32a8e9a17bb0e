"""The cost of start: a reading command against importing the library that it reads with.

Belongs here: whole processes of `okr-sync`. Does not belong here: what a command does once it runs.
"""

import sys
from pathlib import Path

from benchmarks.harness import Bench, Comparison, at_most, row, run_command

_BIN = Path(sys.executable).parent


def demo(bench: Bench) -> Path:
    """The demo's folder after a sync: `project` and `account` are in it."""
    folder = bench.folder / "demo"
    run_command([_BIN / "okr-sync", "demo", folder])
    return folder


@row("start: okr-sync status", at_most(1.5), of="the command ÷ python -c 'import sqlalchemy'")
def status(bench: Bench) -> dict[str, Comparison]:
    """On the demo's warehouse, with the table written to a pipe."""
    project = bench.once(demo) / "project"
    found = bench.usages(
        lambda: run_command([_BIN / "okr-sync", "status", "--project", project]),
        lambda: run_command([sys.executable, "-c", "import sqlalchemy"]),
    )
    return {label: found[label] for label in ("CPU", "wall")}
