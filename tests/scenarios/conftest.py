"""What scenarios are played on: a firm whose key results real runs sync, and a portal and its mirror."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import pytest
import sqlalchemy as sa

import assets.resources
from assets.keys import SYNC_JOB
from connectors.base import PullResult
from connectors.clock import Clock
from connectors.hubspot.connector import HubSpotConnector
from connectors.hubspot.transport import ClientSettings
from connectors.sandbox.account import Account, HubSpotSettings
from connectors.sandbox.faults import Faults
from connectors.sandbox.ga4_server import Ga4Sandbox
from connectors.sandbox.hubspot_server import HubSpotSandbox
from connectors.sandbox.records import RecordTable
from connectors.sandbox.serve import Sandbox
from okr_sync.commands.explaining import explanation_lines
from okr_sync.config.loader import load_project
from okr_sync.config.models import HubSpotSource
from okr_sync.definitions import build_definitions
from okr_sync.inspect.explanation import explain
from okr_sync.metrics.needs import RecordsNeed
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.mirror import record_table
from okr_sync.warehouse.reads import HistoryRow, history
from okr_sync.warehouse.status import StatusRow, status

DAY = "2026-03-06"

_CONTACTS = """\
hs_object_id,createdate,lastmodifieddate,lifecyclestage,hs_v2_date_entered_marketingqualifiedlead,lead_score
1,2026-03-01T15:00:00Z,2026-03-02T15:00:00Z,marketingqualifiedlead,2026-03-02T15:00:00Z,10
2,2026-03-01T15:00:00Z,2026-03-03T15:00:00Z,marketingqualifiedlead,2026-03-03T15:00:00Z,20
3,2026-03-04T15:00:00Z,2026-03-04T15:00:00Z,lead,,30
"""
_DEALS = """\
hs_object_id,createdate,hs_lastmodifieddate,dealstage,pipeline,hs_is_closed,amount,deal_currency_code,amount_in_home_currency
11,2026-03-02T15:00:00Z,2026-03-02T15:00:00Z,111,sales,false,100,USD,100
12,2026-03-03T15:00:00Z,2026-03-03T15:00:00Z,111,sales,false,100,EUR,110.50
13,2026-03-04T15:00:00Z,2026-03-04T15:00:00Z,211,partner,false,50,USD,50
"""
_PIPELINES = """\
{"deals": [
  {"id": "sales", "label": "Sales", "stages": [{"id": "111", "label": "Won"}]},
  {"id": "partner", "label": "Partners", "stages": [{"id": "211", "label": "Won"}]}
]}
"""
_PROPERTIES = """\
{"contacts": {
  "lead_score": {"type": "number"},
  "hs_v2_date_entered_marketingqualifiedlead": {"type": "datetime"}
}}
"""
_SESSIONS = ["started_at,user_id,new_user,engaged,duration_seconds,revenue,event:purchase"]
_SESSIONS += [
    f"2026-03-0{day}T15:00:00Z,u{day}{n},true,true,60,2.5,1"
    for day in (1, 2, 4, 5)  # nothing happens on the third
    for n in range(10 + day)
]

_PROJECT = """\
version: 1
time_zone: {zone}
currency: USD
sources:
  hubspot: {{kind: hubspot, api: "{api}"}}
  web: {{kind: ga4, property: "123456789"}}
"""
_METRICS = """\
metrics:
  mqls: {agg: count, from: hubspot.contacts, time: hs_v2_date_entered_marketingqualifiedlead}
  lead_score: {agg: average, field: lead_score, from: hubspot.contacts, time: createdate}
  open_pipeline:
    agg: sum
    field: amount_in_home_currency
    from: hubspot.deals
    time: createdate
    where: {hs_is_closed: false}
  won_deals: {agg: count, from: hubspot.deals, time: createdate, where: {dealstage: '111'}}
  sessions: {agg: sum, field: sessions, from: web.report}
  visitors: {agg: count_distinct, field: totalUsers, from: web.report}
"""
_TEAM = """\
team: {team}
cycle: 2026-Q1
objectives:
  - id: grow
    title: Grow
    key_results:
"""
_KEY_RESULT = (
    "      - {{id: {id}, title: Reach 900, metric: {metric}, goal: {{from: 0, to: 900}}}}\n"
)


@dataclass
class Firm:
    """A firm that is served and synced: its project, its sandbox, its warehouse."""

    project: Path
    sandbox: Sandbox
    warehouse: Warehouse

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self.sandbox.faults

    @property
    def account(self) -> Account:
        """Its HubSpot records."""
        return self.sandbox.account

    @property
    def ga4(self) -> Ga4Sandbox:
        """Its GA4 property."""
        assert self.sandbox.ga4 is not None
        return self.sandbox.ga4

    def sync(self, day: str = DAY, at: datetime | None = None) -> bool:
        """Run the sync job as of a day; whether all of it went well."""
        return self.run(day, at).success

    def run(self, day: str = DAY, at: datetime | None = None) -> dg.ExecuteInProcessResult:
        """Run the sync job as of a day, for what Dagster shows of it."""
        resources = {"clock": assets.resources.Clock(at)} if at else {}
        job = build_definitions(self.project, resources).resolve_job_def(SYNC_JOB)
        with dg.DagsterInstance.ephemeral() as instance:
            return job.execute_in_process(
                instance=instance, partition_key=day, raise_on_error=False
            )

    def bind(self, team: str, **metrics: str) -> None:
        """Add a team whose key results (by id) have these metrics, written in place or by name."""
        text = _TEAM.format(team=team)
        for name, metric in metrics.items():
            text += _KEY_RESULT.format(id=name.replace("_", "-"), metric=metric)
        path = self.project / "okrs" / f"{team}.yaml"
        path.write_text(text, encoding="utf-8")

    def row(self, name: str) -> StatusRow:
        """What `key_result_current` says of a key result."""
        (row,) = status(self.warehouse, now=datetime.now(UTC), key_result_ids=[name])
        return row

    def explained(self, name: str) -> str:
        """What `explain` says of a key result."""
        found = explain(self.warehouse, load_project(self.project), name, None, datetime.now(UTC))
        return "\n".join(text for _, text in explanation_lines(found, "test"))

    def past(self, name: str) -> list[HistoryRow]:
        """The history of a key result, oldest revision first."""
        return list(history(self.warehouse, name))


@pytest.fixture
def firm(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Firm]]:
    """Makes the firm, read by a family of HubSpot's paths and a transport of GA4's."""
    with ExitStack() as opened:

        def make(
            api: str = "v3",
            transport: Literal["grpc", "rest"] = "grpc",
            zone: str = "Etc/UTC",
            project_zone: str | None = None,
            **files: str,
        ) -> Firm:
            account, project = tmp_path / "account", tmp_path / "project"
            for folder in ("hubspot", "ga4"):
                (account / folder).mkdir(parents=True)
            (project / "okrs").mkdir(parents=True)
            settings = (
                f"hubspot: {{portal_id: 4711, time_zone: {zone}, currency: USD}}\n"
                f'ga4: {{property: "123456789", time_zone: {zone}, currency: USD}}\n'
            )
            (account / "account.yaml").write_text(settings)
            (account / "hubspot" / "contacts.csv").write_text(files.get("contacts", _CONTACTS))
            (account / "hubspot" / "deals.csv").write_text(files.get("deals", _DEALS))
            (account / "hubspot" / "pipelines.json").write_text(_PIPELINES)
            (account / "hubspot" / "properties.json").write_text(_PROPERTIES)
            if "emails" in files:
                (account / "hubspot" / "marketing_emails.csv").write_text(files["emails"])
            sessions = files.get("sessions", "\n".join(_SESSIONS) + "\n")
            (account / "ga4" / "sessions.csv").write_text(sessions)
            (project / "okr_sync.yaml").write_text(
                _PROJECT.format(zone=project_zone or zone, api=api)
            )
            (project / "metrics.yaml").write_text(_METRICS)
            running = opened.enter_context(
                Sandbox(account, rate_limits=False, ga4_transport=transport)
            )
            for name, value in running.environment().items():
                monkeypatch.setenv(name, value)
            monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
            monkeypatch.delenv("DAGSTER_HOME", raising=False)
            warehouse = open_warehouse(sqlite_url)
            opened.callback(warehouse.close)
            return Firm(project, running, warehouse)

        yield make


# --- a HubSpot account and its mirror, without key results ------------------------------------------


class Portal:
    """A served HubSpot account of which one object is mirrored; its time is simulated."""

    def __init__(self, account: Account, warehouse: Warehouse, api: str) -> None:
        self.account = account
        self.sandbox = HubSpotSandbox(account, rate_limits=False)
        self.slept: list[float] = []
        self.environ: dict[str, str] = {}
        self._warehouse = warehouse
        self._api = api
        self._later = timedelta(0)
        self._connector: HubSpotConnector | None = None
        account.clock = self.now

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self.sandbox.faults

    def now(self) -> datetime:
        """The present for the account and for the worker."""
        return datetime.now(UTC) + self._later

    def wait(self, **amount: float) -> None:
        """Let time pass, as `timedelta` counts it."""
        self._later += timedelta(**amount)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.wait(seconds=seconds)

    def pull(self, *fields: str, dataset: str = "contacts", **settings: Any) -> PullResult:
        """One pull of these fields, by the worker that pulled before."""
        if self._connector is None:
            clock = Clock(
                epoch=lambda: self.now().timestamp(),
                monotonic=lambda: self.now().timestamp(),
                sleep=self._sleep,
            )
            self.environ |= {
                "HUBSPOT_ACCESS_TOKEN": self.sandbox.token,
                "OKR_SYNC_HUBSPOT_ENDPOINT": self.sandbox.url,
            }
            client = ClientSettings(searches_per_second=10_000, clock=clock, **settings)
            source = HubSpotSource(name="crm", api=self._api)
            self._connector = HubSpotConnector(source, self.environ, client)
        need = RecordsNeed("crm", dataset, frozenset(fields or ("lifecyclestage",)))
        return self._connector.pull(need, self._warehouse, self.now())

    def restart(self) -> None:
        """Let another worker pull from now on."""
        if self._connector is not None:
            self._connector.close()
            self._connector = None

    def mirror(self, dataset: str = "contacts") -> dict[str, Any]:
        """Each mirrored record by its id."""
        name = record_table("crm", dataset, {}).name
        with self._warehouse.read() as connection:
            table = sa.Table(name, sa.MetaData(), autoload_with=connection)
            return {row.id: dict(row._mapping) for row in connection.execute(sa.select(table))}

    def lists(self) -> int:
        """How many pages of lists of records were asked for."""
        route = f"/crm/objects/{self._api}/{{objectType}}"
        return self.requests("GET /crm/v3/objects/{objectType}" if self._api == "v3" else route)

    def requests(self, ending: str) -> int:
        """How many requests a route was sent, whose name ends so."""
        counts = self.sandbox.server.counts
        return sum(count for (route, _), count in counts.items() if route.endswith(ending))


@pytest.fixture
def portal(tmp_path: Path, sqlite_url: str) -> Iterator[Callable[..., Portal]]:
    """Makes an account with so many contacts, or with records by object, served and mirrored."""
    with ExitStack() as opened:

        def make(
            contacts: int = 0, api: str = "v3", records: Mapping[str, Sequence[Any]] | None = None
        ) -> Portal:
            account = Account(tmp_path, HubSpotSettings(4711, "Etc/UTC", "EUR"))
            born = {"createdate": _BORN, "lifecyclestage": "lead"}
            plain = [{"hs_object_id": str(n), **born} for n in range(1, contacts + 1)]
            for name, rows in (records or {"contacts": plain}).items():
                columns = list(dict.fromkeys(key for row in rows for key in row))
                table = account.tables[name] = RecordTable(name, columns)
                for row in rows:
                    table.load(dict(row))
            warehouse = open_warehouse(sqlite_url)
            opened.callback(warehouse.close)
            made = Portal(account, warehouse, api)
            opened.enter_context(made.sandbox)
            opened.callback(made.restart)
            return made

        yield make


_BORN = "2026-10-01T08:00:00.000Z"
