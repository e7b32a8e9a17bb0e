"""Values of records: from what a source wrote to what the mirror keeps.

Belongs here: the types of fields and the reading of one value, which never fails. Does not belong
here: tables (mirror) or the encodings themselves (encoding).
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from okr_sync.warehouse.encoding import (
    day_number,
    epoch_ms,
    from_day_number,
    from_epoch_ms,
    from_micros,
    micros,
)

Stored = str | int | None
"""What a column of the mirror holds."""


class FieldType(StrEnum):
    """What a field holds, and how the mirror keeps it.

    TEXT and FLAG (`true`, `false`) are text. NUMBER is a whole number of millionths, INSTANT of
    milliseconds since 1970 UTC, DAY of days since 1970-01-01: sums and differences are then exact
    and the SQL is the same in every engine.
    """

    TEXT = "text"
    NUMBER = "number"
    INSTANT = "instant"
    DAY = "day"
    FLAG = "flag"


_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?", re.ASCII)
_ISO: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.,]+(?:Z|[+-][0-9:]+)?)?", re.ASCII
)
_LARGEST_NUMBER: Final = Decimal("9.2e12")
_MS_PER_DAY: Final = 86_400_000
# A number this small is not milliseconds of any CRM event: it is seconds, or rubbish. 1973-03-03.
_LEAST_EPOCH_MS: Final = 100_000_000_000
_LARGEST_EPOCH_MS: Final = 253_402_300_799_999  # the end of the year 9999
_LONGEST_NUMBER: Final = 400


def parse_value(raw: object, field_type: FieldType) -> tuple[Stored, bool]:
    """The value to store, and whether the source's value could not be read as this type.

    Sources write strings; None and empty strings are no value and not bad. A bad value is stored as
    no value: it must never become a 0. Raises nothing, whatever the source wrote.
    """
    if raw is None:
        return None, False
    if isinstance(raw, bool):
        raw = "true" if raw else "false"
    elif isinstance(raw, int | float):
        raw = repr(raw)
    elif not isinstance(raw, str):
        return None, True
    text = raw.strip()
    if not text:
        return None, False
    try:
        return _READERS[field_type](raw if field_type is FieldType.TEXT else text), False
    except (ValueError, ArithmeticError):
        return None, True


def stored_text(stored: str | int, kind: FieldType) -> str:
    """A stored value as people write it: 2.5, 2026-10-05 or a text as it is."""
    if isinstance(stored, str):
        return stored
    if kind is FieldType.NUMBER:
        return f"{from_micros(stored).normalize():f}"
    is_day = kind is FieldType.DAY
    return from_day_number(stored).isoformat() if is_day else from_epoch_ms(stored).isoformat()


def _text(text: str) -> str:
    # PostgreSQL can't keep NUL in a text.
    return text.replace("\x00", "") if "\x00" in text else text


def _flag(text: str) -> str:
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise ValueError(text)
    return lowered


def _decimal(text: str) -> Decimal:
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise ValueError("not a plain number")
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ValueError("not a plain number") from error


def _number(text: str) -> int:
    if len(text) <= 12 and text.isascii():
        if text.isdigit():
            return int(text) * 1_000_000
        whole, _, rest = text.partition(".")
        if len(rest) <= 6 and whole.isdigit() and rest.isdigit():
            return int(whole + rest.ljust(6, "0"))
    number = _decimal(text)
    # Before scaling: `1e9000` would take for ever to write out.
    if abs(number) > _LARGEST_NUMBER:
        raise ValueError("too large")
    return micros(number)


def _epoch(text: str) -> int:
    number = _decimal(text)
    if not _LEAST_EPOCH_MS <= abs(number) <= _LARGEST_EPOCH_MS:
        raise ValueError("not a time in milliseconds")
    return round(number)


def _instant(text: str) -> int:
    if not _ISO.fullmatch(text):
        return _epoch(text)
    at = datetime.fromisoformat(text)
    return epoch_ms(at if at.tzinfo else at.replace(tzinfo=UTC))


def _day(text: str) -> int:
    if len(text) == 10 and text[4] == "-":
        return day_number(date.fromisoformat(text))
    if _ISO.fullmatch(text):
        at = datetime.fromisoformat(text)
        return day_number((at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).date())
    # Older accounts write a day as the milliseconds of its midnight in UTC.
    day, rest = divmod(_decimal(text), _MS_PER_DAY)
    if rest or abs(day) > 1_000_000:
        raise ValueError("not a day")
    return int(day)


_READERS: Final[dict[FieldType, Callable[[str], Stored]]] = {
    FieldType.TEXT: _text,
    FieldType.FLAG: _flag,
    FieldType.NUMBER: _number,
    FieldType.INSTANT: _instant,
    FieldType.DAY: _day,
}
