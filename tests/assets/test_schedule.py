"""The schedule's ticks: right after the clocks have changed and after downtime, and never too many."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator

from assets.automation import SCHEDULE
from assets.keys import RANGE_END_TAG, RANGE_START_TAG, SYNC_JOB, TRIGGER_TAG
from assets.resources import Clock
from connectors.sandbox.serve import Sandbox
from okr_sync.config.loader import load_project
from okr_sync.definitions import build_definitions
from okr_sync.sync.observe import calendar_of, longest_pause


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    """An instance of Dagster with storage of its own: a tick may ask it for the runs there are."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as found:
        yield found


@pytest.fixture
def own_instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance whose runs no other test sees."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as found:
        yield found


def ticks(company: Any, first: str, last: str) -> list[datetime]:
    """The schedule's ticks from one instant to another, as Dagster's scheduler works them out."""
    schedule = build_definitions(company.project).get_repository_def().get_schedule_def(SCHEDULE)
    found: list[datetime] = []
    start = datetime.fromisoformat(first).timestamp()
    for tick in schedule_execution_time_iterator(
        start, schedule.cron_schedule, schedule.execution_timezone
    ):
        if tick > datetime.fromisoformat(last):
            return found
        found.append(tick.astimezone(UTC))
    return found


def tick(company: Any, at: str, instance: dg.DagsterInstance, now: str | None = None) -> Any:
    """What the schedule says at a tick; `now` is when it is evaluated, by default right then."""
    clock = Clock(datetime.fromisoformat(now or at))
    repository = build_definitions(company.project, {"clock": clock}).get_repository_def()
    context = dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=datetime.fromisoformat(at),
        repository_def=repository,
    )
    return repository.get_schedule_def(SCHEDULE).evaluate_tick(context)


def sync(
    company: Any, day: str, at: str, instance: dg.DagsterInstance, trigger: str | None = None
) -> None:
    """A run of everything as of a day, at an instant; by Dagster, or by a command's `trigger`."""
    resources = {"clock": Clock(datetime.fromisoformat(at))}
    job = build_definitions(company.project, resources).resolve_job_def(SYNC_JOB)
    tags = {} if trigger is None else {TRIGGER_TAG: trigger}
    assert job.execute_in_process(instance=instance, partition_key=day, tags=tags).success


def days_caught_up(found: Any) -> list[tuple[str, str]]:
    """First and last day of each run over missed days that a tick asks for."""
    return [
        (request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG])
        for request in found.run_requests
        if RANGE_START_TAG in request.tags
    ]


def scheduled(company: Any, cron: str) -> None:
    """Give the company's project another schedule."""
    text = (company.project / "okr_sync.yaml").read_text(encoding="utf-8")
    company.write("okr_sync.yaml", f'{text}schedule: "{cron}"\n')


@pytest.mark.parametrize(
    ("at", "day"),
    [
        ("2026-03-07T17:00+00:00", "2026-03-07"),
        ("2026-03-08T04:00+00:00", "2026-03-07"),  # 23:00 in New York
        ("2026-03-08T05:00+00:00", "2026-03-08"),  # midnight there
        ("2026-03-08T07:00+00:00", "2026-03-08"),  # 03:00, the hour after the one that was skipped
        ("2026-11-01T05:00+00:00", "2026-11-01"),  # 01:00 the first time
        ("2026-11-01T06:00+00:00", "2026-11-01"),  # 01:00 the second time
    ],
)
def test_each_tick_is_a_run_as_of_its_local_day(
    company: Any, instance: dg.DagsterInstance, at: str, day: str
) -> None:
    """The hourly schedule runs for the day that the project's clocks show, also when they change."""
    (request,) = tick(company, at, instance).run_requests
    assert request.partition_key == day


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25), ("2026-03-09", 24)]
)
def test_an_hourly_schedule_ticks_once_an_hour_when_the_clocks_change(
    company: Any, day: str, hours: int
) -> None:
    """Days of 23 and 25 hours have as many ticks, an hour apart: none is left out, none comes twice."""
    zone = calendar_of(load_project(company.project).project).zone
    start = datetime.fromisoformat(day).replace(tzinfo=zone)
    end = start + timedelta(days=1)
    found = ticks(
        company,
        start.astimezone(UTC).isoformat(),
        (end.astimezone(UTC) - timedelta(seconds=1)).isoformat(),
    )
    assert len(found) == hours
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(hours=1)}


def test_a_daily_tick_within_the_skipped_hour_still_comes(company: Any) -> None:
    """02:30 does not exist on 8 March in New York; that day has its tick all the same, and only one."""
    scheduled(company, "30 2 * * *")
    zone = calendar_of(load_project(company.project).project).zone
    found = ticks(company, "2026-03-06T12:00:00+00:00", "2026-03-10T12:00:00+00:00")
    assert [each.astimezone(zone).date().isoformat() for each in found] == [
        "2026-03-07",
        "2026-03-08",
        "2026-03-09",
        "2026-03-10",
    ]


def test_a_week_of_downtime_is_one_run_of_the_missed_days_and_one_of_today(
    company: Any, sandbox: Sandbox, sqlite_url: str, monkeypatch: Any, instance: dg.DagsterInstance
) -> None:
    """Down from the 3rd to the 10th: the missed days come in one run, from the last measured one on."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
    sync(company, "2026-03-03", "2026-03-03T16:00:00+00:00", instance)
    at = "2026-03-10T14:00:00+00:00"
    catching_up, today = tick(company, at, instance).run_requests
    assert today.partition_key == "2026-03-10"
    days = (catching_up.tags[RANGE_START_TAG], catching_up.tags[RANGE_END_TAG])
    assert days == ("2026-03-03", "2026-03-09")
    # Other ticks that find the same days missing ask for the same run.
    again, _ = tick(company, "2026-03-10T15:00:00+00:00", instance).run_requests
    assert again.run_key == catching_up.run_key

    resources = {"clock": Clock(datetime.fromisoformat(at))}
    job = build_definitions(company.project, resources).resolve_job_def(SYNC_JOB)
    assert job.execute_in_process(instance=instance, tags=catching_up.tags).success
    sync(company, "2026-03-10", at, instance)
    (request,) = tick(company, "2026-03-11T14:00:00+00:00", instance).run_requests
    assert request.partition_key == "2026-03-11"


def test_only_the_latest_of_the_ticks_that_were_missed_runs(
    company: Any, instance: dg.DagsterInstance
) -> None:
    """Dagster evaluates the ticks of a downtime afterwards: older ones say that a later one does it."""
    found = tick(company, "2026-03-10T11:00:00+00:00", instance, now="2026-03-10T14:05:00+00:00")
    assert not found.run_requests
    assert "later tick" in found.skip_message
    assert tick(
        company, "2026-03-10T14:00:00+00:00", instance, now="2026-03-10T14:05:00+00:00"
    ).run_requests


def test_catching_up_is_bounded(
    company: Any, sandbox: Sandbox, sqlite_url: str, monkeypatch: Any, instance: dg.DagsterInstance
) -> None:
    """After two months away, a month is caught up by itself."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
    sync(company, "2026-01-05", "2026-01-05T16:00:00+00:00", instance)
    catching_up, _ = tick(company, "2026-03-10T14:00:00+00:00", instance).run_requests
    days = (catching_up.tags[RANGE_START_TAG], catching_up.tags[RANGE_END_TAG])
    assert days == ("2026-02-07", "2026-03-09")


def test_todays_number_does_not_hide_missed_days(
    company: Any,
    sandbox: Sandbox,
    sqlite_url: str,
    monkeypatch: Any,
    own_instance: dg.DagsterInstance,
) -> None:
    """Whatever else ran today, and if the run over the missed days failed, they are still missing.

    They are asked for once a day, not at every tick, until they have numbers.
    """
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
    missed = [("2026-03-03", "2026-03-09")]
    sync(company, "2026-03-03", "2026-03-03T16:00:00+00:00", own_instance)
    sync(company, "2026-03-10", "2026-03-10T13:10:00+00:00", own_instance, "manual")
    first = tick(company, "2026-03-10T14:00:00+00:00", own_instance)
    assert days_caught_up(first) == missed
    job = build_definitions(company.project).resolve_job_def(SYNC_JOB)
    tags = {**first.run_requests[0].tags, "dagster/run_key": first.run_requests[0].run_key}
    own_instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE, tags=tags)
    later = tick(company, "2026-03-10T15:00:00+00:00", own_instance)
    assert [request.partition_key for request in later.run_requests] == ["2026-03-10"]
    assert days_caught_up(tick(company, "2026-03-11T14:00:00+00:00", own_instance)) == missed


def test_downtime_over_a_quarters_end_is_caught_up(
    company: Any, sandbox: Sandbox, sqlite_url: str, monkeypatch: Any, instance: dg.DagsterInstance
) -> None:
    """A quarter's last days are measured when the next one has begun; days of no quarter are not."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
    sync(company, "2026-03-29", "2026-03-29T16:00:00+00:00", instance)
    found = tick(company, "2026-04-03T14:00:00+00:00", instance)
    assert days_caught_up(found) == [("2026-03-29", "2026-03-31")]


def test_days_before_dagster_ran_the_project_are_not_missed(
    company: Any, sandbox: Sandbox, sqlite_url: str, monkeypatch: Any, instance: dg.DagsterInstance
) -> None:
    """Who synced on Sundays by hand and then starts Dagster gets no run that nobody asked for."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
    sync(company, "2026-03-01", "2026-03-01T16:00:00+00:00", instance, "manual")
    sync(company, "2026-03-08", "2026-03-08T16:00:00+00:00", instance, "backfill")
    assert not days_caught_up(tick(company, "2026-03-10T14:00:00+00:00", instance))
    sync(company, "2026-03-10", "2026-03-10T14:00:00+00:00", instance)
    found = tick(company, "2026-03-12T14:00:00+00:00", instance)
    assert days_caught_up(found) == [("2026-03-10", "2026-03-11")]


def test_days_without_a_tick_are_not_missed(
    company: Any, sandbox: Sandbox, sqlite_url: str, monkeypatch: Any, instance: dg.DagsterInstance
) -> None:
    """A schedule on Mondays has no downtime from Tuesday to Sunday."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", sqlite_url)
    scheduled(company, "0 6 * * mon")
    sync(company, "2026-03-02", "2026-03-02T11:00:00+00:00", instance)
    (request,) = tick(company, "2026-03-09T10:00:00+00:00", instance).run_requests
    assert request.partition_key == "2026-03-09"
    catching_up, _ = tick(company, "2026-03-16T10:00:00+00:00", instance).run_requests
    assert catching_up.tags[RANGE_END_TAG] == "2026-03-09"


def test_a_tick_leaves_a_run_of_its_day_that_waits_or_goes_on(
    company: Any, instance: dg.DagsterInstance
) -> None:
    """Overlapping runs coalesce: while one of the day has not ended, ticks add none."""
    job = build_definitions(company.project).resolve_job_def(SYNC_JOB)
    now = datetime.now(UTC).replace(minute=5, second=0, microsecond=0)
    later = now + timedelta(hours=7)

    def runs_of_tick(at: datetime) -> Any:
        return tick(company, at.replace(minute=0).isoformat(), instance, now=at.isoformat())

    def started(at: datetime) -> dg.DagsterRun:
        zone = calendar_of(load_project(company.project).project).zone
        tags = {"dagster/partition": at.astimezone(zone).date().isoformat()}
        return instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)

    run = started(now)
    found = runs_of_tick(now)
    assert not found.run_requests
    assert run.run_id in found.skip_message
    instance.report_run_canceled(run)
    assert runs_of_tick(now).run_requests
    # A run that has not ended for hours is dead, and stands in nobody's way.
    started(later)
    assert runs_of_tick(later).run_requests


def test_nothing_runs_before_the_first_cycle(company: Any, instance: dg.DagsterInstance) -> None:
    """A project for the next quarter waits for it: no tick asks for a day that has no partition."""
    found = tick(company, "2025-12-20T14:00:00+00:00", instance)
    assert not found.run_requests
    assert "2026-01-01" in found.skip_message


@pytest.mark.parametrize(
    ("cron", "hours"),
    [("0 * * * *", 2), ("0 6 * * *", 49), ("15 6 * * mon-fri", 97), ("0 6 * * mon", 336)],
)
def test_a_number_is_fresh_until_it_has_missed_a_run(company: Any, cron: str, hours: int) -> None:
    """Freshness in Dagster follows the schedule: two ticks at their widest, over weekends and clock changes."""
    scheduled(company, cron)
    project = load_project(company.project).project
    # The Friday before the clocks go back: a day of 25 hours lies ahead.
    now = datetime(2026, 10, 30, 9, tzinfo=UTC)
    assert longest_pause(project, calendar_of(project), now) == timedelta(hours=hours)


def test_the_schedule_is_the_projects_own(company: Any) -> None:
    """Cron line and time zone come from okr_sync.yaml; it is on unless somebody turns it off."""
    scheduled(company, "15 6 * * mon-fri")
    schedule = build_definitions(company.project).get_repository_def().get_schedule_def(SCHEDULE)
    assert schedule.cron_schedule == "15 6 * * mon-fri"
    assert schedule.execution_timezone == "America/New_York"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
