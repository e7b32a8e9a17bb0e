"""Plays shares of the seeds of a script of histories, each share in a test file of its own.

Files, because the tests run in as many processes as there are cores, a file in each.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Play = Callable[[str, int, int], None]

_MEMORY = Path("/dev/shm")
"""A folder in memory, where there is one: nothing here has to outlive a power cut."""


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Plays seeds `first` to `first + count - 1` of a script; what it prints of a failure is told."""

    def played(script: str, first: int, count: int) -> None:
        folder = _MEMORY / f"okr-{tmp_path.parent.name}-{tmp_path.name}"
        if not _MEMORY.is_dir():
            folder = tmp_path
        command = [sys.executable, str(Path(__file__).with_name(script))]
        done = subprocess.run(
            [*command, str(folder), str(first), str(count)],
            capture_output=True,
            text=True,
            check=False,
        )
        if folder != tmp_path:
            shutil.rmtree(folder)
        assert done.returncode == 0, done.stdout + done.stderr

    return played


@pytest.fixture
def share(request: pytest.FixtureRequest) -> Callable[[str, int, int], tuple[int, int]]:
    """The first seed and the number of seeds of a share, of as many as an option says."""

    def of(option: str, number: int, shares: int) -> tuple[int, int]:
        seeds = int(request.config.getoption(option))
        size = -(-seeds // shares)
        return number * size, max(0, min(size, seeds - number * size))

    return of
