"""The refusals of the GA4 sandbox, with the status and the words of the real service.

Belongs here: the exception that every part raises and the known bodies. Does not belong here: when
a request is refused (ga4_validation, ga4_quotas, ga4_auth), how a refusal travels (ga4_rest, ga4_grpc).

Texts come from recorded answers where API facts A3 has one; the others are of the same form.
"""

from collections.abc import Mapping
from enum import StrEnum

_SCHEMA_PAGE = "https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema"
_PROPERTY_PAGE = "https://developers.google.com/analytics/devguides/reporting/data/v1/property-id"
_QUOTA_PAGE = "https://developers.google.com/analytics/devguides/reporting/data/v1/quotas"
_CREDENTIAL = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. "
    "See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
_HTTP_CODES = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


class Ga4ApiError(Exception):
    """A request that the sandbox answers with an error; `status` is a google.rpc.Code name."""

    def __init__(
        self, status: str, message: str, details: tuple[Mapping[str, object], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = details

    @property
    def http_code(self) -> int:
        """The HTTP status that belongs to `status`."""
        return _HTTP_CODES[self.status]

    def body(self) -> dict[str, object]:
        """The JSON body of the REST answer."""
        error: dict[str, object] = {
            "code": self.http_code,
            "message": self.message,
            "status": self.status,
        }
        if self.details:
            error["details"] = [dict(detail) for detail in self.details]
        return {"error": error}


class Failure(StrEnum):
    """The refusals that can be had at will, named as in the fault table without `ga4.`."""

    TOKENS_PER_DAY = "429_tokens_day"
    TOKENS_PER_HOUR = "429_tokens_hour"
    TOKENS_PER_PROJECT_PER_HOUR = "429_tokens_project_hour"
    CONCURRENT = "429_concurrent"
    THRESHOLDED = "429_thresholded"
    SERVER_ERRORS = "429_server_errors"
    INVALID_TOKEN = "401_invalid_token"
    API_DISABLED = "403_api_disabled"
    NO_PERMISSION = "403_permission"
    INCOMPATIBLE = "400_incompatible"
    INTERNAL = "500_internal"
    UNAVAILABLE = "503_unavailable"
    DEADLINE = "504_deadline"


def invalid(message: str) -> Ga4ApiError:
    """400 INVALID_ARGUMENT with this text."""
    return Ga4ApiError("INVALID_ARGUMENT", message)


def invalid_value(field: str, type_name: str, value: str) -> Ga4ApiError:
    """400 for a JSON value that does not fit the type of the field at this path."""
    return Ga4ApiError(
        "INVALID_ARGUMENT",
        f"Invalid value at '{field}' ({type_name}), {value}",
        (_bad_request(field, "Invalid value"),),
    )


def unknown_json_name(name: str, parent: str) -> Ga4ApiError:
    """400 for a JSON key that the message has no field for; `parent` is the path of the message."""
    at = f" at '{parent}'" if parent else ""
    text = f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
    return Ga4ApiError("INVALID_ARGUMENT", text, (_bad_request(parent, text),))


def unknown_field(name: str, kind: str) -> Ga4ApiError:
    """400 for a name that is not in the schema; `kind` is "dimension" or "metric"."""
    return invalid(
        f"Field {name} is not a valid {kind}. For a list of valid dimensions and metrics, see "
        f"{_SCHEMA_PAGE}"
    )


def incompatible(name: str | None) -> Ga4ApiError:
    """400 for fields that don't go together; checkCompatibility names none of them."""
    remedy = f"Please remove {name} to make the request compatible for example. " if name else ""
    return invalid(f"{remedy}The request's dimensions & metrics are incompatible.")


def no_permission() -> Ga4ApiError:
    """403 for a property that the caller may not read."""
    return Ga4ApiError(
        "PERMISSION_DENIED",
        "User does not have sufficient permissions for this property. To learn more about "
        f"Property ID, see {_PROPERTY_PAGE}.",
    )


def bad_property(name: str) -> Ga4ApiError:
    """400 for a property id that is not a number."""
    return invalid(
        f"Invalid property ID: {name}. A numeric Property ID is required. To learn more about "
        f"Property ID, see {_PROPERTY_PAGE}."
    )


def missing_credentials(method: str) -> Ga4ApiError:
    """401 for a request without a bearer token."""
    return Ga4ApiError(
        "UNAUTHENTICATED",
        f"Request is missing required authentication credential. {_CREDENTIAL}",
        (
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "CREDENTIALS_MISSING",
                "domain": "googleapis.com",
                "metadata": {
                    "method": f"google.analytics.data.v1beta.BetaAnalyticsData.{method}",
                    "service": "analyticsdata.googleapis.com",
                },
            },
        ),
    )


def invalid_credentials() -> Ga4ApiError:
    """401 for a bearer token that is malformed, expired, or not signed by the known account."""
    return Ga4ApiError(
        "UNAUTHENTICATED", f"Request had invalid authentication credentials. {_CREDENTIAL}"
    )


def failure(name: Failure) -> Ga4ApiError:
    """The error that a failure is."""
    if name is Failure.INVALID_TOKEN:
        return invalid_credentials()
    if name is Failure.API_DISABLED:
        return _api_disabled()
    if name is Failure.NO_PERMISSION:
        return no_permission()
    if name is Failure.INCOMPATIBLE:
        return incompatible(None)
    status, message = _FAULT_TEXTS[name]
    return Ga4ApiError(status, message)


def _exhausted(what: str, renewal: str) -> tuple[str, str]:
    return "RESOURCE_EXHAUSTED", f"Exhausted {what}. {renewal} To learn more, see {_QUOTA_PAGE}"


_FAULT_TEXTS = {
    Failure.TOKENS_PER_DAY: _exhausted(
        "property tokens per day", "These quota tokens will return in under 24 hours."
    ),
    Failure.TOKENS_PER_HOUR: _exhausted(
        "property tokens per hour", "These quota tokens will return in under an hour."
    ),
    Failure.TOKENS_PER_PROJECT_PER_HOUR: _exhausted(
        "property tokens for a project per hour",
        "These quota tokens will return in under an hour.",
    ),
    Failure.CONCURRENT: _exhausted(
        "concurrent requests quota", "Please send fewer requests concurrently."
    ),
    Failure.THRESHOLDED: _exhausted(
        "potentially thresholded requests quota", "This quota will refresh in under an hour."
    ),
    Failure.SERVER_ERRORS: _exhausted(
        "server errors for a project per hour", "This quota will refresh in under an hour."
    ),
    Failure.INTERNAL: ("INTERNAL", "Internal error encountered."),
    Failure.UNAVAILABLE: ("UNAVAILABLE", "The service is currently unavailable."),
    Failure.DEADLINE: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}


def _api_disabled() -> Ga4ApiError:
    project = "1234567890"
    return Ga4ApiError(
        "PERMISSION_DENIED",
        f"Google Analytics Data API has not been used in project {project} before or it is "
        "disabled. Enable it by visiting https://console.developers.google.com/apis/api/"
        f"analyticsdata.googleapis.com/overview?project={project} then retry.",
        (
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "SERVICE_DISABLED",
                "domain": "googleapis.com",
                "metadata": {
                    "service": "analyticsdata.googleapis.com",
                    "consumer": f"projects/{project}",
                },
            },
        ),
    )


def _bad_request(field: str, description: str) -> dict[str, object]:
    violation = {"field": field, "description": description}
    if not field:
        del violation["field"]
    return {
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [violation],
    }
