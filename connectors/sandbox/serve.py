"""Serves an account folder: its HubSpot, GA4, databases and faults, started and stopped together.

Belongs here: which servers an account needs and what a client's environment must hold to reach
them. Does not belong here: running a command in that environment (okr_sync.commands.sandbox).
"""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from connectors.sandbox.account import Account
from connectors.sandbox.account_files import load_account
from connectors.sandbox.databases import SandboxDatabases
from connectors.sandbox.fault_control import FaultControl
from connectors.sandbox.faults import Faults
from connectors.sandbox.http_server import LoopbackServer
from connectors.sandbox.hubspot_server import SANDBOX_TOKEN, HubSpotSandbox

if TYPE_CHECKING:
    from connectors.sandbox.ga4_server import Ga4Sandbox


class Sandbox:
    """The servers of one account folder on 127.0.0.1; a context manager.

    A port of 0 takes a free one. Raises OkrSyncError for a folder that can't be read and for a port
    that can't be had. `hubspot` or `ga4` is None when account.yaml has no such part. `ga4_port` is
    that of the transport which `environment` names. `rate_limits=False` lifts GA4's quotas too.
    `faults` switches on what shall go wrong in either; `control_url` does so over HTTP.
    """

    def __init__(
        self,
        folder: Path,
        *,
        rate_limits: bool = True,
        hubspot_port: int = 0,
        ga4_port: int = 0,
        control_port: int = 0,
        ga4_transport: Literal["grpc", "rest"] = "grpc",
    ) -> None:
        self.account: Account = load_account(folder)
        has = {"hubspot": self.account.hubspot is not None, "ga4": self.account.has_ga4}
        apis = [api for api, is_there in has.items() if is_there]
        self.faults = Faults(self.account.object_types(), apis)
        self.hubspot: HubSpotSandbox | None = None
        self.ga4: Ga4Sandbox | None = None
        self.databases = SandboxDatabases(folder)
        self._ga4_transport = ga4_transport
        self._control = LoopbackServer(FaultControl(self.faults), control_port)
        self._running = ExitStack()
        if self.account.hubspot is not None:
            self.hubspot = HubSpotSandbox(
                self.account, rate_limits=rate_limits, faults=self.faults, port=hubspot_port
            )
        if self.account.has_ga4:
            self.ga4 = _ga4(folder, rate_limits, self.faults, ga4_port, ga4_transport)

    @property
    def control_url(self) -> str:
        """Where faults are switched over HTTP (fault_control)."""
        return self._control.url

    def start(self) -> None:
        """Start the servers; if one can't, the others are stopped again."""
        with ExitStack() as started:
            for server in (self.hubspot, self.ga4, self.databases, self._control):
                if server is not None:
                    server.start()
                    started.callback(server.stop)
            self._running = started.pop_all()

    def stop(self) -> None:
        """Stop the servers."""
        self._running.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def environment(self) -> dict[str, str]:
        """What okr-sync's environment must hold to read this account instead of the real ones."""
        variables = self.databases.environment()
        if self.hubspot is not None:
            variables["OKR_SYNC_HUBSPOT_ENDPOINT"] = self.hubspot.url
            variables["HUBSPOT_ACCESS_TOKEN"] = SANDBOX_TOKEN
        if self.ga4 is not None:
            variables |= (
                self.ga4.environment_for_rest()
                if self._ga4_transport == "rest"
                else self.ga4.environment_for_grpc()
            )
        variables["OKR_SYNC_SANDBOX_CONTROL"] = self.control_url
        return variables


def _ga4(
    folder: Path,
    rate_limits: bool,
    faults: Faults,
    port: int,
    transport: Literal["grpc", "rest"],
) -> "Ga4Sandbox":
    # Imported here because only an account with a GA4 part should pay for Google's client.
    from connectors.sandbox.ga4_server import Ga4Sandbox

    return Ga4Sandbox(
        folder,
        quotas=rate_limits,
        faults=faults,
        grpc_port=port if transport == "grpc" else 0,
        rest_port=port if transport == "rest" else 0,
    )
