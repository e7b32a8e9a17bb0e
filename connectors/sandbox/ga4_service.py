"""The four methods of the GA4 Data API, apart from how they are called.

Belongs here: permission, quota, faults, and the answer of each method. Does not belong here: gRPC
(ga4_grpc), REST and its credentials (ga4_rest), the parts that make an answer (ga4_validation,
ga4_report, ga4_schema).
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from zoneinfo import ZoneInfo

from google.analytics.data_v1beta.types import (
    BatchRunReportsRequest,
    CheckCompatibilityRequest,
    Compatibility,
    GetMetadataRequest,
    RunReportRequest,
)

from connectors.sandbox.faults import Switch
from connectors.sandbox.ga4_errors import bad_property, invalid, no_permission
from connectors.sandbox.ga4_faults import Ga4Faults, altered, degraded
from connectors.sandbox.ga4_quotas import Quotas
from connectors.sandbox.ga4_report import Report, make_report
from connectors.sandbox.ga4_schema import (
    DimensionField,
    Field,
    MetricField,
    Schema,
    goes_together,
    is_custom_dimension,
)
from connectors.sandbox.ga4_sessions import Ga4Settings, SessionTable
from connectors.sandbox.ga4_validation import ReportPlan, check_fields, plan_report

MOST_REQUESTS = 5
_VERDICTS_WANTED: dict[int, tuple[str, ...]] = {
    int(Compatibility.COMPATIBILITY_UNSPECIFIED): ("COMPATIBLE", "INCOMPATIBLE"),
    int(Compatibility.COMPATIBLE): ("COMPATIBLE",),
    int(Compatibility.INCOMPATIBLE): ("INCOMPATIBLE",),
}


class Ga4Service:
    """Answers for one property; safe between threads. Raises Ga4ApiError for what it refuses."""

    def __init__(
        self,
        settings: Ga4Settings,
        table: SessionTable,
        quotas: Quotas,
        faults: Ga4Faults,
        now: Callable[[], datetime],
    ) -> None:
        self.settings = settings
        self.quotas = quotas
        self.requests: Counter[str] = Counter()
        self.stopping = threading.Event()
        self._faults = faults
        self._now = now
        self._lock = threading.Lock()
        self._table = table
        self._schema = _schema_of(table)

    @property
    def table(self) -> SessionTable:
        """The sessions that are reported on now."""
        with self._lock:
            return self._table

    def replace_table(self, table: SessionTable) -> None:
        """Report on these sessions from the next request on."""
        with self._lock:
            self._table = table
            self._schema = _schema_of(table)

    @contextmanager
    def call(self, method: str, transport: str) -> Iterator[Switch | None]:
        """Account for one call: count it, apply faults, hold a concurrent request.

        Gives a fault that only a transport can carry out (an answer that does not arrive).
        """
        with self._lock:
            self.requests[method] += 1
        refused = self._faults.refusal(method)
        delivery = self._faults.delivery(method, transport)
        self._faults.spend(method, self.quotas)
        with self.quotas.running():
            if delivery is not None and delivery.fault.name == "ga4.slow":
                self.stopping.wait(delivery.seconds())
                delivery = None
            if refused is None:
                yield delivery
                return
            if refused.http_code >= 500:
                self.quotas.server_error()
            raise refused

    def run_report(self, request: RunReportRequest) -> Report:
        """One report."""
        self._check_property(request.property)
        return self._reports("RunReport", [request])[0]

    def batch_run_reports(self, request: BatchRunReportsRequest) -> list[Report]:
        """Up to five reports on the same property; one that is refused fails them all."""
        self._check_property(request.property)
        if len(request.requests) > MOST_REQUESTS:
            raise invalid(
                f"Batch requests are limited to {MOST_REQUESTS} requests. "
                f"This request is for {len(request.requests)} requests."
            )
        if not request.requests:
            raise invalid("A batch request must have at least one request.")
        for one in request.requests:
            if one.property not in ("", request.property):
                raise invalid(
                    f"The property of each request in a batch must be {request.property} or "
                    "unspecified."
                )
        reports = self._reports("BatchRunReports", list(request.requests))
        return reports[:-1] if self._faults.loses_report("BatchRunReports") else reports

    def get_metadata(self, request: GetMetadataRequest) -> dict[str, object]:
        """The schema as JSON; property 0 gives what every property has."""
        property_name = request.name.removesuffix("/metadata")
        if property_name == request.name:
            raise invalid(f"Invalid metadata name: {request.name}.")
        dimensions, metrics = self._schema.dimensions.values(), self._schema.metrics.values()
        if property_name == "properties/0":
            return {
                "name": request.name,
                "dimensions": [_dimension_json(f) for f in dimensions if not f.is_custom],
                "metrics": [self._metric_json(f) for f in metrics if ":" not in f.name],
            }
        self._check_property(property_name)
        return {
            "name": request.name,
            "dimensions": [_dimension_json(field) for field in dimensions],
            "metrics": [self._metric_json(field) for field in metrics],
        }

    def check_compatibility(self, request: CheckCompatibilityRequest) -> dict[str, object]:
        """A verdict, as JSON, on every field of the schema beside those of the request."""
        self._check_property(request.property)
        fields = check_fields(request, self._schema)
        number = int(request.compatibility_filter)
        if number not in _VERDICTS_WANTED:
            raise invalid(f"Invalid value at 'compatibility_filter', {number}")
        wanted = _VERDICTS_WANTED[number]
        verdicts = {
            "dimensionCompatibilities": [
                {"dimensionMetadata": _dimension_json(field), "compatibility": verdict}
                for field in self._schema.dimensions.values()
                for verdict in (_verdict(field, fields),)
                if verdict in wanted
            ],
            "metricCompatibilities": [
                {"metricMetadata": self._metric_json(field), "compatibility": verdict}
                for field in self._schema.metrics.values()
                for verdict in (_verdict(field, fields),)
                if verdict in wanted
            ],
        }
        return {key: found for key, found in verdicts.items() if found}

    def _reports(self, method: str, requests: list[RunReportRequest]) -> list[Report]:
        with self._lock:
            table, schema = self._table, self._schema
        currency, zone = self.settings.currency, self.settings.time_zone
        plans: list[ReportPlan] = [
            plan_report(request, schema, self._today(), currency) for request in requests
        ]
        self.quotas.spend(len(plans), sum(plan.may_threshold for plan in plans))
        reports = []
        for request, plan in zip(requests, plans, strict=True):
            switches = self._faults.of_report(method)
            sessions = self._faults.table(switches, table)
            report = make_report(plan, sessions, degraded(switches), currency, zone)
            if request.return_property_quota:
                report.head["propertyQuota"] = self.quotas.figures(tokens=1)
            reports.append(altered(switches, report))
        return reports

    def _today(self) -> date:
        return self._now().astimezone(ZoneInfo(self.settings.time_zone)).date()

    def _check_property(self, name: str) -> None:
        number = name.removeprefix("properties/")
        if number == name or not number.isdigit():
            raise bad_property(number)
        if number != self.settings.property:
            raise no_permission()

    def _metric_json(self, field: MetricField) -> dict[str, object]:
        data: dict[str, object] = {
            "apiName": field.name,
            "uiName": field.ui_name,
            "description": f"{field.ui_name}, as the sandbox computes it.",
            "type": field.type.value,
            "category": field.scope.value,
        }
        if field.old_names:
            data["deprecatedApiNames"] = list(field.old_names)
        if field.expression:
            data["expression"] = field.expression
        if field.is_cost:
            data["blockedReasons"] = ["NO_COST_METRICS"]
        elif field.name in self._faults.blocked_metrics():
            data["blockedReasons"] = ["NO_REVENUE_METRICS"]
        return data


def _schema_of(table: SessionTable) -> Schema:
    return Schema(filter(is_custom_dimension, table.dimensions), table.key_events)


def _verdict(field: Field, fields: list[Field]) -> str:
    fits = all(goes_together(other, field) for other in fields)
    return "COMPATIBLE" if fits else "INCOMPATIBLE"


def _dimension_json(field: DimensionField) -> dict[str, object]:
    data: dict[str, object] = {
        "apiName": field.name,
        "uiName": field.ui_name,
        "description": f"{field.ui_name}, as the sandbox reads it.",
        "category": "Custom" if field.is_custom else field.scope.value,
    }
    if field.old_names:
        data["deprecatedApiNames"] = list(field.old_names)
    if field.is_custom:
        data["customDefinition"] = True
    return data
