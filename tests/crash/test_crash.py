"""Writers that are killed at every boundary and at random instants: nothing lost, doubled or half.

The trials are in harness.py. `pytest --crash-instants 200 --crash-every-boundary tests/crash` leaves
nothing to chance: about an hour.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.sandbox.serve import Sandbox

HARNESS = Path(__file__).with_name("harness.py")
ALL = 1_000_000
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


def trials(
    scenario: str, server: str, folder: Path, *, boundaries: int = ALL, instants: int = 0
) -> dict[str, Any]:
    """What came of a scenario's trials."""
    done = subprocess.run(
        [
            sys.executable,
            str(HARNESS),
            scenario,
            server,
            str(folder),
            str(boundaries),
            str(instants),
            str(SEED),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("scenario", "commits"),
    [
        ("publish", 3),
        ("backfill", 5),
        ("override", 1),
        ("check_in", 1),
        ("rename", 1),
        ("migration", 1),
        ("upgrade", 1),
    ],
)
def test_a_writer_that_is_killed_at_any_boundary(
    scenario: str, commits: int, server: str, folder: Path, every_boundary: bool
) -> None:
    """Before and after every statement and commit: whole transactions only, and mended by rerunning.

    Of a publish all of its tables change in one commit: beside it only the run's beginning and end
    are commits of their own. Migrations have a hundred boundaries alike, inside one transaction:
    some of them are drawn.
    """
    is_long = scenario in ("migration", "upgrade") and not every_boundary
    found = trials(scenario, server, folder, boundaries=20 if is_long else ALL)
    assert found["problems"] == []
    assert found["commits"] == commits
    assert found["boundaries"] > 2 * commits
    assert {"commit", "committed"} <= set(found["kinds_died_at"])


@pytest.mark.parametrize("scenario", ["publish", "backfill", "override", "migration", "upgrade"])
def test_a_writer_that_is_killed_at_random_instants(
    scenario: str, server: str, folder: Path, request: pytest.FixtureRequest
) -> None:
    """Also between the boundaries that the hooks know: 200 in all, on both engines together."""
    instants = int(request.config.getoption("--crash-instants"))
    found = trials(scenario, server, folder, boundaries=0, instants=instants)
    assert found["problems"] == []
    assert found["killed_at_instants"] == instants


def test_a_publish_in_three_transactions_is_found_out(server: str, folder: Path) -> None:
    """The negative control: these trials do tell a publish that isn't atomic."""
    problems = trials("split", server, folder, boundaries=12)["problems"]
    assert any("half of something was written" in one for one in problems)
    assert any("is not the latest revision of the newest day" in one for one in problems)


@pytest.mark.parametrize("scenario", ["sync", "sync_backfill"])
def test_a_sync_that_is_killed(
    scenario: str,
    server: str,
    folder: Path,
    sandbox: Sandbox,
    company: Any,
    monkeypatch: pytest.MonkeyPatch,
    every_boundary: bool,
) -> None:
    """The whole command, pulls included: at one boundary of each kind, and at some instants.

    There are eighty in thirty kinds, a kind being a statement and its table, a commit, or the
    moment after a commit. A backfill writes the same tables: a few are drawn.
    """
    monkeypatch.setenv("CRASH_PROJECT", str(company.project))
    drawn = 30 if scenario == "sync" else 6
    found = trials(
        scenario, server, folder, boundaries=ALL if every_boundary else drawn, instants=2
    )
    assert found["problems"] == []
    assert scenario != "sync" or found["kinds_died_at"] == found["kinds"]
