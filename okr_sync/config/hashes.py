"""Fingerprints: of a key result's definition, and of the project's files.

Belongs here: what counts as a change. Does not belong here: what follows from one (publish).
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import Enum

from pydantic import BaseModel

from okr_sync.config.models import (
    Aggregation,
    AnyMetric,
    Cycle,
    FormulaMetric,
    Goal,
    KeyResult,
    Over,
)
from okr_sync.config.where import Where

# What names or describes a metric, the family, which only groups it, where a query stands, and what
# its number is only held against.
_NOT_OF_THE_NUMBER = frozenset(
    ("name", "description", "family", "unit", "owner", "tags", "file", "key_result_id", "plausible")
)


def definition_hash(
    key_result: KeyResult, metric: AnyMetric, metrics: Mapping[str, AnyMetric]
) -> str:
    """64 hex digits over all of a definition that can change the number or how it is judged.

    `metrics` are all of the project, by name: the definitions of a formula's inputs count as its own.
    Titles, owners, descriptions, units, tags and places in files are not part of it, nor is the
    order in which conditions were written.
    """
    body = {
        **_definition(metric, metrics),
        "goal": _written(key_result.goal),
        "over": _plain(key_result.over),
        "cycle": _plain(key_result.cycle),
        "commitment": key_result.commitment,
    }
    if key_result.pace != "linear":
        body["pace"] = key_result.pace
    return _sha256(body)


def metric_hash(metric: AnyMetric, metrics: Mapping[str, AnyMetric]) -> str:
    """64 hex digits over what can change a metric's number: the same for two that are the same."""
    return _sha256(_definition(metric, metrics))


def _definition(metric: AnyMetric, metrics: Mapping[str, AnyMetric]) -> dict[str, object]:
    """A metric's definition; inputs are acyclic (rules), and each is written out in full."""
    if isinstance(metric, FormulaMetric):
        inputs = {name: metric_hash(metrics[of], metrics) for name, of in metric.inputs.items()}
        special = {**_written(metric), "inputs": inputs}
    else:
        special = _written(metric)
    return {"kind": type(metric).__name__, "metric": special}


def _written(shape: BaseModel) -> dict[str, object]:
    """The fields that differ from their defaults, so that a new one changes no old hash."""
    return {
        name: _plain(getattr(shape, name))
        for name, field in type(shape).model_fields.items()
        if name not in _NOT_OF_THE_NUMBER
        and name != "inputs"
        and (field.is_required() or getattr(shape, name) != field.default)
    }


def config_hash(files: Mapping[str, str]) -> str:
    """64 hex digits over the names and texts of all files, in whatever order they come."""
    return _sha256(dict(files))


def _sha256(body: object) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, Where):
        return value.canonical()
    if isinstance(value, Aggregation | Goal | Over):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Cycle):
        # Its name is not part of it: 2026-Q4 and its dates are the same cycle.
        return [value.start.isoformat(), value.end.isoformat()]
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | bool):
        return value
    raise TypeError(f"{type(value).__name__} has no canonical form")
