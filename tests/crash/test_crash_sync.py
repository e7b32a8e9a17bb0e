"""Whole syncs that are killed, at their boundaries and at random instants.

The trials are in harness.py. `pytest --crash-every-boundary tests/crash` leaves none out: an hour.
"""

from collections.abc import Callable
from typing import Any

import pytest

from connectors.sandbox.serve import Sandbox

Trials = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("scenario", ["sync", "sync_backfill"])
def test_a_sync_that_is_killed(
    scenario: str,
    server: str,
    trials: Trials,
    sandbox: Sandbox,
    company: Any,
    monkeypatch: pytest.MonkeyPatch,
    every_boundary: bool,
) -> None:
    """The whole command, pulls included: at one boundary of each kind, and at some instants.

    There are eighty in some thirty kinds, a kind being a statement and its table, a commit, or the
    moment after a commit. On PostgreSQL, and for a backfill, which writes the same, some are drawn.
    """
    monkeypatch.setenv("CRASH_PROJECT", str(company.project))
    usual: int | str = 6
    if scenario == "sync":
        usual = 12 if server else "kinds"
    found = trials(scenario, boundaries="all" if every_boundary else usual, instants=2)
    assert found["problems"] == []
    assert found["killed_at_instants"] == 2
    assert usual != "kinds" or found["kinds_died_at"] == found["kinds"]
