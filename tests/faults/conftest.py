"""Plays shares of the seeds of a module of histories, each share in a test file of its own.

Files, because the tests run in as many processes as there are cores, a file in each.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

Play = Callable[[str, int, int], None]

_ROOT = Path(__file__).parents[2]
_MEMORY = Path("/dev/shm")
"""A folder in memory, where there is one: nothing here has to outlive a power cut."""


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Plays seeds `first` to `first + count - 1` of a module here; what it prints of a failure is told.

    It says at its end how much it has played: one that plays less than was asked for fails.
    """

    def played(module: str, first: int, count: int) -> None:
        if count == 0:
            pytest.skip("fewer seeds were asked for than there are shares")
        memory = _MEMORY if os.access(_MEMORY, os.W_OK) else tmp_path
        # A name that no other suite on this machine has, nor one that was killed has left behind.
        folder = tempfile.mkdtemp(prefix="okr-", dir=memory)
        command = [sys.executable, "-m", f"tests.faults.{module}"]
        try:
            status, said = _run([*command, folder, str(first), str(count)], 300 + 2 * count)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        assert status == 0, said
        assert f"played {count} from {first}" in said.splitlines()[-1:], said

    return played


def _run(command: list[str], seconds: int) -> tuple[int, str]:
    """A program's status and what it says; one that takes too long is ended with its children."""
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        cwd=_ROOT,
    ) as process:
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            pytest.fail(f"{' '.join(command[1:])} did not end within {seconds} s; it said:\n{said}")
        finally:
            if process.returncode is None:  # whoever ran the tests stopped them
                os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, said


@pytest.fixture
def share(request: pytest.FixtureRequest) -> Callable[[str, int, int], tuple[int, int]]:
    """The first seed and the number of seeds of a share, of as many as an option says."""

    def of(option: str, number: int, shares: int) -> tuple[int, int]:
        seeds = int(request.config.getoption(option))
        size = -(-seeds // shares)
        return number * size, max(0, min(size, seeds - number * size))

    return of
