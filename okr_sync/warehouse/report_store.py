"""Report figures in the warehouse: daily series, exact windows, and what a pull left to say.

Belongs here: writing and reading source_report_day, source_report_window, the reports' rows of
source_state, and the reasons why a figure can't be had (source_field). Does not belong here:
asking GA4 (connectors.ga4) or adding days up (metrics.evaluate).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import repeat
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, delete, insert, select
from sqlalchemy.exc import IntegrityError

from okr_sync.errors import SourceError
from okr_sync.flags import Weight, weighing
from okr_sync.metrics.windows import local_midnight
from okr_sync.warehouse.bulk import insert_columns
from okr_sync.warehouse.encoding import MICROS, micros
from okr_sync.warehouse.tables import (
    source_field,
    source_report_day,
    source_report_window,
    source_state,
)
from okr_sync.warehouse.upsert import upsert

PROCESSING = timedelta(hours=48)
"""How long GA4 takes to process a day (support.google.com/analytics/answer/11198161): a figure that
changes later than that was final for GA4 itself."""

_SURELY_FITS = 2**63 // MICROS - 1

CHANGED_LATE = "changed_late"


@dataclass(frozen=True)
class ReportKey:
    """One series of one dataset: `series` is `Where.key()` of its filter."""

    source: str
    dataset: str
    series: str


@dataclass(frozen=True)
class DailyFigures:
    """What a complete report said of one metric: day → value (a day without a row is absent).

    `quality` holds for every day of the report, those without a row included.
    """

    values: Mapping[date, Decimal | int]
    quality: tuple[str, ...] = ()


@dataclass(frozen=True)
class WindowFigure:
    """One metric over the exact days first_day..last_day; no value for a rate over nothing."""

    metric: str
    first_day: date
    last_day: date
    value: Decimal | None
    quality: tuple[str, ...] = ()


@dataclass(frozen=True)
class FigureRefusal:
    """Why a metric can't be had under a filter, for people, and the flags that say it in a word."""

    text: str
    quality: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportAccount:
    """Whose figures a dataset holds, and the zone and currency that they are told in."""

    account: str
    time_zone: str | None
    currency: str | None

    @property
    def zone(self) -> ZoneInfo:
        """The zone whose days GA4 counts; UTC where it named none that this machine knows."""
        try:
            return ZoneInfo(self.time_zone or "UTC")
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo("UTC")


def replace_days(
    connection: Connection,
    key: ReportKey,
    figures: Mapping[str, DailyFigures],
    first_day: date,
    last_day: date,
    read_at: datetime,
) -> None:
    """Make the days first_day..last_day (inclusive) of these metrics what a complete report said.

    `figures` is by metric; a day that is absent from it is stored as an explicit 0. A figure that
    GA4 changed after it had processed the day is flagged `changed_late` from then on. Raises
    SourceError for a value that millionths in a BIGINT can't hold.
    """
    table = source_report_day
    stored = {
        (row.metric, row.day): row
        for row in connection.execute(
            select(
                table.c.metric, table.c.day, table.c.value_micros, table.c.quality, table.c.read_at
            ).where(
                table.c.source == key.source,
                table.c.dataset == key.dataset,
                table.c.series == key.series,
                table.c.metric.in_(sorted(figures)),
                table.c.day.between(first_day, last_day),
            )
        )
    }
    zone = _zone(connection, key) if stored else ZoneInfo("UTC")
    days = list(map(date.fromordinal, range(first_day.toordinal(), last_day.toordinal() + 1)))
    shared = {
        "source": key.source,
        "dataset": key.dataset,
        "series": key.series,
        "read_at": read_at,
    }
    for metric, daily in figures.items():
        of_metric = shared | {"metric": metric}
        values = _all_micros(metric, days, daily.values)
        if not stored:
            _insert_days(connection, days, values, of_metric, daily.quality)
            continue
        changed: list[dict[str, object]] = []
        new: dict[date, int] = {}
        for day, value in zip(days, values, strict=True):
            before = stored.get((metric, day))
            if before is None:
                new[day] = value
                continue
            is_other = before.value_micros != value
            quality = _with_late_change(before, is_other, daily.quality, day, zone)
            changed.append(of_metric | {"day": day, "value_micros": value, "quality": quality})
        upsert(connection, table, changed)
        _insert_days(connection, list(new), list(new.values()), of_metric, daily.quality)


def _all_micros(
    metric: str, days: Sequence[date], values: Mapping[date, Decimal | int]
) -> list[int]:
    """Each day's value in millionths, 0 for a day that is absent; a long column mostly holds whole
    numbers, which need no decimals."""
    found: list[Any] = list(map(values.get, days, repeat(0)))
    if set(map(type, found)) == {int} and -_SURELY_FITS < min(found) <= max(found) < _SURELY_FITS:
        return [value * MICROS for value in found]
    return [_micros(metric, day, Decimal(v)) for day, v in zip(days, found, strict=True)]


def _insert_days(
    connection: Connection,
    days: Sequence[date],
    micros: Sequence[int],
    shared: Mapping[str, object],
    quality: tuple[str, ...],
) -> None:
    """Add days that are not stored; those that another run has added meanwhile are replaced."""
    if not days:
        return
    table, same = source_report_day, {**shared, "quality": quality}
    columns = {"day": days, "value_micros": micros}
    try:
        with connection.begin_nested():
            insert_columns(connection, table, columns, same)
    except IntegrityError:
        rows = zip(days, micros, strict=True)
        upsert(connection, table, [{**same, "day": d, "value_micros": m} for d, m in rows])


def put_windows(
    connection: Connection,
    key: ReportKey,
    figures: Iterable[WindowFigure],
    read_at: datetime,
) -> None:
    """Store figures of exact windows, each replacing what was known of the same window.

    One that GA4 changed after it had processed the window's last day is flagged `changed_late`.
    """
    # A key must not come twice in one statement: the last one counts.
    latest = {(each.metric, each.first_day, each.last_day): each for each in figures}
    if not latest:
        return
    table = source_report_window
    stored = {
        (row.metric, row.first_day, row.last_day): row
        for row in connection.execute(
            select(table).where(
                table.c.source == key.source,
                table.c.dataset == key.dataset,
                table.c.series == key.series,
                table.c.metric.in_(sorted({each.metric for each in latest.values()})),
                table.c.last_day.in_(sorted({each.last_day for each in latest.values()})),
            )
        )
    }

    zone = _zone(connection, key)

    def quality(name: tuple[str, date, date], each: WindowFigure) -> tuple[str, ...]:
        before = stored.get(name)
        if before is None:
            return each.quality
        is_other = before.value != each.value
        return _with_late_change(before, is_other, each.quality, each.last_day, zone)

    upsert(
        connection,
        table,
        [
            {
                "source": key.source,
                "dataset": key.dataset,
                "series": key.series,
                "metric": each.metric,
                "first_day": each.first_day,
                "last_day": each.last_day,
                "value": each.value,
                "quality": quality(name, each),
                "read_at": read_at,
            }
            for name, each in latest.items()
        ],
    )


def _zone(connection: Connection, key: ReportKey) -> ZoneInfo:
    account = report_account(connection, key.source, key.dataset)
    return ZoneInfo("UTC") if account is None else account.zone


def _with_late_change(
    before: Any, is_other: bool, quality: tuple[str, ...], last_day: date, zone: ZoneInfo
) -> tuple[str, ...]:
    """The flags of a figure that replaces the stored row `before`: `changed_late` where GA4 took its
    word back.

    A figure that was less than exact before or is now doesn't count: nobody had been told otherwise.
    """
    if CHANGED_LATE not in before.quality:
        settled_at = local_midnight(last_day + timedelta(days=1), zone) + PROCESSING
        doubts = weighing((*before.quality, *quality), Weight.DOUBT)
        if not is_other or doubts or before.read_at < settled_at:
            return quality
    return tuple(sorted({*quality, CHANGED_LATE}))


def days_present(
    connection: Connection, key: ReportKey, metric: str, first_day: date, last_day: date
) -> dict[date, datetime]:
    """The days of first_day..last_day that are stored, and when each was read."""
    table = source_report_day
    rows = connection.execute(
        select(table.c.day, table.c.read_at).where(
            table.c.source == key.source,
            table.c.dataset == key.dataset,
            table.c.series == key.series,
            table.c.metric == metric,
            table.c.day.between(first_day, last_day),
        )
    )
    return {row.day: row.read_at for row in rows}


def windows_present(
    connection: Connection, source: str, dataset: str, last_days: Collection[date]
) -> dict[tuple[str, str, date, date], datetime]:
    """(series, metric, first day, last day) → when that window's figure was read, for windows that end
    with one of `last_days`."""
    if not last_days:
        return {}
    table = source_report_window
    rows = connection.execute(
        select(
            table.c.series, table.c.metric, table.c.first_day, table.c.last_day, table.c.read_at
        ).where(
            table.c.source == source,
            table.c.dataset == dataset,
            table.c.last_day.between(min(last_days), max(last_days)),
        )
    )
    return {(row[0], row[1], row[2], row[3]): row[4] for row in rows}


def report_account(connection: Connection, source: str, dataset: str) -> ReportAccount | None:
    """Whose figures the dataset holds, or None before its first complete pull."""
    table = source_state
    row = connection.execute(
        select(table.c.account, table.c.time_zone, table.c.currency).where(
            table.c.source == source, table.c.dataset == dataset
        )
    ).one_or_none()
    if row is None or row.account is None:
        return None
    return ReportAccount(row.account, row.time_zone, row.currency)


def unfinished_since(connection: Connection, source: str, dataset: str) -> datetime | None:
    """When a read of the dataset that isn't finished was begun, or None if the last one was."""
    table = source_state
    return connection.scalar(
        select(table.c.cursor_at).where(table.c.source == source, table.c.dataset == dataset)
    )


def record_account(
    connection: Connection,
    source: str,
    dataset: str,
    account: ReportAccount,
    at: datetime,
    *,
    is_whole: bool = True,
) -> None:
    """Say whose figures are being stored, read at `at`; call it before storing them.

    Figures that are not the whole of what was asked for leave the dataset complete as of when it
    was, and as unfinished since the first such read. Figures of another account or in another
    currency are forgotten: they'd be added to these. A zone or a currency that is None leaves what
    was known of the same account.
    """
    known = report_account(connection, source, dataset)
    if known is not None and _is_other(known, account):
        for table in (source_report_day, source_report_window, source_field):
            connection.execute(
                delete(table).where(table.c.source == source, table.c.dataset == dataset)
            )
        known = None
    before = connection.execute(
        select(source_state.c.complete_at, source_state.c.cursor_at).where(
            source_state.c.source == source, source_state.c.dataset == dataset
        )
    ).one_or_none()
    complete_at = at if is_whole else before and before.complete_at
    unfinished_at = None if is_whole else (before and before.cursor_at) or at
    upsert(
        connection,
        source_state,
        [
            {
                "source": source,
                "dataset": dataset,
                "complete_at": complete_at,
                "cursor_at": unfinished_at,
                "account": account.account,
                "time_zone": account.time_zone or (known.time_zone if known else None),
                "currency": account.currency or (known.currency if known else None),
            }
        ],
    )


def _is_other(known: ReportAccount, account: ReportAccount) -> bool:
    """Whether figures of the one can't be added to figures of the other."""
    currencies = {known.currency, account.currency} - {None}
    return known.account != account.account or len(currencies) > 1


def record_refusals(
    connection: Connection,
    key: ReportKey,
    metrics: Sequence[str],
    refusals: Mapping[str, FigureRefusal],
) -> None:
    """Say of each of `metrics`, under this filter, why it can't be had; one not refused is cleared."""
    table = source_field
    names = {metric: _refusal_field(key.series, metric) for metric in {*metrics, *refusals}}
    if not names:
        return
    connection.execute(
        delete(table).where(
            table.c.source == key.source,
            table.c.dataset == key.dataset,
            table.c.field.in_(sorted(names.values())),
        )
    )
    if refusals:
        connection.execute(
            insert(table),
            [
                {
                    "source": key.source,
                    "dataset": key.dataset,
                    "field": names[metric],
                    "error": refusal.text,
                    "quality": refusal.quality,
                }
                for metric, refusal in refusals.items()
            ],
        )


def refusals(
    connection: Connection, source: str, dataset: str
) -> dict[tuple[str, str], FigureRefusal]:
    """(series, metric) → why that can't be had, as of the last pull that asked for it."""
    table = source_field
    rows = connection.execute(
        select(table.c.field, table.c.error, table.c.quality).where(
            table.c.source == source, table.c.dataset == dataset, table.c.error.is_not(None)
        )
    )
    found: dict[tuple[str, str], FigureRefusal] = {}
    for row in rows:
        metric, _, series = row.field.partition("@")
        found[series, metric] = FigureRefusal(row.error, row.quality or ())
    return found


def _refusal_field(series: str, metric: str) -> str:
    return f"{metric}@{series}" if series else metric


def _micros(metric: str, day: date, value: Decimal) -> int:
    try:
        return micros(value)
    except ValueError as error:
        raise SourceError(
            f"GA4 says {metric} was {value} on {day}, which is too large to be true. Look at the "
            "property's data for that day."
        ) from error
