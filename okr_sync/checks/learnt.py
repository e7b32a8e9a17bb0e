"""What a key result's own history says is usual: how far it moves from one day to the next.

Belongs here: the arithmetic. Does not belong here: which history is looked at (past) or what is said
of a number that is unusual (key_results).

Levels say little: a count over the cycle grows every day. So it is the daily moves that are learnt. A
number is unusual when it moves beyond the widest moves that were seen, by more than the whole width of
what was seen, or by more than a hundredth of where it stands, whichever is more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise

LEAST_MOVES = 14
"""With fewer days there is nothing to learn from."""

_SHARE_OF_LEVEL = Decimal("0.01")


@dataclass(frozen=True)
class Day:
    """A number and the day that it speaks of."""

    as_of: date
    value: Decimal


@dataclass(frozen=True)
class Usual:
    """Where the next number is expected, given the last one: from `low` to `high`."""

    low: Decimal
    high: Decimal
    moves: int


def usual_range(past: Sequence[Day], as_of: date) -> Usual | None:
    """The usual range of a number as of a day, from earlier ones in order; None with too few of them.

    Days without a number stretch a move: what moves by 3 a day may move by 6 in two.
    """
    moves = [
        (later.value - earlier.value) / (later.as_of - earlier.as_of).days
        for earlier, later in pairwise(past)
    ]
    if len(moves) < LEAST_MOVES:
        return None
    last = past[-1]
    days = (as_of - last.as_of).days
    low, high = min(moves), max(moves)
    slack = max(high - low, abs(last.value) * _SHARE_OF_LEVEL)
    return Usual(
        last.value + (low - slack) * days,
        last.value + (high + slack) * days,
        len(moves),
    )
