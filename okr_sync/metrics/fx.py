"""Exchange rates: the project's `fx` dataset as a table of days, and the rate that a day has.

Belongs here: which fields rates have, reading them from the mirror, the rule for days without one.
Does not belong here: sums of amounts (currency_readings), the pull of the dataset (plan, connectors).
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, or_, select

from okr_sync.errors import SourceError
from okr_sync.warehouse.encoding import (
    day_number,
    from_day_number,
    from_epoch_ms,
    from_micros,
)
from okr_sync.warehouse.mirror import FieldType, column_name, fields_of, record_table

FX_TIME_FIELD: Final = "date"
FX_RATE_FIELD: Final = "rate"
FX_FIELDS: Final = frozenset((FX_TIME_FIELD, "from", "to", FX_RATE_FIELD))
CARRIED: Final = timedelta(days=7)
"""How long a rate holds where later days have none (weekends, holidays)."""
_BOTH_WAYS: Final = Decimal("0.1")
"""Buying, selling and rounding make less of a difference than this to the way there and back."""

_LEAST_RATE: Final = Decimal("1e-12")
"""Less, or more than its inverse, is a slip of the pen: no two currencies are that far apart."""


@dataclass(frozen=True)
class Rates:
    """Rates into one currency: by the other currency the days (numbers, in order) and their rates."""

    into: str
    tables: Mapping[str, tuple[tuple[int, ...], tuple[Decimal, ...]]]

    def rate(self, currency: str, day: int) -> Decimal | None:
        """What one unit of `currency` is worth on a day (its number); None where nobody said.

        A day without a rate has the latest earlier one, of at most 7 days before.
        """
        if currency == self.into:
            return Decimal(1)
        days, rates = self.tables.get(currency, ((), ()))
        place = bisect_right(days, day) - 1
        if place < 0 or day - days[place] > CARRIED.days:
            return None
        return rates[place]


def read_rates(connection: Connection, dataset: str, into: str, zone: ZoneInfo) -> Rates:
    """The rates into a currency, from the mirror of the fx dataset.

    A rate that is given only the other way round is inverted. Raises SourceError where the dataset
    has not been read, has other types, or has two rates for one day, also ones that contradict each other.
    """
    source, _, name = dataset.partition(".")
    states = fields_of(connection, source, name)
    types = {field: states[field].type for field in FX_FIELDS & states.keys()}
    known = {field: kind for field, kind in types.items() if kind is not None}
    unread = sorted(FX_FIELDS - known.keys())
    if unread:
        raise SourceError(
            f"The exchange rates in {dataset} have not been read with the field {unread[0]}. "
            "An fx dataset has the fields date, from, to and rate. Run `okr-sync sync`."
        )
    if known[FX_TIME_FIELD] not in (FieldType.DAY, FieldType.INSTANT):
        raise SourceError(f"`date` in {dataset} does not hold days. Write them as 2026-10-01.")
    table = record_table(source, name, known)
    day, rate = (table.c[column_name(field)] for field in (FX_TIME_FIELD, FX_RATE_FIELD))
    # Written as the records' own currencies may be: ` eur` is EUR.
    base, quote = (func.upper(func.trim(table.c[column_name(name)])) for name in ("from", "to"))
    direct: dict[str, dict[int, Decimal]] = {}
    inverse: dict[str, dict[int, Decimal]] = {}
    for at, from_code, to_code, stored in connection.execute(
        select(day, base, quote, rate).where(
            or_(base == into, quote == into),
            day.is_not(None), base.is_not(None), quote.is_not(None), rate.is_not(None),
        )
    ):  # fmt: skip
        number = _rate(stored, known[FX_RATE_FIELD], dataset)
        on = at if known[FX_TIME_FIELD] is FieldType.DAY else _local_day(at, zone)
        table_of, other = (direct, from_code) if to_code == into else (inverse, to_code)
        own = table_of.setdefault(other, {})
        if own.setdefault(on, number) != number:
            raise SourceError(
                f"{dataset} has two rates from {from_code} to {to_code} for one day. Keep one."
            )
    tables: dict[str, tuple[tuple[int, ...], tuple[Decimal, ...]]] = {}
    for other in direct.keys() | inverse.keys():
        _check_both_ways(
            direct.get(other, {}), inverse.get(other, {}), f"{other} to {into}", dataset
        )
        inverted = {on: 1 / number for on, number in inverse.get(other, {}).items()}
        of_days = inverted | direct.get(other, {})
        days = tuple(sorted(of_days))
        tables[other] = (days, tuple(of_days[on] for on in days))
    return Rates(into, tables)


def _check_both_ways(
    there: Mapping[int, Decimal], back: Mapping[int, Decimal], pair: str, dataset: str
) -> None:
    """Refuse rates of one day that contradict each other: the way there and back is about 1."""
    for day in there.keys() & back.keys():
        if abs(there[day] * back[day] - 1) > _BOTH_WAYS:
            raise SourceError(
                f"{dataset} has rates from {pair} and back for {from_day_number(day)} that don't fit: "
                f"{there[day]:f} × {back[day]:f} is not about 1. Mend the one that is upside down."
            )


def _rate(stored: int | str, kind: FieldType, dataset: str) -> Decimal:
    """A rate as stored: millionths, or the text of it, which a pull keeps with all its digits."""
    try:
        number = from_micros(stored) if isinstance(stored, int) else Decimal(stored)
    except InvalidOperation:
        number = Decimal(0)
    is_sensible = number.is_finite() and _LEAST_RATE < number < 1 / _LEAST_RATE
    if kind not in (FieldType.NUMBER, FieldType.TEXT) or not is_sensible:
        raise SourceError(f"{dataset} has a `rate` that is not a number above 0. Mend it.")
    return number


def _local_day(at: int, zone: ZoneInfo) -> int:
    return day_number(from_epoch_ms(at).astimezone(zone).date())
