"""What the tests of commands share: the command run in this process, and a synced company."""

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from connectors.sandbox.serve import Sandbox
from okr_sync.cli import main

Run = Callable[..., Result]


@pytest.fixture
def okr_sync() -> Run:
    """Run okr-sync in this process; a traceback fails the test."""

    def run(*words: str) -> Result:
        result = CliRunner().invoke(main, words)
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(
            result.exception
        )
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def at_company(
    company: Any, sandbox: Sandbox, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """The company, nothing synced yet, with the environment set for the command."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
    monkeypatch.setenv("OKR_SYNC_PROJECT", str(company.project))
    return company


@pytest.fixture
def synced_company(at_company: Any, okr_sync: Run) -> Any:
    """The company with two days synced: 6 March and the quarter's last day, 31 March 2026."""
    for day in ("2026-03-06", "2026-03-31"):
        assert okr_sync("sync", "--as-of", day).exit_code == 0
    return at_company
