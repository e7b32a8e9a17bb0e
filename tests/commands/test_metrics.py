"""okr-sync metrics: what a monitoring system is told, on standard output, in a file and by asking."""

import json
import os
import sqlite3
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from connectors.sandbox.serve import Sandbox
from okr_sync.warehouse.connect import open_warehouse
from okr_sync.warehouse.runs import finish_run, start_run


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The figures of a text by name and labels, as Prometheus' own parser reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def synced(okr_sync: Any, company: Any, sandbox: Sandbox) -> str:
    """The project of a company that was synced once as of 6 March 2026."""
    folder = str(company.project)
    done = okr_sync("sync", "--as-of", "2026-03-06", "--project", folder)
    assert done.exit_code == 0, done.output
    return folder


def test_the_figures_are_those_of_the_warehouse(okr_sync: Any, synced: str) -> None:
    """Key results, the run and its pulls are told as they are, in the collector's own format."""
    told = okr_sync("metrics", "--project", synced)
    assert told.exit_code == 0, told.output
    found = samples(told.output)
    leads = (("cycle", "2026-Q1"), ("key_result", "sales/leads"), ("team", "sales"))
    contacts = (("dataset", "contacts"), ("source", "hubspot"))
    assert found["okr_sync_warehouse_up", ()] == 1
    assert found["okr_sync_key_result_value", leads] == 2
    assert found["okr_sync_key_result_progress_ratio", leads] == pytest.approx(0.2)
    assert found["okr_sync_runs_total", (("status", "success"),)] == 1
    assert found["okr_sync_last_run_key_results", (("outcome", "ok"),)] == 4
    assert found["okr_sync_pull_rows", contacts] == 3
    assert found["okr_sync_pull_complete", contacts] == 1
    first = found["okr_sync_requests_total", contacts]
    assert first >= 1
    okr_sync("sync", "--as-of", "2026-03-06", "--project", synced)
    again = samples(okr_sync("metrics", "--project", synced).output)
    assert again["okr_sync_runs_total", (("status", "success"),)] == 2
    assert again["okr_sync_requests_total", contacts] > first


def test_what_is_left_of_a_quota_is_told_and_its_limit_is_not(okr_sync: Any, synced: str) -> None:
    """HubSpot's day shrinks by the requests that were made; limits and the ten seconds are no figures."""
    left = {
        dict(labels)["quota"]: value
        for (name, labels), value in samples(
            okr_sync("metrics", "--project", synced).output
        ).items()
        if name == "okr_sync_quota_left" and ("source", "hubspot") in labels
    }
    assert left.keys() == {"daily_remaining"}
    limits = json.loads(last_quota(synced))
    assert 0 < left["daily_remaining"] == limits["daily_remaining"] < limits["daily"]


def last_quota(folder: str) -> str:
    """What HubSpot told in the last pull, as it is kept."""
    with sqlite3.connect(Path(folder) / ".okr_sync" / "warehouse.sqlite") as warehouse:
        (quota,) = warehouse.execute("SELECT quota FROM source_pull WHERE source = 'hubspot'")
    return str(quota[0])


def test_a_dataset_that_no_binding_reads_any_more_is_not_told(
    okr_sync: Any, synced: str, company: Any
) -> None:
    """Its last pull would stand there for ever: complete, and with a quota that has long changed."""
    (company.project / "okrs" / "web.yaml").unlink()
    found = samples(okr_sync("metrics", "--project", synced).output)
    sources = {dict(labels).get("source") for name, labels in found if "_pull_" in name}
    assert sources == {"hubspot"}


def test_a_run_that_is_going_on_is_not_counted_yet(okr_sync: Any, synced: str) -> None:
    """A counter only grows: a run is counted once it has ended, by what it has become."""
    warehouse = open_warehouse(f"sqlite:///{synced}/.okr_sync/warehouse.sqlite")
    start_run(
        warehouse,
        run_id="run-1",
        trigger="manual",
        dagster_run_id=None,
        config_hash="c",
        expected=1,
        started_at=datetime.now(UTC),
    )

    def runs() -> dict[Any, float]:
        found = samples(okr_sync("metrics", "--project", synced).output)
        return {labels: n for (name, labels), n in found.items() if name == "okr_sync_runs_total"}

    ended = (("status", "success"),)
    assert runs() == {ended: 1}
    finish_run(warehouse, "run-1", finished_at=datetime.now(UTC))
    warehouse.close()
    assert runs() == {ended: 1, (("status", "failed"),): 1}


def test_a_file_is_replaced_at_once(okr_sync: Any, synced: str, tmp_path: Path) -> None:
    """The file for a collector is whole, readable by others, and nothing else is left beside it."""
    file = tmp_path / "collected" / "okr_sync.prom"
    missing = okr_sync("metrics", "-o", str(file), "--project", synced)
    assert missing.exit_code == 1 and "can't be written" in missing.output
    file.parent.mkdir()
    file.write_text("old", encoding="utf-8")
    assert okr_sync("metrics", "-o", str(file), "--project", synced).exit_code == 0
    assert samples(file.read_text(encoding="utf-8"))["okr_sync_warehouse_up", ()] == 1
    assert os.stat(file).st_mode & 0o777 == 0o644
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_scrape_tells_of_now_and_of_a_warehouse_that_is_gone(okr_sync: Any, synced: str) -> None:
    """The endpoint reads the warehouse at every scrape, and says 0 when it can't be had."""
    command = [
        str(Path(sys.executable).with_name("okr-sync")),
        "metrics",
        "--serve",
        "0",
        "--project",
        synced,
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[2]

        def scraped() -> dict[Any, float]:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return samples(answer.read().decode())

        assert scraped()["okr_sync_runs_total", (("status", "success"),)] == 1
        okr_sync("sync", "--as-of", "2026-03-06", "--project", synced)
        assert scraped()["okr_sync_runs_total", (("status", "success"),)] == 2
        warehouse = Path(synced) / ".okr_sync" / "warehouse.sqlite"
        warehouse.rename(warehouse.with_suffix(".away"))
        assert scraped() == {("okr_sync_warehouse_up", ()): 0}
    finally:
        server.terminate()
        server.communicate(timeout=20)


def test_a_wrong_address_is_wrong_use(okr_sync: Any, company: Any) -> None:
    """What is no port, and two ways out at once, are said in words."""
    for options, word in (
        (["--serve", "localhost"], "not a port"),
        (["--serve", "9464", "-o", "x"], "not both"),
    ):
        refused = okr_sync("metrics", *options, "--project", str(company.project))
        assert refused.exit_code == 2
        assert word in refused.output
