"""How requests and answers of the GA4 Data API are written: as messages and as JSON.

Belongs here: which method takes and gives which message, rows in both forms. Does not belong here:
connections (ga4_grpc, ga4_rest) or the answers themselves (ga4_service).

Rows are built without the protobuf JSON parser, which takes tens of microseconds for each.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import proto  # type: ignore[import-untyped]
from google.analytics.data_v1beta.types import (
    BatchRunReportsRequest,
    BatchRunReportsResponse,
    CheckCompatibilityRequest,
    CheckCompatibilityResponse,
    DimensionValue,
    GetMetadataRequest,
    Metadata,
    MetricValue,
    Row,
    RunReportRequest,
    RunReportResponse,
)
from google.protobuf import json_format
from google.protobuf.message import Message

from connectors.sandbox.ga4_report import Report, Rows
from connectors.sandbox.ga4_service import Ga4Service

BATCH_KIND = "analyticsData#batchRunReports"


@dataclass(frozen=True)
class Method:
    """One method: its request type, how the service answers it, and the answer's two forms."""

    name: str
    request: type[proto.Message]
    answer: Callable[[Ga4Service, Any], Any]
    as_json: Callable[[Any], dict[str, object]]
    as_message: Callable[[Any], Message]


def _message_class(kind: type[proto.Message]) -> type[Message]:
    return type(kind.pb(kind()))


_Row = _message_class(Row)
_DimensionValue = _message_class(DimensionValue)
_MetricValue = _message_class(MetricValue)
_Report = _message_class(RunReportResponse)
_Batch = _message_class(BatchRunReportsResponse)


def _rows_json(rows: Rows) -> list[dict[str, object]]:
    made: list[dict[str, object]] = [{} for _ in range(rows.length)]
    for key, columns in (("dimensionValues", rows.dimensions), ("metricValues", rows.metrics)):
        if columns:
            for row, values in zip(made, zip(*columns, strict=True), strict=True):
                row[key] = [{"value": value} for value in values]
    return made


def _report_json(report: Report) -> dict[str, object]:
    data = dict(report.head)
    for key, rows in _row_lists(report).items():
        if rows.length:
            data[key] = _rows_json(rows)
    return data


def _rows_messages(rows: Rows) -> list[Message]:
    dimensions = list(zip(*rows.dimensions, strict=True)) or [()] * rows.length
    metrics = list(zip(*rows.metrics, strict=True)) or [()] * rows.length
    return [
        _Row(
            dimension_values=[_DimensionValue(value=value) for value in its_dimensions],
            metric_values=[_MetricValue(value=value) for value in its_metrics],
        )
        for its_dimensions, its_metrics in zip(dimensions, metrics, strict=True)
    ]


def _report_message(report: Report) -> Message:
    message: Any = json_format.ParseDict(report.head, _Report())
    for key, rows in _row_lists(report).items():
        getattr(message, key).extend(_rows_messages(rows))
    answer: Message = message
    return answer


def _row_lists(report: Report) -> dict[str, Rows]:
    return {
        "rows": report.rows,
        "totals": report.totals,
        "maximums": report.maximums,
        "minimums": report.minimums,
    }


def _batch_json(reports: list[Report]) -> dict[str, object]:
    return {"reports": [_report_json(report) for report in reports], "kind": BATCH_KIND}


def _batch_message(reports: list[Report]) -> Message:
    return _Batch(reports=[_report_message(report) for report in reports], kind=BATCH_KIND)


def _same(data: dict[str, object]) -> dict[str, object]:
    return data


def _parser(kind: type[proto.Message]) -> Callable[[dict[str, object]], Message]:
    message_class = _message_class(kind)
    return lambda data: json_format.ParseDict(data, message_class())


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("RunReport", RunReportRequest, Ga4Service.run_report, _report_json, _report_message),
        Method(
            "BatchRunReports",
            BatchRunReportsRequest,
            Ga4Service.batch_run_reports,
            _batch_json,
            _batch_message,
        ),
        Method(
            "GetMetadata", GetMetadataRequest, Ga4Service.get_metadata, _same, _parser(Metadata)
        ),
        Method(
            "CheckCompatibility",
            CheckCompatibilityRequest,
            Ga4Service.check_compatibility,
            _same,
            _parser(CheckCompatibilityResponse),
        ),
    )
}
