"""What a test switches on in a running GA4 sandbox: faults and degradations, for some requests.

Belongs here: the switches and their counting down. Does not belong here: what they do to an answer.
"""

import threading
from dataclasses import dataclass

from connectors.sandbox.ga4_degradations import Degradation, Degraded
from connectors.sandbox.ga4_errors import Fault


@dataclass
class _Switched:
    """`left` is None for as long as it is not switched off."""

    left: int | None
    fault: Fault | None = None
    method: str | None = None
    degradation: Degradation | None = None
    metric: str = ""

    def use(self) -> None:
        if self.left is not None:
            self.left -= 1


class Controls:
    """The switches; safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[_Switched] = []
        self._degradations: list[_Switched] = []

    def fail_next(self, fault: Fault, times: int, method: str | None) -> None:
        """Answer the next `times` requests (of one method if given) with the fault."""
        with self._lock:
            self._faults.append(_Switched(times, fault=fault, method=method))

    def degrade(self, degradation: Degradation, times: int | None, metric: str) -> None:
        """Degrade the next `times` reports, or all until `restore`."""
        with self._lock:
            self._degradations.append(_Switched(times, degradation=degradation, metric=metric))

    def restore(self) -> None:
        """Switch everything off."""
        with self._lock:
            self._faults.clear()
            self._degradations.clear()

    def take_fault(self, method: str) -> Fault | None:
        """The fault for a request that is being answered, if any; it counts as used."""
        with self._lock:
            for switched in self._faults:
                if switched.left and switched.method in (None, method):
                    switched.use()
                    return switched.fault
        return None

    def take_degradations(self) -> Degraded:
        """What degrades a report that is being made; it counts as used."""
        with self._lock:
            current = [one for one in self._degradations if one.left is None or one.left > 0]
            for switched in current:
                switched.use()
            return Degraded(
                frozenset(one.degradation for one in current if one.degradation is not None),
                frozenset(one.metric for one in current if one.metric),
            )

    def blocked_metrics(self) -> frozenset[str]:
        """The metrics that are switched to blocked now; nothing is counted as used."""
        with self._lock:
            return frozenset(
                one.metric for one in self._degradations if one.metric and one.left != 0
            )
