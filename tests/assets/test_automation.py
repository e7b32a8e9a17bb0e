"""The schedule and the graph that Dagster shows: what runs when, and what hangs on what."""

import json
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from okr_sync.definitions import build_definitions, defs

SNAPSHOT = Path(__file__).with_name("demo_asset_specs.json")


def demo_definitions() -> dg.Definitions:
    """The definitions of the demo's project, as it is packaged."""
    with as_file(files("okr_sync.demo") / "project") as folder:
        return build_definitions(folder)


def spec_as_data(spec: dg.AssetSpec) -> dict[str, Any]:
    """What a data person sees of an asset before it ever ran."""
    return {
        "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
        "description": spec.description,
        "group": spec.group_name,
        "kinds": sorted(spec.kinds),
        "owners": sorted(spec.owners),
        "tags": {k: v for k, v in sorted(spec.tags.items()) if not k.startswith("dagster/kind/")},
        "partitioned": spec.partitions_def is not None,
    }


def test_the_graph_of_the_demo_is_the_one_that_was_reviewed() -> None:
    """Any change of an asset's key, dependencies, group, owners or tags shows in a reviewed file.

    To accept a change, delete the file, run this test once (it fails and writes the file) and commit.
    """
    specs = demo_definitions().resolve_all_asset_specs()
    found = {spec.key.to_user_string(): spec_as_data(spec) for spec in specs}
    text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if not SNAPSHOT.exists():
        SNAPSHOT.write_text(text, encoding="utf-8")
        pytest.fail(f"wrote {SNAPSHOT.name}: look at it and commit it")
    assert json.loads(SNAPSHOT.read_text(encoding="utf-8")) == found


def test_steps_are_few() -> None:
    """The demo's 21 key results, 21 metrics and 3 datasets run in one step a source, family and team."""
    job = demo_definitions().resolve_job_def("sync")
    assert {node.name for node in job.nodes} == {
        "pull_hubspot",
        "pull_web",
        "measure_conversion",
        "measure_funnel",
        "measure_pipeline",
        "measure_engagement",
        "publish_demand_gen",
        "publish_lifecycle",
        "publish_partner_marketing",
        "publish_revenue_marketing",
        "publish_web",
    }


def test_definitions_load_and_find_their_resources(
    company: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry point that workspace.yaml names loads the project of the environment."""
    monkeypatch.setenv("OKR_SYNC_PROJECT", str(company.project))
    loaded = defs()
    dg.Definitions.validate_loadable(loaded)
    assert loaded.resolve_job_def("sync").partitions_def is not None


def test_a_project_without_a_usable_key_result_still_loads(company: Any) -> None:
    """Dagster's UI opens on a project whose key results are all wrong; there is just nothing to run."""
    company.write("okrs/sales.yaml", "team: sales\n")
    company.write("okrs/web.yaml", "team: [")
    loaded = build_definitions(company.project)
    dg.Definitions.validate_loadable(loaded)
    assert list(loaded.resolve_all_asset_specs()) == []


@pytest.mark.parametrize(
    ("tick", "day"),
    [
        ("2026-03-07T17:00", "2026-03-07"),
        ("2026-03-08T04:00", "2026-03-07"),  # 23:00 in New York
        ("2026-03-08T05:00", "2026-03-08"),  # midnight there
        ("2026-03-08T07:00", "2026-03-08"),  # 03:00, the hour after the one that was skipped
        ("2026-11-01T05:00", "2026-11-01"),  # 01:00 the first time
        ("2026-11-01T06:00", "2026-11-01"),  # 01:00 the second time
    ],
)
def test_each_tick_is_a_run_as_of_its_local_day(company: Any, tick: str, day: str) -> None:
    """The hourly schedule runs for the day that the project's clocks show, also when they change."""
    repository = build_definitions(company.project).get_repository_def()
    schedule = repository.get_schedule_def("sync_schedule")
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime.fromisoformat(tick).replace(tzinfo=UTC),
        repository_def=repository,
    )
    (request,) = schedule.evaluate_tick(context).run_requests or []
    assert request.partition_key == day


def test_the_schedule_is_the_projects_own(company: Any) -> None:
    """Cron line and time zone come from okr_sync.yaml; it is on unless somebody turns it off."""
    text = (company.project / "okr_sync.yaml").read_text(encoding="utf-8")
    company.write("okr_sync.yaml", text + 'schedule: "15 6 * * mon-fri"\n')
    schedule = (
        build_definitions(company.project).get_repository_def().get_schedule_def("sync_schedule")
    )
    assert schedule.cron_schedule == "15 6 * * mon-fri"
    assert schedule.execution_timezone == "America/New_York"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_no_name_that_check_admits_breaks_the_graph(company: Any) -> None:
    """Tags in any words, ids of full length, a metric in place: all become assets, for Dagster too."""
    team = "t" * 90
    company.write(
        "metrics.yaml",
        "metrics:\n"
        '  leads: {agg: count, from: hubspot.contacts, time: createdate, tags: ["Q4 focus", größe]}\n',
    )
    company.write(
        "okrs/sales.yaml",
        f"team: {team}\ncycle: {{start: 2026-01-01, end: 2026-03-31}}\nobjectives:\n"
        "  - id: grow\n    title: Grow\n    key_results:\n"
        "      - {id: leads, title: Leads, metric: leads, goal: {from: 0, to: 10}}\n"
        f"      - {{id: {'k' * 90}, title: Own, goal: {{from: 0, to: 10}}, metric: "
        "{agg: count, from: hubspot.contacts, time: createdate}}\n",
    )
    (company.project / "okrs" / "web.yaml").unlink()
    definitions = build_definitions(company.project)
    assert definitions.resolve_job_def("sync").nodes
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    assert {"Q4-focus", "gr-e"} <= set(specs["metric/leads"].tags)
    assert specs[f"key_result/{team}/leads"].tags["team"] == "t" * 63
