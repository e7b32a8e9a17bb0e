"""One GA4 report: from a checked plan and the sessions to headers, rows, totals and metadata.

Belongs here: grouping, filtering by metric, order, paging, aggregates, degradations. Does not belong
here: checks (ga4_validation), what metrics count (ga4_metrics), how a report is sent (ga4_rest,
ga4_grpc).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from google.analytics.data_v1beta.types import MetricAggregation, OrderBy

from connectors.sandbox.ga4_dates import day_of
from connectors.sandbox.ga4_degradations import (
    SMALLEST_GROUP,
    Degradation,
    Degraded,
    restrictions,
    sampling_metadata,
    truncation_reasons,
)
from connectors.sandbox.ga4_facts import (
    EVENT_DIMENSIONS,
    Facts,
    column,
    group,
    select,
    select_rolling,
)
from connectors.sandbox.ga4_filters import FloatArray
from connectors.sandbox.ga4_metrics import ROLLING_DAYS, Figure, Grouped, compute
from connectors.sandbox.ga4_schema import MetricField
from connectors.sandbox.ga4_sessions import Coded, IntArray, SessionTable
from connectors.sandbox.ga4_validation import Order, ReportPlan

OTHER = "(other)"
_OrderType = OrderBy.DimensionOrderBy.OrderType
_DATE = frozenset({"date"})


@dataclass(frozen=True)
class Rows:
    """Rows by column: a list of texts for each dimension and each metric, all of one length."""

    dimensions: list[list[str]]
    metrics: list[list[str]]
    length: int


@dataclass(frozen=True)
class Report:
    """The answer to one request. `head` is the JSON of everything but rows and aggregates."""

    head: dict[str, object]
    rows: Rows
    totals: Rows
    maximums: Rows
    minimums: Rows


def make_report(
    plan: ReportPlan, table: SessionTable, degraded: Degraded, currency: str, time_zone: str
) -> Report:
    """Compute the report of a plan that ga4_validation has made."""
    by_event = plan.reads_dimension(EVENT_DIMENSIONS)
    facts = _kept(plan, table, select(table, plan.ranges, by_event=by_event))
    rolling = {
        metric.name: _kept(
            plan,
            table,
            select_rolling(
                table,
                plan.ranges,
                ROLLING_DAYS[metric.name],
                by_date=plan.reads_dimension(_DATE),
                by_event=by_event,
            ),
        )
        for metric in plan.metrics
        if metric.name in ROLLING_DAYS
    }
    restricted = {
        metric.name: "COST_DATA" if metric.is_cost else "REVENUE_DATA"
        for metric in plan.metrics
        if metric.is_cost or metric.name in degraded.restricted
    }
    body = _Body(plan, table, facts, rolling, degraded.blocked | restricted.keys())
    lost_rows = Degradation.OTHER_ROW in degraded and body.fold_smaller_half()
    thresholded = plan.may_threshold or Degradation.THRESHOLDED in degraded
    if thresholded:
        body.withhold_small_groups()
    order = body.ordered()
    page = order[plan.offset : plan.offset + plan.limit]

    metadata: dict[str, object] = {"currencyCode": currency, "timeZone": time_zone}
    if lost_rows:
        metadata["dataLossFromOtherRow"] = True
    if thresholded:
        metadata["subjectToThresholding"] = True
    if restricted:
        metadata["schemaRestrictionResponse"] = restrictions(restricted)
    if Degradation.SAMPLED in degraded:
        metadata["samplingMetadatas"] = sampling_metadata(
            [
                int(table.event_total[facts.session[facts.range == i]].sum())
                for i in range(len(plan.ranges))
            ]
        )
    if Degradation.TRUNCATED in degraded:
        first = min(its_range.first for its_range in plan.ranges)
        metadata["dataTruncationReasons"] = truncation_reasons(
            degraded.truncation, day_of(first + 1)
        )
    head: dict[str, object] = {}
    if plan.dimensions:
        head["dimensionHeaders"] = [{"name": field.name} for field in plan.dimensions]
    if plan.visible_metrics:
        head["metricHeaders"] = [
            {"name": field.name, "type": field.type.value} for field in plan.visible_metrics
        ]
    if len(order):
        head["rowCount"] = len(order)
    head["metadata"] = metadata
    head["kind"] = "analyticsData#runReport"
    wanted = plan.aggregations if len(order) else ()
    return Report(
        head,
        body.rows(page),
        body.totals(order, MetricAggregation.TOTAL in wanted),
        body.extremes(order, MetricAggregation.MAXIMUM in wanted, largest=True),
        body.extremes(order, MetricAggregation.MINIMUM in wanted, largest=False),
    )


def _kept(plan: ReportPlan, table: SessionTable, facts: Facts) -> Facts:
    if plan.dimension_filter is None:
        return facts
    return facts.where(plan.dimension_filter(lambda name: column(table, facts, name, plan.ranges)))


class _Body:
    """The groups of a report with their figures."""

    def __init__(
        self,
        plan: ReportPlan,
        table: SessionTable,
        facts: Facts,
        rolling: dict[str, Facts],
        blocked: frozenset[str],
    ) -> None:
        self._plan = plan
        self._table = table
        self._blocked = blocked
        self._facts = {"": facts, **rolling}
        # All facts are grouped together, so that a group has one number in each of them.
        names = [field.name for field in plan.dimensions]
        self._columns = [
            _stacked([column(table, f, name, plan.ranges) for f in self._facts.values()])
            for name in names
        ]
        lengths = [len(f.session) for f in self._facts.values()]
        group_of, row_of = group(self._columns, sum(lengths))
        self._range_of_group = np.concatenate([f.range for f in self._facts.values()])[row_of]
        self._group_of = dict(
            zip(self._facts, np.split(group_of, np.cumsum(lengths)[:-1]), strict=True)
        )
        self._cells = [Coded(coded.codes[row_of], coded.values) for coded in self._columns]
        self._set_groups(len(row_of))
        self._hidden = np.zeros(len(row_of), dtype=np.bool_)

    def fold_smaller_half(self) -> bool:
        """Make one `(other)` row of each range's smaller rows; False if there is nothing to fold."""
        if not self._plan.dimensions or not self._plan.metrics:
            return False
        size = self._figures[self._plan.metrics[0].name].value
        target = np.arange(self._groups, dtype=np.int64)
        folded = np.zeros(self._groups, dtype=np.bool_)
        for index in range(len(self._plan.ranges)):
            its_groups = np.flatnonzero(self._range_of_group == index)
            smaller = its_groups[np.argsort(size[its_groups], kind="stable")][
                : len(its_groups) // 2
            ]
            if len(smaller):
                target[smaller] = smaller[0]
                folded[smaller] = True
        for field, position in zip(self._plan.dimensions, range(len(self._cells)), strict=True):
            if field.name != "dateRange":
                cells = self._cells[position]
                codes = np.where(folded, len(cells.values), cells.codes)
                self._cells[position] = Coded(codes, (*cells.values, OTHER))
        self._group_of = {key: target[numbers] for key, numbers in self._group_of.items()}
        self._hidden = target != np.arange(self._groups)
        self._set_groups(self._groups)
        return bool(folded.any())

    def withhold_small_groups(self) -> None:
        """Hide the rows of so few people that they might be recognised."""
        users = Grouped(self._table, self._facts[""], self._group_of[""], self._groups).users()
        self._hidden |= users < SMALLEST_GROUP

    def ordered(self) -> IntArray:
        """The groups that are rows of the report, in its order."""
        keep = ~self._hidden
        if self._plan.metric_filter is not None:
            keep &= self._plan.metric_filter(lambda name: self._figures[name].value)
        if self._plan.metrics and not self._plan.keep_empty_rows:
            keep &= np.any([f.value != 0 for f in self._figures.values()], axis=0)
        groups = np.flatnonzero(keep)
        orders = self._plan.orders
        if not orders and self._plan.metrics:
            orders = (Order(self._plan.metrics[0].name, True, 0, True),)
        keys = [self._sort_key(order) for order in orders]
        # All dimensions at the end, so that pages never overlap.
        keys += [_ranks(cells, _OrderType.ALPHANUMERIC) for cells in self._cells]
        if not keys:
            return groups
        return groups[np.lexsort([key[groups] for key in reversed(keys)])]

    def rows(self, groups: IntArray) -> Rows:
        """These groups as text."""
        return Rows(
            [
                [cells.values[code] for code in cells.codes[groups].tolist()]
                for cells in self._cells
            ],
            [self._figures[m.name].texts(groups) for m in self._plan.visible_metrics],
            len(groups),
        )

    def totals(self, groups: IntArray, wanted: bool) -> Rows:
        """The metrics over all facts of these groups together, for each date range."""
        if not wanted:
            return Rows([], [], 0)
        shown = np.zeros(self._groups, dtype=np.bool_)
        shown[groups] = True
        keep = {key: shown[numbers] for key, numbers in self._group_of.items()}
        facts = {key: self._facts[key].where(keep[key]) for key in self._facts}
        by_range = {key: f.range for key, f in facts.items()}
        count = len(self._plan.ranges)
        figures = self._compute(facts, by_range, count)
        present = np.unique(self._range_of_group[groups])
        return Rows(
            self._aggregate_cells("RESERVED_TOTAL", present),
            [figures[m.name].texts(present) for m in self._plan.visible_metrics],
            len(present),
        )

    def extremes(self, groups: IntArray, wanted: bool, *, largest: bool) -> Rows:
        """The largest or smallest value of each metric in these groups, for each date range."""
        if not wanted:
            return Rows([], [], 0)
        present = np.unique(self._range_of_group[groups])
        columns: list[list[str]] = [[] for _ in self._plan.visible_metrics]
        for index in present:
            its_groups = groups[self._range_of_group[groups] == index]
            for texts, metric in zip(columns, self._plan.visible_metrics, strict=True):
                figure = self._figures[metric.name]
                value = figure.value[its_groups]
                at = int(np.argmax(value) if largest else np.argmin(value))
                texts += figure.texts(its_groups[at : at + 1])
        label = "RESERVED_MAX" if largest else "RESERVED_MIN"
        return Rows(self._aggregate_cells(label, present), columns, len(present))

    def _aggregate_cells(self, label: str, ranges: IntArray) -> list[list[str]]:
        return [
            [self._plan.ranges[index].name for index in ranges]
            if field.name == "dateRange"
            else [label] * len(ranges)
            for field in self._plan.dimensions
        ]

    def _set_groups(self, groups: int) -> None:
        self._groups = groups
        self._figures = self._compute(self._facts, self._group_of, groups)

    def _compute(
        self, facts: dict[str, Facts], group_of: dict[str, IntArray], groups: int
    ) -> dict[str, Figure]:
        grouped = {key: Grouped(self._table, facts[key], group_of[key], groups) for key in facts}
        return {
            metric.name: self._figure(metric, grouped.get(metric.name, grouped[""]))
            for metric in self._plan.metrics
        }

    def _figure(self, metric: MetricField, grouped: Grouped) -> Figure:
        if metric.name in self._blocked:
            return Figure(grouped.zeros())
        return compute(metric.name, grouped)

    def _sort_key(self, order: Order) -> FloatArray:
        if order.is_metric:
            key = self._figures[order.name].value
        else:
            position = [field.name for field in self._plan.dimensions].index(order.name)
            key = _ranks(self._cells[position], order.order_type)
        return -key if order.descending else key


def _stacked(parts: Sequence[Coded]) -> Coded:
    values = max((part.values for part in parts), key=len)
    return Coded(np.concatenate([part.codes for part in parts]), values)


def _ranks(cells: Coded, order_type: int) -> FloatArray:
    """Each cell's place among the sorted values."""
    if not cells.values:
        return np.zeros(len(cells.codes), dtype=np.float64)
    if order_type == _OrderType.NUMERIC:
        numbers = np.array([_leading_number(value) for value in cells.values], dtype=np.float64)
        return numbers[cells.codes]
    fold = str.lower if order_type == _OrderType.CASE_INSENSITIVE_ALPHANUMERIC else str
    texts = sorted({fold(value) for value in cells.values})
    place = {text: index for index, text in enumerate(texts)}
    by_code = np.array([place[fold(value)] for value in cells.values], dtype=np.float64)
    return by_code[cells.codes]


def _leading_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("-inf")  # text comes before all numbers
