"""REST and gRPC of the GA4 sandbox: paths, JSON, credentials, and what each refuses."""

import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests
from google.analytics.data_v1beta import BetaAnalyticsDataClient
from google.api_core import exceptions
from google.auth import crypt, jwt
from google.oauth2 import service_account

from connectors.sandbox.ga4_server import Ga4Sandbox

AUDIENCE = "https://analyticsdata.googleapis.com/"
BODY = {
    "dateRanges": [{"startDate": "2026-11-01", "endDate": "2026-11-02"}],
    "metrics": [{"name": "sessions"}],
}
REPORT = "/v1beta/properties/123456789:runReport"

Send = Callable[..., requests.Response]


def token_of(sandbox: Ga4Sandbox, path: Path, **claims: Any) -> str:
    """A token signed with the sandbox's key, with these claims instead of the right ones."""
    key = orjson.loads(sandbox.service_account_file(path / "key.json").read_bytes())
    signer = crypt.RSASigner.from_service_account_info(key)  # type: ignore[no-untyped-call]
    now = int(time.time())
    right = {"iss": key["client_email"], "aud": AUDIENCE, "iat": now, "exp": now + 3600}
    return str(jwt.encode(signer, right | claims).decode())  # type: ignore[no-untyped-call]


@pytest.fixture
def send(ga4: Ga4Sandbox, tmp_path: Path) -> Send:
    """Sends one request with a good token and gives the answer."""
    token = token_of(ga4, tmp_path)

    def sent(
        body: object = BODY, path: str = REPORT, method: str = "POST", **more: Any
    ) -> requests.Response:
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        more.setdefault("headers", {"Authorization": f"Bearer {token}"})
        return requests.request(method, ga4.rest_url + path, data=data, timeout=10, **more)

    return sent


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", REPORT),
        ("POST", "/v1beta/properties/123456789/metadata"),
        ("POST", "/v1beta/properties/123456789:runPivotReport"),
        ("POST", "/v1/properties/123456789:runReport"),
        ("GET", "/"),
    ],
)
def test_unknown_paths_and_verbs_are_html_404(send: Send, method: str, path: str) -> None:
    """Never a 405, never JSON."""
    answer = send(method=method, path=path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("match_type", [1, "EXACT"])
@pytest.mark.parametrize("limit", [5, "5"])
def test_json_takes_both_forms(send: Send, match_type: object, limit: object) -> None:
    """Enums by number or name, 64-bit numbers as strings or numbers, snake_case names too."""
    wanted = {"matchType": match_type, "value": "Germany"}
    answer = send(
        BODY
        | {
            "limit": limit,
            "dimension_filter": {"filter": {"field_name": "country", "stringFilter": wanted}},
        }
    )
    assert answer.json()["rows"] == [{"metricValues": [{"value": "2"}]}]
    assert answer.json()["rowCount"] == 1


@pytest.mark.parametrize(
    ("change", "words", "field"),
    [
        ({"dateRange": []}, 'Unknown name "dateRange": Cannot find field.', None),
        (
            {"metrics": [{"metric": "a"}]},
            "Unknown name \"metric\" at 'metrics[0]': Cannot find field.",
            "metrics[0]",
        ),
        (
            {"orderBys": [{"dimension": {"dimensionName": "date", "orderType": "NUMBER"}}]},
            'DimensionOrderBy.OrderType), "NUMBER"',
            "order_bys[0].dimension.order_type",
        ),
        ({"metricAggregations": [9]}, "Invalid value at 'metric_aggregations[0]'", None),
        ({"limit": "ten"}, "Invalid value at 'limit' (TYPE_INT64), \"ten\"", "limit"),
        ({"limit": 1.5}, "Invalid value at 'limit' (TYPE_INT64), 1.5", "limit"),
        ({"keepEmptyRows": "yes"}, "Invalid value at 'keep_empty_rows' (TYPE_BOOL)", None),
        ({"metrics": [{"name": 5}]}, "Invalid value at 'metrics[0].name' (TYPE_STRING), 5", None),
        ({"metrics": "sessions"}, "Invalid value at 'metrics'", None),
    ],
)
def test_json_is_read_strictly(
    send: Send, change: dict[str, object], words: str, field: str | None
) -> None:
    """What the message has no place for is refused with its path, never ignored."""
    answer = send(BODY | change)
    error = answer.json()["error"]
    assert answer.status_code == error["code"] == 400
    assert error["status"] == "INVALID_ARGUMENT"
    assert words in error["message"]
    if field is not None:
        assert error["details"][0]["fieldViolations"][0]["field"] == field


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_json_object(send: Send, body: bytes) -> None:
    """Broken JSON is a 400 like any other mistake."""
    answer = send(body)
    assert answer.status_code == 400
    assert "Invalid JSON payload received." in answer.json()["error"]["message"]


def test_an_unknown_query_parameter(send: Send) -> None:
    """Parameters that the service does not have are refused."""
    assert send(path=f"{REPORT}?%24alt=json%3Benum-encoding%3Dint").status_code == 200
    assert send(path=f"{REPORT}?limit=5").status_code == 400


def test_a_missing_token(send: Send) -> None:
    """No Authorization header: 401 CREDENTIALS_MISSING with the method's name."""
    answer = send(headers={})
    error = answer.json()["error"]
    assert (answer.status_code, error["status"]) == (401, "UNAUTHENTICATED")
    assert error["details"][0]["reason"] == "CREDENTIALS_MISSING"
    assert error["details"][0]["metadata"]["method"].endswith("BetaAnalyticsData.RunReport")


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://example.com/"},
        {"aud": None, "scope": "https://www.googleapis.com/auth/drive"},
        {"iss": "somebody@example.com"},
        {"iat": 1_000_000_000, "exp": 1_000_003_600},
        {"exp": int(time.time()) + 7 * 24 * 3600},
    ],
)
def test_tokens_with_wrong_claims(
    ga4: Ga4Sandbox, send: Send, tmp_path: Path, claims: dict[str, Any]
) -> None:
    """Another audience, scope or issuer, a token that has expired or lives too long: 401."""
    token = token_of(ga4, tmp_path, **claims)
    answer = send(headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert "invalid authentication credentials" in answer.json()["error"]["message"]


def test_tokens_of_another_key(
    ga4: Ga4Sandbox, ga4_settings: Any, send: Send, tmp_path: Path
) -> None:
    """A token that another account signed, a cut one, another scheme, no token: 401."""
    other = Ga4Sandbox(ga4_settings)
    good, stranger = token_of(ga4, tmp_path), token_of(other, tmp_path)
    for header in (f"Bearer {stranger}", f"Bearer {good[:-9]}", f"Basic {good}", "Bearer"):
        assert send(headers={"Authorization": header}).status_code == 401
    assert send(headers={"Authorization": f"bearer {good}"}).status_code == 200


def test_a_token_for_a_scope(ga4: Ga4Sandbox, send: Send) -> None:
    """A service account with a scope signs one that names the scope and no audience."""
    path = ga4.environment_for_rest()["GOOGLE_APPLICATION_CREDENTIALS"]
    credentials = service_account.Credentials.from_service_account_file(  # type: ignore[no-untyped-call]
        path, scopes=["https://www.googleapis.com/auth/analytics.readonly"]
    ).with_always_use_jwt_access(True)
    credentials._create_self_signed_jwt(None)
    credentials.refresh(None)
    answer = send(headers={"Authorization": f"Bearer {credentials.token}"})
    assert answer.status_code == 200


def test_the_key_file_is_private_and_goes_away(ga4_settings: Any, tmp_path: Path) -> None:
    """Only its owner can read the key, and nothing is left when the sandbox has stopped."""
    with Ga4Sandbox(ga4_settings) as sandbox:
        variables = sandbox.environment_for_rest()
        path = Path(variables["GOOGLE_APPLICATION_CREDENTIALS"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert variables["OKR_SYNC_GA4_ENDPOINT"] == sandbox.rest_url
        assert sandbox.environment_for_grpc() == {
            "OKR_SYNC_GA4_ENDPOINT": f"grpc://{sandbox.grpc_address}"
        }
    assert not path.parent.exists()


def test_details_of_an_error_travel_over_grpc(
    ga4: Ga4Sandbox, ga4_grpc: Callable[[Ga4Sandbox], BetaAnalyticsDataClient]
) -> None:
    """The client sees the reason of a disabled API."""
    ga4.faults.switch_on("ga4.403_api_disabled", times=1)
    with pytest.raises(exceptions.PermissionDenied) as raised:
        ga4_grpc(ga4).get_metadata(name="properties/123456789/metadata")
    assert raised.value.reason == "SERVICE_DISABLED"


@pytest.mark.parametrize("fault", ["200_html", "200_cut_json"])
def test_broken_answers_over_rest(ga4: Ga4Sandbox, send: Send, fault: str) -> None:
    """A 200 that is not JSON, once; then the service answers again."""
    ga4.faults.switch_on(f"ga4.{fault}", times=1)
    broken = send()
    assert broken.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        broken.json()
    assert send().json()["rowCount"] == 1
