"""Fixtures of the tests of the connectors."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from connectors.base import PullResult
from connectors.errors import RetryPolicy
from connectors.hubspot.connector import HubSpotConnector
from connectors.hubspot.transport import ClientSettings
from connectors.sandbox.account import Account
from connectors.sandbox.account_files import load_account
from connectors.sandbox.hubspot_server import SANDBOX_TOKEN, HubSpotSandbox
from okr_sync.config.models import HubSpotSource
from okr_sync.metrics.needs import RecordsNeed
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.mirror import record_table

# --- HubSpot: small accounts, pulled by the real connector through the real client ----------------

Records = Mapping[str, Sequence[Mapping[str, str]]]
MakeAccount = Callable[..., Account]
Pull = Callable[..., PullResult]
Mirror = Callable[[Warehouse, str], dict[str, dict[str, Any]]]


@pytest.fixture
def hs_account(tmp_path: Path) -> MakeAccount:
    """Writes an account folder with these records by object and loads it."""

    def make(
        records: Records,
        *,
        portal_id: int = 4711,
        scopes: Sequence[str] | None = None,
        properties: Mapping[str, Any] | None = None,
        daily_limit: int | None = None,
    ) -> Account:
        folder = tmp_path / f"account{portal_id}"
        (folder / "hubspot").mkdir(parents=True)
        settings: dict[str, Any] = {
            "portal_id": portal_id,
            "time_zone": "Europe/Berlin",
            "currency": "EUR",
        }
        if scopes is not None:
            settings["scopes"] = list(scopes)
        if daily_limit is not None:
            settings["daily_limit"] = daily_limit
        (folder / "account.yaml").write_text(yaml.safe_dump({"hubspot": settings}))
        for name, rows in records.items():
            columns = list(dict.fromkeys(key for row in rows for key in row)) or ["hs_object_id"]
            with (folder / "hubspot" / f"{name}.csv").open("w", newline="") as stream:
                writer = csv.DictWriter(stream, columns, restval="")
                writer.writeheader()
                writer.writerows(rows)
        if properties is not None:
            (folder / "hubspot" / "properties.json").write_text(json.dumps(properties))
        return load_account(folder)

    return make


@pytest.fixture
def hs_quick() -> ClientSettings:
    """The client's settings for a server without rate limits: no waiting worth the name."""
    retry = RetryPolicy(tries=3, total_seconds=20, first_wait=0.01, longest_wait=0.02)
    return ClientSettings(retry=retry, read_seconds=2, answer_seconds=2, searches_per_second=10_000)


@pytest.fixture
def hs_pull(hs_quick: ClientSettings) -> Iterator[Pull]:
    """Pulls contacts (or another object) with these fields; one connector for each server, or a
    `new` one each time."""
    connectors: dict[tuple[str, str, str], HubSpotConnector] = {}

    def pull(
        sandbox: HubSpotSandbox,
        warehouse: Warehouse,
        *fields: str,
        dataset: str = "contacts",
        times: Sequence[str] = (),
        numbers: Sequence[str] = (),
        associations: Sequence[str] = (),
        now: datetime | None = None,
        api: str = "v3",
        settings: ClientSettings | None = None,
        connector: str = "",
    ) -> PullResult:
        environ = {
            "HUBSPOT_ACCESS_TOKEN": SANDBOX_TOKEN,
            "OKR_SYNC_HUBSPOT_ENDPOINT": sandbox.url,
        }
        key = (sandbox.url, api, f"new {len(connectors)}" if connector == "new" else connector)
        if key not in connectors:
            source = HubSpotSource(name="hubspot", api=api)
            connectors[key] = HubSpotConnector(source, environ, settings or hs_quick)
        need = RecordsNeed(
            "hubspot",
            dataset,
            frozenset(fields),
            frozenset(times),
            frozenset(numbers),
            frozenset(associations),
        )
        return connectors[key].pull(need, warehouse, now or datetime.now(UTC))

    yield pull
    for connector in connectors.values():
        connector.close()


@pytest.fixture
def sqlite_warehouse(sqlite_url: str) -> Iterator[Warehouse]:
    """An open, empty SQLite warehouse, where the engine does not matter."""
    opened = open_warehouse(sqlite_url)
    yield opened
    opened.close()


@pytest.fixture
def hs_contact() -> Callable[..., dict[str, str]]:
    """A contact as files hold it: `hs_contact(7, plan="pro")`; made and modified long ago."""

    def make(record_id: int, **properties: str) -> dict[str, str]:
        return {
            "hs_object_id": str(record_id),
            "createdate": "2026-10-01T08:00:00.000Z",
            "lastmodifieddate": "2026-10-02T08:00:00.000Z",
            "score": "1",
            **properties,
        }

    return make


@pytest.fixture
def hs_same() -> Callable[[Account, dict[str, dict[str, Any]]], None]:
    """Holds a mirror of contacts against the account, record by record."""

    def check(account: Account, stored: dict[str, dict[str, Any]]) -> None:
        live = account.table("contacts").page(0, 10_000, archived=False)[0]
        scores = {str(one.id): one.properties.get("score") for one in live}
        assert {one: row["f_score"] for one, row in stored.items()} == {
            one: None if score is None else int(score) * 1_000_000 for one, score in scores.items()
        }

    return check


@pytest.fixture
def hs_mirror() -> Mirror:
    """Reads a mirror whole: each record's columns by its id."""

    def read(warehouse: Warehouse, dataset: str) -> dict[str, dict[str, Any]]:
        name = record_table("hubspot", dataset, {}).name
        with warehouse.read() as connection:
            table = sa.Table(name, sa.MetaData(), autoload_with=connection)
            return {row.id: dict(row._mapping) for row in connection.execute(sa.select(table))}

    return read
