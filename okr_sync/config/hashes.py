"""Fingerprints: of a key result's definition, and of the project's files.

Belongs here: what counts as a change. Does not belong here: what follows from one (publish).
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import Enum

from okr_sync.config.models import Aggregation, AnyMetric, Cycle, Goal, KeyResult, Over
from okr_sync.config.where import Where

# What names or describes a metric, and the family, which only groups it.
_NOT_OF_THE_NUMBER = frozenset(("name", "description", "family", "unit", "owner", "tags"))


def definition_hash(key_result: KeyResult, metric: AnyMetric) -> str:
    """64 hex digits over all of a definition that can change the number or how it is judged.

    Titles, owners, descriptions, units, tags and places in files are not part of it, nor is the
    order in which conditions were written.
    """
    metric_part = {
        name: _plain(getattr(metric, name))
        for name in type(metric).model_fields
        if name not in _NOT_OF_THE_NUMBER
    }
    body = {
        "kind": type(metric).__name__,
        "metric": metric_part,
        "goal": _plain(key_result.goal),
        "over": _plain(key_result.over),
        "cycle": _plain(key_result.cycle),
        "commitment": key_result.commitment,
    }
    return _sha256(body)


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
