"""Where requests go, and that a token never leaves in plain text."""

import pytest

from connectors.endpoints import resolve_endpoint
from okr_sync.errors import SourceError

_HUBSPOT = "OKR_SYNC_HUBSPOT_ENDPOINT"
_GA4 = "OKR_SYNC_GA4_ENDPOINT"


@pytest.mark.parametrize(
    ("kind", "configured", "environ", "expected"),
    [
        ("hubspot", None, {}, "https://api.hubapi.com"),
        ("ga4", None, {}, "https://analyticsdata.googleapis.com"),
        ("hubspot", "https://eu.example.com", {}, "https://eu.example.com"),
        ("hubspot", "https://eu.example.com/hub/", {}, "https://eu.example.com/hub"),
        ("hubspot", "https://a.example", {_HUBSPOT: "http://127.0.0.1:81"}, "http://127.0.0.1:81"),
        ("hubspot", "https://a.example", {_HUBSPOT: " "}, "https://a.example"),
        ("hubspot", "https://a.example", {_GA4: "grpc://127.0.0.1:9"}, "https://a.example"),
        ("hubspot", "http://localhost:8080", {}, "http://localhost:8080"),
        ("hubspot", "HTTP://LOCALHOST:8080", {}, "http://localhost:8080"),
        ("hubspot", "http://127.8.9.10", {}, "http://127.8.9.10"),
        ("hubspot", "http://[::1]:8080", {}, "http://[::1]:8080"),
        ("ga4", "grpc://127.0.0.1:50051", {}, "grpc://127.0.0.1:50051"),
        ("ga4", None, {_GA4: "http://localhost:50051/"}, "http://localhost:50051"),
    ],
)
def test_endpoint_chosen(
    kind: str, configured: str | None, environ: dict[str, str], expected: str
) -> None:
    """The environment beats the project file, which beats the vendor's address."""
    endpoint = resolve_endpoint(kind, configured, environ)
    assert endpoint.url == expected
    assert endpoint.is_default is (configured is None and not environ)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("hubspot", "http://api.hubapi.com"),
        ("hubspot", "http://127.0.0.1@evil.example"),
        ("hubspot", "http://127.0.0.1:80@evil.example"),
        ("hubspot", "http://user:secret@127.0.0.1:80"),
        ("hubspot", "https://user:secret@a.example"),
        ("hubspot", "http://localhost.evil.com"),
        ("hubspot", "http://localhost."),
        ("hubspot", "http://127.0.0.1.evil.com"),
        ("hubspot", "http://evil.com#127.0.0.1"),
        ("hubspot", "http://evil.com?127.0.0.1"),
        ("hubspot", "http://127.0.0.1\\@evil.com"),
        ("hubspot", "http://127.0.0.1%2eevil.com"),
        ("hubspot", "http://127.1"),
        ("hubspot", "http://0177.0.0.1"),
        ("hubspot", "http://2130706433"),
        ("hubspot", "http://0.0.0.0:80"),
        ("hubspot", "http://[::ffff:127.0.0.1]"),
        ("hubspot", "http://[::]"),
        ("hubspot", "http://128.0.0.1"),
        ("hubspot", "http://127.0.0.\u0661"),
        ("hubspot", "http://127.0.0.1:0"),
        ("hubspot", "http://127.0.0.1:99999"),
        ("hubspot", "http://127.0.0.1 evil.com"),
        ("hubspot", "127.0.0.1:8080"),
        ("hubspot", "grpc://127.0.0.1:50051"),
        ("hubspot", "ftp://127.0.0.1"),
        ("hubspot", ""),
        ("ga4", "grpc://10.0.0.1:50051"),
        ("ga4", "grpc://127.0.0.1"),
        ("ga4", "grpc://127.0.0.1:50051/path"),
        ("ga4", "http://metadata.google.internal"),
    ],
)
def test_endpoint_refused(kind: str, text: str) -> None:
    """Plain text to another machine, and whatever two URL readers might read differently, is refused."""
    with pytest.raises(SourceError) as refusal:
        resolve_endpoint(kind, text, {})
    assert "endpoint" in refusal.value.user_text
    assert "secret" not in refusal.value.user_text


def test_refusal_names_where_it_is_written() -> None:
    """The message says which variable to mend."""
    with pytest.raises(SourceError, match=_HUBSPOT):
        resolve_endpoint("hubspot", None, {_HUBSPOT: "http://evil.example"})
