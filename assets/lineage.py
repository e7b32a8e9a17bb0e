"""Where numbers come from, column by column: the tables that data people query, and what fills them.

Belongs here: column schemas and column lineage of datasets, metrics and key results, and links to the
file that defines them and to the source's own pages. Does not belong here: which asset hangs on which
(sources, metric_specs, key_results).

Column lineage joins the three layers: `key_result_history.value` comes from a metric's value, and that
from the properties, columns or GA4 metrics that its definition names.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa

from assets.keys import dataset_key, metric_key
from okr_sync.config.bundle import Bundle
from okr_sync.config.models import (
    AnyMetric,
    FormulaMetric,
    Ga4Source,
    HubSpotSource,
    KeyResult,
    Position,
    Source,
)
from okr_sync.metrics.field_lineage import fields_read
from okr_sync.warehouse.tables import key_result_history, metric_value

_VALUE_COLUMNS = ("value", "numerator", "denominator", "sample_size", "quality")
_JUDGED_COLUMNS = (*_VALUE_COLUMNS, "progress", "score", "expected_progress", "status")

_MEANINGS = {
    "value": "the number",
    "numerator": "what was divided, where it is a share or a rate",
    "denominator": "what it was divided by",
    "sample_size": "how many records or events it rests on",
    "quality": "flags: what to know before it is believed",
    "progress": "how far from baseline to target, raw",
    "score": "0 to 1",
    "expected_progress": "where the straight line to the target is on that day",
    "status": "exceeding, on_track, lagging, severely_lagging, achieved, insufficient_data, no_data",
    "as_of": "the day that the number speaks of",
    "revision": "1, and one more each time the day's number changed",
    "recorded_at": "when it became known",
    "superseded_at": "when a newer revision took its place; null for the one that holds",
}

# HubSpot's object type ids in addresses of its index pages: developers.hubspot.com, "Object type IDs".
_HUBSPOT_TYPES = {
    "contacts": "0-1",
    "companies": "0-2",
    "deals": "0-3",
    "tickets": "0-5",
    "feedback_submissions": "0-19",
    "leads": "0-136",
}


def key_result_columns(bundle: Bundle, key_result: KeyResult) -> dict[str, Any]:
    """A key result's table, its columns and what each is made of."""
    return _table("key_result_history", key_result_history) | key_result_lineage(bundle, key_result)


def key_result_lineage(bundle: Bundle, key_result: KeyResult) -> dict[str, Any]:
    """What each of a key result's columns is made of; Dagster's UI reads it from materializations."""
    metric = metric_key(bundle.metrics[key_result.metric])
    return _lineage(
        {
            column: [(metric, column if column in _VALUE_COLUMNS else "value")]
            for column in _JUDGED_COLUMNS
        }
    )


def metric_columns(bundle: Bundle, metric: AnyMetric) -> dict[str, Any]:
    """A metric's table, its columns and the fields that they are made of."""
    return _table("metric_value", metric_value) | metric_lineage(bundle, metric)


def metric_lineage(bundle: Bundle, metric: AnyMetric) -> dict[str, Any]:
    """What each of a metric's columns is made of."""
    return _lineage(dict.fromkeys(_VALUE_COLUMNS, _fields_read(bundle, metric)))


def dataset_columns(fields: Iterable[str]) -> dict[str, Any]:
    """The bound fields of a dataset; what a source has beside them is never read."""
    columns = [dg.TableColumn(name) for name in sorted(fields)]
    return {"dagster/column_schema": dg.TableSchema(columns)} if columns else {}


def defined_at(bundle: Bundle, place: Position) -> dict[str, Any]:
    """Where something is defined: as text, and as a reference that opens the file at its line."""
    reference = dg.LocalFileCodeReference(
        file_path=str(Path(bundle.folder, place.file).absolute()),
        line_number=place.line,
        label=f"{place.file}:{place.line}",
    )
    return {
        "defined_in": f"{place.file}:{place.line}",
        "dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[reference]),
    }


def source_link(source: Source, dataset: str, account: str | None) -> dict[str, Any]:
    """A link to the dataset in HubSpot or GA4, for an account that is really there.

    `account` is the portal's or property's id; None, as for the sandbox, gives no link.
    """
    if account is None:
        return {}
    if isinstance(source, Ga4Source):
        url = f"https://analytics.google.com/analytics/web/#/p{account}/reports/intelligenthome"
        return {"open_in_ga4": dg.MetadataValue.url(url)}
    if isinstance(source, HubSpotSource):
        if dataset == "marketing_emails":
            url = f"https://app.hubspot.com/email/{account}/manage/state/all"
        else:
            kind = _HUBSPOT_TYPES.get(dataset, dataset)
            url = f"https://app.hubspot.com/contacts/{account}/objects/{kind}/views/all/list"
        return {"open_in_hubspot": dg.MetadataValue.url(url)}
    return {}


def _fields_read(bundle: Bundle, metric: AnyMetric) -> list[tuple[dg.AssetKey, str]]:
    if isinstance(metric, FormulaMetric):
        names = sorted(set(metric.inputs.values()))
        return [(metric_key(bundle.metrics[name]), "value") for name in names]
    return [(dataset_key(name), field) for name, field in fields_read(bundle.project, metric)]


def _table(name: str, table: sa.Table) -> dict[str, Any]:
    columns = [
        dg.TableColumn(
            column.name,
            type=_type_of(column),
            description=_MEANINGS.get(column.name),
            constraints=dg.TableColumnConstraints(nullable=bool(column.nullable)),
        )
        for column in table.columns
    ]
    return {
        "dagster/table_name": name,
        "dagster/column_schema": dg.TableSchema(columns),
    }


def _type_of(column: sa.Column[Any]) -> str:
    """A column's type as the docs say it: what it holds, not how one engine keeps it."""
    return {
        "ExactDecimal": "decimal",
        "UtcDateTime": "time in UTC",
        "FlagList": "list of flags",
        "String": "text",
        "Text": "text",
        "Date": "day",
        "Boolean": "true or false",
    }.get(type(column.type).__name__, "whole number")


def _lineage(columns: dict[str, list[tuple[dg.AssetKey, str]]]) -> dict[str, Any]:
    if not any(columns.values()):
        return {}
    return {
        "dagster/column_lineage": dg.TableColumnLineage(
            {
                column: [dg.TableColumnDep(asset_key=key, column_name=name) for key, name in deps]
                for column, deps in columns.items()
            }
        )
    }
