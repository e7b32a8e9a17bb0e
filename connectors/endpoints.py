"""Where the requests of a source go, and that a token never travels in plain text to another host.

Belongs here: the choice between environment, configuration and the vendor's own address, and the
check of what was chosen. Does not belong here: connections (each connector).
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from okr_sync.errors import SourceError

_VARIABLES: Final = {
    "hubspot": "OKR_SYNC_HUBSPOT_ENDPOINT",
    "ga4": "OKR_SYNC_GA4_ENDPOINT",
}
_SCHEMES: Final = {"hubspot": ("https", "http"), "ga4": ("https", "http", "grpc")}
_PLAIN_TEXT: Final = frozenset({"http", "grpc"})

# Nothing that URL readers disagree on gets through: no user name, no backslash, no escapes, no query
# (`http://127.0.0.1@evil.example` is the address of evil.example).
_ENDPOINT: Final = re.compile(
    r"(?P<scheme>[A-Za-z]+)://"
    r"(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}))"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~-]+)*)/?",
    re.ASCII,
)


@dataclass(frozen=True)
class Endpoint:
    """A checked address: `host` without brackets, `path` without a closing slash (often empty).

    `is_default` tells that it is the vendor's own address, which nobody had to name.
    """

    scheme: str
    host: str
    port: int | None = None
    path: str = ""
    is_default: bool = False

    @property
    def address(self) -> str:
        """`host:port`, as gRPC wants it; without the port where none was written."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address, `scheme://host:port/path`."""
        return f"{self.scheme}://{self.address}{self.path}"

    @property
    def is_plain_text(self) -> bool:
        """Whether everyone on the way could read the token."""
        return self.scheme in _PLAIN_TEXT

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine: 127.0.0.0/8, ::1 or exactly `localhost`."""
        return _is_loopback(self.host)


_DEFAULTS: Final = {
    "hubspot": Endpoint("https", "api.hubapi.com", is_default=True),
    "ga4": Endpoint("https", "analyticsdata.googleapis.com", is_default=True),
}


def resolve_endpoint(kind: str, configured: str | None, environ: Mapping[str, str]) -> Endpoint:
    """Where the requests of a source of this kind (`hubspot` or `ga4`) go.

    OKR_SYNC_HUBSPOT_ENDPOINT or OKR_SYNC_GA4_ENDPOINT sends all sources of its kind elsewhere, so it
    wins over `endpoint:`, which sends one source; without either it is the vendor's own address. An
    empty variable counts as not set. Raises SourceError for an address that can't be read, a scheme
    that the kind does not have, or plain text to any other machine than this one.
    """
    variable = _VARIABLES[kind]
    if environ.get(variable, "").strip():
        return _checked(kind, environ[variable].strip(), variable)
    if configured is not None:
        return _checked(kind, configured.strip(), "`endpoint:`")
    return _DEFAULTS[kind]


def is_elsewhere(kind: str, configured: str | None, environ: Mapping[str, str]) -> bool:
    """Whether the requests of a source of this kind go to another address than the vendor's own."""
    return configured is not None or bool(environ.get(_VARIABLES[kind], "").strip())


def _checked(kind: str, text: str, written_in: str) -> Endpoint:
    # The text is not repeated in errors: somebody may have put a password into it.
    wanted = " or ".join(f"{scheme}://host:port" for scheme in _SCHEMES[kind])
    match = _ENDPOINT.fullmatch(text)
    if match is None:
        raise SourceError(
            f"The endpoint in {written_in} can't be used: write {wanted}, without a user name, "
            "a query or escapes."
        )
    scheme = match["scheme"].lower()
    port = int(match["port"]) if match["port"] else None
    if scheme not in _SCHEMES[kind] or (port is not None and not 0 < port < 65536):
        raise SourceError(f"The endpoint in {written_in} can't be used: write {wanted}.")
    if scheme == "grpc" and (port is None or match["path"]):
        raise SourceError(
            f"The endpoint in {written_in} can't be used: gRPC needs a port and has no path, "
            "grpc://host:port."
        )
    host = match["host"].strip("[]").lower()
    endpoint = Endpoint(scheme, host, port, match["path"])
    if endpoint.is_plain_text and not endpoint.is_loopback:
        raise SourceError(
            f"The endpoint in {written_in} would send the credential in plain text to {host}. "
            f"{scheme}:// is allowed to this machine only (127.0.0.1, ::1, localhost); use https://."
        )
    return endpoint


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        # Strict on purpose: `127.1`, `0177.0.0.1` and `2130706433` are refused here.
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return address in ipaddress.ip_network("127.0.0.0/8")
    return address == ipaddress.IPv6Address("::1")
