"""Staying inside an account's limits together with everybody else on this machine who reads it.

Belongs here: windows of requests, budgets for a day or an hour, and places for requests at the same
time, all shared between threads and processes. Does not belong here: which limits a service has
(hubspot.pace, ga4) or where the numbers are kept (shared_state).
"""

import uuid
from bisect import insort
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from connectors.clock import Clock
from connectors.shared_state import Document, SharedState

LONGEST_WAIT: Final = 60.0
"""A run never sleeps longer than this, in seconds: what takes longer is left to a later run."""

_WIDEST: Final = 1_000
_LOOK_AGAIN: Final = 0.25


class ExhaustedError(Exception):
    """A limit leaves no room now: `limit` is its name, `seconds` how long it lasts as far as known."""

    def __init__(self, limit: str, seconds: float) -> None:
        super().__init__(f"{limit} for {seconds:.0f} s")
        self.limit = limit
        self.seconds = seconds


@dataclass(frozen=True)
class Window:
    """At most `most` requests in any `seconds`. More than a thousand is no limit worth counting."""

    most: int
    seconds: float


@dataclass(frozen=True)
class Ticket:
    """A request that was let through: its window's name, and when it was to be sent."""

    window: str
    at: float


class Pace:
    """The limits of one account. Every method is safe between threads and between processes."""

    def __init__(self, state: SharedState, clock: Clock) -> None:
        self._state = state
        self._clock = clock

    # --- windows: so many requests in any so many seconds ---

    def admit(self, name: str, default: Window, budgets: tuple[str, ...] = ()) -> Ticket:
        """Wait until a request may be sent, and count it in a window and one unit of each budget.

        `default` holds until `learn_window` has said otherwise. Raises ExhaustedError, and then counts
        nothing, when a budget is used up or the wait would be longer than LONGEST_WAIT.
        """
        now = self._clock.epoch()
        with self._state.changing(now) as document:
            for budget in budgets:
                _check_budget(document, budget, 1, now)
            at = _place(document, name, default, now)
            if at - now > LONGEST_WAIT:
                raise ExhaustedError(name, at - now)
            for budget in budgets:
                _spend(document, budget, 1)
        until = at
        waited = 0.0
        while until > now:
            waited += until - now
            if waited > LONGEST_WAIT:
                raise ExhaustedError(name, until - now)
            self._clock.sleep(until - now)
            now = self._clock.epoch()
            with self._state.changing(now) as document:
                # A pause that was called meanwhile holds for who waits already, too.
                until = _pause(document, name, now)
        return Ticket(name, at)

    def sent(
        self,
        ticket: Ticket,
        window: Window | None = None,
        left: int | None = None,
        budgets: dict[str, int] | None = None,
    ) -> None:
        """Take in what an answer says: the window, how many requests are `left` in it, and what is
        left of each budget.

        The request then counts from when it was answered: the service counted it at some time before,
        so no window of the service's is ever fuller than ours.
        """
        now = self._clock.epoch()
        with self._state.changing(now) as document:
            sent: list[float] = document.setdefault("sent", {}).setdefault(ticket.window, [])
            if ticket.at in sent:
                sent.remove(ticket.at)
                insort(sent, now)
            if window is not None:
                document.setdefault("windows", {})[ticket.window] = [window.most, window.seconds]
                if left is not None and window.most <= _WIDEST:
                    _learn_others(document, ticket.window, window, left, now)
            for budget, remaining in (budgets or {}).items():
                _set_budget(document, budget, remaining, now, None)

    def pause(self, name: str, seconds: float) -> None:
        """Let nobody send anything of a window for so long: the service has refused one as too many."""
        now = self._clock.epoch()
        with self._state.changing(now) as document:
            pauses = document.setdefault("pauses", {})
            pauses[name] = max(pauses.get(name, 0.0), now + min(seconds, LONGEST_WAIT))

    # --- budgets: so many units until they are given out anew ---

    def spend(self, name: str, units: int) -> None:
        """Take units that a request is expected to cost; raises ExhaustedError, and then takes none."""
        now = self._clock.epoch()
        with self._state.changing(now) as document:
            _check_budget(document, name, units, now)
            _spend(document, name, units)

    def learn_budget(self, name: str, left: int, lasts_seconds: float | None = None) -> None:
        """What a service says is left of a budget; without a time that is believed for 15 minutes,
        then one request goes and asks again."""
        now = self._clock.epoch()
        with self._state.changing(now) as document:
            _set_budget(document, name, left, now, lasts_seconds)

    def count_down(self, name: str, full: int, lasts_seconds: float) -> int:
        """Take one unit of a budget that is `full` as far as nobody knows better, and say what is left.

        In one change, so that of two that count at the same time both are counted.
        """
        now = self._clock.epoch()
        with self._state.changing(now) as document:
            known = document.get("budgets", {}).get(name)
            before = known[0] if known is not None and _is_believed(known, now) else full
            left = max(0, int(before) - 1)
            _set_budget(document, name, left, now, lasts_seconds)
        return left

    def budget_left(self, name: str) -> int | None:
        """What is left of a budget as far as anybody on this machine knows; None if nobody does."""
        now = self._clock.epoch()
        with self._state.changing(now) as document:
            known = document.get("budgets", {}).get(name)
            return int(known[0]) if known is not None and _is_believed(known, now) else None

    # --- places: so many requests at the same time ---

    @contextmanager
    def place(self, name: str, most: int, lasts_seconds: float) -> Iterator[None]:
        """One of `most` places for requests at the same time, for as long as the block runs.

        The place of a process that was killed is free again after `lasts_seconds`, which is longer
        than a request may take. Raises ExhaustedError after waiting LONGEST_WAIT in vain.
        """
        mine = uuid.uuid4().hex
        waited = 0.0
        while True:
            now = self._clock.epoch()
            with self._state.changing(now) as document:
                taken = document.setdefault("places", {}).setdefault(name, {})
                for one, until in list(taken.items()):
                    if not now < until <= now + 10 * lasts_seconds:
                        del taken[one]
                is_free = len(taken) < most
                if is_free:
                    taken[mine] = now + lasts_seconds
            if is_free:
                break
            if waited >= LONGEST_WAIT:
                raise ExhaustedError(name, lasts_seconds)
            waited += _LOOK_AGAIN
            self._clock.sleep(_LOOK_AGAIN)
        try:
            yield
        finally:
            with self._state.changing(self._clock.epoch()) as document:
                document.get("places", {}).get(name, {}).pop(mine, None)


# --- windows --------------------------------------------------------------------------------------


def _place(document: Document, name: str, default: Window, now: float) -> float:
    """When the next request of a window may be sent; it is counted there."""
    most, seconds = document.get("windows", {}).get(name) or (default.most, default.seconds)
    start = _pause(document, name, now)
    if most > _WIDEST:
        return start
    # A clock that was set back must not make today's requests wait for yesterday's.
    sent = [
        at
        for at in document.get("sent", {}).get(name, ())
        if now - seconds < at <= now + LONGEST_WAIT + seconds
    ]
    usable = max(1, most - _others(document, name, seconds, now))
    if len(sent) >= usable:
        start = max(start, sent[-usable] + seconds)
    insort(sent, start)
    document.setdefault("sent", {})[name] = sent
    return start


def _pause(document: Document, name: str, now: float) -> float:
    until = document.get("pauses", {}).get(name, 0.0)
    return float(until) if now < until <= now + LONGEST_WAIT else now


def _learn_others(document: Document, name: str, window: Window, left: int, now: float) -> None:
    """How many requests in the window are not ours: other programmes may use the same app."""
    sent = document["sent"][name]
    ours = sum(1 for at in sent if now - window.seconds < at <= now)
    used = window.most - left
    document.setdefault("others", {})[name] = [max(0, used - ours), now]


def _others(document: Document, name: str, seconds: float, now: float) -> int:
    count, at = document.get("others", {}).get(name, (0, 0.0))
    return int(count) if now - seconds < at <= now else 0


# --- budgets --------------------------------------------------------------------------------------

_BELIEVED_SECONDS: Final = 900.0


def _is_believed(known: list[float], now: float) -> bool:
    learnt_at, until = known[1], known[2]
    return learnt_at <= now + LONGEST_WAIT and now < until


def _check_budget(document: Document, name: str, units: int, now: float) -> None:
    known = document.get("budgets", {}).get(name)
    if known is not None and _is_believed(known, now) and known[0] < units:
        raise ExhaustedError(name, known[2] - now)


def _spend(document: Document, name: str, units: int) -> None:
    known = document.get("budgets", {}).get(name)
    if known is not None:
        known[0] = max(0, known[0] - units)


def _set_budget(
    document: Document, name: str, left: int, now: float, lasts_seconds: float | None
) -> None:
    until = now + (_BELIEVED_SECONDS if lasts_seconds is None else lasts_seconds)
    document.setdefault("budgets", {})[name] = [left, now, until]
