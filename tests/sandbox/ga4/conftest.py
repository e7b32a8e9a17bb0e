"""Fixtures of the GA4 sandbox's tests: a small site whose figures are worked out by hand."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import grpc
import pandas as pd
import pytest
from google.analytics.data_v1beta import BetaAnalyticsDataClient
from google.analytics.data_v1beta.services.beta_analytics_data.transports import (
    BetaAnalyticsDataGrpcTransport,
)
from google.oauth2 import service_account

from connectors.ga4.local_token import LocalTokenCredentials
from connectors.sandbox.ga4_server import Ga4Sandbox
from connectors.sandbox.ga4_sessions import Ga4Settings

Ga4Connect = Callable[[Ga4Sandbox], BetaAnalyticsDataClient]

_COLUMNS = [
    "started_at",
    "user_id",
    "new_user",
    "engaged",
    "duration_seconds",
    "revenue",
    "event:page_view",
    "event:generate_lead",
    "event:purchase",
    "sessionDefaultChannelGroup",
    "country",
    "customEvent:plan",
]
_SESSIONS = """\
2026-10-10T12:00:00Z,u6,false,true,20,,1,,,Direct,Germany,
2026-10-28T12:00:00Z,u5,false,true,20,,1,,,Direct,Germany,
2026-10-31T23:30:00Z,u1,true,true,60.5,,3,1,,Organic Search,Germany,pro
2026-11-01T10:00:00Z,u1,false,false,2,,1,,,Direct,Germany,
2026-11-01T11:00:00Z,u2,true,true,100,49.90,5,0,1,Paid Search,Austria,basic
2026-11-02T09:00:00Z,u3,false,false,0,,1,,,Paid Search,Austria,
2026-11-02T22:59:59Z,u2,false,true,37.25,100.05,2,2,2,Email,,basic
2026-11-02T23:00:00Z,u4,false,false,1,,1,,,Direct,Germany,
"""


@pytest.fixture
def ga4_settings() -> Ga4Settings:
    """A property in Berlin of the standard tier."""
    return Ga4Settings("123456789", "Europe/Berlin", "EUR")


@pytest.fixture
def ga4_sessions() -> pd.DataFrame:
    """Eight sessions as text; two of them lie on another day in Berlin than in UTC."""
    rows = [line.split(",") for line in _SESSIONS.splitlines()]
    return pd.DataFrame(rows, columns=_COLUMNS, dtype=str)


@pytest.fixture
def ga4(ga4_settings: Ga4Settings, ga4_sessions: pd.DataFrame) -> Iterator[Ga4Sandbox]:
    """The small site, served."""
    with Ga4Sandbox(ga4_settings, sessions=ga4_sessions) as sandbox:
        yield sandbox


@pytest.fixture
def ga4_grpc() -> Iterator[Ga4Connect]:
    """Connects Google's client to a sandbox over gRPC."""
    with ExitStack() as opened:

        def connect(sandbox: Ga4Sandbox) -> BetaAnalyticsDataClient:
            channel = grpc.insecure_channel(
                sandbox.grpc_address, options=[("grpc.max_receive_message_length", -1)]
            )
            opened.callback(channel.close)
            return BetaAnalyticsDataClient(
                transport=BetaAnalyticsDataGrpcTransport(channel=channel)
            )

        yield connect


@pytest.fixture
def ga4_rest() -> Iterator[Ga4Connect]:
    """Connects Google's client to a sandbox over REST, with a service account."""
    with ExitStack() as opened:

        def connect(sandbox: Ga4Sandbox) -> BetaAnalyticsDataClient:
            path = sandbox.environment_for_rest()["GOOGLE_APPLICATION_CREDENTIALS"]
            account = service_account.Credentials.from_service_account_file(path)  # type: ignore[no-untyped-call]
            # As the connector does: google-auth itself would look the account up at Google.
            credentials = LocalTokenCredentials(account)
            client = BetaAnalyticsDataClient(
                credentials=credentials,
                transport="rest",
                client_options={"api_endpoint": sandbox.rest_url},
            )
            opened.callback(client.transport.close)
            return client

        yield connect


@pytest.fixture(params=["grpc", "rest"])
def ga4_client(request: pytest.FixtureRequest, ga4: Ga4Sandbox) -> BetaAnalyticsDataClient:
    """Google's client on the small site: over gRPC, then over REST."""
    connect: Ga4Connect = request.getfixturevalue(f"ga4_{request.param}")
    return connect(ga4)
