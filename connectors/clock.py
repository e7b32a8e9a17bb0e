"""What time it is for a connector, and how it waits.

Belongs here: the clock that limits and tries go by, so that a test can put another in its place.
Does not belong here: how long to wait (pace, errors) or what day a run is about (the pull's `now`).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """`epoch` gives seconds since 1970, which other processes of the machine share; `monotonic` never
    jumps, for how long something took; `sleep` waits."""

    epoch: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
