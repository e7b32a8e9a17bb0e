"""A local GA4 property: the Data API v1beta over gRPC and REST, computed from a file of sessions.

Belongs here: putting the parts together, starting and stopping, and what tests switch on. Does not
belong here: the parts (the other ga4_* modules; the format of sessions.csv is in ga4_sessions).
"""

import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import pandas as pd
import yaml

from connectors.sandbox.faults import Faults
from connectors.sandbox.ga4_auth import SandboxServiceAccount
from connectors.sandbox.ga4_faults import Ga4Faults
from connectors.sandbox.ga4_grpc import GrpcFront
from connectors.sandbox.ga4_quotas import SIZES, Quotas
from connectors.sandbox.ga4_rest import RestFront
from connectors.sandbox.ga4_service import Ga4Service
from connectors.sandbox.ga4_sessions import (
    REQUIRED_COLUMNS,
    Ga4Settings,
    build_table,
    read_sessions,
)
from connectors.sandbox.http_server import LoopbackServer
from okr_sync.errors import OkrSyncError, UsageError

_SESSIONS_FILE = "ga4/sessions.csv"


def utc_now() -> datetime:
    """The present instant, aware UTC."""
    return datetime.now(UTC)


class Ga4Sandbox:
    """Serves one GA4 property on 127.0.0.1 while it is started.

    `account` is an account folder (account.yaml with a `ga4:` part, ga4/sessions.csv) or settings, to
    which `sessions` gives the rows as text (none for an empty property). `quotas=False` counts but
    never refuses. `faults` switches on what shall go wrong, for other servers too if they were given.
    `now` decides about relative dates and renewal of quotas. Ports of 0 are chosen.
    Raises UsageError for files that can't be used.
    """

    def __init__(
        self,
        account: Path | Ga4Settings,
        *,
        sessions: pd.DataFrame | None = None,
        quotas: bool = True,
        faults: Faults | None = None,
        now: Callable[[], datetime] = utc_now,
        grpc_port: int = 0,
        rest_port: int = 0,
    ) -> None:
        if isinstance(account, Ga4Settings):
            self.settings = account
            rows = pd.DataFrame(columns=list(REQUIRED_COLUMNS), dtype=str)
            self._name = "sessions"
        else:
            self.settings = _read_settings(account)
            rows = read_sessions(account / _SESSIONS_FILE)
            self._name = _SESSIONS_FILE
        table = build_table(rows if sessions is None else sessions, self.settings, self._name)
        self._quotas = Quotas(SIZES[self.settings.tier], now, enforced=quotas)
        self.faults = faults or Faults()
        faulty = Ga4Faults(self.faults, self.settings)
        self._service = Ga4Service(self.settings, table, self._quotas, faulty, now)
        self._account = SandboxServiceAccount()
        self._rest = LoopbackServer(RestFront(self._service, self._account), rest_port)
        self._grpc_port = grpc_port
        self._grpc: GrpcFront | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def start(self) -> None:
        """Begin to serve; returns when both transports accept connections.

        Raises OkrSyncError when a port can't be had.
        """
        self._service.stopping.clear()
        self._grpc = GrpcFront(self._service, self._grpc_port)
        try:
            self._rest.start()
        except OkrSyncError:
            self.stop()
            raise
        self._folder = tempfile.TemporaryDirectory(prefix="okr-sync-ga4-")

    def stop(self) -> None:
        """Stop serving and remove the key file."""
        self._service.stopping.set()
        if self._grpc is not None:
            self._grpc.stop()
            self._grpc = None
        self._rest.stop()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

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

    @property
    def grpc_address(self) -> str:
        """Where gRPC is served: `127.0.0.1:port`. Raises RuntimeError unless started."""
        if self._grpc is None:
            raise RuntimeError("The sandbox is not started.")
        return self._grpc.address

    @property
    def rest_url(self) -> str:
        """Where REST is served: `http://127.0.0.1:port`."""
        return self._rest.url

    @property
    def requests(self) -> Counter[str]:
        """Requests so far by method (RunReport, BatchRunReports, GetMetadata, ...), refused ones too."""
        return Counter(self._service.requests)

    def service_account_file(self, path: Path) -> Path:
        """Write a service account's key file (mode 0600) whose tokens REST takes; returns the path."""
        return self._account.write_key_file(path)

    def environment_for_grpc(self) -> dict[str, str]:
        """The variables that send GA4 sources here over gRPC, which needs no credentials."""
        return {"OKR_SYNC_GA4_ENDPOINT": f"grpc://{self.grpc_address}"}

    def environment_for_rest(self) -> dict[str, str]:
        """The variables that send GA4 sources here over REST, with Application Default Credentials."""
        key_file = self.service_account_file(self._own_key_file)
        return {
            "OKR_SYNC_GA4_ENDPOINT": self.rest_url,
            "GOOGLE_APPLICATION_CREDENTIALS": str(key_file),
        }

    def sessions(self) -> pd.DataFrame:
        """A copy of the rows that are served, as text, for `replace_sessions`."""
        return self._service.table.source.copy()

    def replace_sessions(self, sessions: pd.DataFrame | Path) -> None:
        """Report on other rows from the next request on: what GA4 does when it restates days."""
        rows = read_sessions(sessions) if isinstance(sessions, Path) else sessions
        self._service.replace_table(build_table(rows, self.settings, self._name))

    @property
    def _own_key_file(self) -> Path:
        if self._folder is None:
            raise RuntimeError("The sandbox is not started.")
        return Path(self._folder.name) / "service-account.json"


def _read_settings(folder: Path) -> Ga4Settings:
    path = folder / "account.yaml"
    try:
        account = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist; it describes the account to serve.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read as YAML: {error}") from error
    part = account.get("ga4") if isinstance(account, dict) else None
    if not isinstance(part, dict):
        raise UsageError(f"{path} has no ga4: part with property, time_zone and currency.")
    return Ga4Settings.from_mapping(part)
