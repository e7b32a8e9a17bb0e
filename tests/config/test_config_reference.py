"""Schemas, key tables and the page of rules say what the program does."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from okr_sync.config import language, reference, schema
from okr_sync.config.loader import Inspection
from okr_sync.config.rule_table import LIMITS, RULES

InspectProject = Callable[[Mapping[str, str]], Inspection]

ROOT = Path(__file__).parents[2]
PROJECTS = [
    folder
    for folder in (ROOT / "okr_sync/demo/project", ROOT / "examples/marketing")
    if folder.is_dir()
]


class EditorLoader(yaml.SafeLoader):
    """Reads YAML as editors do (1.2, core schema): dates are text, and `on` is a word."""


EditorLoader.yaml_implicit_resolvers = {
    first: [
        (tag, form)
        for tag, form in resolvers
        if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
EditorLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), ["t", "f"]
)


def schema_for(name: str) -> str | None:
    """The schema of a project's file, by the file's name; None for other YAML."""
    if name == "okr_sync.yaml":
        return "okr_sync.schema.json"
    return next(
        (f"{role}.schema.json" for role in ("metrics", "okrs") if name.startswith(role)), None
    )


@pytest.mark.parametrize("name", schema.SCHEMAS)
def test_schema_files_are_in_step(name: str) -> None:
    """The schema files are what the table of the language makes, and valid schemas."""
    written = (schema.FOLDER / name).read_text(encoding="utf-8")
    assert written == schema.schema_text(name)
    jsonschema.Draft202012Validator.check_schema(json.loads(written))


@pytest.mark.parametrize("folder", PROJECTS, ids=lambda folder: str(folder.name))
def test_every_example_satisfies_the_schemas(folder: Path) -> None:
    """Editors find nothing wrong with the projects that are shown."""
    checked = 0
    for path in sorted(folder.rglob("*.yaml")):
        name = schema_for(path.relative_to(folder).as_posix())
        if name is None:
            continue
        document = yaml.load(path.read_text(encoding="utf-8"), EditorLoader)
        validator = jsonschema.Draft202012Validator(schema.SCHEMAS[name]())
        assert [error.message for error in validator.iter_errors(document)] == [], path
        checked += 1
    assert checked > 2


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("okr_sync.schema.json", {"version": 1}),
        ("metrics.schema.json", {"metrics": {"a": {"agg": "avg", "from": "h.x"}}}),
        ("metrics.schema.json", {"metrics": {"a": {"agg": "sum", "from": "h.x", "wher": {}}}}),
        ("metrics.schema.json", {"metrics": {"a": {"formula": "a"}}}),
        ("okrs.schema.json", {"team": "a", "cycle": "2026-Q4", "objectives": []}),
    ],
)
def test_schemas_refuse_what_is_wrong(name: str, document: dict[str, Any]) -> None:
    """A schema that let everything pass would be of no use in an editor."""
    assert not jsonschema.Draft202012Validator(schema.SCHEMAS[name]()).is_valid(document)


KEYS = re.compile(r"Its keys are (.*)\.$")

PLACES: list[tuple[str, str, tuple[language.Key, ...]]] = [
    ("project", "KEY: 1", language.PROJECT),
    ("source", "{kind: hubspot, KEY: 1}", language.SOURCES["hubspot"]),
    ("source", "{kind: ga4, KEY: 1}", language.SOURCES["ga4"]),
    ("source", "{kind: sql, KEY: 1}", language.SOURCES["sql"]),
    ("source", "{kind: files, KEY: 1}", language.SOURCES["files"]),
    ("source", "{kind: files, path: x, datasets: {a: {KEY: 1}}}", language.FILES_DATASET),
    ("project", "status: {KEY: 1}", language.STATUS),
    ("project", "warehouse: {KEY: 1}", language.WAREHOUSE),
    ("metric", "{agg: count, KEY: 1}", language.KINDS["agg"]),
    ("metric", "{ratio: {}, KEY: 1}", language.KINDS["ratio"]),
    ("metric", "{conversion: {}, KEY: 1}", language.KINDS["conversion"]),
    ("metric", "{duration: {}, KEY: 1}", language.KINDS["duration"]),
    ("metric", "{formula: a, KEY: 1}", language.KINDS["formula"]),
    ("metric", "{sql: a, KEY: 1}", language.KINDS["sql"]),
    ("metric", "{snapshot: {agg: count}, KEY: 1}", language.KINDS["snapshot"]),
    ("metric", "{snapshot: {sql: a}, KEY: 1}", language.KINDS["snapshot of a query"]),
    ("metric", "{ratio: {KEY: 1}}", language.PARTS["ratio"]),
    ("metric", "{ratio: {numerator: {KEY: 1}}}", language.PARTS["half"]),
    ("metric", "{conversion: {KEY: 1}}", language.PARTS["conversion"]),
    ("metric", "{duration: {KEY: 1}}", language.PARTS["durations"]),
    ("metric", "{snapshot: {KEY: 1}}", language.PARTS["snapshot"]),
    ("metric", "{snapshot: {sql: a, KEY: 1}}", language.PARTS["snapshot_sql"]),
    ("metric", "{agg: sum, currency: {KEY: 1}}", language.PARTS["currency_of"]),
    ("okrs", "KEY: 1", language.OKR_FILE),
    ("okrs", "objectives: [{KEY: 1}]", language.OBJECTIVE),
    ("okrs", "objectives: [{key_results: [{KEY: 1}]}]", language.KEY_RESULT),
    ("okrs", "objectives: [{key_results: [{goal: {KEY: 1}}]}]",
     tuple(key for form in language.GOAL_FORMS for key in form)),
    ("okrs", "objectives: [{key_results: [{over: {KEY: 1}}]}]", language.OVER_FORMS),
    ("okrs", "cycle: {KEY: 1}", language.CYCLE),
]  # fmt: skip


@pytest.mark.parametrize(("place", "text", "keys"), PLACES, ids=[p[1] for p in PLACES])
def test_the_table_has_the_keys_that_readers_know(
    inspect: InspectProject, place: str, text: str, keys: tuple[language.Key, ...]
) -> None:
    """An unknown key is answered with the known ones, which are those of the table."""
    text = text.replace("KEY", "zzzzzzzzzz")
    files = {
        "project": {"okr_sync.yaml": f"{text}\n"},
        "source": {"okr_sync.yaml": f"sources: {{a: {text}}}\n"},
        "metric": {"metrics.yaml": f"metrics: {{a: {text}}}\n"},
        "okrs": {"okrs.yaml": f"{text}\n"},
    }[place]
    told = [p for p in inspect(files).problems if "zzzzzzzzzz" in p.message]
    assert len(told) == 1
    match = KEYS.search(told[0].fix)
    assert match is not None, told[0].fix
    known = set(match[1].replace(" and ", ", ").split(", "))
    assert known == {key.name for key in keys}


def test_bindings_page_is_in_step() -> None:
    """The key tables of docs/bindings.md are the program's own, and every one of them is there."""
    page = (ROOT / "docs/bindings.md").read_text(encoding="utf-8")
    assert reference.filled(page) == page
    assert set(re.findall(r"<!-- keys: (.+) -->", page)) == set(reference.TABLES)


def test_rules_page_is_in_step() -> None:
    """docs/rules.md is made from the table of rules."""
    assert (ROOT / "docs/rules.md").read_text(encoding="utf-8") == reference.rules_page()
    assert LIMITS.keys() <= RULES.keys()


def test_every_rule_is_in_the_table() -> None:
    """Every rule id that the program's text names is in the table, and the other way round."""
    sources = [*(ROOT / "okr_sync/config").glob("*.py"), ROOT / "okr_sync/commands/check_live.py"]
    texts = [path.read_text(encoding="utf-8") for path in sources if path.name != "rule_table.py"]
    assert [name for name in RULES if f'"{name}"' not in "\n".join(texts)] == []
    told = re.findall(
        r'(?:\.(?:error|warn)\(\s*[^,()]+(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?,|BadValue\()\s*"([a-z0-9-]+)"',
        "\n".join(texts),
    )
    assert set(told) <= RULES.keys()
