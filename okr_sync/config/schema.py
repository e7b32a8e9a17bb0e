"""JSON Schemas of the project's files, made from the table of the language, for editors.

Belongs here: the shapes of `okr_sync.yaml`, `metrics*.yaml` and `okrs*.yaml` as JSON Schema 2020-12,
and writing them. Does not belong here: the keys (language), findings: a schema sees less than `check`.
"""

import json
from pathlib import Path
from typing import Any, Final

from okr_sync.config import language
from okr_sync.config.language import CURRENCY, Key, Schema, ref
from okr_sync.config.problems import Severity
from okr_sync.config.rule_table import LIMITS, RULES
from okr_sync.config.where import Operator

FOLDER: Final = Path(__file__).parent.parent / "schema"

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def project_schema() -> dict[str, Any]:
    """The schema of okr_sync.yaml."""
    sources = [_mapping(keys) for keys in language.SOURCES.values()]
    return _document("okr-sync project", language.PROJECT) | {
        "$defs": _shared()
        | {
            "sources": {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": "^[a-z][a-z0-9]*(_[a-z0-9]+)*$", "maxLength": 30},
                "additionalProperties": {"oneOf": sources},
            },
            "datasets": {
                "type": "object",
                "additionalProperties": _mapping(language.FILES_DATASET),
            },
            "warehouse": _mapping(language.WAREHOUSE),
            "check_ins": _mapping(language.CHECK_INS),
            "tell": _mapping(language.TELL),
            "status": _mapping(language.STATUS),
            "rules": _rules(),
        }
    }


def metrics_schema() -> dict[str, Any]:
    """The schema of metrics*.yaml."""
    names = {"pattern": "^[a-z][a-z0-9_]*$", "maxLength": 100}
    metrics = {"type": "object", "propertyNames": names, "additionalProperties": ref("metric")}
    key = Key("metrics", metrics, "Metrics by name.", True)
    return _document("okr-sync metrics", (key,)) | {"$defs": _shared() | _metric_definitions()}


def okrs_schema() -> dict[str, Any]:
    """The schema of okrs*.yaml."""
    over = [_mapping((key,), needs_all=True) for key in language.OVER_FORMS]
    return _document("okr-sync objectives and key results", language.OKR_FILE) | {
        "$defs": _shared()
        | _metric_definitions()
        | {
            "id": {"type": ["string", "integer"], "maxLength": 90},
            "cycle": {"anyOf": [{"type": ["string", "integer"]}, _mapping(language.CYCLE)]},
            "objective": _mapping(language.OBJECTIVE),
            "key_result": _mapping(language.KEY_RESULT),
            "check_in_rhythm": _mapping(language.CHECK_IN_RHYTHM),
            "goal": {"oneOf": [_mapping(form) for form in language.GOAL_FORMS]},
            "over": {"oneOf": [{"const": "cycle"}, *over]},
            "ignore": {
                "type": "object",
                "propertyNames": {"enum": _warnings()},
                "additionalProperties": {"type": "string", "minLength": 5},
            },
        }
    }


SCHEMAS: Final = {
    "okr_sync.schema.json": project_schema,
    "metrics.schema.json": metrics_schema,
    "okrs.schema.json": okrs_schema,
}


def schema_text(name: str) -> str:
    """What the schema file of this name holds."""
    return json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: Path = FOLDER) -> None:
    """Write every schema into the folder."""
    folder.mkdir(exist_ok=True)
    for name in SCHEMAS:
        (folder / name).write_text(schema_text(name), encoding="utf-8")


def _document(title: str, keys: tuple[Key, ...]) -> dict[str, Any]:
    return {"$schema": _DIALECT, "title": title} | _mapping(keys)


def _mapping(keys: tuple[Key, ...], *, needs_all: bool = False) -> Schema:
    return {
        "type": "object",
        "properties": {key.name: key.schema | {"description": _described(key)} for key in keys},
        "required": [key.name for key in keys if key.is_required or needs_all],
        "additionalProperties": False,
    }


def _described(key: Key) -> str:
    return key.meaning if key.default is None else f"{key.meaning} Default: {key.default}."


def _shared() -> dict[str, Schema]:
    unit = "(s|sec|seconds?|min|minutes?|h|hours?|d|days?|w|weeks?)"
    return {
        "number": {"type": ["number", "string"]},
        "duration": {"type": "string", "pattern": f"^[0-9]{{1,9}} ?{unit}$"},
        "plausible": _mapping(language.PLAUSIBLE) | {"minProperties": 1},
    }


def _metric_definitions() -> dict[str, Schema]:
    parts = {name: _mapping(keys) for name, keys in language.PARTS.items()}
    return parts | {
        "metric": {"oneOf": [_mapping(keys) for keys in language.KINDS.values()]},
        "aggregation": {
            "anyOf": [
                {"enum": ["count", "sum", "average", "median", "min", "max", "count_distinct"]},
                {"type": "string", "pattern": "^p[1-9][0-9]?$"},
            ]
        },
        "currency": {"anyOf": [CURRENCY, ref("currency_of")]},
        "inputs": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"anyOf": [{"type": "string"}, ref("metric")]},
        },
        "where": _where(),
    }


def _where() -> Schema:
    scalar = {"type": ["string", "number", "boolean"]}
    values = {"type": "array", "items": scalar, "minItems": 1}
    lists = (Operator.IN, Operator.NOT_IN, Operator.BETWEEN)
    operators: dict[str, Schema] = {
        operator.value: values if operator in lists else scalar for operator in Operator
    }
    operators["is_set"] = {"type": "boolean"}
    tests = {"type": "object", "properties": operators, "additionalProperties": False}
    return {
        "type": "object",
        "minProperties": 1,
        "properties": {"any": {"type": "array", "minItems": 1, "items": ref("where")}},
        "additionalProperties": {"anyOf": [scalar, values, tests]},
    }


def _warnings() -> list[str]:
    return [name for name, rule in RULES.items() if rule.severity is Severity.WARNING]


def _rules() -> Schema:
    switch = {"enum": ["off", "on"]}
    limits: dict[str, Schema] = {}
    for name, limit in LIMITS.items():
        number = {"type": "integer", "minimum": 0, "maximum": 1000}
        limits[name] = {
            "anyOf": [
                switch,
                {
                    "type": "object",
                    "properties": {limit.key: number},
                    "additionalProperties": False,
                },
            ]
        }
    return {
        "type": "object",
        "properties": {name: limits.get(name, switch) for name in _warnings()},
        "additionalProperties": False,
    }
