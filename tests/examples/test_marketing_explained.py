"""Every kind of key result can be traced to its records, and previewed as it is published."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from connectors.sandbox.serve import Sandbox
from okr_sync.cli import main

MARKETING = Path(__file__).parent.parent.parent / "examples" / "marketing"


@pytest.fixture(scope="module")
def synced_marketing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The example, synced as of its cycle's last day, with the environment for more."""
    folder = tmp_path_factory.mktemp("marketing_explained")
    environment = pytest.MonkeyPatch()
    with Sandbox(MARKETING / "account", rate_limits=False) as sandbox:
        for name, value in sandbox.environment().items():
            environment.setenv(name, value)
        environment.delenv("DAGSTER_HOME", raising=False)
        environment.setenv("OKR_SYNC_PROJECT", str(MARKETING))
        environment.setenv("OKR_SYNC_WAREHOUSE", str(folder / "warehouse.sqlite"))
        assert CliRunner().invoke(main, ["sync", "--as-of", "2026-09-30"]).exit_code == 0
        yield
    environment.undo()


def asked(*words: str) -> tuple[int, Any]:
    """The exit status of a command, and what it answers as JSON."""
    done = CliRunner().invoke(main, [*words, "--json"])
    return done.exit_code, json.loads(done.stdout) if done.exit_code == 0 else done.stderr


def test_listed_records_are_the_sample_of_every_kind(synced_marketing: None) -> None:
    """Sums in other currencies, associations, groups, means, durations, formulas' inputs."""
    _, rows = asked("status")
    traced = set()
    for row in rows:
        name = row["key_result_id"]
        if row["as_of"] is None:
            continue
        status, found = asked("explain", name, "--records")
        if status == 2:
            assert "no records to list" in found
            continue
        counted = [record for record in found["records"] if record["counted"]]
        assert len(counted) == sum(one["counted"] for one in found["records_counted"]), name
        if len(found["records_counted"]) == 1 and row["sample_size"] is not None:
            assert len(counted) == row["sample_size"], name
            traced.add(name)
        if found["inputs"]:
            assert all(one["value"] is not None for one in found["inputs"]), name
    assert len(traced) >= 18
    _, pipeline = asked("explain", "lifecycle/email-pipeline", "--records")
    total = sum(record["amount"] for record in pipeline["records"] if record["counted"])
    assert pipeline["number"]["value"] == pytest.approx(total)
    assert "no exchange rate from JPY" in {record["left_out"] for record in pipeline["records"]}


def test_previews_of_the_published_day_are_the_published_numbers(synced_marketing: None) -> None:
    """`--diff` without a change in the files shows no difference, for every kind."""
    _, rows = asked("status")
    compared = 0
    for row in rows:
        if row["as_of"] is None:
            continue
        status, found = asked("preview", row["key_result_id"], "--diff", "--no-pull")
        assert status == 0, found
        assert found["changed"] == []
        (day,) = [one for one in found["diff"] if one["as_of"] == row["as_of"]]
        assert day["draft"] == day["published"], row["key_result_id"]
        assert day["draft_status"] == day["published_status"], row["key_result_id"]
        compared += 1
    assert compared >= 30


def test_a_level_can_be_previewed_though_the_past_can_not(synced_marketing: None) -> None:
    """Open pipeline has no number of a past day, and one of today before any run has published it."""
    status, found = asked("preview", "revenue-marketing/open-pipeline")
    assert status == 0
    assert found["latest"]["value"] is not None
