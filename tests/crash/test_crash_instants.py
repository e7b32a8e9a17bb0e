"""Writers that are killed at random instants: nothing lost, doubled or half.

The trials are in harness.py. `pytest --crash-instants 200 tests/crash` makes more of them.
"""

from collections.abc import Callable
from typing import Any

import pytest

Trials = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("scenario", ["publish", "backfill", "override", "migration", "upgrade"])
def test_a_writer_that_is_killed_at_random_instants(
    scenario: str, trials: Trials, request: pytest.FixtureRequest
) -> None:
    """Also between the boundaries that the hooks know: 200 in all, on both engines together."""
    instants = int(request.config.getoption("--crash-instants"))
    found = trials(scenario, boundaries=0, instants=instants)
    assert found["problems"] == []
    assert found["killed_at_instants"] == instants
