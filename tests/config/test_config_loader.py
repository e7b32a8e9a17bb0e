"""Loading folders: which files count, what one mistake takes out of use, what stays."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from okr_sync.config.loader import Inspection, inspect_project, load_project
from okr_sync.errors import ConfigError

InspectProject = Callable[[Mapping[str, str]], Inspection]
WriteProject = Callable[[Mapping[str, str]], Path]


def team(name: str, *key_results: str) -> str:
    """A file of one team whose key results all use the metric `mqls`."""
    items = "".join(
        f"      - {{id: {each}, title: T, metric: mqls, goal: {{at_least: 1}}}}\n"
        for each in key_results
    )
    head = f"team: {name}\ncycle: 2026-Q4\nobjectives:\n  - id: o\n    title: T\n    key_results:\n"
    return head + items


def test_files_are_found_where_the_design_says(inspect: InspectProject) -> None:
    """metrics*.yaml, metrics/*.yaml, okrs*.yaml and okrs/**/*.yaml, and nothing else."""
    more = "metrics: {{{}: {{agg: count, from: hubspot.deals, time: t}}}}\n"
    inspection = inspect(
        {
            "metrics-b.yaml": more.format("b"),
            "metrics/c.yaml": more.format("c"),
            "metrics/deeper/d.yaml": "not read: [",
            "okrs-b.yaml": team("b", "x"),
            "okrs/2026-Q4/c.yaml": team("c", "x"),
            "okrs/.hidden/d.yaml": "not read: [",
            "account.yaml": "not read: [",
            "notes.txt": "not read",
        }
    )
    bundle = inspection.bundle
    assert bundle is not None and inspection.problems == ()
    assert set(bundle.metrics) == {"mqls", "b", "c"}
    assert set(bundle.key_results) == {"growth/mqls", "b/x", "c/x"}
    assert list(bundle.files) == sorted(bundle.files)
    assert len(bundle.files) == 7


def test_several_mistakes_in_several_files_are_all_told(inspect: InspectProject) -> None:
    """One reading finds everything, in the order of places; each team keeps what is right."""
    inspection = inspect(
        {
            "metrics/more.yaml": "metrics:\n  a: {agg: avg}\n  b: {formula: x}\n",
            "okrs/one.yaml": team("one", "x", "Y", "z").replace("mqls", "mqlz", 1),
            "okrs/two.yaml": "team: two\n\tcycle: x\n",
        }
    )
    assert [(str(p.position), p.rule) for p in inspection.problems] == [
        ("metrics/more.yaml:2:6", "missing-key"),
        ("metrics/more.yaml:2:12", "unknown-aggregation"),
        ("metrics/more.yaml:3:6", "missing-key"),
        ("okrs/one.yaml:7:35", "unknown-metric"),
        ("okrs/one.yaml:8:14", "bad-id"),
        ("okrs/two.yaml:2:1", "yaml-tab"),
    ]
    bundle = inspection.bundle
    assert bundle is not None
    assert set(bundle.key_results) == {"growth/mqls", "one/z"}
    assert set(bundle.quarantined) == {"one/x"}
    assert set(bundle.broken_files) == {"okrs/one.yaml", "okrs/two.yaml"}


def test_a_name_defined_twice_means_neither(inspect: InspectProject) -> None:
    """Key results and metrics that bear one name in two files are all out, and point at each other."""
    inspection = inspect(
        {
            "okrs/a.yaml": team("a", "x"),
            "okrs/b.yaml": team("a", "x", "y").replace("id: o", "id: p"),
            "metrics/z.yaml": "metrics: {mqls: {agg: count, from: hubspot.deals, time: t}}\n",
        }
    )
    told = {(str(p.position), p.rule): p.message for p in inspection.problems}
    assert "okrs/b.yaml:7:14" in told["okrs/a.yaml:7:14", "duplicate-id"]
    assert "okrs/a.yaml:7:14" in told["okrs/b.yaml:7:14", "duplicate-id"]
    assert "metrics/z.yaml:1:11" in told["metrics.yaml:2:3", "duplicate-metric"]
    assert inspection.bundle is not None
    assert set(inspection.bundle.quarantined) == {"a/x", "a/y", "growth/mqls"}


def test_an_objective_defined_twice_takes_its_key_results_along(inspect: InspectProject) -> None:
    """Which objective they belong to would depend on the order of files."""
    files = {"okrs/a.yaml": team("a", "x"), "okrs/b.yaml": team("a", "y")}
    inspection = inspect(files)
    assert {p.rule for p in inspection.problems} == {"duplicate-id"}
    assert inspection.bundle is not None
    assert set(inspection.bundle.quarantined) == {"a/x", "a/y"}
    assert set(inspection.bundle.objectives) == {"growth/more"}


def test_a_broken_metrics_file_explains_unknown_metrics(inspect: InspectProject) -> None:
    """The metric may be in the file that can't be read."""
    inspection = inspect({"metrics.yaml": "metrics: [\n"})
    assert inspection.bundle is not None
    assert "metrics.yaml, which can't be read" in inspection.bundle.quarantined["growth/mqls"]


def test_an_unknown_objective_of_a_known_team_is_a_warning(inspect: InspectProject) -> None:
    """`supports` may point outside the project, but a slip within it is told."""
    text = team("b", "x").replace("id: o\n", "id: o\n    supports: [growth/mor, company/x]\n")
    inspection = inspect({"okrs/b.yaml": text})
    assert [(p.rule, p.fix) for p in inspection.problems] == [
        ("unknown-objective", "Did you mean `growth/more`?")
    ]
    assert inspection.bundle is not None
    assert "b/x" in inspection.bundle.key_results


def test_the_hash_follows_the_texts(write_project: WriteProject) -> None:
    """The same files give the same hash, wherever they are; any change gives another."""
    folder = write_project({})
    first = load_project(folder).config_hash
    assert load_project(folder).config_hash == first
    (folder / "okrs.yaml").write_text((folder / "okrs.yaml").read_text() + "# a remark\n")
    assert load_project(folder).config_hash != first


def test_links_stay_inside_the_project(write_project: WriteProject, tmp_path: Path) -> None:
    """A link to a file within the folder is read, one that leads out is refused."""
    folder = write_project({".data/b.yaml": team("b", "x")})
    (tmp_path / "outside.yaml").write_text(team("c", "x"))
    (folder / "okrs-b.yaml").symlink_to(".data/b.yaml")
    (folder / "okrs-c.yaml").symlink_to(tmp_path / "outside.yaml")
    (folder / "okrs-d.yaml").symlink_to("okrs-d.yaml")
    (folder / "okrs-e.yaml").symlink_to("nowhere.yaml")
    inspection = inspect_project(folder)
    assert [(p.position.file, p.rule) for p in inspection.problems] == [
        ("okrs-c.yaml", "outside-project"),
        ("okrs-d.yaml", "unreadable-file"),
        ("okrs-e.yaml", "unreadable-file"),
    ]
    assert inspection.bundle is not None
    assert set(inspection.bundle.key_results) == {"growth/mqls", "b/x"}


def test_files_that_are_no_text(write_project: WriteProject) -> None:
    """Encodings, sizes, pipes and endings are told in words; a BOM is fine."""
    folder = write_project({"okrs-yml.yml": team("y", "x")})
    (folder / "okrs-bom.yaml").write_bytes(b"\xef\xbb\xbf" + team("bom", "x").encode())
    (folder / "okrs-crlf.yaml").write_bytes(team("crlf", "x").replace("\n", "\r\n").encode())
    (folder / "okrs-latin.yaml").write_bytes("team: a\ntitle: M\xfcller\n".encode("latin-1"))
    (folder / "okrs-utf16.yaml").write_bytes(team("u", "x").encode("utf-16"))
    (folder / "okrs-big.yaml").write_bytes(b"# " + b"x" * 1024 * 1024)
    os.mkfifo(folder / "okrs-pipe.yaml")
    inspection = inspect_project(folder)
    assert [(str(p.position), p.rule) for p in inspection.problems] == [
        ("okrs-big.yaml:1:1", "yaml-too-big"),
        ("okrs-latin.yaml:2:9", "yaml-encoding"),
        ("okrs-pipe.yaml:1:1", "not-a-file"),
        ("okrs-utf16.yaml:1:1", "yaml-encoding"),
        ("okrs-yml.yml:1:1", "file-ending"),
    ]
    assert "UTF-16" in inspection.problems[3].message
    assert inspection.bundle is not None
    assert set(inspection.bundle.key_results) == {"growth/mqls", "bom/x", "crlf/x"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_stops_the_project(write_project: WriteProject) -> None:
    """Its key results can't be told from deleted ones, so nothing may be concluded."""
    folder = write_project({"okrs/b.yaml": team("b", "x")})
    (folder / "okrs").chmod(0)
    try:
        with pytest.raises(ConfigError, match="The folder can't be read"):
            load_project(folder)
    finally:
        (folder / "okrs").chmod(0o755)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_no_small_change_crashes_the_reader(
    write_project: WriteProject, data: st.DataObject
) -> None:
    """Any key or value may become anything else: there are problems then, never a traceback."""
    folder = write_project({})
    name = data.draw(st.sampled_from(["okr_sync.yaml", "metrics.yaml", "okrs.yaml"]))
    text = (folder / name).read_text()
    start = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 12))
    filling = data.draw(
        st.sampled_from(["", "{}", "[]", "null", "x: y", "[a]", "{a: b}", "true", "''", "- ", "\n"])
    )
    (folder / name).write_text(text[:start] + filling + text[start + length :])
    try:
        inspection = inspect_project(folder)
        assert inspection.bundle is not None or inspection.problems
    finally:
        (folder / name).write_text(text)


def test_the_olist_project_loads_without_problems() -> None:
    """The binding files over real data, as the design's example."""
    folder = Path(__file__).parents[2].parent / "shared" / "data" / "olist"
    if not folder.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    bundle = load_project(folder)
    assert bundle.problems == ()
    assert len(bundle.key_results) == 8
    assert bundle.key_results["seller-acquisition/won-28d"].over.days == 28
