"""The graph that Dagster shows: what hangs on what, whose it is, and how few steps run it."""

import json
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.keys import owners
from assets.steps import layout
from okr_sync.config.loader import load_project
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


def test_a_large_project_has_more_steps_and_none_too_large(company: Any) -> None:
    """Beyond a hundred assets a project is cut: metrics first, inputs before formulas, teams kept whole."""
    metrics = "".join(
        f"  m{i:03}: {{agg: count, from: hubspot.contacts, time: createdate}}\n" for i in range(120)
    )
    metrics += "  a_formula: {formula: m119 / m118, inputs: {m119: m119, m118: m118}}\n"
    company.write("metrics.yaml", f"metrics:\n{metrics}")
    for team, first, last in (("big", 0, 110), ("one", 110, 115), ("two", 115, 121)):
        names = [f"m{i:03}" if i < 120 else "a_formula" for i in range(first, last)]
        lines = [
            f"      - {{id: {name}, title: T, metric: {name}, goal: {{from: 0, to: 10}}}}\n"
            for name in (one.replace("_", "-") for one in names)
        ]
        text = "".join(lines).replace("metric: a-formula", "metric: a_formula")
        company.write(
            f"okrs/{team}.yaml",
            f"team: {team}\ncycle: 2026-Q1\nobjectives:\n"
            f"  - id: o\n    title: O\n    key_results:\n{text}",
        )
    for name in ("sales", "web"):
        (company.project / "okrs" / f"{name}.yaml").unlink()
    bundle = load_project(company.project)
    steps = layout(bundle)
    assert [(one.name, len(one.metrics), len(one.key_results)) for one in steps] == [
        ("measure_1", 100, 0),
        ("measure_2", 21, 0),
        ("publish_1", 0, 100),
        ("publish_2", 0, 21),
    ]
    place = {metric.name: i for i, step in enumerate(steps) for metric in step.metrics}
    assert place["a_formula"] >= max(place["m118"], place["m119"])
    assert {one.team for one in steps[3].key_results} == {"big", "one", "two"}
    assert build_definitions(bundle).resolve_job_def("sync").nodes


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("vp@example.com", "vp@example.com"),
        ("vp-marketing", "team:vp-marketing"),
        ("Jörg Müller (VP)", "team:J-rg-M-ller-VP-"),
        ("a@b", "team:a-b"),
        ("…", None),
    ],
)
def test_owners_are_people_or_teams_as_dagster_takes_them(name: str, owner: str | None) -> None:
    """An e-mail address stays one; any other name stands as a team; nothing breaks the graph."""
    found = owners(name)
    assert found == ([owner] if owner else [])
    dg.AssetSpec("a", owners=found)
