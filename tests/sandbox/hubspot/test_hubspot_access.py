"""Who is let in and how often: tokens, scopes, rate limits, addresses, connections."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
import urllib3
from hubspot import HubSpot
from hubspot.crm.contacts import ApiException as ContactsError

from connectors.sandbox.account import Account
from connectors.sandbox.hubspot_limits import TIERS, RateLimiter, Refusal
from connectors.sandbox.hubspot_server import HubSpotSandbox
from okr_sync.errors import OkrSyncError

Serve = Callable[..., HubSpotSandbox]
Connect = Callable[[HubSpotSandbox], Any]
Example = Callable[[str], Any]
SameShape = Callable[[Any, Any], None]


def _refused(ask: Callable[[], Any]) -> Any:
    with pytest.raises(ContactsError) as caught:
        ask()
    return caught.value


def test_no_token_and_another_token_are_told_apart(
    sandbox: HubSpotSandbox, example: Example, same_shape: SameShape
) -> None:
    """Without a token the body says so; any other token reads as long expired."""
    answer = urllib3.request("GET", f"{sandbox.url}/crm/v3/objects/contacts")
    assert answer.status == 401
    same_shape(answer.json(), example("errors/401_missing"))
    stranger = HubSpot(access_token="pat-na1-other", host=sandbox.url)
    error = _refused(stranger.crm.contacts.basic_api.get_page)
    assert error.status == 401 and "expired" in error.body
    same_shape(orjson.loads(error.body), example("errors/401_unknown_or_malformed_token"))


def test_a_token_can_be_revoked_and_replaced_while_serving(
    sandbox: HubSpotSandbox, client: Any
) -> None:
    """A revoked token is refused from the next request on; a new one is let in."""
    client.crm.contacts.basic_api.get_page()
    sandbox.faults.switch_on("hubspot.401")
    assert _refused(client.crm.contacts.basic_api.get_page).status == 401
    sandbox.faults.switch_off("hubspot.401")
    sandbox.token = "pat-na1-new"
    assert _refused(client.crm.contacts.basic_api.get_page).status == 401
    renewed = HubSpot(access_token="pat-na1-new", host=sandbox.url)
    assert len(renewed.crm.contacts.basic_api.get_page().results) == 4


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("crm.objects.deals.read", "GET", "/crm/v3/objects/deals"),
        ("crm.objects.deals.read", "GET", "/crm/objects/2026-03/deals"),
        ("crm.objects.deals.read", "POST", "/crm/v3/objects/deals/search"),
        ("crm.objects.deals.read", "GET", "/crm/v4/objects/contacts/101/associations/deals"),
        ("crm.schemas.deals.read", "GET", "/crm/v3/properties/deals"),
        ("crm.schemas.deals.read", "GET", "/crm/v3/pipelines/deals"),
        ("crm.objects.owners.read", "GET", "/crm/v3/owners"),
        ("marketing-email", "GET", "/marketing/v3/emails"),
    ],
)
def test_a_missing_scope_is_named(
    account: Account,
    serve: Serve,
    connect: Connect,
    example: Example,
    same_shape: SameShape,
    scope: str,
    method: str,
    path: str,
) -> None:
    """Without its scope a path is a 403 that names it; with the scope it is served."""
    assert account.hubspot is not None
    account.hubspot = replace(account.hubspot, scopes=frozenset({"crm.objects.contacts.read"}))
    options: dict[str, Any] = {"path": path, "method": method}
    if method == "POST":
        options["body"] = {"limit": 1}
    client = connect(serve(account))
    assert len(client.crm.contacts.basic_api.get_page().results) == 4
    answer = client.api_request(dict(options))
    assert answer.status_code == 403
    assert scope in answer.json()["errors"][0]["context"]["requiredGranularScopes"]
    same_shape(answer.json(), example("errors/403_missing_scopes"))
    account.hubspot = replace(
        account.hubspot, scopes=frozenset({"crm.objects.contacts.read", scope})
    )
    assert connect(serve(account)).api_request(dict(options)).status_code == 200


def _headers(client: Any, path: str, method: str = "GET", body: Any = None) -> Any:
    options: dict[str, Any] = {"path": path, "method": method}
    if body is not None:
        options["body"] = body
    return client.api_request(options)


def test_rate_headers_come_with_everything_but_search(
    account: Account, serve: Serve, connect: Connect, example: Example
) -> None:
    """Ordinary responses tell what is left of burst and day; search responses don't."""
    client = connect(serve(account, rate_limits=True))
    names = {"Max", "Remaining", "Interval-Milliseconds", "Daily", "Daily-Remaining"}
    listed = _headers(client, "/crm/v3/objects/contacts").headers
    ours = {name for name in listed if name.startswith("X-HubSpot-RateLimit-")}
    assert {f"X-HubSpot-RateLimit-{name}" for name in names} <= ours
    assert listed["X-HubSpot-RateLimit-Max"] == "190"
    assert listed["X-HubSpot-RateLimit-Remaining"] == "189"
    found = _headers(client, "/crm/v3/objects/contacts/search", "POST", {"limit": 1}).headers
    assert not [name for name in found if "RateLimit" in name]
    assert found["X-HubSpot-Correlation-Id"]
    recorded = {name for name in example("headers_normal") if "RateLimit" in name}
    assert ours == recorded


def test_a_limit_that_is_switched_off_is_told_as_one_that_nobody_reaches(client: Any) -> None:
    """Clients keep to what they are told, so a sandbox without limits must not name any."""
    listed = _headers(client, "/crm/v3/objects/contacts").headers
    assert int(listed["X-HubSpot-RateLimit-Remaining"]) > 100_000


@pytest.mark.parametrize(("tier", "burst"), [("free", 100), ("enterprise", 190)])
def test_the_burst_is_limited_by_tier(
    account: Account,
    serve: Serve,
    connect: Connect,
    example: Example,
    same_shape: SameShape,
    tier: str,
    burst: int,
) -> None:
    """The request after the tier's last is a 429 that names the policy, without Retry-After."""
    assert account.hubspot is not None
    account.hubspot = replace(account.hubspot, tier=tier)
    sandbox = serve(account, rate_limits=True)
    api = connect(sandbox).crm.contacts.basic_api
    for _ in range(burst):
        api.get_page(limit=1)
    error = _refused(lambda: api.get_page(limit=1))
    assert error.status == 429 and "Retry-After" not in error.headers
    assert orjson.loads(error.body)["policyName"] == "TEN_SECONDLY_ROLLING"
    same_shape(orjson.loads(error.body), example("errors/429_burst"))
    assert connect(sandbox).crm.contacts.search_api.do_search({"limit": 1}).total == 4


def test_search_is_limited_by_the_second(
    account: Account,
    serve: Serve,
    connect: Connect,
    example: Example,
    same_shape: SameShape,
) -> None:
    """More than five searches at once end in a 429 with only a category."""
    api = connect(serve(account, rate_limits=True)).crm.contacts.search_api

    def burst() -> None:
        for _ in range(100):
            api.do_search({"limit": 1})

    error = _refused(burst)
    assert error.status == 429 and "RateLimit" not in str(error.headers)
    same_shape(orjson.loads(error.body), example("errors/429_search"))


def test_the_day_is_limited(
    account: Account,
    serve: Serve,
    connect: Connect,
    example: Example,
    same_shape: SameShape,
) -> None:
    """When the day's calls are used up, search is refused as well, until the portal's midnight."""
    assert account.hubspot is not None
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    account.clock = lambda: now
    account.hubspot = replace(account.hubspot, daily_limit=2)
    client = connect(serve(account, rate_limits=True))
    client.crm.contacts.basic_api.get_page()
    client.crm.contacts.search_api.do_search({})
    error = _refused(lambda: client.crm.contacts.search_api.do_search({}))
    assert error.status == 429
    same_shape(orjson.loads(error.body), example("errors/429_daily"))
    now = datetime(2026, 11, 20, 23, tzinfo=UTC)
    assert client.crm.contacts.search_api.do_search({}).total == 4


def test_windows_roll() -> None:
    """A burst is any 10 seconds, a search any second; what is older is forgotten."""
    seconds = 0.0
    limiter = RateLimiter(
        TIERS["free"],
        "UTC",
        enforced=True,
        clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        seconds=lambda: seconds,
    )
    assert [limiter.admit(is_search=False) for _ in range(100)] == [None] * 100
    assert [limiter.admit(is_search=True) for _ in range(5)] == [None] * 5
    assert limiter.admit(is_search=True) is Refusal.SEARCH
    seconds = 1.0
    assert limiter.admit(is_search=True) is None
    seconds = 9.9
    assert limiter.admit(is_search=False) is Refusal.BURST
    seconds = 10.0
    assert limiter.admit(is_search=False) is None
    assert limiter.used_today == 107


def test_a_long_address_is_refused(client: Any) -> None:
    """An address beyond 8 KB is a 414, so a long list of properties must go in a body."""
    answer = client.api_request({"path": f"/crm/v3/objects/contacts?properties={'x' * 8200}"})
    assert answer.status_code == 414


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/crm/v2/objects/contacts"),
        ("GET", "/crm/objects/2025-01/contacts"),
        ("DELETE", "/crm/v3/objects/contacts/101"),
        ("POST", "/crm/v3/objects/contacts"),
    ],
)
def test_what_is_not_served_is_a_404(client: Any, method: str, path: str) -> None:
    """Unknown versions and writing verbs are refused: nothing can be changed over HTTP."""
    assert client.api_request({"path": path, "method": method}).status_code == 404


def test_a_connection_is_kept_and_counted(sandbox: HubSpotSandbox, client: Any) -> None:
    """One API object uses one connection for all its calls; the server counts both."""
    api = client.crm.contacts.basic_api
    for _ in range(20):
        api.get_page()
    assert sandbox.server.connections == 1
    assert sandbox.server.requests("GET /crm/v3/objects/{objectType}", 200) == 20


def test_long_bodies_are_compressed_when_asked(account: Account, sandbox: HubSpotSandbox) -> None:
    """gzip is used only for a client that takes it."""
    url = f"{sandbox.url}/crm/v3/properties/contacts"
    token = {"Authorization": f"Bearer {sandbox.token}"}
    plain = urllib3.request("GET", url, headers=token)
    small = urllib3.request("GET", url, headers={**token, "Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert small.headers["Content-Encoding"] == "gzip"
    assert int(small.headers["Content-Length"]) < int(plain.headers["Content-Length"])
    assert small.json() == plain.json()


def test_stopping_ends_open_connections_and_a_used_port_is_explained(
    account: Account, connect: Connect
) -> None:
    """After stop nothing answers on a kept connection; a port in use is a clear error."""
    sandbox = HubSpotSandbox(account)
    sandbox.start()
    pool = urllib3.PoolManager(retries=False)
    assert pool.request("GET", sandbox.url).status == 401
    port = int(sandbox.url.rsplit(":", 1)[1])
    with pytest.raises(OkrSyncError, match=f"Port {port}"):
        HubSpotSandbox(account, port=port).start()
    sandbox.stop()
    with pytest.raises(urllib3.exceptions.HTTPError):
        pool.request("GET", sandbox.url)
    with HubSpotSandbox(account, port=port) as again:
        assert pool.request("GET", again.url).status == 401
