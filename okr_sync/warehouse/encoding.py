"""Numbers and times as whole numbers: exact to add and subtract in every engine.

Belongs here: the encodings that the source tables use, both ways. Does not belong here: reading
what a source wrote (mirror.parse_value) or the published tables, which keep decimals and times.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

MICROS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1)
_LARGEST = 2**63 - 1


def micros(number: Decimal) -> int:
    """A number in millionths, rounded half-even; ValueError beyond ±9.2e12, which a BIGINT can't hold."""
    scaled = int((number * MICROS).to_integral_value(ROUND_HALF_EVEN))
    if not -_LARGEST <= scaled <= _LARGEST:
        raise ValueError("too large to keep in millionths")
    return scaled


def from_micros(stored: int) -> Decimal:
    """The number that so many millionths are, without trailing zeros."""
    whole, rest = divmod(stored, MICROS)
    return Decimal(whole) if not rest else (Decimal(stored) / MICROS)


def epoch_ms(at: datetime) -> int:
    """Milliseconds since 1970 in UTC, of an aware time."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def from_epoch_ms(stored: int) -> datetime:
    """The aware UTC time of so many milliseconds since 1970."""
    return _EPOCH + timedelta(milliseconds=stored)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH_DAY).days


def from_day_number(stored: int) -> date:
    """The day so many days after 1970-01-01."""
    return _EPOCH_DAY + timedelta(days=stored)
