"""What is tried again and what is not, and runs that are about less than everything."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from assets.keys import SYNC_JOB
from assets.resources import Clock, StepRetries
from connectors.sandbox.serve import Sandbox
from okr_sync.definitions import build_definitions
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.reads import last_runs, pulls
from okr_sync.warehouse.status import status

DAY = "2026-03-06"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance of Dagster that starts failed runs again, as a careless operator may set it."""
    folder = tmp_path_factory.mktemp("dagster")
    settings = {"run_retries": {"enabled": True, "max_retries": 3}}
    with dg.DagsterInstance.local_temp(str(folder), overrides=settings) as found:
        yield found


def run(
    company: Any,
    instance: dg.DagsterInstance,
    selection: list[str] | None = None,
    day: str = DAY,
    at: str | None = None,
) -> dg.ExecuteInProcessResult:
    """Run the sync job with steps that are tried twice again at once, where they are."""
    resources: dict[str, Any] = {"retries": StepRetries(2, 0.0)}
    if at:
        resources["clock"] = Clock(datetime.fromisoformat(at))
    job = build_definitions(company.project, resources).resolve_job_def(SYNC_JOB)
    keys = None if selection is None else [dg.AssetKey(name.split("/")) for name in selection]
    return job.execute_in_process(
        instance=instance, partition_key=day, asset_selection=keys, raise_on_error=False
    )


def tries(result: dg.ExecuteInProcessResult, step: str) -> int:
    """How often a step was begun in a run."""
    return sum(
        event.step_key == step and (event.is_step_start or event.is_step_restarted)
        for event in result.all_events
    )


@pytest.mark.parametrize(
    ("fault", "requests"),
    # A token may have been renewed meanwhile: a 401 is asked once more with the token read anew.
    [("hubspot.401", 2), ("hubspot.403_scopes", 1), ("hubspot.429_daily", 1)],
)
def test_what_trying_again_cannot_mend_is_not_tried_again(
    company: Any,
    sandbox: Sandbox,
    sqlite: Warehouse,
    instance: dg.DagsterInstance,
    fault: str,
    requests: int,
) -> None:
    """A refusal and a used-up quota are not asked for again: neither the step nor the run is tried again."""
    assert sandbox.hubspot is not None
    sandbox.faults.switch_on(fault)
    result = run(company, instance)
    assert not result.success
    assert sandbox.hubspot.server.requests() == requests
    assert tries(result, "pull_hubspot") == 1
    stored = instance.get_run_by_id(result.run_id)
    assert stored is not None
    assert stored.tags["dagster/will_retry"] == "false"
    assert stored.tags["dagster/failure_reason"] == "STEP_FAILURE"


def test_a_binding_that_cannot_work_is_not_tried_again(
    company: Any, sandbox: Sandbox, sqlite: Warehouse, instance: dg.DagsterInstance
) -> None:
    """A property that HubSpot does not have fails its key result alone, in one try of everything."""
    text = (company.project / "metrics.yaml").read_text(encoding="utf-8")
    company.write("metrics.yaml", text.replace("hs_analytics_source", "hs_analytic"))
    result = run(company, instance)
    assert not result.success
    assert (tries(result, "pull_hubspot"), tries(result, "publish")) == (1, 1)
    stored = instance.get_run_by_id(result.run_id)
    assert stored is not None and stored.tags["dagster/will_retry"] == "false"


def test_what_may_pass_is_tried_again_within_the_run(
    company: Any, sandbox: Sandbox, sqlite: Warehouse, instance: dg.DagsterInstance
) -> None:
    """HubSpot is down for as long as one pull tries: the step's next try succeeds, and the run is green."""
    # One pull makes five tries of a request.
    sandbox.faults.switch_on("hubspot.503", times=5)
    result = run(company, instance)
    assert result.success
    assert (tries(result, "pull_hubspot"), tries(result, "publish")) == (2, 1)
    (sync,) = last_runs(sqlite)
    assert (sync.status, sync.key_results_ok) == ("success", 4)
    assert all(pull.is_complete for pull in pulls(sqlite, sync.run_id))


def test_a_run_over_a_source_alone_ends_with_it(
    company: Any, sandbox: Sandbox, warehouse: Warehouse, instance: dg.DagsterInstance
) -> None:
    """Materializing datasets or metrics without key results leaves no run `running` behind."""
    for selection in (["hubspot/contacts"], ["hubspot/contacts", "web/report", "metric/leads"]):
        result = run(company, instance, selection)
        assert result.success
        newest = last_runs(warehouse)[0]
        assert newest.dagster_run_id == result.run_id
        assert (newest.status, newest.key_results_expected, newest.error) == ("success", 0, None)
        assert newest.finished_at is not None
    sandbox.faults.switch_on("hubspot.401")
    assert run(company, instance, ["hubspot/contacts"]).success  # the check fails, not the step
    newest = last_runs(warehouse)[0]
    assert newest.status == "failed"
    assert newest.error is not None and "HUBSPOT_ACCESS_TOKEN" in newest.error


def test_a_day_that_has_not_begun_is_refused_before_anything_is_read(
    company: Any, sandbox: Sandbox, sqlite: Warehouse, instance: dg.DagsterInstance
) -> None:
    """Where the machine's clock and the daemon's disagree, nobody measures tomorrow."""
    assert sandbox.hubspot is not None
    result = run(company, instance, at="2026-03-06T04:30:00Z")  # 23:30 of the 5th in New York
    assert not result.success
    (failure, *_) = result.get_step_failure_events()
    said = failure.step_failure_data.user_failure_data
    assert said is not None and said.description is not None
    assert said.description.startswith("2026-03-06 has not begun in America/New_York")
    assert sandbox.hubspot.server.requests() == 0
    assert status(sqlite, now=datetime.now(UTC)) == []
    partitions = build_definitions(company.project).resolve_job_def(SYNC_JOB).partitions_def
    assert partitions is not None
    days = partitions.get_partition_keys(current_time=datetime(2026, 3, 6, 4, 30, tzinfo=UTC))
    assert days[-1] == "2026-03-05"


def test_one_key_result_pulls_only_what_it_needs(
    company: Any, sandbox: Sandbox, sqlite: Warehouse, instance: dg.DagsterInstance
) -> None:
    """With its upstreams, a key result of GA4 asks HubSpot nothing, and no other key result is touched."""
    assert sandbox.hubspot is not None
    result = run(company, instance, ["web/report", "metric/sessions", "key_result/web/sessions"])
    assert result.success
    assert sandbox.hubspot.server.requests() == 0
    rows = {row.key_result_id: row.value for row in status(sqlite, now=datetime.now(UTC))}
    assert rows["web/sessions"] == 4
    assert rows.get("web/visitors") is None
