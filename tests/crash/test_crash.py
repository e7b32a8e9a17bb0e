"""Writers that are killed at every boundary of their writing: nothing lost, doubled or half.

The trials are in harness.py.
"""

from collections.abc import Callable
from typing import Any

import pytest

Trials = Callable[..., dict[str, Any]]


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
    scenario: str, commits: int, trials: Trials, every_boundary: bool
) -> None:
    """Before and after every statement and commit: whole transactions only, and mended by rerunning.

    Of a publish all of its tables change in one commit: beside it only the run's beginning and end
    are commits of their own. Migrations have a hundred boundaries alike, inside one transaction:
    some of them are drawn.
    """
    is_long = scenario in ("migration", "upgrade") and not every_boundary
    found = trials(scenario, boundaries=20 if is_long else "all")
    assert found["problems"] == []
    assert found["commits"] == commits
    assert found["boundaries"] > 2 * commits
    assert {"commit", "committed"} <= set(found["kinds_died_at"])


def test_a_publish_in_three_transactions_is_found_out(trials: Trials) -> None:
    """The negative control: these trials do tell a publish that isn't atomic."""
    problems = trials("split", boundaries=12)["problems"]
    assert any("half of something was written" in one for one in problems)
    assert any("is not the latest revision of the newest day" in one for one in problems)
