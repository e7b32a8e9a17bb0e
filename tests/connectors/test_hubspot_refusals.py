"""The table of what a failure means, and how long it is waited for."""

from pathlib import Path

import orjson
import pytest

from connectors.errors import Reason, Refusal, RetryPolicy, source_error
from okr_sync.errors import (
    DeferredSourceError,
    InvalidRequestError,
    SourceError,
    TransientSourceError,
)

_EXAMPLES = Path(__file__).parents[3] / "shared" / "examples" / "hubspot" / "errors"


def _refusal(
    status: int,
    reason: str = "",
    message: str = "",
    names: tuple[str, ...] = (),
    retry_after: float | None = None,
) -> Refusal:
    return Refusal(
        service="HubSpot",
        source="crm",
        credential="the token in CRM_TOKEN",
        endpoint="https://api.hubapi.com",
        reading="deals",
        status=status,
        reason=reason,
        message=message,
        names=names,
        retry_after=retry_after,
    )


@pytest.mark.parametrize(
    ("refusal", "kind", "words"),
    [
        (_refusal(401, "EXPIRED_AUTHENTICATION"), SourceError, "the token in CRM_TOKEN"),
        (
            _refusal(403, "MISSING_SCOPES", names=("crm.objects.deals.read",)),
            SourceError,
            "lacks the scope crm.objects.deals.read",
        ),
        (_refusal(403, message="No."), SourceError, "No."),
        (
            _refusal(400, "VALIDATION_ERROR PROPERTY_DOESNT_EXIST", names=("nope",)),
            InvalidRequestError,
            "does not know nope of deals",
        ),
        (_refusal(400, message="Odd."), InvalidRequestError, "Odd."),
        (_refusal(404), InvalidRequestError, "has no deals"),
        (_refusal(301), SourceError, "sent the request elsewhere"),
        (_refusal(429, "DAILY RATE_LIMIT"), DeferredSourceError, "daily request limit"),
        (_refusal(429, "TEN_SECONDLY_ROLLING"), TransientSourceError, "too frequent"),
        (_refusal(429, message="Exhausted per hour."), DeferredSourceError, "hourly quota"),
        (_refusal(477), DeferredSourceError, "another data centre"),
        (_refusal(503), TransientSourceError, "status 503"),
        (_refusal(0, Reason.UNREACHABLE), TransientSourceError, "https://api.hubapi.com"),
        (_refusal(0, Reason.NOT_JSON), TransientSourceError, "other than JSON"),
        (_refusal(0, Reason.WRONG_SHAPE, "no results."), TransientSourceError, "no results."),
        (_refusal(0, Reason.NOT_TRUSTED), SourceError, "certificate"),
        (_refusal(418, message="{names} teapot"), SourceError, "{names} teapot"),
    ],
)
def test_what_people_are_told(refusal: Refusal, kind: type[SourceError], words: str) -> None:
    """Each failure names its source, what to do, and whether a later run may succeed."""
    error = source_error(refusal)
    assert type(error) is kind
    assert error.user_text.startswith("Source crm: ")
    assert words in error.user_text


@pytest.mark.skipif(not _EXAMPLES.is_dir(), reason="the shared examples are not beside the project")
def test_every_known_refusal_has_its_own_row() -> None:
    """No body that HubSpot is known to send falls through to the last row of the table."""
    for file in sorted(_EXAMPLES.glob("*.json")):
        body = orjson.loads(file.read_bytes())
        reason = " ".join(body.get(key, "") for key in ("policyName", "category"))
        text = source_error(_refusal(int(file.name[:3]), reason, body["message"])).user_text
        assert "refused the request for deals (status" not in text, file.name


@pytest.mark.parametrize(
    ("refusal", "tries_made", "spent", "expected"),
    [
        (_refusal(503), 1, 0.0, 0.5),
        (_refusal(503), 3, 0.0, 2.0),
        (_refusal(503), 5, 0.0, None),
        (_refusal(503), 2, 179.5, None),
        (_refusal(429), 1, 0.0, 1.0),
        (_refusal(423), 1, 0.0, 2.0),
        (_refusal(429, retry_after=45), 1, 0.0, 45),
        (_refusal(503, retry_after=60), 1, 0.0, 60),
        (_refusal(429, retry_after=61), 1, 0.0, None),
        (_refusal(429, "DAILY"), 1, 0.0, None),
        (_refusal(401), 1, 0.0, None),
        (_refusal(0, Reason.DROPPED), 4, 0.0, 4.0),
    ],
)
def test_waiting(refusal: Refusal, tries_made: int, spent: float, expected: float | None) -> None:
    """Waits double, honour Retry-After up to a minute, and end by number and by total time."""
    wait = RetryPolicy().wait_before_next(refusal, tries_made, spent, draw=lambda low, high: high)
    assert wait == expected


def test_waits_are_spread() -> None:
    """Workers that failed together don't come back together."""
    waits = {RetryPolicy().wait_before_next(_refusal(503), 4, 0.0) for _ in range(20)}
    assert len(waits) > 10
    assert all(wait is not None and 2.0 <= wait <= 4.0 for wait in waits)
