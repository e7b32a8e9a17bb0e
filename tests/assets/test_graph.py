"""The graph that Dagster shows: what hangs on what, whose it is, and how few steps run it."""

import json
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
    """The demo's 21 key results, 21 metrics and 3 datasets run in one step a source, and one more."""
    job = demo_definitions().resolve_job_def("sync")
    assert {node.name for node in job.nodes} == {"pull_hubspot", "pull_web", "publish"}


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
