"""Fixtures of the tests of Dagster's jobs: a warehouse that the project's environment names."""

from collections.abc import Iterator

import pytest

from okr_sync.warehouse.connect import Warehouse, open_warehouse


@pytest.fixture
def warehouse(
    warehouse: Warehouse, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> Warehouse:
    """The warehouse of the test, SQLite then PostgreSQL, which the project's environment names."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", warehouse_url)
    return warehouse


@pytest.fixture
def sqlite(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    """A warehouse on SQLite only, which the project's environment names."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
    opened = open_warehouse(sqlite_url)
    yield opened
    opened.close()
