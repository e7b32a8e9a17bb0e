"""A key result's definition, part by part: to be read, and to be compared with an earlier one.

Belongs here: the parts that can change a number, in words, and finding the definition that a
published number was made with. Does not belong here: the fingerprint itself (config.hashes) or how
parts are laid out (commands).
"""

import json
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePosixPath

from sqlalchemy import Connection, select

from okr_sync.config.bundle import Bundle
from okr_sync.config.loader import inspect_project
from okr_sync.config.models import (
    Aggregation,
    AnyMetric,
    FormulaMetric,
    KeyResult,
)
from okr_sync.config.where import Where
from okr_sync.errors import ConfigError
from okr_sync.inspect.words import (
    Show,
    aggregation_in_words,
    decimal_in_words,
    duration_in_words,
    goal_in_words,
    over_in_words,
    where_in_words,
)
from okr_sync.warehouse.renames import earlier_ids
from okr_sync.warehouse.tables import config_version

_NAMES = {
    "dataset": "from",
    "aggregation": "measures",
    "from_time": "from time",
    "to_time": "to time",
    "expression": "formula",
    "text": "sql",
}
_ABOUT_ONLY = frozenset(
    ("name", "description", "family", "unit", "owner", "tags", "inputs", "key_result_id")
)


@dataclass(frozen=True)
class Change:
    """A part of a definition that differs; None where one side doesn't have it."""

    part: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class RecordedConfig:
    """The project's files as a run had them: the project made of them and the commit they were at."""

    bundle: Bundle | None
    git_sha: str | None


def definition_parts(bundle: Bundle, key_result: KeyResult, show: Show) -> dict[str, str]:
    """Every part of a definition that can change the number or how it is judged, in words.

    Keys are the words of the YAML (`metric`, `from`, `where`, `goal` …), in the order to read them.
    """
    parts = _metric_parts(bundle, bundle.metrics[key_result.metric])
    cycle = key_result.cycle
    last_day = cycle.end - timedelta(days=1)
    return parts | {
        "goal": goal_in_words(key_result.goal, show),
        "over": over_in_words(key_result.over),
        "cycle": f"{cycle.start} to {last_day}",
        "commitment": key_result.commitment,
        "pace": key_result.pace,
    }


def changes(before: dict[str, str], after: dict[str, str]) -> list[Change]:
    """The parts that differ, in the order of the later definition."""
    names = [*after, *(name for name in before if name not in after)]
    return [
        Change(name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    ]


def recorded_config(connection: Connection, config_hash: str) -> RecordedConfig | None:
    """The configuration with this hash, as a run recorded it; None if none did."""
    row = connection.execute(
        select(config_version.c.body, config_version.c.git_sha).where(
            config_version.c.config_hash == config_hash
        )
    ).one_or_none()
    if row is None:
        return None
    return RecordedConfig(_bundle_of(json.loads(row.body)), row.git_sha)


def defined_then(
    connection: Connection, recorded: RecordedConfig | None, key_result_id: str
) -> KeyResult | None:
    """A key result as a recorded configuration defines it, under the id that it had then."""
    if recorded is None or recorded.bundle is None:
        return None
    known = recorded.bundle.key_results
    names = [key_result_id, *earlier_ids(connection, key_result_id)]
    return next((known[name] for name in names if name in known), None)


def _bundle_of(files: dict[str, str]) -> Bundle | None:
    """The project that these files make; None where this version can't read them."""
    with tempfile.TemporaryDirectory(prefix="okr-sync-") as folder:
        for name, text in files.items():
            if not _stays_inside(name):
                return None
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        try:
            return inspect_project(Path(folder)).bundle
        except ConfigError:
            return None


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _metric_parts(bundle: Bundle, metric: AnyMetric, prefix: str = "") -> dict[str, str]:
    parts = {f"{prefix}metric": metric.name} if not prefix else {}
    parts[f"{prefix}kind"] = type(metric).__name__.removesuffix("Metric").lower()
    for field in type(metric).model_fields:
        text = "" if field in _ABOUT_ONLY else _part_in_words(getattr(metric, field))
        if text:
            parts[f"{prefix}{_NAMES.get(field, field.replace('_', ' '))}"] = text
    if isinstance(metric, FormulaMetric):
        for name, used in metric.inputs.items():
            parts[f"{prefix}{name}"] = used
            if used in bundle.metrics:
                parts |= _metric_parts(bundle, bundle.metrics[used], f"{prefix}{name}: ")
    return parts


def _part_in_words(value: object) -> str:
    if value is None or value is False:
        return ""
    if isinstance(value, Where):
        return where_in_words(value)
    if isinstance(value, Aggregation):
        return aggregation_in_words(value)
    if isinstance(value, timedelta):
        return duration_in_words(value)
    if isinstance(value, Decimal):
        return decimal_in_words(value)
    if isinstance(value, Enum):
        return str(value.value)
    return "yes" if value is True else str(value)
