"""Requests to HubSpot through the official client: one connection, raw bytes, nothing hidden.

Belongs here: sending, time limits, tries, and turning every failure into a `Refusal`. Does not
belong here: which requests make up a pull (records, schema, account) or the table of what a failure
means (connectors.errors).

Facts about hubspot-api-client 12.0.0: each `basic_api` makes a connection pool, so one is held; it
has no time-out by itself; it resends GETs behind the caller's back (switched off here, redirects
with it); a 200 with HTML becomes an empty model, so the typed layer is not used.
"""

import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from connectors.clock import Clock
from connectors.endpoints import Endpoint
from connectors.errors import Action, Reason, Refusal, RetryPolicy, rule_for, source_error
from connectors.health import LOOK_RETRIES, LOOK_SECONDS
from connectors.hubspot.pace import DAY, HubSpotPace, rate_headers
from connectors.pace import ExhaustedError, Ticket

TOO_MANY: Final = 429
UNAUTHORIZED: Final = 401

_LONGEST_MESSAGE: Final = 300
_SECONDS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
# A pair of surrogates, half of one, any other escape.
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)

Document = dict[str, Any]
"""A JSON object as HubSpot answered it."""

Query = Sequence[tuple[str, str]] | str
"""The query of an address: pairs, or a text that is encoded already."""

Check = Callable[[Document], None]
"""Looks at an answer before it is used; raises ShapeError."""


class ShapeError(ValueError):
    """An answer is JSON but not of the form that the API documents; the text says how."""


@dataclass(frozen=True)
class ClientSettings:
    """How the client behaves: tries, time limits in seconds, the pace of searches, the clock, and how
    many records are asked for at once (HubSpot gives up to 100 in a list and 200 in a search).

    `answer_seconds` bounds a whole answer, its headers too, because a time-out between two bytes never
    ends one that trickles.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    answer_seconds: float = 120.0
    searches_per_second: float = 4.5
    clock: Clock = field(default_factory=Clock)
    list_page: int = 100
    search_page: int = 200


LOOK: Final = ClientSettings(
    retry=LOOK_RETRIES,
    connect_seconds=LOOK_SECONDS,
    read_seconds=LOOK_SECONDS,
    answer_seconds=LOOK_SECONDS,
)
"""For requests that somebody waits for: doctor's and those of `check --live`."""


class _RefusedError(Exception):
    """Carries a refusal from a single try to the loop of tries."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


class Transport:
    """Sends requests for one source and counts them; raises only SourceError and its kin.

    `fingerprint` tells one address and token from others without telling the token, `requests` counts
    every try, `read_token` gives the token as it is now. `quota` holds what the last rate headers
    said, by the names `burst`, `burst_remaining`, `interval_ms`, `daily` and `daily_remaining`.
    """

    def __init__(
        self,
        source: str,
        endpoint: Endpoint,
        read_token: Callable[[], str],
        token_env: str,
        settings: ClientSettings,
    ) -> None:
        token = read_token()
        self.settings = settings
        self.requests = 0
        self.quota: dict[str, int] = {}
        self._date: str | None = None
        self._source = source
        self._endpoint = endpoint
        self._token = token
        self._read_token = read_token
        self._is_renewed = False
        self._confirm: Callable[[], None] = lambda: None
        self.fingerprint = _fingerprint(endpoint, token)
        self._credential = f"the token in {token_env}"
        self._pace = HubSpotPace(endpoint.url, token, settings.searches_per_second, settings.clock)
        self._client = _api_client(endpoint, token, settings.answer_seconds)
        self._headers = {
            **self._client.default_headers,
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "Authorization": f"Bearer {token}",
        }

    def get(self, path: str, query: Query, *, reading: str, check: Check) -> Document:
        """GET a JSON object; `reading` names what is read, for people."""
        return self._tried("GET", path, query, None, reading, check)

    def post(self, path: str, body: Mapping[str, Any], *, reading: str, check: Check) -> Document:
        """POST a JSON body to a reading endpoint and take its JSON object."""
        return self._tried("POST", path, (), dict(body), reading, check)

    def belongs_to(self, portal_id: str, confirm: Callable[[], None]) -> None:
        """Whose account the token opens; `confirm` is called when it has been put in another's place, and
        raises SourceError if that opens another account."""
        self._pace.belongs_to(portal_id)
        self._confirm = confirm

    def left_today(self) -> int | None:
        """How many requests are left of the account's day, as far as known."""
        return self._pace.left_today()

    def quota_now(self) -> dict[str, int]:
        """`quota`, less the day's requests since: searches, which have no rate headers, among them."""
        told, left = dict(self.quota), self.left_today()
        if left is not None and "daily_remaining" in told:
            told["daily_remaining"] = min(told["daily_remaining"], left)
        return told

    def close(self) -> None:
        """Give back the connection."""
        self._client.rest_client.pool_manager.clear()
        self._client.close()

    def _tried(
        self,
        method: str,
        path: str,
        query: Query,
        body: dict[str, Any] | None,
        reading: str,
        check: Check,
    ) -> Document:
        clock = self.settings.clock
        started = clock.monotonic()
        tries = 0
        is_search = path.endswith("/search")
        while True:
            tries += 1
            try:
                ticket = self._pace.admit(is_search=is_search)
            except ExhaustedError as exhausted:
                raise source_error(self._used_up(exhausted, reading)) from exhausted
            try:
                return self._once(method, path, query, body, reading, check, ticket)
            except _RefusedError as refused:
                if refused.refusal.status == UNAUTHORIZED and not self._is_renewed:
                    self._renew()
                    continue
                spent = clock.monotonic() - started
                wait = self.settings.retry.wait_before_next(refused.refusal, tries, spent)
                self._tell(refused.refusal, ticket, wait)
                if wait is None:
                    raise source_error(refused.refusal) from refused.__cause__
            clock.sleep(wait)

    def _renew(self) -> None:
        """Read the token again and send the request again, whether it is another one or not; a second
        refusal in a row is final.

        A process knows of a rotation only what its environment holds: if that was not changed under it,
        the same token is sent a second time, which costs one request.
        """
        self._is_renewed = True
        before, self._token = self._token, self._read_token()
        self._headers["Authorization"] = f"Bearer {self._token}"
        self.fingerprint = _fingerprint(self._endpoint, self._token)
        if self._token != before:
            self._confirm()

    def _tell(self, refusal: Refusal, ticket: Ticket, wait: float | None) -> None:
        """Let all who read this account on this machine know what a refusal means for them."""
        if refusal.status == TOO_MANY:
            if rule_for(refusal).action is Action.DEFER:
                self._pace.day_is_over()
            else:
                self._pace.refused(ticket, wait or refusal.retry_after or 0.0)

    def _used_up(self, exhausted: ExhaustedError, reading: str) -> Refusal:
        """The refusal that HubSpot would answer, without asking it."""
        reason = "DAILY" if exhausted.limit == DAY else exhausted.limit
        return self._refusal(reading, TOO_MANY, reason, "")

    def _once(
        self,
        method: str,
        path: str,
        query: Query,
        body: dict[str, Any] | None,
        reading: str,
        check: Check,
        ticket: Ticket,
    ) -> Document:
        self.requests += 1
        content = self._content(method, path, query, body, reading, ticket)
        try:
            document = _parsed(content)
        except orjson.JSONDecodeError as error:
            raise self._refused(reading, Reason.NOT_JSON) from error
        try:
            if not isinstance(document, dict):
                raise ShapeError("the answer is not a JSON object.")
            check(document)
            self._is_renewed = False
        except ShapeError as error:
            raise self._refused(reading, Reason.WRONG_SHAPE, str(error)) from error
        return document

    def _content(
        self,
        method: str,
        path: str,
        query: Query,
        body: dict[str, Any] | None,
        reading: str,
        ticket: Ticket,
    ) -> bytes:
        import urllib3.exceptions as failures
        from hubspot.crm.objects.exceptions import ApiException

        settings = self.settings
        url = f"{self._endpoint.url}{path}"
        if query:
            url = f"{url}?{query if isinstance(query, str) else urlencode(query)}"
        sent = time.monotonic()
        try:
            # The layer above this one copies every parameter again and again, and does nothing else.
            response = self._client.rest_client.request(
                method,
                url,
                headers=dict(self._headers),
                body=body,
                _preload_content=False,
                _request_timeout=(settings.connect_seconds, settings.read_seconds),
            )
            self._learn(response.headers, ticket)
            content: bytes = response.read()
            response.release_conn()
            return content
        except ApiException as error:
            # Status 0 is how the client passes on a failed TLS handshake.
            if not error.status:
                raise self._refused(reading, Reason.NOT_TRUSTED) from error
            self._learn(error.headers or {}, ticket)
            raise _RefusedError(self._answered(error.status, error, reading)) from error
        except UnicodeDecodeError as error:
            raise self._refused(reading, Reason.NOT_JSON) from error
        except (failures.NewConnectionError, failures.NameResolutionError) as error:
            raise self._refused(reading, Reason.UNREACHABLE) from error
        except failures.TimeoutError as error:
            limit = settings.read_seconds
            if isinstance(error, failures.ConnectTimeoutError):
                limit = settings.connect_seconds
            elif time.monotonic() - sent >= settings.answer_seconds:
                limit = settings.answer_seconds
            raise self._refused(reading, Reason.TIMED_OUT, f"within {limit:g} s") from error
        except failures.DecodeError as error:
            raise self._refused(reading, Reason.NOT_JSON) from error
        except failures.HTTPError as error:
            raise self._refused(reading, Reason.DROPPED) from error

    def _learn(self, headers: Mapping[str, str], ticket: Ticket) -> None:
        told = rate_headers(headers)
        self.quota.update(told)
        self._pace.answered(ticket, told)
        self._date = headers.get("Date") or self._date

    @property
    def server_at(self) -> datetime | None:
        """When HubSpot last answered, by its own clock."""
        return _http_time(self._date)

    def _refused(self, reading: str, reason: Reason, message: str = "") -> _RefusedError:
        return _RefusedError(self._refusal(reading, 0, reason.value, message))

    def _refusal(
        self,
        reading: str,
        status: int,
        reason: str,
        message: str,
        names: tuple[str, ...] = (),
        retry_after: float | None = None,
    ) -> Refusal:
        return Refusal(
            service="HubSpot",
            source=self._source,
            credential=self._credential,
            endpoint=self._endpoint.url,
            reading=reading,
            status=status,
            reason=reason,
            message=self._shown(message)[:_LONGEST_MESSAGE],
            names=names,
            retry_after=retry_after,
        )

    def _answered(self, status: int, error: Any, reading: str) -> Refusal:
        """The refusal in an error answer. HubSpot promises none of the fields in its body."""
        try:
            body = orjson.loads(error.body or "")
        except orjson.JSONDecodeError:
            body = None
        body = body if isinstance(body, dict) else {}
        details = [part for part in _list(body.get("errors")) if isinstance(part, dict)]
        codes = [body.get(key) for key in ("policyName", "category", "errorType")]
        codes += [part.get("code") for part in details]
        names: list[str] = []
        for part in details:
            context = part.get("context")
            if isinstance(context, dict):
                for key in ("requiredGranularScopes", "requiredScopes", "propertyName"):
                    names += [str(name) for name in _list(context.get(key))]
        return self._refusal(
            reading,
            status,
            self._shown(" ".join(str(code) for code in codes if code)),
            str(body.get("message") or ""),
            tuple(self._shown(name) for name in dict.fromkeys(names)),
            _seconds((error.headers or {}).get("Retry-After"), self.server_at),
        )

    def _shown(self, text: str) -> str:
        """What HubSpot says as it may be shown and stored: without the token, in case it repeats it, and
        without control characters, which terminals obey and PostgreSQL refuses."""
        return " ".join(_CONTROL.sub(" ", text.replace(self._token, "…")).split())


def _fingerprint(endpoint: Endpoint, token: str) -> str:
    return hashlib.sha256(f"{endpoint.url} {token}".encode()).hexdigest()[:16]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _parsed(content: bytes) -> object:
    """What JSON says. Half of a surrogate pair, left where a text was cut to a length, is no text: it
    is read as the sign for that (U+FFFD) and does not make the whole page unreadable."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return orjson.loads(
            _ESCAPE.sub(lambda found: b"\\ufffd" if found[1] else found[0], content)
        )


def _seconds(text: str | None, server_at: datetime | None) -> float | None:
    """How long a Retry-After asks to wait: it has seconds, or a date by the server's clock."""
    if text is None:
        return None
    if _SECONDS.fullmatch(text.strip()):
        return float(text)
    until = _http_time(text)
    if until is None:
        return None
    return max(0.0, (until - (server_at or datetime.now(UTC))).total_seconds())


def _http_time(text: str | None) -> datetime | None:
    """The time in a Date header, which is always in GMT (RFC 9110, 5.6.7)."""
    if text is None:
        return None
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _api_client(endpoint: Endpoint, token: str, answer_seconds: float) -> Any:
    # Imported here: only who reads HubSpot pays for the client.
    from hubspot import HubSpot

    from connectors.hubspot.answer_time import bound_answers

    # `host` reaches the API objects and `base_url` the rest: without both, a test would call
    # production. `retry=False` switches off urllib3's own retries and redirects, so that no token
    # follows a redirect. The client obeys no proxy variables.
    client = HubSpot(access_token=token, host=endpoint.url, base_url=endpoint.url, retry=False)
    api_client = client.crm.objects.basic_api.api_client
    bound_answers(api_client.rest_client.pool_manager, answer_seconds)
    return api_client
