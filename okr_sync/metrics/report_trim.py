"""What of a reports need is already stored for good, so that it need not be asked again.

Belongs here: the rule by which a stored GA4 figure is trusted. Does not belong here: which figures
are needed (plan), reading or writing them (warehouse.report_store, connectors.ga4).

GA4 restates: intraday figures firm up over 24 to 48 hours, attributed key events take longer
(support.google.com/analytics/answer/11198161). A stored figure is trusted once it was read
`revise` after its last day had ended; until then every run reads it again. A run that goes on from one
that was cut off (by a quota, say) also trusts what that one has read, for a few hours.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from okr_sync.metrics.needs import ExactWindowNeed, ReportsNeed, SeriesNeed
from okr_sync.metrics.windows import local_midnight
from okr_sync.warehouse.report_store import (
    ReportKey,
    days_present,
    unfinished_since,
    windows_present,
)

RESUMABLE: Final = timedelta(hours=6)
"""How old a figure of a day that still changes may be that another run has read: GA4 takes two to
eight hours to show what happens during a day."""

_Trust = Callable[[datetime | None, date], bool]
"""Whether a figure that was read then, and ends with that day, need not be read again."""


def trim_reports_need(
    connection: Connection, need: ReportsNeed, revise: timedelta, zone: ZoneInfo, now: datetime
) -> ReportsNeed:
    """The same need without what is stored and can be trusted; possibly with nothing left.

    The need of a read that was cut off keeps something: only a pull can finish it.
    """
    begun_at = unfinished_since(connection, need.source, need.dataset)
    trust = _trust(revise, zone, begun_at, now)
    series = (_trim_series(connection, need, each, trust) for each in need.series)
    last_days = {window.last_day for window in need.exact_windows}
    read = windows_present(connection, need.source, need.dataset, last_days)
    left = ReportsNeed(
        need.source,
        need.dataset,
        tuple(each for each in series if each is not None),
        tuple(
            window for window in need.exact_windows if not _is_trusted_window(window, read, trust)
        ),
    )
    would_pull = left.series or left.exact_windows
    return left if would_pull or begun_at is None else need


def _trust(revise: timedelta, zone: ZoneInfo, begun_at: datetime | None, now: datetime) -> _Trust:
    def is_trusted(read_at: datetime | None, last_day: date) -> bool:
        if read_at is None:
            return False
        ended_at = local_midnight(last_day + timedelta(days=1), zone)
        if read_at >= ended_at + revise:
            return True
        # A day that has ended meanwhile is read to its end.
        is_of_same_day = read_at >= ended_at or now < ended_at
        return begun_at is not None and read_at >= max(begun_at, now - RESUMABLE) and is_of_same_day

    return is_trusted


def _trim_series(
    connection: Connection, need: ReportsNeed, series: SeriesNeed, trust: _Trust
) -> SeriesNeed | None:
    key = ReportKey(need.source, need.dataset, series.where.key())
    span = (series.first_day, series.last_day)
    stored = [days_present(connection, key, metric, *span) for metric in sorted(series.metrics)]
    days = (series.last_day - series.first_day).days + 1
    open_days = [
        day
        for day in (series.first_day + timedelta(days=i) for i in range(days))
        if not all(trust(read.get(day), day) for read in stored)
    ]
    if not open_days:
        return None
    return SeriesNeed(series.where, series.metrics, open_days[0], open_days[-1])


def _is_trusted_window(
    window: ExactWindowNeed,
    read: Mapping[tuple[str, str, date, date], datetime],
    trust: _Trust,
) -> bool:
    series, days = window.where.key(), (window.first_day, window.last_day)
    return all(
        trust(read.get((series, metric, *days)), window.last_day) for metric in window.metrics
    )
