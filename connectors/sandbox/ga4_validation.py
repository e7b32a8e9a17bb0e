"""The checks that a GA4 request passes before it is computed, in the service's words.

Belongs here: limits, names, combinations, and what the sandbox does not serve. Does not belong here:
single filter conditions (ga4_filters), dates (ga4_dates), JSON that is no request at all (ga4_json).

Limits: API facts A4.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from google.analytics.data_v1beta.types import (
    CheckCompatibilityRequest,
    Dimension,
    FilterExpression,
    Metric,
    MetricAggregation,
    OrderBy,
    RunReportRequest,
)

from connectors.sandbox.ga4_dates import DayRange, resolve_ranges
from connectors.sandbox.ga4_errors import Ga4ApiError, incompatible, invalid, unknown_field
from connectors.sandbox.ga4_filters import (
    DimensionFilter,
    MetricFilter,
    dimension_filter,
    filter_fields,
    metric_filter,
)
from connectors.sandbox.ga4_schema import DimensionField, Field, MetricField, Schema

MOST_DIMENSIONS = 9
MOST_METRICS = 10
DEFAULT_LIMIT = 10_000
LARGEST_LIMIT = 250_000

_OrderType = OrderBy.DimensionOrderBy.OrderType


@dataclass(frozen=True)
class Order:
    """One sort key: a dimension with the way its text is compared, or a metric."""

    name: str
    is_metric: bool
    order_type: int
    descending: bool


@dataclass(frozen=True)
class ReportPlan:
    """A request that can be computed. `dimensions` has dateRange when there are several ranges."""

    dimensions: tuple[DimensionField, ...]
    metrics: tuple[MetricField, ...]
    visible_metrics: tuple[MetricField, ...]
    filtered_dimensions: frozenset[str]
    ranges: tuple[DayRange, ...]
    dimension_filter: DimensionFilter | None
    metric_filter: MetricFilter | None
    orders: tuple[Order, ...]
    aggregations: tuple[int, ...]
    offset: int
    limit: int
    keep_empty_rows: bool
    may_threshold: bool

    def reads_dimension(self, names: frozenset[str]) -> bool:
        """Whether any of these is a column or is filtered on."""
        return bool(names & (self.filtered_dimensions | {d.name for d in self.dimensions}))


def plan_report(
    request: RunReportRequest, schema: Schema, today: date, currency: str
) -> ReportPlan:
    """Check a report request; raises Ga4ApiError for the first thing that is wrong."""
    _check_served(request, currency)
    fields = _Fields(schema, request.dimensions, request.metrics)
    filtered = _filtered_dimensions(request, schema)
    _check_counts(fields, filtered)
    metric_names = {field.name for field in fields.metrics}
    if "metric_filter" in request:
        for name in filter_fields(request.metric_filter):
            if name and name not in metric_names:
                raise _not_requested(name, "metric", schema, name in schema.dimensions)
    if not fields.dimensions and not fields.metrics:
        raise invalid("Requests must have at least one dimension or metric.")
    filtered_fields = [schema.dimensions[name] for name in filtered]
    everything: list[Field] = [*fields.dimensions, *filtered_fields, *fields.metrics]
    if clash := schema.first_clash(everything):
        raise incompatible(clash.name)
    ranges = resolve_ranges(request.date_ranges, today)
    dimensions = fields.dimensions
    if len(ranges) > 1 and all(field.name != "dateRange" for field in dimensions):
        dimensions = (*dimensions, schema.dimensions["dateRange"])
    if request.offset < 0 or request.limit < 0:
        raise invalid("The offset and limit must not be negative.")
    return ReportPlan(
        dimensions=dimensions,
        metrics=fields.metrics,
        visible_metrics=tuple(
            field
            for field, metric in zip(fields.metrics, request.metrics, strict=True)
            if not metric.invisible
        ),
        filtered_dimensions=frozenset(filtered),
        ranges=ranges,
        dimension_filter=_optional_dimension_filter(request),
        metric_filter=(
            metric_filter(request.metric_filter) if "metric_filter" in request else None
        ),
        orders=_orders(request.order_bys, dimensions, fields.metrics),
        aggregations=_aggregations(request.metric_aggregations),
        offset=int(request.offset),
        limit=min(int(request.limit) or DEFAULT_LIMIT, LARGEST_LIMIT),
        keep_empty_rows=bool(request.keep_empty_rows),
        may_threshold=any(f.may_threshold for f in (*dimensions, *filtered_fields)),
    )


def check_fields(request: CheckCompatibilityRequest, schema: Schema) -> list[Field]:
    """The fields of a compatibility check, filters included; raises Ga4ApiError (400)."""
    fields = _Fields(schema, request.dimensions, request.metrics)
    filtered = _filtered_dimensions(request, schema)
    _check_counts(fields, filtered)
    filtered_metrics = []
    if "metric_filter" in request:
        metric_filter(request.metric_filter)
        for name in dict.fromkeys(filter_fields(request.metric_filter)):
            if name not in schema.metrics:
                raise unknown_field(name, "metric")
            filtered_metrics.append(schema.metrics[name])
    everything: list[Field] = [
        *fields.dimensions,
        *(schema.dimensions[name] for name in filtered),
        *fields.metrics,
        *filtered_metrics,
    ]
    if schema.first_clash(everything):
        raise incompatible(None)
    return everything


class _Fields:
    """The requested dimensions and metrics, looked up."""

    def __init__(
        self, schema: Schema, dimensions: Sequence[Dimension], metrics: Sequence[Metric]
    ) -> None:
        if any("dimension_expression" in dimension for dimension in dimensions):
            raise _not_served("dimensionExpression")
        if any(metric.expression for metric in metrics):
            raise _not_served("metric.expression")
        dimension_names = [str(dimension.name) for dimension in dimensions]
        metric_names = [str(metric.name) for metric in metrics]
        for names, kind in ((dimension_names, "dimension"), (metric_names, "metric")):
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise invalid(f"Field {twice} is a duplicate {kind} in the request.")
        for name in dimension_names:
            if name not in schema.dimensions:
                raise unknown_field(name, "dimension")
        for name in metric_names:
            if name not in schema.metrics:
                raise unknown_field(name, "metric")
        self.dimensions = tuple(schema.dimensions[name] for name in dimension_names)
        self.metrics = tuple(schema.metrics[name] for name in metric_names)


def _not_served(what: str) -> Ga4ApiError:
    return Ga4ApiError("UNIMPLEMENTED", f"The okr-sync sandbox does not serve {what}.")


def _check_served(request: RunReportRequest, currency: str) -> None:
    if "cohort_spec" in request:
        raise _not_served("cohortSpec")
    if request.comparisons:
        raise _not_served("comparisons")
    if request.currency_code not in ("", currency):
        raise _not_served("a currencyCode other than the property's")


def _check_counts(fields: _Fields, filtered: Sequence[str]) -> None:
    # Dimensions that are only filtered on count as well (API facts A4).
    dimensions = len({field.name for field in fields.dimensions} | set(filtered))
    if dimensions > MOST_DIMENSIONS:
        raise invalid(
            f"Requests are limited to {MOST_DIMENSIONS} dimensions within a nested request. "
            f"This request is for {dimensions} dimensions."
        )
    if len(fields.metrics) > MOST_METRICS:
        raise invalid(
            f"Requests are limited to {MOST_METRICS} metrics within a nested request. "
            f"This request is for {len(fields.metrics)} metrics."
        )


def _filtered_dimensions(
    request: RunReportRequest | CheckCompatibilityRequest, schema: Schema
) -> list[str]:
    if "dimension_filter" not in request:
        return []
    # Compiling first finds what is malformed, so that the names are all there.
    dimension_filter(request.dimension_filter)
    names = list(dict.fromkeys(filter_fields(request.dimension_filter)))
    for name in names:
        if name not in schema.dimensions:
            raise unknown_field(name, "dimension")
    return names


def _optional_dimension_filter(request: RunReportRequest) -> DimensionFilter | None:
    expression: FilterExpression = request.dimension_filter
    return dimension_filter(expression) if "dimension_filter" in request else None


def _not_requested(name: str, kind: str, schema: Schema, is_other_kind: bool) -> Ga4ApiError:
    known = schema.metrics if kind == "metric" else schema.dimensions
    if is_other_kind or name not in known:
        return unknown_field(name, kind)
    return invalid(f"Field {name} must be a {kind} of the request to be used here.")


def _orders(
    order_bys: Sequence[OrderBy],
    dimensions: Sequence[DimensionField],
    metrics: Sequence[MetricField],
) -> tuple[Order, ...]:
    orders = []
    for index, order_by in enumerate(order_bys):
        if "metric" in order_by:
            name = str(order_by.metric.metric_name)
            if name not in {field.name for field in metrics}:
                raise invalid(f"Field {name} in orderBys must be a metric of the request.")
            orders.append(Order(name, True, 0, bool(order_by.desc)))
        elif "dimension" in order_by:
            name = str(order_by.dimension.dimension_name)
            if name not in {field.name for field in dimensions}:
                raise invalid(f"Field {name} in orderBys must be a dimension of the request.")
            order_type = int(order_by.dimension.order_type)
            if order_type not in set(map(int, _OrderType)):
                raise invalid(
                    f"Invalid value at 'order_bys[{index}].dimension.order_type', {order_type}"
                )
            orders.append(Order(name, False, order_type, bool(order_by.desc)))
        else:
            raise invalid("An OrderBy must have one of metric, dimension.")
    return tuple(orders)


def _aggregations(wanted: Sequence[MetricAggregation]) -> tuple[int, ...]:
    numbers = tuple(dict.fromkeys(int(aggregation) for aggregation in wanted))
    for number in numbers:
        if number not in set(map(int, MetricAggregation)) or number == 0:
            raise invalid(f"Invalid value at 'metric_aggregations', {number}")
    return numbers
