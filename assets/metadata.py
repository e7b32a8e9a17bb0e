"""What Dagster shows beside an asset: figures of pulls, metrics and key results as metadata.

Belongs here: names and types of metadata. Does not belong here: the steps that yield it.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import dagster as dg

from connectors.base import PullResult
from okr_sync.metrics.measurement import Measurement

Metadata = dict[str, Any]


def pull_metadata(result: PullResult) -> Metadata:
    """Rows, requests, quota left and seconds of a pull, plotted over time by Dagster."""
    metadata: Metadata = {
        "dagster/row_count": result.rows,
        "requests": result.requests,
        "seconds": round(result.seconds, 3),
        "complete": result.is_complete,
    }
    if result.rows_expected is not None:
        metadata["rows_expected"] = result.rows_expected
    if result.cursor_from is not None:
        metadata["changes_since"] = dg.MetadataValue.timestamp(result.cursor_from)
    if result.cursor_to is not None:
        metadata["changes_until"] = dg.MetadataValue.timestamp(result.cursor_to)
    if result.quality:
        metadata["quality"] = dg.MetadataValue.text(", ".join(result.quality))
    metadata |= {f"quota_{name}": left for name, left in result.quota.items()}
    if result.warnings:
        metadata["warnings"] = dg.MetadataValue.text("\n".join(result.warnings))
    if result.error:
        metadata["error"] = dg.MetadataValue.text(result.error)
    return metadata


def measurement_metadata(measurement: Measurement) -> Metadata:
    """A value and its parts as numbers that Dagster plots; what isn't there is left out."""
    metadata: Metadata = {
        name: shown(number)
        for name, number in (
            ("value", measurement.value),
            ("numerator", measurement.numerator),
            ("denominator", measurement.denominator),
        )
        if number is not None
    }
    if measurement.sample_size is not None:
        metadata["sample_size"] = measurement.sample_size
    metadata["quality"] = dg.MetadataValue.text(", ".join(measurement.quality) or "no flags")
    return metadata


def shown(number: Decimal) -> float:
    """An exact number as the float that Dagster can plot."""
    return float(number)


def table_of(rows: list[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows as a table, such as what a run changed."""
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows])
