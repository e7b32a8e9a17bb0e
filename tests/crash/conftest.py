"""Fixtures of the crash tests: where trials write, on which engine, and how they are started."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HARNESS = Path(__file__).with_name("harness.py")
SEED = 20261006


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory where there is one: trials write small files by the hundred."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as made:
        yield Path(made)


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest) -> str:
    """The server that the harness makes its databases on; nothing for files of SQLite."""
    if request.param == "sqlite":
        return ""
    return str(request.getfixturevalue("postgresql_server"))


@pytest.fixture
def every_boundary(request: pytest.FixtureRequest) -> bool:
    """Whether no boundary is left out where there are many alike."""
    return bool(request.config.getoption("--crash-every-boundary"))


@pytest.fixture
def trials(server: str, folder: Path) -> Callable[..., dict[str, Any]]:
    """What comes of a scenario's trials: `trials(scenario, boundaries=…, instants=0)`.

    `boundaries` is at how many it is killed at most, "all", or "kinds" for one of each kind.
    """

    def run(scenario: str, *, boundaries: int | str = "all", instants: int = 0) -> dict[str, Any]:
        words = [scenario, server, str(folder), str(boundaries), str(instants), str(SEED)]
        done = subprocess.run(
            [sys.executable, str(HARNESS), *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        found = json.loads(done.stdout.splitlines()[-1])
        assert isinstance(found, dict)
        return found

    return run
