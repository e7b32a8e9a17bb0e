"""The GA4 client package, opened for one source: where it connects and as whom.

Belongs here: endpoint and credentials → client, and what the client's exceptions mean as a
`Refusal`. Does not belong here: when to try again (calls) or what is asked (requests).

google.analytics.data costs a second to import and 70 MiB, so it is imported only on opening.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connectors.endpoints import Endpoint
from connectors.errors import Reason, Refusal
from okr_sync.config.models import Ga4Source
from okr_sync.errors import SourceError

if TYPE_CHECKING:
    from google.analytics.data_v1beta import BetaAnalyticsDataClient

READ_SCOPE = "https://www.googleapis.com/auth/analytics.readonly"
_MESSAGE_CHARACTERS = 500
_NO_OBJECT = (AttributeError, RecursionError)
"""What google-auth 2.62 raises for a key file whose JSON is a list or a word, or has no end of them."""


def open_client(
    source: Ga4Source, endpoint: Endpoint, environ: Mapping[str, str]
) -> "BetaAnalyticsDataClient":
    """A client for the source; raises SourceError where its credentials can't be used.

    `https` (and Google's own address) is gRPC over TLS, `grpc` is gRPC in plain text without a
    credential, `http` is REST with one. The last two are for the sandbox on this machine.
    """
    from google.analytics.data_v1beta import BetaAnalyticsDataClient
    from google.analytics.data_v1beta.services.beta_analytics_data.transports import (
        BetaAnalyticsDataGrpcTransport,
    )
    from google.api_core.client_options import ClientOptions

    if endpoint.scheme == "grpc":
        import grpc

        # A channel of one's own has gRPC's limit of 4 MiB, and a longer report would look like a
        # quota error (api facts A1); the library's own channel has none either.
        channel = grpc.insecure_channel(
            endpoint.address,
            options=[("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0)],
        )
        return BetaAnalyticsDataClient(transport=BetaAnalyticsDataGrpcTransport(channel=channel))
    credentials = _credentials(source, environ)
    if endpoint.scheme == "http":
        from google.oauth2 import service_account

        from connectors.ga4.local_token import LocalTokenCredentials

        if isinstance(credentials, service_account.Credentials):
            credentials = LocalTokenCredentials(credentials)
        client = BetaAnalyticsDataClient(
            credentials=credentials,
            transport="rest",
            client_options=ClientOptions(api_endpoint=endpoint.url),
        )
        # Proxies of the environment and redirects would carry requests off this machine; the
        # transport has no public way to turn them off.
        transport: Any = client.transport
        transport._session.trust_env = False
        transport._session.max_redirects = 0
        return client
    if endpoint.path:
        raise SourceError(
            f"Source {source.name}: GA4 is read over gRPC, which has no path. Write the endpoint as "
            "https://host or https://host:port."
        )
    options = None if endpoint.is_default else ClientOptions(api_endpoint=endpoint.address)
    return BetaAnalyticsDataClient(credentials=credentials, client_options=options)


def credential_name(source: Ga4Source) -> str:
    """How people know the credential that a source is read with."""
    if source.credentials_env is not None:
        return f"the service account in {source.credentials_env}"
    return "the account of Google's Application Default Credentials"


def _credentials(source: Ga4Source, environ: Mapping[str, str]) -> Any:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError
    from google.oauth2 import service_account

    access = f"and give that account Viewer access to GA4 property {source.property}."
    if source.credentials_env is None:
        try:
            credentials, _ = google.auth.default(scopes=[READ_SCOPE])
        except (DefaultCredentialsError, *_NO_OBJECT) as error:
            raise SourceError(
                f"Source {source.name}: no usable Google credentials were found. Set "
                "GOOGLE_APPLICATION_CREDENTIALS to the path of a service account's JSON key file "
                f"(or run `gcloud auth application-default login`), {access}",
                type(error).__name__,
            ) from error
        return credentials
    path = environ.get(source.credentials_env, "").strip()
    if not path:
        raise SourceError(
            f"Source {source.name}: the environment variable {source.credentials_env} is not set. "
            f"Set it to the path of a service account's JSON key file, {access}"
        )
    try:
        return service_account.Credentials.from_service_account_file(  # type: ignore[no-untyped-call]
            path, scopes=[READ_SCOPE]
        )
    except OSError as error:
        raise SourceError(
            f"Source {source.name}: the file that {source.credentials_env} names can't be read. Set "
            f"it to the path of a service account's JSON key file, {access}",
            f"{type(error).__name__}: {error.strerror}",
        ) from error
    except (ValueError, *_NO_OBJECT) as error:
        # The text of the error may hold parts of the file, and the file is a key.
        raise SourceError(
            f"Source {source.name}: the file that {source.credentials_env} names is not a service "
            "account's JSON key file. Download a new key in the Google Cloud console.",
            type(error).__name__,
        ) from None


def failures() -> tuple[type[Exception], ...]:
    """The exceptions that a call of the client raises when the service or the way to it fails."""
    import requests
    from google.api_core.exceptions import GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError
    from google.protobuf.json_format import ParseError

    return (
        GoogleAPICallError,
        GoogleAuthError,
        requests.RequestException,
        ParseError,
        UnicodeDecodeError,
    )


def refusal_of(
    error: Exception, source: Ga4Source, endpoint: Endpoint, reading: str, waited: str
) -> Refusal:
    """What an exception of `failures()` means, over gRPC and over REST alike.

    `waited` says how long was waited for an answer; only a refusal for want of one tells it.
    """
    from google.api_core.exceptions import GoogleAPICallError

    status, reason, message = 0, "", ""
    if isinstance(error, GoogleAPICallError):
        status, reason, message = _of_api(error)
    else:
        status, reason = _of_transport(error)
    if reason == Reason.TIMED_OUT:
        message = waited
    return Refusal(
        service="GA4",
        source=source.name,
        credential=credential_name(source),
        endpoint=endpoint.url,
        reading=reading,
        status=status,
        reason=reason,
        message=" ".join(message.split())[:_MESSAGE_CHARACTERS],
    )


def _of_api(error: Any) -> tuple[int, str, str]:
    """Status, reason and message of an answer; gRPC's own troubles come as answers, too."""
    message = str(error.message or "")
    told = message.casefold()
    grpc_status = getattr(error.grpc_status_code, "name", "")
    if grpc_status == "UNAVAILABLE":
        if "getting metadata from plugin" in told and "max retries" not in told:
            return 401, "", ""  # the credential could not be turned into a token
        if "certificate" in told:
            return 0, Reason.NOT_TRUSTED, ""
        if any(words in told for words in ("failed to connect", "dns", "plugin")):
            return 0, Reason.UNREACHABLE, ""
        if any(words in told for words in ("socket closed", "connection reset", "goaway")):
            return 0, Reason.DROPPED, ""
    if grpc_status in ("CANCELLED", "ABORTED"):
        return 0, Reason.DROPPED, ""  # we cancel nothing: somebody on the way has ended the call
    if grpc_status == "DEADLINE_EXCEEDED":
        return 0, Reason.TIMED_OUT, ""
    return int(error.code or 500), f"{grpc_status} {error.reason or ''}".strip(), message


def _of_transport(error: Exception) -> tuple[int, str]:
    import requests
    from google.auth.exceptions import GoogleAuthError, TransportError

    if isinstance(error, TransportError):
        return 0, Reason.UNREACHABLE
    if isinstance(error, GoogleAuthError):
        return 401, ""
    if isinstance(error, requests.TooManyRedirects) and error.response is not None:
        return error.response.status_code, ""
    if isinstance(error, requests.exceptions.SSLError):
        return 0, Reason.NOT_TRUSTED
    if isinstance(error, requests.Timeout):
        return 0, Reason.TIMED_OUT
    if isinstance(error, requests.ConnectionError) and "aborted" not in str(error):
        return 0, Reason.UNREACHABLE
    if isinstance(error, requests.RequestException):
        return 0, Reason.DROPPED
    return 0, Reason.NOT_JSON
