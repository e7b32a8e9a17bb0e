"""A share of the histories of a HubSpot mirror under faults and restarts (hubspot_histories.py)."""

from collections.abc import Callable


def test_whatever_happens_the_mirror_is_the_account_or_the_pull_is_refused(
    play: Callable[[str, int, int], None], share: Callable[[str, int, int], tuple[int, int]]
) -> None:
    """Seed by seed: no record is lost, none is made up, none is counted twice, no pull is endless."""
    play("hubspot_histories", *share("--fault-seeds", 1, 4))
