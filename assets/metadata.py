"""What Dagster shows beside an asset: figures of pulls, metrics and key results as metadata.

Belongs here: names and types of metadata. Does not belong here: the steps that yield it.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import dagster as dg

from okr_sync.metrics.measurement import Measurement
from okr_sync.warehouse.reads import PullRow
from okr_sync.warehouse.runs import PullRecord

Metadata = dict[str, Any]


def pull_metadata(result: PullRecord | PullRow) -> Metadata:
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
    metadata |= {f"quota_{name}": left for name, left in result.quota.items()}
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


def add_by_day(
    context: dg.AssetExecutionContext, key: dg.AssetKey, by_day: Mapping[date, Metadata]
) -> None:
    """In a run over a range of days, give each day's materialization its own figures.

    Dagster records a materialization for each day of the range, from one result for all of them.
    """
    days = context.partition_keys
    if len(days) > 1:
        for day, metadata in by_day.items():
            if day.isoformat() in days:
                context.add_asset_metadata(metadata, asset_key=key, partition_key=day.isoformat())


def latest_of(context: dg.AssetExecutionContext, by_day: Mapping[date, Metadata]) -> Metadata:
    """The figures of the newest day, for a run as of one day; nothing for a range (`add_by_day`)."""
    if len(context.partition_keys) > 1 or not by_day:
        return {}
    return by_day[max(by_day)]


def shown(number: Decimal) -> float:
    """An exact number as the float that Dagster can plot."""
    return float(number)


def table_of(rows: list[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows as a table, such as what a run changed."""
    return dg.MetadataValue.table([dg.TableRecord(dict(row)) for row in rows])
