"""Which key results are picked out, and in which order: to decide about, moved most, not fresh.

Belongs here: that choice, for the report and the digest alike. Does not belong here: the facts (facts)
and the rules by which one asks for a decision (decisions).
"""

from collections.abc import Iterable
from decimal import Decimal

from okr_sync.briefing.facts import Standing
from okr_sync.briefing.words import TONES


def needs_decision(standings: Iterable[Standing]) -> list[Standing]:
    """Those that ask for a decision, the worst first."""
    order = list(reversed(TONES))
    asking = [one for one in standings if one.decisions]
    worst = {"severely_lagging": 0, "lagging": 1}
    return sorted(
        asking, key=lambda one: (worst.get(one.row.status, 2), order.index(one.row.status))
    )


def moved_most(standings: Iterable[Standing]) -> list[Standing]:
    """Those whose number or status is another than a week ago, the furthest first."""
    found = [
        one
        for one in standings
        if one.move is not None and (one.move.is_any or one.move.status_before != one.row.status)
    ]
    return sorted(found, key=_distance, reverse=True)


def not_fresh(standings: Iterable[Standing]) -> list[Standing]:
    """Those whose number is stale, failed or was never there."""
    return [one for one in standings if one.stale is not None]


def _distance(one: Standing) -> Decimal:
    points = None if one.move is None else one.move.points
    return Decimal(0) if points is None else abs(points)
