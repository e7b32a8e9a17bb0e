"""Telling people from Dagster: real runs that fail and are mended, the sensors, and the digest's schedule."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._utils.schedules import cron_string_iterator

from assets.config_change import SENSOR
from assets.keys import SYNC_JOB
from assets.resources import Clock
from assets.telling import DIGEST_JOB
from okr_sync.definitions import build_definitions
from okr_sync.errors import WarehouseError
from okr_sync.warehouse.connect import open_warehouse
from okr_sync.warehouse.messages import waiting

NOW = datetime(2026, 2, 2, 15, tzinfo=UTC)
PROJECT = """\
version: 1
time_zone: America/New_York
currency: USD
sources:
  people: {kind: files, path: people}
check_ins: {from: people.check_ins}
tell: {url_env: TELL_ALL, owners: {ana: TELL_ANA}}
"""
OKRS = """\
team: brand
cycle: 2026-Q1
objectives:
  - id: known
    title: Be known
    owner: ana
    key_results:
      - {id: markets, title: Open 3 to 8 markets, goal: {from: 3, to: 8}, unit: markets}
"""
GOOD = "key_result,day,value,confidence,note,author\nbrand/markets,2026-02-01,5,7,,ana\n"
BAD = GOOD + "brand/markets,2026-02-02,many,7,,ana\n"


@pytest.fixture
def brand(
    company: Any, sqlite_url: str, posts: tuple[list[Any], str], monkeypatch: pytest.MonkeyPatch
) -> Any:
    """A project with one key result, whose owner and general channel lead to the webhook."""
    for name in ("okrs/sales.yaml", "okrs/web.yaml", "metrics.yaml"):
        (company.project / name).unlink()
    company.write("okr_sync.yaml", PROJECT)
    company.write("okrs/brand.yaml", OKRS)
    company.write("people/check_ins.csv", GOOD)
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
    monkeypatch.setenv("TELL_ANA", f"{posts[1]}ana")
    monkeypatch.setenv("TELL_ALL", f"{posts[1]}all")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return company


def definitions(company: Any, at: datetime, **resources: Any) -> dg.Definitions:
    """The project's definitions, at an instant."""
    return build_definitions(company.project, {"clock": Clock(at), **resources})


def sync(company: Any, instance: dg.DagsterInstance, at: datetime) -> dg.ExecuteInProcessResult:
    """Run the sync job."""
    job = definitions(company, at).resolve_job_def(SYNC_JOB)
    return job.execute_in_process(
        instance=instance, partition_key=at.date().isoformat(), raise_on_error=False
    )


def look(company: Any, instance: dg.DagsterInstance, at: datetime) -> str:
    """Let the status sensor look; what it says."""
    made = definitions(company, at)
    sensor = made.resolve_sensor_def("tell_status_changes")
    with dg.build_sensor_context(instance=instance, resources=needed(made)) as context:
        return sensor.evaluate_tick(context).skip_message or ""


def needed(made: dg.Definitions) -> dict[str, Any]:
    """The resources that sensors ask for, as the daemon gives them."""
    resources = made.get_repository_def().get_top_level_resources()
    return {name: resources[name] for name in ("warehouse", "clock")}


def after_failure(
    company: Any, result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance, at: datetime
) -> str:
    """Let the run-failure sensor look at a failed run; what it says."""
    made = definitions(company, at)
    with dg.build_run_status_sensor_context(
        sensor_name="tell_failed_runs",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        resources=needed(made),
    ).for_run_failure() as context:
        found = made.resolve_sensor_def("tell_failed_runs")(context)
    assert isinstance(found, dg.SkipReason)
    return found.skip_message or ""


def test_a_broken_key_result_reaches_its_owner_once_and_once_when_mended(
    brand: Any, posts: tuple[list[Any], str]
) -> None:
    """Three failing hours are one message with the line to mend; the run's failure adds none."""
    with dg.DagsterInstance.ephemeral() as instance:
        assert sync(brand, instance, NOW).success
        assert look(brand, instance, NOW) == "0 messages queued."
        brand.write("people/check_ins.csv", BAD)
        for hour in range(1, 4):
            at = NOW + timedelta(hours=hour)
            failed = sync(brand, instance, at)
            assert not failed.success
            after_failure(brand, failed, instance, at)
            look(brand, instance, at)
        brand.write("people/check_ins.csv", GOOD)
        at = NOW + timedelta(hours=4)
        assert sync(brand, instance, at).success
        look(brand, instance, at)
        look(brand, instance, at)
    found = posts[0]
    assert [one["title"] for one in found] == ["Broken: brand/markets", "Mended: brand/markets"]
    assert "people/check_ins.csv line 3: `many` is not a number" in found[0]["message"]
    assert "The last good value stands: 5" in found[0]["message"]


def test_a_run_that_could_not_be_finished_is_told_once_in_our_words(
    brand: Any, posts: tuple[list[Any], str]
) -> None:
    """Our own errors are quoted; a stranger's text, which may hold anything, is not. A sensor that told
    nobody doesn't say that it told."""

    def broken(error: Exception) -> dg.ExecuteInProcessResult:
        class Fails(Clock):
            def now(self) -> datetime:
                raise error

        job = definitions(brand, NOW, clock=Fails()).resolve_job_def(SYNC_JOB)
        return job.execute_in_process(
            instance=instance, partition_key="2026-02-02", raise_on_error=False
        )

    with dg.DagsterInstance.ephemeral() as instance:
        assert sync(brand, instance, NOW).success
        first = broken(WarehouseError("The disk is full. Free some space.", "detail"))
        said = after_failure(brand, first, instance, NOW)
        assert said == "1 message queued."
        said = after_failure(
            brand, broken(KeyError("a stranger's text")), instance, NOW + timedelta(hours=1)
        )
        assert said == "0 messages queued."
        look(brand, instance, NOW + timedelta(hours=1))
        at = NOW + timedelta(hours=2)
        assert sync(brand, instance, at).success
        look(brand, instance, at)
        after_failure(brand, broken(KeyError("a stranger's text")), instance, at)
    titles = [one["title"] for one in posts[0]]
    assert titles == [
        "Broken: okr-sync could not finish a run",
        "Mended: okr-sync runs again",
        "Broken: okr-sync could not finish a run",
    ]
    assert posts[0][0]["message"].startswith("The disk is full. Free some space.\n")
    assert "stranger" not in json.dumps(posts[0])


def test_a_receiver_that_is_down_harms_no_sync_and_is_told_later(
    brand: Any, posts: tuple[list[Any], str], sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sensor says so without the address; the message is sent when the receiver is back."""
    monkeypatch.setenv("TELL_ANA", "json://127.0.0.1:9/s3cr3t-canary")
    brand.write("people/check_ins.csv", BAD)
    with dg.DagsterInstance.ephemeral() as instance:
        sync(brand, instance, NOW)
        said = look(brand, instance, NOW)
        assert "json:// is down or refuses" in said and "s3cr3t-canary" not in said
        warehouse = open_warehouse(sqlite_url)
        assert len(waiting(warehouse)) == 1
        brand.write("people/check_ins.csv", GOOD)
        at = NOW + timedelta(hours=1)
        assert sync(brand, instance, at).success
        monkeypatch.setenv("TELL_ANA", posts[1])
        look(brand, instance, at)
        assert waiting(warehouse) == []
        warehouse.close()
    assert [one["title"] for one in posts[0]] == ["Broken: brand/markets", "Mended: brand/markets"]


def test_the_digest_comes_on_mondays_in_the_projects_time_zone(
    brand: Any, posts: tuple[list[Any], str]
) -> None:
    """Eight in New York, before and after the clocks change; the job sends each team's week."""
    made = definitions(brand, NOW)
    dg.Definitions.validate_loadable(made)
    schedule = made.resolve_schedule_def("digest_schedule")
    ticks = cron_string_iterator(
        datetime(2026, 10, 24, tzinfo=UTC).timestamp(),
        str(schedule.cron_schedule),
        schedule.execution_timezone,
    )
    assert [next(ticks).astimezone(UTC).isoformat() for _ in range(2)] == [
        "2026-10-26T12:00:00+00:00",
        "2026-11-02T13:00:00+00:00",
    ]
    with dg.DagsterInstance.ephemeral() as instance:
        assert sync(brand, instance, NOW).success
        job = made.resolve_job_def(DIGEST_JOB)
        assert job.execute_in_process(instance=instance).success
        assert job.execute_in_process(instance=instance).success
    (one,) = posts[0]
    assert one["title"] == "brand: the week to 2 February 2026"
    assert "Open 3 to 8 markets (brand/markets): 5 (goal: 3 → 8), 40% of the way" in one["message"]


def test_a_project_that_tells_nobody_has_no_sensors(brand: Any) -> None:
    """Nothing is offered that would do nothing."""
    brand.write("okr_sync.yaml", PROJECT.partition("tell:")[0])
    made = definitions(brand, NOW)
    # The one that syncs when bindings change has nothing to do with telling.
    assert [one.name for one in made.sensors or ()] == [SENSOR]
    assert [one.name for one in made.get_repository_def().schedule_defs] == ["sync_schedule"]
