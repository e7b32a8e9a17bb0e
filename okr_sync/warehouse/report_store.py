"""Report figures in the warehouse: daily series, exact windows, and what a pull left to say.

Belongs here: writing and reading source_report_day, source_report_window, the reports' rows of
source_state, and the reasons why a figure can't be had (source_field). Does not belong here:
asking GA4 (connectors.ga4) or adding days up (metrics.evaluate).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Connection, delete, insert, select

from okr_sync.errors import SourceError
from okr_sync.warehouse.encoding import micros
from okr_sync.warehouse.tables import (
    source_field,
    source_report_day,
    source_report_window,
    source_state,
)
from okr_sync.warehouse.upsert import upsert


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

    values: Mapping[date, Decimal]
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
class ReportAccount:
    """Whose figures a dataset holds, and the zone and currency that they are told in."""

    account: str
    time_zone: str | None
    currency: str | None


def replace_days(
    connection: Connection,
    key: ReportKey,
    figures: Mapping[str, DailyFigures],
    first_day: date,
    last_day: date,
    read_at: datetime,
) -> None:
    """Make the days first_day..last_day (inclusive) of these metrics what a complete report said.

    `figures` is by metric; a day that is absent from it is stored as an explicit 0. Raises
    SourceError for a value that millionths in a BIGINT can't hold.
    """
    rows: list[dict[str, object]] = []
    for metric, daily in figures.items():
        for offset in range((last_day - first_day).days + 1):
            day = first_day + timedelta(days=offset)
            value = daily.values.get(day, Decimal(0))
            rows.append(
                {
                    "source": key.source,
                    "dataset": key.dataset,
                    "series": key.series,
                    "metric": metric,
                    "day": day,
                    "value_micros": _micros(metric, day, value),
                    "quality": daily.quality,
                    "read_at": read_at,
                }
            )
    upsert(connection, source_report_day, rows)


def put_windows(
    connection: Connection,
    key: ReportKey,
    figures: Iterable[WindowFigure],
    read_at: datetime,
) -> None:
    """Store figures of exact windows, each replacing what was known of the same window."""
    # A key must not come twice in one statement: the last one counts.
    latest = {(each.metric, each.first_day, each.last_day): each for each in figures}
    upsert(
        connection,
        source_report_window,
        [
            {
                "source": key.source,
                "dataset": key.dataset,
                "series": key.series,
                "metric": each.metric,
                "first_day": each.first_day,
                "last_day": each.last_day,
                "value": each.value,
                "quality": each.quality,
                "read_at": read_at,
            }
            for each in latest.values()
        ],
    )


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


def window_present(
    connection: Connection, key: ReportKey, metric: str, first_day: date, last_day: date
) -> datetime | None:
    """When the figure of exactly this window was read, or None if it isn't stored."""
    table = source_report_window
    return connection.execute(
        select(table.c.read_at).where(
            table.c.source == key.source,
            table.c.dataset == key.dataset,
            table.c.series == key.series,
            table.c.metric == metric,
            table.c.first_day == first_day,
            table.c.last_day == last_day,
        )
    ).scalar_one_or_none()


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


def record_account(
    connection: Connection, source: str, dataset: str, account: ReportAccount, at: datetime
) -> None:
    """Say whose figures are being stored, complete as of `at`; call it before storing them.

    Figures of another account are forgotten: they'd be added to this one's. A zone or a currency
    that is None leaves what was known of the same account.
    """
    known = report_account(connection, source, dataset)
    if known is not None and known.account != account.account:
        for table in (source_report_day, source_report_window, source_field):
            connection.execute(
                delete(table).where(table.c.source == source, table.c.dataset == dataset)
            )
        known = None
    upsert(
        connection,
        source_state,
        [
            {
                "source": source,
                "dataset": dataset,
                "complete_at": at,
                "account": account.account,
                "time_zone": account.time_zone or (known.time_zone if known else None),
                "currency": account.currency or (known.currency if known else None),
            }
        ],
    )


def record_refusals(
    connection: Connection,
    key: ReportKey,
    metrics: Sequence[str],
    refusals: Mapping[str, str],
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
                    "error": text,
                }
                for metric, text in refusals.items()
            ],
        )


def refusals(connection: Connection, source: str, dataset: str) -> dict[tuple[str, str], str]:
    """(series, metric) → why that can't be had, in words, as of the last complete pull."""
    table = source_field
    rows = connection.execute(
        select(table.c.field, table.c.error).where(
            table.c.source == source, table.c.dataset == dataset, table.c.error.is_not(None)
        )
    )
    found: dict[tuple[str, str], str] = {}
    for row in rows:
        metric, _, series = row.field.partition("@")
        found[series, metric] = row.error
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
