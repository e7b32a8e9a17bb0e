"""okr-sync sync with records of Dagster's: runs that died don't keep it from their sources."""

import time
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.keys import SYNC_JOB
from okr_sync.commands.dagster_instance import give_back_places, places_given_back
from okr_sync.definitions import build_definitions
from okr_sync.warehouse.connect import open_warehouse
from okr_sync.warehouse.runs import start_run

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)


@pytest.fixture
def home(at_company: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Dagster's folder as `okr-sync init` sets it up for the company, with two places for a source."""
    folder = tmp_path / "dagster"
    folder.mkdir()
    settings = (files("okr_sync.templates") / "dagster.yaml").read_text(encoding="utf-8")
    (folder / "dagster.yaml").write_text(settings, encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return folder


def claim(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Take a place at the source hubspot, if there is one."""
    storage = instance.event_log_storage
    storage.initialize_concurrency_limit_to_default("hubspot")
    return bool(storage.claim_concurrency_slot("hubspot", run_id, "a_pull").is_claimed)


@pytest.mark.usefixtures("home")
def test_runs_that_died_in_a_pull_give_their_places_back(okr_sync: Any, at_company: Any) -> None:
    """A cancelled run and one that nobody knows hold both places of a source; a sync still ends."""
    job = build_definitions(at_company.project).resolve_job_def(SYNC_JOB)
    with dg.DagsterInstance.get() as instance:
        cancelled = instance.create_run_for_job(job, status=dg.DagsterRunStatus.CANCELED).run_id
        assert claim(instance, cancelled)
        assert claim(instance, "11111111-1111-1111-1111-111111111111")
        assert not claim(instance, "another")
        instance.event_log_storage.free_concurrency_slots_for_run("another")
    done = okr_sync("sync", "--as-of", "2026-03-06")
    assert done.exit_code == 0, done.output


@pytest.mark.usefixtures("home")
def test_a_run_keeps_its_place_as_long_as_its_lease(at_company: Any, sqlite_url: str) -> None:
    """Dagster takes a killed process for running; its lease in the warehouse says when it is dead."""
    job = build_definitions(at_company.project).resolve_job_def(SYNC_JOB)
    warehouse = open_warehouse(sqlite_url)
    with dg.DagsterInstance.get() as instance:
        runs = [
            instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED).run_id
            for _ in range(2)
        ]
        for run_id, lasting in zip(runs, (timedelta(minutes=5), timedelta(0)), strict=True):
            start_run(
                warehouse,
                run_id=run_id,
                trigger="manual",
                dagster_run_id=run_id,
                config_hash="",
                expected=1,
                started_at=NOW,
                lasting=lasting,
            )
            assert claim(instance, run_id)
        give_back_places(instance, warehouse)
        assert instance.event_log_storage.get_concurrency_run_ids() == {runs[0]}
        give_back_places(instance, warehouse)
        assert instance.event_log_storage.get_concurrency_run_ids() == {runs[0]}
    warehouse.close()


@pytest.mark.usefixtures("home")
def test_who_waits_for_a_source_is_told_once(at_company: Any, sqlite_url: str) -> None:
    """A sync that waits for two others to read a source says so, and not each time it looks."""
    job = build_definitions(at_company.project).resolve_job_def(SYNC_JOB)
    warehouse = open_warehouse(sqlite_url)
    said: list[str] = []
    with dg.DagsterInstance.get() as instance:
        runs = [
            instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED).run_id
            for _ in range(3)
        ]
        assert [claim(instance, run_id) for run_id in runs] == [True, True, False]
        with places_given_back(instance, warehouse, said.append, every_seconds=0.01):
            ends_at = datetime.now(UTC) + timedelta(seconds=30)
            while not said and datetime.now(UTC) < ends_at:
                time.sleep(0.02)
            instance.event_log_storage.free_concurrency_slots_for_run(runs[0])
            while instance.event_log_storage.get_concurrency_info("hubspot").pending_step_count:
                assert datetime.now(UTC) < ends_at
                time.sleep(0.02)
    warehouse.close()
    assert said == ["hubspot: waiting until another run has read it"]
