"""What a refusal or a failure of an API means: one table for all connectors.

Belongs here: which status and which reason is worth another try, which one waits for a later run,
which one needs a person, what that person is told, and how long to wait between tries. Does not
belong here: reading one vendor's error bodies (each connector makes a `Refusal` of them).

Sources: HubSpot's error handling and usage guidelines, the GA4 Data API's quotas, and the bodies
that both services were seen to answer.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from okr_sync.errors import (
    DeferredSourceError,
    InvalidRequestError,
    SourceError,
    TransientSourceError,
)

_INVALID = frozenset({400, 404, 409, 410, 414, 422})


class Action(StrEnum):
    """What to do after a failure."""

    RETRY = "retry"  # the same request again, soon, a bounded number of times
    DEFER = "defer"  # not in this run: a later one may succeed, and trying now only burns quota
    STOP = "stop"  # somebody has to change something first


class Reason(StrEnum):
    """Failures that have no HTTP status: there was no answer, or none that can be used."""

    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    DROPPED = "connection_dropped"
    NOT_TRUSTED = "certificate_not_trusted"
    NOT_JSON = "not_json"
    WRONG_SHAPE = "wrong_shape"


@dataclass(frozen=True)
class Refusal:
    """A request that failed, in words that are the same for every service.

    `status` is the HTTP status, or 0 with a `Reason`. `reason` holds the vendor's own codes, such as
    `MISSING_SCOPES` or `RESOURCE_EXHAUSTED`, and `message` its text; neither may hold a secret. With
    Reason.TIMED_OUT `message` says how long was waited (`within 10 s`).
    `credential` is how people know the credential (`the token in HUBSPOT_ACCESS_TOKEN`), `reading`
    what was being read (`contacts`), `names` the scopes or fields that the answer names, and
    `retry_after` is in seconds.
    """

    service: str
    source: str
    credential: str
    endpoint: str
    reading: str
    status: int
    reason: str = ""
    message: str = ""
    names: tuple[str, ...] = ()
    retry_after: float | None = None


@dataclass(frozen=True)
class Rule:
    """A row of the table: it applies to a refusal with one of these statuses (none means any)
    whose reason or message has one of these words (none means any)."""

    statuses: frozenset[int]
    words: tuple[str, ...]
    action: Action
    text: str
    least_wait: float = 0.0

    def applies(self, refusal: Refusal) -> bool:
        """Whether this row is about such a refusal."""
        if self.statuses and refusal.status not in self.statuses:
            return False
        told = f"{refusal.reason} {refusal.message}".casefold()
        return not self.words or any(word in told for word in self.words)


def _rule(
    statuses: int | range | tuple[int, ...],
    words: str | tuple[str, ...],
    action: Action,
    text: str,
    least_wait: float = 0.0,
) -> Rule:
    chosen = frozenset([statuses] if isinstance(statuses, int) else statuses)
    told = (words,) if isinstance(words, str) else words
    return Rule(chosen, tuple(word for word in told if word), action, text, least_wait)


# Read from the top: the first row that applies is the one.
RULES: tuple[Rule, ...] = (
    # No answer, or none that can be used.
    _rule(
        0,
        Reason.NOT_TRUSTED,
        Action.STOP,
        "{service} at {endpoint} showed a certificate that this machine does not trust. Check the "
        "endpoint, and whether a proxy stands in between.",
    ),
    _rule(
        0,
        Reason.UNREACHABLE,
        Action.RETRY,
        "{service} can't be reached at {endpoint}. Check the network and the source's endpoint; "
        "the next run tries again.",
    ),
    _rule(
        0,
        Reason.TIMED_OUT,
        Action.RETRY,
        "{service} did not answer {message} while {reading} was read. The next run tries again.",
    ),
    _rule(
        0,
        Reason.DROPPED,
        Action.RETRY,
        "{service} dropped the connection while {reading} was read. The next run tries again.",
    ),
    _rule(
        0,
        Reason.NOT_JSON,
        Action.RETRY,
        "{service} at {endpoint} answered with something other than JSON (a web page, or an answer "
        "that was cut off) while {reading} was read. Check that the endpoint is the API and that no "
        "proxy or login page stands in between.",
    ),
    _rule(
        0,
        Reason.WRONG_SHAPE,
        Action.RETRY,
        "{service} answered in a form that its documentation does not describe while {reading} was "
        "read: {message} Nothing of it was used. If it stays, report it with this text.",
    ),
    # Credentials and permissions.
    _rule(
        401,
        "",
        Action.STOP,
        "{service} refused {credential}. Check that it is complete, belongs to this account and has "
        "not been revoked or rotated.",
    ),
    _rule(
        403,
        "missing_scopes",
        Action.STOP,
        "{credential} may not read {reading}: it lacks the scope {names}. Add it to the app that the "
        "token belongs to, then run again.",
    ),
    _rule(
        403,
        ("service_disabled", "has not been used in project"),
        Action.STOP,
        "The API of {service} is switched off in the project that {credential} belongs to. Switch it "
        "on, wait a few minutes, then run again. {service} said: {message}",
    ),
    _rule(
        403,
        "",
        Action.STOP,
        "{credential} may not read {reading}. Give it read access, then run again. {service} said: "
        "{message}",
    ),
    # Limits. A daily or hourly limit is not tried again in this run: that only burns what is left.
    _rule(
        429,
        ("daily", "per day"),
        Action.DEFER,
        "The daily request limit of {service} is used up. The first run after it resets goes on.",
    ),
    _rule(
        429,
        ("per hour", "thresholded"),
        Action.DEFER,
        "The hourly quota of {service} is used up. A run in the next hour goes on. {service} said: "
        "{message}",
    ),
    _rule(
        429,
        "concurrent",
        Action.RETRY,
        "{service} had too many requests at once from all who read this account. The next run tries "
        "again.",
        least_wait=30.0,
    ),
    _rule(
        429,
        "",
        Action.RETRY,
        "{service} kept refusing requests as too frequent while {reading} was read. Another "
        "programme may be using the same app; the next run tries again.",
        least_wait=1.0,
    ),
    _rule(
        477,
        "",
        Action.DEFER,
        "{service} is moving this account to another data centre and can't be read until that is "
        "done (at most a day). A later run goes on.",
    ),
    _rule(
        423,
        "",
        Action.RETRY,
        "{service} kept {reading} locked. The next run tries again.",
        least_wait=2.0,
    ),
    # Requests that are wrong as they are.
    _rule(
        400,
        ("property_doesnt_exist", "property values were not valid"),
        Action.STOP,
        "{service} does not know {names} of {reading}. Check the spelling in the bindings.",
    ),
    _rule(
        404,
        "",
        Action.STOP,
        "{service} has no {reading}. Check the name in the bindings and the source's endpoint.",
    ),
    _rule(
        414,
        "",
        Action.STOP,
        "{service} found the request for {reading} too long. Report it with this text.",
    ),
    _rule(
        (400, 405, 409, 410, 413, 415, 422),
        "",
        Action.STOP,
        "{service} refused the request for {reading} as invalid (status {status}). It said: "
        "{message}",
    ),
    _rule(
        range(300, 400),
        "",
        Action.STOP,
        "{service} at {endpoint} sent the request elsewhere (status {status}), which is not followed "
        "because the credential would go along. Check the endpoint.",
    ),
    # Their trouble.
    _rule(
        (408, *range(500, 600)),
        "",
        Action.RETRY,
        "{service} had trouble of its own (status {status}) while {reading} was read. The next run "
        "tries again.",
    ),
    _rule(
        (),
        "",
        Action.STOP,
        "{service} refused the request for {reading} (status {status}). It said: {message}",
    ),
)


_ERRORS: dict[Action, type[SourceError]] = {
    Action.RETRY: TransientSourceError,
    Action.DEFER: DeferredSourceError,
    Action.STOP: SourceError,
}


def rule_for(refusal: Refusal) -> Rule:
    """The row of the table that applies."""
    return next(rule for rule in RULES if rule.applies(refusal))


def source_error(refusal: Refusal) -> SourceError:
    """The exception to raise (`raise source_error(refusal) from cause`).

    A `TransientSourceError` where another try may succeed, a `DeferredSourceError` where only a later
    run may, else a `SourceError`.
    """
    rule = rule_for(refusal)
    names = ", ".join(refusal.names) or "that the request needs"
    filled = rule.text.format(
        service=refusal.service,
        credential=refusal.credential,
        endpoint=refusal.endpoint,
        reading=refusal.reading,
        status=refusal.status,
        message=refusal.message or "nothing more.",
        names=names,
    )
    text = f"Source {refusal.source}: {filled}"
    detail = f"status={refusal.status} reason={refusal.reason} message={refusal.message}"
    kind = InvalidRequestError if refusal.status in _INVALID else _ERRORS[rule.action]
    return kind(text, detail)


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long a request is tried: bounded in number and in total seconds.

    Waits double from `first_wait` to `longest_wait`, each drawn between half and the whole of it, so
    that workers that failed together don't come back together. Retry-After is honoured up to
    `longest_retry_after`; a longer one is left to a later run.
    """

    tries: int = 5
    total_seconds: float = 180.0
    first_wait: float = 0.5
    longest_wait: float = 30.0
    longest_retry_after: float = 60.0

    def wait_before_next(
        self,
        refusal: Refusal,
        tries_made: int,
        seconds_spent: float,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> float | None:
        """Seconds to wait before the next try, or None when there shall be none."""
        rule = rule_for(refusal)
        if rule.action is not Action.RETRY or tries_made >= self.tries:
            return None
        doubled = min(self.longest_wait, self.first_wait * 2.0 ** (tries_made - 1))
        wait = max(draw(doubled / 2, doubled), min(rule.least_wait, self.longest_wait))
        if refusal.retry_after is not None:
            if refusal.retry_after > self.longest_retry_after:
                return None
            wait = max(wait, refusal.retry_after)
        return None if seconds_spent + wait > self.total_seconds else wait
