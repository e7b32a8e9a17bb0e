"""The sensor that syncs when bindings have changed: by what the files hold, and not half-saved."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from assets.config_change import SENSOR
from assets.resources import Clock
from okr_sync.definitions import build_definitions

NOW = datetime(2026, 3, 6, 3, 30, tzinfo=UTC)  # 22:30 of the 5th in New York


class Watching:
    """The sensor as Dagster's daemon has it: definitions that were loaded once, and a cursor."""

    def __init__(self, company: Any) -> None:
        repository = build_definitions(company.project, {"clock": Clock(NOW)}).get_repository_def()
        self._sensor = repository.get_sensor_def(SENSOR)
        self._repository = repository
        self._cursor: str | None = None

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
