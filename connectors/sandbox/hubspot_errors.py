"""The bodies of HubSpot's refusals.

Belongs here: an exception that becomes an error response, and the bodies as api_facts B5 lists
them. Does not belong here: deciding that something is refused.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from connectors.sandbox.hubspot_limits import Refusal

_SCOPES_LINK = "https://developers.hubspot.com/scopes"


class HubSpotError(Exception):
    """A request that is refused with a status and a body."""

    def __init__(self, status: int, payload: dict[str, Any]) -> None:
        super().__init__(payload.get("message", ""))
        self.status = status
        self.payload = payload


def _error(status: int, message: str, **more: Any) -> HubSpotError:
    head = {"status": "error", "message": message, "correlationId": str(uuid4())}
    return HubSpotError(status, {**head, **more})


def invalid(message: str) -> HubSpotError:
    """400: the request breaks a rule."""
    return _error(400, message, category="VALIDATION_ERROR")


def unknown_property(name: str) -> HubSpotError:
    """400: a filter or a sort names a property that the object doesn't have."""
    text = f'Property "{name}" does not exist'
    return _error(
        400,
        f"There was a problem with the request: {text}.",
        errors=[
            {
                "message": text,
                "code": "PROPERTY_DOESNT_EXIST",
                "context": {"propertyName": [name]},
            }
        ],
        category="VALIDATION_ERROR",
    )


def no_credentials() -> HubSpotError:
    """401: no bearer token came."""
    return _error(
        401,
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and "
        "you can find more details at https://developers.hubspot.com/docs/methods/auth/"
        "oauth-overview",
        category="INVALID_AUTHENTICATION",
    )


def refused_token() -> HubSpotError:
    """401: a token that is unknown, malformed or revoked, which reads as long expired."""
    days = (datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
    return _error(
        401,
        f"The OAuth token used to make this call expired {days} day(s) ago.",
        category="EXPIRED_AUTHENTICATION",
        context={"expire time": ["1970-01-01T00:00:00Z"]},
    )


def missing_scopes(scopes: Sequence[str]) -> HubSpotError:
    """403: the token has none of these scopes."""
    return _error(
        403,
        "This app hasn't been granted all required scopes to make this call. "
        f"Read more about required scopes here: {_SCOPES_LINK}.",
        errors=[
            {
                "message": "One or more of the following scopes are required.",
                "context": {"requiredGranularScopes": list(scopes)},
            }
        ],
        links={"scopes": _SCOPES_LINK},
        category="MISSING_SCOPES",
    )


def not_found(message: str = "resource not found") -> HubSpotError:
    """404: no such object, property, pipeline or path."""
    return _error(404, message, category="OBJECT_NOT_FOUND")


def locked() -> HubSpotError:
    """423: somebody else is changing the resource. No recorded body exists (B5): this is generic."""
    return _error(423, "The resource is locked. Try again later.")


def moving() -> HubSpotError:
    """477: the account is being moved. No recorded body exists (B5): this is generic."""
    return _error(477, "This account is being migrated between hosting locations.")


def url_too_long(length: int) -> HubSpotError:
    """414: the address is longer than the service takes."""
    return _error(414, f"The URL of {length} characters is too long.")


def rate_limited(refusal: Refusal, portal_id: int) -> HubSpotError:
    """429: burst and daily name a policy; search has only a category (B5). No Retry-After."""
    if refusal is Refusal.SEARCH:
        return _error(429, "You have reached your secondly limit.", category="RATE_LIMITS")
    if refusal is Refusal.DAILY:
        return _error(
            429,
            "You have reached your daily limit.",
            errorType="RATE_LIMIT",
            policyName="DAILY",
            requestId=str(uuid4()),
        )
    return _error(
        429,
        "You have reached your ten_secondly_rolling limit.",
        errorType="RATE_LIMIT",
        policyName="TEN_SECONDLY_ROLLING",
        groupName=f"publicapi:private_app-api-calls-ten-secondly:{portal_id}:1",
    )
