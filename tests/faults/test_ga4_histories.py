"""The histories of a GA4 property's figures under faults and restatements (ga4_histories.py)."""

from collections.abc import Callable


def test_whatever_happens_a_figure_is_right_or_flagged_or_the_pull_is_refused(
    play: Callable[[str, int, int], None], share: Callable[[str, int, int], tuple[int, int]]
) -> None:
    """Seed by seed: no figure is made of a report that was not whole, and a doubt is a flag. A tenth as
    many seeds as HubSpot has: a GA4 pull has far fewer requests to go wrong."""
    play("ga4_histories", *share("--fault-seeds", 0, 10))
