"""Which warehouse a project has, and what is shown of its URL."""

from pathlib import Path

import pytest
from sqlalchemy import make_url

from okr_sync.errors import WarehouseError
from okr_sync.warehouse.address import default_url, label_of, parse_url, warehouse_url

CANARY = "s3cr3t-canary"


def test_default_is_a_file_in_the_projects_folder(tmp_path: Path) -> None:
    """Nothing said: .okr_sync/warehouse.sqlite, also where the path has signs of URLs in it."""
    folder = tmp_path / "a b?c#d%20ü"
    url = warehouse_url(None, folder, {})
    assert url == default_url(folder)
    assert parse_url(url).database == str(folder / ".okr_sync" / "warehouse.sqlite")


def test_the_projects_variable_comes_first(tmp_path: Path) -> None:
    """`warehouse: {url_env: NAME}` wins over OKR_SYNC_WAREHOUSE, which wins over the default."""
    environ = {"OKR_SYNC_WAREHOUSE": "sqlite:////b.sqlite", "TEAM_DB": "postgresql://h/db"}
    assert warehouse_url("TEAM_DB", tmp_path, environ) == "postgresql://h/db"
    assert warehouse_url(None, tmp_path, environ) == "sqlite:////b.sqlite"


@pytest.mark.parametrize("environ", [{}, {"TEAM_DB": " "}, {"OKR_SYNC_WAREHOUSE": "x"}])
def test_a_named_variable_that_is_not_set_is_an_error(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """A team that forgot to set its variable must not get a stray SQLite file."""
    with pytest.raises(WarehouseError, match="TEAM_DB, which is not set"):
        warehouse_url("TEAM_DB", tmp_path, environ)


def test_the_variable_may_hold_a_path(tmp_path: Path) -> None:
    """OKR_SYNC_WAREHOUSE=some/file works; a relative path starts at the working directory."""
    given = {"OKR_SYNC_WAREHOUSE": "kept here/w%.sqlite"}
    url = warehouse_url(None, tmp_path, given)
    assert parse_url(url).database == str(Path.cwd() / "kept here/w%.sqlite")


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p@h/db",
        "postgresql://u:p@h/db",
        "postgresql+psycopg://u:p@h/db",
        "postgresql+psycopg2://u:p@h/db",
    ],
)
def test_postgresql_is_always_reached_by_psycopg_3(url: str) -> None:
    """All usual spellings of a PostgreSQL URL mean the same driver."""
    assert parse_url(url).drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "warehouse",
        "mysql://h/db",
        "snowflake://u@a/db",
        "sqlite://",
        "sqlite:///:memory:",
        f"postgresql://u:{CANARY}@@host/db",
        f"postgresql://u:x@{CANARY}@host/db",
        f"postgresql://u@host:{CANARY}/db",
    ],
)
def test_other_urls_are_refused_without_repeating_them(url: str) -> None:
    """Unsupported, unreadable and in-memory URLs: the text says what to write, never the secret."""
    with pytest.raises(WarehouseError) as caught:
        parse_url(url)
    assert "sqlite:////path/to/warehouse.sqlite" in caught.value.user_text
    assert CANARY not in f"{caught.value.user_text} {caught.value.detail}"


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("sqlite:////data/w.sqlite", "sqlite:////data/w.sqlite"),
        (f"postgresql://u:{CANARY}@h:5432/db", "postgresql://u@h:5432/db"),
        (f"postgresql://h/db?user=u&password={CANARY}", "postgresql://h/db"),
        (f"postgresql://h/db?sslpassword={CANARY}", "postgresql://h/db"),
        ("postgresql:///db?host=/run/x", "postgresql:///db?host=%2Frun%2Fx"),
    ],
)
def test_label_has_no_password(url: str, label: str) -> None:
    """What is shown of a URL keeps the place and drops the password, wherever it stood."""
    assert label_of(parse_url(url)) == label
    assert make_url(label)
