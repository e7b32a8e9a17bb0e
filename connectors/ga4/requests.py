"""From needs to the fewest GA4 report requests, as data.

Belongs here: which reports to ask for, what goes into one batch, and the request messages as plain
mappings. Does not belong here: filters (filters), sending (calls) or reading answers (rows).
Limits: google/analytics/data/v1beta (10 metrics, 4 date ranges, 5 requests a batch, 250,000 rows).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, TypeVar

from connectors.ga4.filters import filter_expression
from okr_sync.config.where import Where
from okr_sync.metrics.needs import ExactWindowNeed, SeriesNeed
from okr_sync.metrics.report_fields import basis, is_daily

MAX_METRICS = 10
MAX_RANGES = 4
MAX_BATCH = 5
PAGE_ROWS = 100_000

T = TypeVar("T")


@dataclass(frozen=True, order=True)
class DayRange:
    """Days first..last, inclusive, in the property's time zone."""

    first: date
    last: date

    @property
    def name(self) -> str:
        """What the range is called in a report, so that its rows say which days they are of."""
        return f"days_{self.first:%Y%m%d}_{self.last:%Y%m%d}"


@dataclass(frozen=True)
class Report:
    """One report: metrics under a filter, by day over one range, or as totals of up to four."""

    where: Where
    metrics: tuple[str, ...]
    ranges: tuple[DayRange, ...]
    by_day: bool

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimension headers that the answer must have, in order.

        GA4 adds the column dateRange, unasked, when there are two ranges or more (data.proto).
        """
        named = ("date",) if self.by_day else ()
        return (*named, "dateRange") if len(self.ranges) > 1 else named

    @property
    def most_rows(self) -> int:
        """How many rows the answer can have: one a day and one for "(other)", or one a window."""
        if self.by_day:
            return (self.ranges[0].last - self.ranges[0].first).days + 2
        return len(self.ranges)

    def with_metrics(self, metrics: Sequence[str]) -> "Report":
        """The same question about other metrics."""
        return replace(self, metrics=tuple(metrics))


def series_reports(needs: Iterable[SeriesNeed]) -> list[Report]:
    """The reports by day that answer these needs: one a filter, for each ten metrics.

    Needs with one filter are read over all their days together. Raises ValueError for a metric
    that doesn't add up over days, which the plan must ask for at its exact window.
    """
    groups: dict[str, list[SeriesNeed]] = {}
    for need in needs:
        groups.setdefault(need.where.key(), []).append(need)
    reports: list[Report] = []
    for group in groups.values():
        metrics = sorted(set().union(*(need.metrics for need in group)))
        wrong = [metric for metric in metrics if not is_daily(metric)]
        if wrong:
            raise ValueError(f"not additive over days: {', '.join(wrong)}")
        days = DayRange(min(need.first_day for need in group), max(need.last_day for need in group))
        reports += [
            Report(group[0].where, chunk, (days,), by_day=True)
            for chunk in _chunks(metrics, MAX_METRICS)
        ]
    return reports


def window_reports(needs: Iterable[ExactWindowNeed]) -> list[Report]:
    """The reports of totals that answer these needs, four windows and ten metrics in each.

    What a rate is taken over (`report_fields.basis`) is asked for with it: a rate of 0 and a rate
    over nothing are told apart by it.
    """
    wheres: dict[str, Where] = {}
    groups: dict[str, dict[DayRange, set[str]]] = {}
    for need in needs:
        key = need.where.key()
        wheres.setdefault(key, need.where)
        days = DayRange(need.first_day, need.last_day)
        wanted = groups.setdefault(key, {}).setdefault(days, set())
        wanted.update(need.metrics, filter(None, map(basis, need.metrics)))
    reports: list[Report] = []
    for key, by_window in groups.items():
        # Asking every window for every metric is mostly fewer requests, but not always.
        together = _totals(wheres[key], {frozenset().union(*by_window.values()): list(by_window)})
        same: dict[frozenset[str], list[DayRange]] = {}
        for days, metrics in by_window.items():
            same.setdefault(frozenset(metrics), []).append(days)
        apart = _totals(wheres[key], same)
        reports += together if len(together) <= len(apart) else apart
    return reports


def _totals(where: Where, groups: dict[frozenset[str], list[DayRange]]) -> list[Report]:
    return [
        Report(where, metrics, days, by_day=False)
        for wanted, windows in groups.items()
        for metrics in _chunks(sorted(wanted), MAX_METRICS)
        for days in _chunks(sorted(windows), MAX_RANGES)
    ]


def batches(reports: Sequence[Report]) -> Iterator[tuple[Report, ...]]:
    """The reports in groups that one batchRunReports takes."""
    return _chunks(reports, MAX_BATCH)


def report_message(report: Report, property_id: str, offset: int = 0) -> dict[str, Any]:
    """The RunReportRequest, with snake_case keys, for the rows from `offset` on.

    Raises SourceError where GA4 can't filter by the report's `where`.
    """
    named = len(report.ranges) > 1
    message: dict[str, Any] = {
        "property": f"properties/{property_id}",
        "date_ranges": [
            {
                "start_date": days.first.isoformat(),
                "end_date": days.last.isoformat(),
                **({"name": days.name} if named else {}),
            }
            for days in report.ranges
        ],
        "metrics": [{"name": metric} for metric in report.metrics],
        "offset": offset,
        "limit": PAGE_ROWS,
        "return_property_quota": True,
    }
    if report.by_day:
        message["dimensions"] = [{"name": "date"}]
        # Pages are cut from an ordered list, or a row could be on two pages and another on none.
        message["order_bys"] = [{"dimension": {"dimension_name": "date"}}]
        # GA4's own total over all rows: a second count beside rowCount that none is missing.
        message["metric_aggregations"] = ["TOTAL"]
    expression = filter_expression(report.where)
    if expression is not None:
        message["dimension_filter"] = expression
    return message


def _chunks(items: Sequence[T], size: int) -> Iterator[tuple[T, ...]]:
    for start in range(0, len(items), size):
        yield tuple(items[start : start + size])
