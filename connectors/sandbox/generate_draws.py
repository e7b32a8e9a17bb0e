"""Random draws that give the same result on every platform and Python version.

Belongs here: the few draws that the demo's generator is made of. Does not belong here: what is
drawn (generate_crm, generate_web).
"""

import random
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")


class Choices(Generic[T]):
    """Values with whole-number weights, ready to be picked from."""

    def __init__(self, weighted: Iterable[tuple[T, int]]) -> None:
        pairs = tuple(weighted)
        self._values = tuple(value for value, _ in pairs)
        self._ends = tuple(accumulate(weight for _, weight in pairs))
        self.total = self._ends[-1]

    def at(self, position: int) -> T:
        """The value whose share of 0 … total - 1 the position lies in."""
        return self._values[bisect_right(self._ends, position)]


class Draws:
    """A stream of draws, fixed by a seed and a topic.

    Only `Random.random` is used: Python promises its sequence for a seed, while `gauss` and the like
    go through the platform's libm and `choice` has changed between versions. A topic has a stream
    of its own, so that a change in one part of the account leaves the others as they were.
    """

    def __init__(self, seed: int, topic: str) -> None:
        self._random = random.Random(f"{seed}:{topic}")

    def below(self, count: int) -> int:
        """A whole number from 0 to count - 1."""
        return int(self._random.random() * count)

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + self.below(high - low + 1)

    def chance(self, per_mille: int) -> bool:
        """True in `per_mille` of a thousand draws."""
        return self.below(1000) < per_mille

    def pick(self, choices: "Choices[T]") -> T:
        """One of the choices, by weight."""
        return choices.at(self.below(choices.total))

    def along(self, quantiles: Sequence[int]) -> int:
        """A whole number from a distribution given by evenly spaced quantiles, least and greatest
        included; between two of them it is uniform."""
        step = self.below(len(quantiles) - 1)
        return self.between(quantiles[step], quantiles[step + 1])
