"""The sensor that syncs when bindings have changed: by what the files hold, and not half-saved."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from assets.config_change import SENSOR
from assets.resources import Clock
from okr_sync.config.loader import load_project
from okr_sync.definitions import build_definitions

NOW = datetime(2026, 3, 6, 3, 30, tzinfo=UTC)  # 22:30 of the 5th in New York


class Ticking(Clock):
    """A clock that goes on by a second each time it is looked at."""

    def __init__(self, now: datetime) -> None:
        super().__init__(now)
        self._now = now

    def now(self) -> datetime:
        """A second after the last time."""
        self.pass_by(timedelta(seconds=1))
        return self._now

    def pass_by(self, wait: timedelta) -> None:
        """Let time pass."""
        self._now += wait


class Watching:
    """The sensor as Dagster's daemon has it: definitions that were loaded once, and a cursor."""

    def __init__(self, company: Any, now: datetime = NOW, cursor: str | None = None) -> None:
        self._clock = Ticking(now)
        repository = build_definitions(company.project, {"clock": self._clock}).get_repository_def()
        self._sensor = repository.get_sensor_def(SENSOR)
        self._repository = repository
        self._cursor = cursor

    def later(self, wait: timedelta) -> None:
        """Let time pass."""
        self._clock.pass_by(wait)

    def look(self) -> Any:
        """One evaluation."""
        context = dg.build_sensor_context(cursor=self._cursor, repository_def=self._repository)
        found = self._sensor.evaluate_tick(context)
        self._cursor = found.cursor if found.cursor is not None else self._cursor
        return found


def test_a_change_that_stays_is_run_once(company: Any) -> None:
    """Seen twice, a change is a run as of today in the project's zone; then there is none until the next."""
    watching = Watching(company)
    assert not watching.look().run_requests
    text = (company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    company.write("okrs/sales.yaml", text.replace("to: 10}", "to: 12}"))
    assert "stay so" in watching.look().skip_message
    (request,) = watching.look().run_requests
    assert request.partition_key == "2026-03-05"
    for _ in range(3):
        assert not watching.look().run_requests
    company.write("okrs/sales.yaml", text)
    watching.look()
    (again,) = watching.look().run_requests
    assert again.run_key != request.run_key


def test_saving_a_file_as_it_was_is_no_change(company: Any) -> None:
    """It is what the files hold that counts, not when they were written; and what was taken back is forgotten."""
    watching = Watching(company)
    path = company.project / "okrs" / "sales.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    path.touch()
    assert not watching.look().run_requests
    company.write("okrs/sales.yaml", text.replace("to: 10}", "to: 12}"))
    assert not watching.look().run_requests
    company.write("okrs/sales.yaml", text)
    for _ in range(3):
        assert not watching.look().run_requests


def test_a_file_that_is_still_being_written_waits(company: Any) -> None:
    """Each save in a row of edits begins the minute anew: only the last one runs."""
    watching = Watching(company)
    text = (company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    for target in (11, 12, 13):
        company.write("okrs/sales.yaml", text.replace("to: 10}", f"to: {target}}}"))
        assert not watching.look().run_requests
    assert len(watching.look().run_requests) == 1


def test_a_project_file_that_cannot_be_read_is_said(company: Any) -> None:
    """A broken okr_sync.yaml starts nothing, and its evaluation says why; mending it goes on."""
    watching = Watching(company)
    text = (company.project / "okr_sync.yaml").read_text(encoding="utf-8")
    company.write("okr_sync.yaml", "version: 1\ntime_zone: [")
    found = watching.look()
    assert not found.run_requests
    assert "can't be read" in found.skip_message
    company.write("okr_sync.yaml", text)
    assert not watching.look().run_requests


def test_the_same_change_made_again_runs_again(company: Any) -> None:
    """To one goal, back, and to it once more on one day: three runs, each with a key of its own."""
    watching = Watching(company)
    text = (company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    changed = text.replace("to: 10}", "to: 12}")
    keys = []
    for contents in (changed, text, changed):
        company.write("okrs/sales.yaml", contents)
        watching.look()
        (request,) = watching.look().run_requests
        keys.append(request.run_key)
    assert len(set(keys)) == 3


def test_no_run_of_a_day_before_the_first_cycle(company: Any) -> None:
    """A project that is written ahead of its quarter is not run until that begins, and then it is."""
    eve = datetime(2026, 1, 1, 4, tzinfo=UTC)  # 23:00 of 31 December in New York
    watching = Watching(company, eve)
    text = (company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    company.write("okrs/sales.yaml", text.replace("to: 10}", "to: 12}"))
    watching.look()
    found = watching.look()
    assert not found.run_requests
    assert "the first cycle begins on 2026-01-01" in found.skip_message
    watching.later(timedelta(hours=1))
    (request,) = watching.look().run_requests
    assert request.partition_key == "2026-01-01"


def test_a_change_that_an_earlier_version_has_seen_is_run(company: Any) -> None:
    """A cursor from before instants were kept holds nothing up: the change is waited for once more."""
    text = (company.project / "okrs" / "sales.yaml").read_text(encoding="utf-8")
    before = load_project(company.project).config_hash
    company.write("okrs/sales.yaml", text.replace("to: 10}", "to: 12}"))
    seen = load_project(company.project).config_hash
    watching = Watching(company, cursor=json.dumps({"ran": before, "seen": seen}))
    assert not watching.look().run_requests
    assert len(watching.look().run_requests) == 1
