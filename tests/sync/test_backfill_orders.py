"""Backfills in any order, overlapping, interrupted and repeated: the tables are always the same."""

import random
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import delete, inspect, select, text

from assets.keys import SYNC_JOB, TRIGGER_TAG
from assets.resources import Clock
from connectors.sandbox.serve import Sandbox
from okr_sync.definitions import build_definitions
from okr_sync.warehouse.audit import violations
from okr_sync.warehouse.connect import VERSION_TABLE, Warehouse
from okr_sync.warehouse.tables import metadata

NOON = datetime.fromisoformat("2026-03-12T16:00:00Z")
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 12)
OF_RUNS = (
    "sync_run",
    "source_pull",
    "lease",
    "confirmation",
    "run_outcome",
    "config_version",
    "check_result",
)
"""What runs say of themselves and of what they met; every other table is about numbers and what they
are made of."""
OF_THE_RUN = frozenset(
    {"run_id", "recorded_at", "measured_at", "read_at", "cursor_at", "filled_at", "complete_at"}
)
"""When and by which run a row was written: it differs, and may, from one order to another."""

GROWTH = """\
team: growth
cycle: 2026-Q1
objectives:
  - id: faster
    title: Grow faster
    key_results:
      - {id: weekly, title: Have a lead each week, metric: leads, goal: {at_least: 1}, over: {last: 7d}}
      - {id: lift, title: Bring in more leads, metric: leads, goal: {from: measured, to: +50%}}
      - {id: visits, title: Have 20 sessions, metric: sessions, goal: {from: 0, to: 20}}
"""


@pytest.fixture
def company(company: Any) -> Any:
    """The company with a third team, and with leads in the quarter before."""
    contacts = company.account / "hubspot" / "contacts.csv"
    earlier = "".join(
        f"{number},2025-11-0{number - 7}T15:00:00Z,2025-11-09T15:00:00Z,PAID_SEARCH\n"
        for number in (8, 9)
    )
    contacts.write_text(contacts.read_text(encoding="utf-8") + earlier, encoding="utf-8")
    company.write("okrs/growth.yaml", GROWTH)
    return company


def backfill(project: Path, first: date, last: date) -> bool:
    """Run the sync job over days, at a fixed time; whether all of it worked."""
    job = build_definitions(project, {"clock": Clock(NOON)}).resolve_job_def(SYNC_JOB)
    days = {"start": first, "end": last}
    tags = {f"dagster/asset_partition_range_{end}": str(day) for end, day in days.items()}
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(
            instance=instance, tags={**tags, TRIGGER_TAG: "backfill"}, raise_on_error=False
        ).success


def contents(warehouse: Warehouse, *also: str) -> dict[str, list[str]]:
    """Every row about numbers and of tables asked for, without when and by which run it was written."""
    with warehouse.read() as connection:
        assert violations(connection) == []
        found = {
            table.name: sorted(
                repr([(k, v) for k, v in row.items() if k not in OF_THE_RUN])
                for row in connection.execute(select(table)).mappings()
            )
            for table in metadata.sorted_tables
            if table.name not in OF_RUNS or table.name in also
        }
    assert found["key_result_history"]
    return found


def emptied(warehouse: Warehouse) -> None:
    """Leave an empty warehouse, without the mirror that a source's records are in."""
    with warehouse.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))
        mirrors = set(inspect(connection).get_table_names()) - {*metadata.tables, VERSION_TABLE}
        assert mirrors
        for name in mirrors:
            connection.execute(text(f'DROP TABLE "{name}"'))


def pieces(seed: int) -> list[tuple[date, date]]:
    """Stretches of days in any order, overlapping, the last of which make them whole."""
    draw = random.Random(seed)
    days = (LAST - FIRST).days + 1
    found = []
    for _ in range(3):
        first = draw.randrange(days)
        found.append((first, min(days - 1, first + draw.randrange(days))))
    middle = draw.randrange(1, days - 1)
    whole = [(0, middle), (middle, days - 1)]
    draw.shuffle(whole)
    return [(FIRST + timedelta(days=a), FIRST + timedelta(days=b)) for a, b in [*found, *whole]]


SEEDS = {"sqlite": (1, 2), "postgresql": (3, 4)}
"""Drawn pieces to play in every run; a seed that has failed once belongs here too."""


def test_the_order_of_backfills_does_not_matter(
    company: Any,
    sandbox: Sandbox,
    warehouse: Warehouse,
    warehouse_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pieces of a quarter, one of them cut off half-way by a source, end as one backfill of it all.

    A seed that fails is in the test's message.
    """
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", warehouse_url)
    assert backfill(company.project, FIRST, LAST)
    wanted = contents(warehouse)
    token = sandbox.environment()["HUBSPOT_ACCESS_TOKEN"]
    for seed in SEEDS[warehouse.engine.dialect.name]:
        emptied(warehouse)
        for number, (first, last) in enumerate(pieces(seed)):
            if number == seed % 3:  # one source is away: some teams publish, others can't
                monkeypatch.delenv("HUBSPOT_ACCESS_TOKEN")
                assert not backfill(company.project, first, last)
                monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", token)
            else:
                assert backfill(company.project, first, last)
        found = contents(warehouse)
        for name, rows in wanted.items():
            assert found[name] == rows, f"seed {seed}: {name} hangs on the order of backfills"


def test_three_times_the_same_leaves_every_table_as_it_was(
    company: Any,
    sandbox: Sandbox,
    warehouse: Warehouse,
    warehouse_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second and the third time nothing is written but that the numbers were confirmed."""
    monkeypatch.setenv("OKR_SYNC_WAREHOUSE", warehouse_url)
    found = []
    for _ in range(3):
        assert backfill(company.project, FIRST, LAST)
        with warehouse.read() as connection:
            history = [
                tuple(row)
                for name in ("key_result_history", "metric_value", "measured_baseline")
                for row in connection.execute(select(metadata.tables[name]))
            ]
        found.append((sorted(map(repr, history)), contents(warehouse, "check_result")))
        assert found[-1][1]["check_result"]
    assert found[1] == found[0]
    assert found[2] == found[0]
