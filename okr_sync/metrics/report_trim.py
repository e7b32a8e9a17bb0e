"""What of a reports need is already stored for good, so that it need not be asked again.

Belongs here: the rule by which a stored GA4 figure is trusted. Does not belong here: which figures
are needed (plan), reading or writing them (warehouse.report_store, connectors.ga4).

GA4 restates: intraday figures firm up over 24 to 48 hours, attributed key events take longer
(support.google.com/analytics/answer/11198161). A stored figure is trusted once it was read
`revise` after its last day had ended; until then every run reads it again.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from okr_sync.metrics.needs import ExactWindowNeed, ReportsNeed, SeriesNeed
from okr_sync.metrics.windows import local_midnight
from okr_sync.warehouse.report_store import ReportKey, days_present, window_present


def trim_reports_need(
    connection: Connection, need: ReportsNeed, revise: timedelta, zone: ZoneInfo
) -> ReportsNeed:
    """The same need without what is stored and can be trusted; possibly with nothing left."""
    series = (_trim_series(connection, need, each, revise, zone) for each in need.series)
    return ReportsNeed(
        need.source,
        need.dataset,
        tuple(each for each in series if each is not None),
        tuple(
            window
            for window in need.exact_windows
            if not _is_trusted_window(connection, need, window, revise, zone)
        ),
    )


def _trim_series(
    connection: Connection,
    need: ReportsNeed,
    series: SeriesNeed,
    revise: timedelta,
    zone: ZoneInfo,
) -> SeriesNeed | None:
    key = ReportKey(need.source, need.dataset, series.where.key())
    span = (series.first_day, series.last_day)
    stored = [days_present(connection, key, metric, *span) for metric in sorted(series.metrics)]
    days = (series.last_day - series.first_day).days + 1
    open_days = [
        day
        for day in (series.first_day + timedelta(days=i) for i in range(days))
        if not all(_is_trusted(read, day, revise, zone) for read in stored)
    ]
    if not open_days:
        return None
    return SeriesNeed(series.where, series.metrics, open_days[0], open_days[-1])


def _is_trusted(
    read: Mapping[date, datetime], day: date, revise: timedelta, zone: ZoneInfo
) -> bool:
    read_at = read.get(day)
    return read_at is not None and read_at >= _settled_at(day, revise, zone)


def _is_trusted_window(
    connection: Connection,
    need: ReportsNeed,
    window: ExactWindowNeed,
    revise: timedelta,
    zone: ZoneInfo,
) -> bool:
    key = ReportKey(need.source, need.dataset, window.where.key())
    settled_at = _settled_at(window.last_day, revise, zone)
    reads = (
        window_present(connection, key, metric, window.first_day, window.last_day)
        for metric in window.metrics
    )
    return all(read_at is not None and read_at >= settled_at for read_at in reads)


def _settled_at(day: date, revise: timedelta, zone: ZoneInfo) -> datetime:
    return local_midnight(day + timedelta(days=1), zone) + revise
