"""The local day of a record's time, in SQL.

Belongs here: the number of the day in the project's zone, right across daylight-saving changes. Does
not belong here: windows (windows) or what is counted in a day.
"""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, case, literal

from okr_sync.metrics.filters import Filterable
from okr_sync.metrics.readings import MS_PER_DAY
from okr_sync.metrics.whole_numbers import rest, whole_quotient
from okr_sync.metrics.windows import local_midnight
from okr_sync.warehouse.encoding import day_number, epoch_ms
from okr_sync.warehouse.mirror import FieldType

_DAY: Final = timedelta(days=1)


def local_day(source: Filterable, anchor: str, first: date, last: date) -> ColumnElement[Any]:
    """The number of the local day of each record's time, which must lie in the days first..last."""
    at = source.column(anchor)
    if source.types[anchor] is FieldType.DAY:
        return at
    return _by_run(
        at,
        source.zone,
        first,
        last,
        lambda start, after: _day_since(at, start, after, source.zone),
    )


def since_midnight(source: Filterable, anchor: str, first: date, last: date) -> ColumnElement[Any]:
    """The milliseconds of each record's time since its local midnight, in the days first..last."""
    at = source.column(anchor)

    def since(start: date, after: date) -> ColumnElement[Any]:
        from_start = at - literal(epoch_ms(local_midnight(start, source.zone)))
        # A day that isn't of 24 hours is a run by itself.
        return from_start if after - start == _DAY else rest(from_start, MS_PER_DAY)

    return _by_run(at, source.zone, first, last, since)


def _by_run(
    at: ColumnElement[Any],
    zone: ZoneInfo,
    first: date,
    last: date,
    value: Callable[[date, date], ColumnElement[Any]],
) -> ColumnElement[Any]:
    return case(
        *(
            (at < literal(epoch_ms(local_midnight(after, zone))), value(start, after))
            for start, after in _even_runs(first, last, zone)
        )
    )


def _day_since(
    at: ColumnElement[Any], first: date, after: date, zone: ZoneInfo
) -> ColumnElement[Any]:
    number = literal(day_number(first))
    if after - first == _DAY:  # it may have 23 or 25 hours
        return number
    since = at - literal(epoch_ms(local_midnight(first, zone)))
    return number + whole_quotient(since, MS_PER_DAY)


def _even_runs(first: date, last: date, zone: ZoneInfo) -> Iterator[tuple[date, date]]:
    """The days first..last as runs [start, after) of days of 24 hours; a longer or shorter day alone."""
    start = day = first
    while day <= last:
        hours = local_midnight(day + _DAY, zone) - local_midnight(day, zone)
        if hours != _DAY:
            if start < day:
                yield start, day
            yield day, day + _DAY
            start = day + _DAY
        day += _DAY
    if start <= last:
        yield start, last + _DAY
