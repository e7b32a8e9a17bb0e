"""Rows of the warehouse as JSON-able data, for `--json` and for files.

Belongs here: how a row's values are written in JSON. Does not belong here: the rows (status, reads).
"""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def to_jsonable(row: "DataclassInstance") -> dict[str, Any]:
    """The row as JSON-able data: decimals as numbers, days and times as ISO text (UTC as `Z`)."""
    return {field.name: jsonable(getattr(row, field.name)) for field in dataclasses.fields(row)}


def jsonable(value: Any) -> Any:
    """A value of a row as JSON-able data: decimals as numbers, times as ISO text in UTC (`Z`)."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
