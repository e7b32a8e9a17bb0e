"""The GA4 connector: brings the report figures that bindings need into the warehouse.

Belongs here: from a need to stored figures, all or nothing, and what to say of it. Does not belong
here: requests (requests), calls (calls, reading), rows (rows) or the tables (report_store).
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection

from connectors.base import Progress, PullResult, unwatched
from connectors.clock import Clock
from connectors.errors import RetryPolicy
from connectors.ga4.calls import GA4_RETRIES, Ga4Calls
from connectors.ga4.quality import blocked_metrics, hidden_metrics, may_be_blocked
from connectors.ga4.reading import Reading, read_reports
from connectors.ga4.requests import Report, series_reports, window_reports
from connectors.ga4.rows import Answer
from connectors.ga4.totals import window_figures
from okr_sync.config.models import Ga4Source
from okr_sync.errors import (
    DeferredSourceError,
    IncompletePullError,
    SourceError,
    TransientSourceError,
)
from okr_sync.metrics.needs import ExactWindowNeed, ReportsNeed, SeriesNeed
from okr_sync.metrics.windows import local_midnight
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.report_store import (
    DailyFigures,
    ReportAccount,
    ReportKey,
    put_windows,
    record_account,
    record_refusals,
    replace_days,
    report_account,
)


class Ga4Connector:
    """Reads one GA4 property; imports the client package on the first pull."""

    def __init__(
        self,
        source: Ga4Source,
        environ: Mapping[str, str],
        retries: RetryPolicy = GA4_RETRIES,
        clock: Clock | None = None,
    ) -> None:
        self._source = source
        self._calls = Ga4Calls(source, environ, retries, clock)

    def pull(
        self,
        need: ReportsNeed,
        warehouse: Warehouse,
        now: datetime,
        progress: Progress = unwatched,
    ) -> PullResult:
        """Read every report of the need, prove that each is whole, and store all in one transaction.

        What a pull that fails on the way has read is stored, too, for the next one to go on from
        (`report_trim`); the dataset is not complete by it, and nothing is published of it. A metric
        that GA4 can't give as it is bound (400) fails no pull: why is recorded for whoever evaluates it
        (`report_store.refusals`), so that one binding's mistake stops no other. So is a metric that GA4
        hides from us behind zeros.
        """
        started = time.monotonic()
        self._calls.reset()
        flags: set[str] = set()
        reports = series_reports(need.series) + window_reports(need.exact_windows)
        reading = Reading()
        try:
            read_reports(self._calls, self._source.property, reports, reading)
            hidden = blocked_metrics(self._calls.metadata()) if _suspects(reading) else frozenset()
            if reports:
                with warehouse.write() as connection:
                    known = report_account(connection, need.source, need.dataset)
                    self._expect_currency(known, reading)
                    flags = self._store(connection, need, reading, hidden, now)
        except SourceError as error:
            return self._failed(error, need, reading, warehouse, now, time.monotonic() - started)
        rows = sum(answer.rows for answer in reading.answers)
        progress(rows)
        cursor_from, cursor_to = _instants(reading.answers)
        return PullResult(
            source=need.source,
            dataset=need.dataset,
            requests=self._calls.requests,
            rows=rows,
            rows_expected=rows,  # `rows.assemble` refuses a report with any other number of them
            is_complete=True,
            seconds=time.monotonic() - started,
            cursor_from=cursor_from,
            cursor_to=cursor_to,
            quota=self._calls.quota,
            quality=tuple(sorted(flags)),
        )

    def close(self) -> None:
        """Give back the connection."""
        self._calls.close()

    def _failed(
        self,
        error: SourceError,
        need: ReportsNeed,
        reading: Reading,
        warehouse: Warehouse,
        now: datetime,
        seconds: float,
    ) -> PullResult:
        """Keep what was read before the error, without metrics that may be blocked."""
        suspects = _suspects(reading)
        _, currency = _zone_and_currency(reading.answers)
        reading.answers = [
            answer
            for answer in reading.answers
            if suspects.isdisjoint(answer.report.metrics) and answer.currency in (None, currency)
        ]
        reading.refusals.clear()
        if reading.answers:
            with warehouse.write() as connection:
                self._store(connection, need, reading, frozenset(), now, is_whole=False)
        return PullResult(
            source=need.source,
            dataset=need.dataset,
            requests=self._calls.requests,
            rows=sum(answer.rows for answer in reading.answers),
            rows_expected=None,
            is_complete=False,
            seconds=seconds,
            quota=self._calls.quota,
            error=error.user_text,
            is_transient=isinstance(error, TransientSourceError),
            is_deferred=isinstance(error, DeferredSourceError),
        )

    def _expect_currency(self, known: ReportAccount | None, reading: Reading) -> None:
        """Refuse to add amounts in one currency to amounts in another.

        A property's currency can be changed at any time, and its reports are then told in the new one.
        """
        currencies = [known.currency] if known and known.account == self._source.property else []
        currencies += [answer.currency for answer in reading.answers]
        named = [currency for currency in currencies if currency is not None]
        if len({*named}) > 1:
            raise IncompletePullError(
                f"Source {self._source.name}: amounts of property {self._source.property} were in "
                f"{named[0]} and are in {named[-1]} now. What was stored is forgotten, and the next run "
                "reads all of it anew. Goals for amounts stay as they are written: see whether they "
                "still fit."
            )

    def _store(
        self,
        connection: Connection,
        need: ReportsNeed,
        reading: Reading,
        blocked: frozenset[str],
        now: datetime,
        *,
        is_whole: bool = True,
    ) -> set[str]:
        """Store what was read, and return the flags of it."""
        zone, currency = _zone_and_currency(reading.answers)
        account = ReportAccount(self._source.property, zone, currency)
        record_account(connection, need.source, need.dataset, account, now, is_whole=is_whole)
        refusals = dict(reading.refusals)
        for answer in reading.answers:
            series = answer.report.where.key()
            hidden = hidden_metrics(answer.report.metrics, answer.restricted, blocked)
            refusals |= {(series, metric): refusal for metric, refusal in hidden.items()}
            if not answer.report.by_day:
                continue
            days = answer.report.ranges[0]
            figures = {
                metric: DailyFigures(values, answer.flags_of(metric))
                for metric, values in answer.days.items()
                if metric not in hidden
            }
            key = ReportKey(need.source, need.dataset, series)
            replace_days(connection, key, figures, days.first, days.last, now)
        for series, windows in window_figures(
            need.exact_windows, reading.answers, refusals
        ).items():
            put_windows(connection, ReportKey(need.source, need.dataset, series), windows, now)
        for series, metrics in _asked(need, None if is_whole else reading.answers).items():
            refused = {
                metric: refusals[series, metric]
                for metric in sorted(metrics)
                if (series, metric) in refusals
            }
            key = ReportKey(need.source, need.dataset, series)
            record_refusals(connection, key, sorted(metrics), refused)
        flags = {
            flag
            for answer in reading.answers
            for metric in answer.report.metrics
            for flag in answer.flags_of(metric)
        }
        return flags.union(*(refusal.quality for refusal in refusals.values()))


def _asked(need: ReportsNeed, read: Sequence[Answer] | None) -> dict[str, set[str]]:
    """Series → the metrics of which it is known now whether GA4 refuses them: all that are needed, or
    where the pull broke off those that were `read`."""
    known: Iterable[SeriesNeed | ExactWindowNeed | Report] = (
        (*need.series, *need.exact_windows) if read is None else [one.report for one in read]
    )
    asked: dict[str, set[str]] = {}
    for each in known:
        asked.setdefault(each.where.key(), set()).update(each.metrics)
    return asked


def _suspects(reading: Reading) -> frozenset[str]:
    """The metrics that the property may block: reports show zeros for them, and don't say so.

    One figure that isn't 0 clears a metric, so the property is rarely asked.
    """
    suspects: set[str] = set()
    cleared: set[str] = set()
    for answer in reading.answers:
        for metric, metric_type in answer.types.items():
            if may_be_blocked(metric, metric_type):
                figures = answer.days[metric] if answer.report.by_day else answer.windows[metric]
                (cleared if any(figures.values()) else suspects).add(metric)
    return frozenset(suspects - cleared)


def _zone_and_currency(answers: Iterable[Answer]) -> tuple[str | None, str | None]:
    """The last that were named: both can be changed at any time. A currency counts where there are
    amounts in it."""
    latest = list(answers)[::-1]
    pages = [page for answer in latest for page in reversed(answer.pages)]
    zone = next((page.time_zone for page in pages if page.time_zone), None)
    currency = next((answer.currency for answer in latest if answer.currency), None)
    return zone, currency


def _instants(answers: list[Answer]) -> tuple[datetime | None, datetime | None]:
    """When the first day that was read began and the last one ended, in the property's zone."""
    name, _ = _zone_and_currency(answers)
    if name is None:
        return None, None
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None, None
    ranges = [days for answer in answers for days in answer.report.ranges]
    first = min(days.first for days in ranges)
    last = max(days.last for days in ranges)
    return local_midnight(first, zone), local_midnight(last + timedelta(days=1), zone)
