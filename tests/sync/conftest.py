"""A project whose records lie in the mirror, and runs over it without Dagster's steps and without pulls."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select

from assets.run_scope import open_run
from okr_sync.config.bundle import Bundle
from okr_sync.config.loader import load_project
from okr_sync.sync.team import publish_key_results
from okr_sync.warehouse.audit import violations
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import (
    DatasetState,
    FieldState,
    FieldType,
    Row,
    column_name,
    record_table,
    state_of,
)
from okr_sync.warehouse.mirror_writes import commit_changes
from okr_sync.warehouse.reads import HistoryRow, history
from okr_sync.warehouse.record_values import parse_value
from okr_sync.warehouse.runs import finish_run

_PROJECT = """\
version: 1
time_zone: America/New_York
currency: USD
sources:
  hubspot: {kind: hubspot}
"""
_METRICS = """\
metrics:
  leads: {agg: count, from: hubspot.contacts, time: createdate}
  paid_share:
    ratio:
      numerator: {agg: count, where: {hs_analytics_source: PAID_SEARCH}}
      denominator: {agg: count}
    from: hubspot.contacts
    time: createdate
  pool: {snapshot: {agg: count}, from: hubspot.contacts}
"""
_OKRS = """\
team: sales
cycle: 2026-Q1
objectives:
  - id: grow
    title: Grow the funnel
    key_results:
      - {id: leads, title: Bring in leads, metric: leads, goal: {from: 0, to: 10}}
"""
_FIELDS: Mapping[str, FieldType] = {
    "createdate": FieldType.INSTANT,
    "hs_analytics_source": FieldType.TEXT,
}


@dataclass
class Desk:
    """A team's project and its warehouse, as one run after another finds them."""

    folder: Path
    warehouse: Warehouse
    contacts: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By id, when each was made (ISO, UTC) and where it came from."""
    runs: int = 0

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def key_results(self, *lines: str) -> None:
        """Write the key results of the team, a flow mapping each."""
        head = _OKRS.rpartition("      - ")[0]
        self.write("okrs.yaml", head + "".join(f"      - {{{line}}}\n" for line in lines))

    def goal(self, goal: str, more: str = "") -> None:
        """Write the team's only key result with this goal."""
        self.key_results(f"id: leads, title: Bring in leads, metric: leads, goal: {goal}{more}")

    def store(self, at: datetime) -> None:
        """Make the contacts all that the mirror holds, as a complete pull would."""
        rows: list[Row] = []
        for name, (created, source) in self.contacts.items():
            row: Row = {"id": name, "created_ms": None, "updated_ms": None, "bad_fields": None}
            for column, text in (("createdate", created), ("hs_analytics_source", source)):
                row[column_name(column)], _ = parse_value(text, _FIELDS[column])
            rows.append(row)
        with self.warehouse.write() as connection:
            known = state_of(connection, "hubspot", "contacts")
            present: set[str] = set()
            if known is not None:
                present = set(
                    connection.scalars(select(record_table("hubspot", "contacts", {}).c.id))
                )
            commit_changes(
                connection,
                "hubspot",
                "contacts",
                rows=rows,
                gone=present - self.contacts.keys(),
                fields={name: FieldState(kind, at, None) for name, kind in _FIELDS.items()},
                known=known,
                state=DatasetState(at, at, "1", "America/New_York", "USD"),
            )

    def begin(
        self, at: str, days: str | None = None, backfill: tuple[str, str] | None = None
    ) -> Any:
        """A run that has begun, as its Dagster run has it: what it is about and what it works with."""
        self.runs += 1
        now = datetime.fromisoformat(at).replace(tzinfo=UTC)
        tags = {}
        if days is not None:
            tags["dagster/partition"] = days
        if backfill is not None:
            tags["dagster/asset_partition_range_start"] = backfill[0]
            tags["dagster/asset_partition_range_end"] = backfill[1]
        run = dg.DagsterRun(job_name="sync", run_id=f"run-{self.runs}", tags=tags)
        bundle = load_project(self.folder)
        assert not bundle.quarantined, bundle.quarantined
        return bundle, open_run(run, bundle, self.warehouse, now)

    def end(self, bundle: Bundle, scope: Any) -> None:
        """Evaluate and publish what a run is about."""
        chosen = [bundle.key_results[name] for name in scope.key_result_ids]
        for team in sorted({one.team for one in chosen}):
            own = [one for one in chosen if one.team == team]
            publish_key_results(bundle, team, own, self.warehouse, scope, scope.now)
        finish_run(self.warehouse, scope.run_id, finished_at=scope.now)
        with self.warehouse.read() as connection:
            assert violations(connection) == []

    def sync(
        self, at: str, days: str | None = None, backfill: tuple[str, str] | None = None
    ) -> None:
        """Read the contacts and run, at a time in UTC, as of today or of these days."""
        self.store(datetime.fromisoformat(at).replace(tzinfo=UTC))
        self.end(*self.begin(at, days, backfill))

    def latest(self, key_result: str = "sales/leads") -> dict[str, HistoryRow]:
        """What is published now, by day."""
        rows = history(self.warehouse, key_result)
        return {str(row.as_of): row for row in rows if row.superseded_at is None}

    def revisions(self, key_result: str = "sales/leads") -> list[tuple[str, int, str | None]]:
        """Day, revision and cause of all that was ever published, in order."""
        rows = history(self.warehouse, key_result)
        return [(str(row.as_of)[5:], row.revision, row.cause) for row in rows]

    def contact_each_day(self, first: str, last: str, source: str = "PAID_SEARCH") -> None:
        """A contact a day, made at noon in UTC."""
        day, end = date.fromisoformat(first), date.fromisoformat(last)
        while day <= end:
            self.contacts[f"{day}"] = (f"{day}T15:00:00Z", source)
            day += timedelta(days=1)


@pytest.fixture
def desk_of(tmp_path: Path) -> Callable[[Warehouse, str], Desk]:
    """A function that sets up a project of one key result on a warehouse."""

    def make(warehouse: Warehouse, name: str = "project") -> Desk:
        folder = tmp_path / name
        folder.mkdir()
        desk = Desk(folder, warehouse)
        for file, text in (
            ("okr_sync.yaml", _PROJECT),
            ("metrics.yaml", _METRICS),
            ("okrs.yaml", _OKRS),
        ):
            desk.write(file, text)
        return desk

    return make


@pytest.fixture
def desk(warehouse: Warehouse, desk_of: Callable[[Warehouse], Desk]) -> Desk:
    """A project of one key result, which counts contacts, on either engine."""
    return desk_of(warehouse)
