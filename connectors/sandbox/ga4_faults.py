"""What the faults of GA4's do to calls, reports and quotas.

Belongs here: carrying out the rows of the fault table that are called `ga4.…`, for both transports.
Does not belong here: which are on (faults), the metadata of less exact answers (ga4_degradations),
what only a transport can do (ga4_rest, ga4_grpc).
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

import pandas as pd

from connectors.sandbox.fault_table import Stage
from connectors.sandbox.faults import Faults, Switch
from connectors.sandbox.ga4_degradations import Degradation, Degraded
from connectors.sandbox.ga4_errors import Failure, Ga4ApiError, failure
from connectors.sandbox.ga4_quotas import Quotas
from connectors.sandbox.ga4_report import Report, Rows
from connectors.sandbox.ga4_schema import MetricType
from connectors.sandbox.ga4_sessions import Ga4Settings, SessionTable, build_table

_API: Final = "ga4"
_SPENT: Final = {
    "ga4.spent_tokens_day": Failure.TOKENS_PER_DAY,
    "ga4.spent_tokens_hour": Failure.TOKENS_PER_HOUR,
    "ga4.spent_tokens_project_hour": Failure.TOKENS_PER_PROJECT_PER_HOUR,
    "ga4.spent_thresholded": Failure.THRESHOLDED,
}
_DEGRADATIONS: Final = {f"ga4.{kind}": kind for kind in Degradation}


class Ga4Faults:
    """Lets the faults that are switched on into each call of one property."""

    def __init__(self, faults: Faults, settings: Ga4Settings) -> None:
        self._faults = faults
        self._settings = settings
        self._restated: tuple[SessionTable, str, int, SessionTable] | None = None

    def spend(self, method: str, quotas: Quotas) -> None:
        """Empty the buckets that shall be empty."""
        for switch in self._faults.take(_API, Stage.BEFORE, method):
            quotas.use_up(_SPENT[switch.fault.name])

    def refusal(self, method: str) -> Ga4ApiError | None:
        """The error that comes in place of an answer."""
        switch = self._faults.take_one(_API, Stage.REFUSE, method)
        return None if switch is None else failure(Failure(switch.fault.name.partition(".")[2]))

    def delivery(self, method: str, transport: str) -> Switch | None:
        """The fault with which an answer arrives over a transport."""
        return self._faults.take_one(_API, Stage.DELIVER, method, transport=transport)

    def of_report(self, method: str) -> Sequence[Switch]:
        """The faults that alter the report that is about to be made."""
        return self._faults.take(_API, Stage.ALTER, method)

    def loses_report(self, method: str) -> bool:
        """Whether a batch lacks its last report."""
        return bool(self._faults.take(_API, Stage.AFTER, method))

    def blocked_metrics(self) -> frozenset[str]:
        """The metrics that are blocked now; nothing is counted as used."""
        return frozenset(self._faults.told("ga4.blocked_metric", "metric"))

    def table(self, switches: Sequence[Switch], table: SessionTable) -> SessionTable:
        """The sessions that a report is made of: a restated day's come several times."""
        for switch in switches:
            if switch.fault.name == "ga4.restated":
                table = self._with_restated(table, switch.text("day"), switch.number("by"))
        return table

    def _with_restated(self, table: SessionTable, day: str, times: int) -> SessionTable:
        known = self._restated
        if known is not None and known[:3] == (table, day, times):
            return known[3]
        started = pd.to_datetime(table.source["started_at"], utc=True, format="ISO8601")
        is_of_day = started.dt.tz_convert(self._settings.time_zone).dt.strftime("%Y-%m-%d") == day
        rows = pd.concat([table.source, *[table.source[is_of_day]] * max(0, times - 1)])
        restated = build_table(rows.reset_index(drop=True), self._settings, "restated sessions")
        self._restated = (table, day, times, restated)
        return restated


def degraded(switches: Sequence[Switch]) -> Degraded:
    """How a report is less than exact."""
    return Degraded(
        frozenset(_DEGRADATIONS[s.fault.name] for s in switches if s.fault.name in _DEGRADATIONS),
        _texts(switches, "ga4.blocked_metric", "metric"),
        _texts(switches, "ga4.schema_restriction", "metric"),
        next(iter(_texts(switches, "ga4.truncated", "type")), ""),
    )


def altered(switches: Sequence[Switch], report: Report) -> Report:
    """A report whose page or row count is not what it should be."""
    for switch in switches:
        rows, count = report.rows, report.rows.length
        match switch.fault.name:
            case "ga4.short_page":
                report = replace(report, rows=_first(rows, max(1, switch.number("size"))))
            case "ga4.empty_page":
                report = replace(report, rows=_first(rows, 0))
            case "ga4.lost_rows":
                report = replace(report, rows=_first(rows, max(0, count - switch.number("by"))))
            case "ga4.repeated_row" if count:
                again = [*range(count - 1), 0]
                report = replace(report, rows=_picked(rows, again))
            case "ga4.row_count_too_high":
                told = report.head.get("rowCount", 0)
                more = (told if isinstance(told, int) else 0) + switch.number("by")
                report = replace(report, head={**report.head, "rowCount": more})
            case "ga4.other_currency":
                report = _in_currency(report, switch.text("code"), switch.number("by"))
            case "ga4.value_types":
                texts = [["n/a"] * count for _ in rows.metrics]
                report = replace(report, rows=replace(rows, metrics=texts))
    return report


def _in_currency(report: Report, code: str, times: int) -> Report:
    """The same report as a property tells it whose currency was changed."""
    metadata, headers = report.head["metadata"], report.head.get("metricHeaders", ())
    assert isinstance(metadata, dict)
    assert isinstance(headers, list)
    is_amount = [header["type"] == MetricType.CURRENCY for header in headers]

    def converted(rows: Rows) -> Rows:
        if not rows.length:
            return rows
        columns = zip(is_amount, rows.metrics, strict=True)
        metrics = [
            [str(Decimal(one) * times) for one in column] if amounts else column
            for amounts, column in columns
        ]
        return replace(rows, metrics=metrics)

    return Report(
        {**report.head, "metadata": {**metadata, "currencyCode": code}},
        converted(report.rows),
        converted(report.totals),
        converted(report.maximums),
        converted(report.minimums),
    )


def _first(rows: Rows, length: int) -> Rows:
    return _picked(rows, range(min(length, rows.length)))


def _picked(rows: Rows, places: Sequence[int]) -> Rows:
    return Rows(
        [[column[place] for place in places] for column in rows.dimensions],
        [[column[place] for place in places] for column in rows.metrics],
        len(places),
    )


def _texts(switches: Sequence[Switch], name: str, parameter: str) -> frozenset[str]:
    return frozenset(one.text(parameter) for one in switches if one.fault.name == name)
