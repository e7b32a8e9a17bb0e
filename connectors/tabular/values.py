"""Values of rows: from what a driver or a file gives to a text, and from texts to a type.

Belongs here: the text of one value, and what a column holds judging by all its values. Does not
belong here: reading texts as numbers and times (okr_sync.warehouse.record_values) or storing them
(mirroring).
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final

from okr_sync.warehouse.mirror import FieldType, Stored, parse_value

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DAY_OR_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].+)?", re.ASCII)
# 0049 or 00123 is a code, such as a postal code, and not the number 123.
_CODE: Final = re.compile(r"[+-]?0[0-9]+", re.ASCII)
_FLAG_WORDS: Final = {"1": "true", "yes": "true", "0": "false", "no": "false"}
_LONGEST_SHOWN: Final = 40


def text_of(value: object) -> str | None:
    """A value as text, exact to the last digit; None for no value (NULL, NaN).

    Times without a zone stay without one and are read as UTC. Bytes become hexadecimal digits, lists
    and mappings JSON.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return None if math.isnan(value) else repr(value)
    if isinstance(value, Decimal):
        return None if value.is_nan() else format(value, "f")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, list | dict):
        return json.dumps(value, default=str, sort_keys=True, ensure_ascii=False)
    return str(value)


def read_text(text: str | None, kind: FieldType) -> tuple[Stored, bool]:
    """What the mirror keeps of a text, and whether it can't be read as this type.

    A flag may also be written as yes and no or 1 and 0, as databases and spreadsheets do.
    """
    if text is not None and kind is FieldType.FLAG:
        text = _FLAG_WORDS.get(text.strip().lower(), text)
    return parse_value(text, kind)


@dataclass(frozen=True)
class Offender:
    """A value that is not of some type: its text, and where it stands, in words."""

    text: str
    place: str

    def __str__(self) -> str:
        shown = self.text.strip()
        if len(shown) > _LONGEST_SHOWN:
            shown = f"{shown[:_LONGEST_SHOWN]}…"
        return f"'{shown}' in {self.place}"


@dataclass
class Inference:
    """What one column can be, judging by all its values so far.

    A column whose values are of several kinds is text. `offenders` keeps, for each type that the
    column can't be, the first value that rules it out.
    """

    seen: int = 0
    offenders: dict[FieldType, Offender] = field(default_factory=dict)

    def see(self, text: str | None, place: Callable[[], str]) -> None:
        """Take in a value; `place` says where it stands, in case it rules something out."""
        stripped = text.strip() if text is not None else ""
        if not stripped:
            return
        self.seen += 1
        for kind, fits in _FITS.items():
            if kind not in self.offenders and not fits(stripped):
                self.offenders[kind] = Offender(stripped, place())

    def type(self) -> FieldType | None:
        """The type of the column, or None while it has no value at all."""
        if not self.seen:
            return None
        return next((kind for kind in _FITS if kind not in self.offenders), FieldType.TEXT)


def _is_flag(text: str) -> bool:
    return text.lower() in ("true", "false")


def _is_number(text: str) -> bool:
    return not _CODE.fullmatch(text) and not parse_value(text, FieldType.NUMBER)[1]


def _is_day(text: str) -> bool:
    return _DAY.fullmatch(text) is not None and not parse_value(text, FieldType.DAY)[1]


def _is_instant(text: str) -> bool:
    # Milliseconds since 1970 are numbers here: a file that means a time by them declares it.
    return _DAY_OR_TIME.fullmatch(text) is not None and not parse_value(text, FieldType.INSTANT)[1]


# The first that fits all values is the type: a column of days and times holds times.
_FITS: Final[dict[FieldType, Callable[[str], bool]]] = {
    FieldType.FLAG: _is_flag,
    FieldType.NUMBER: _is_number,
    FieldType.DAY: _is_day,
    FieldType.INSTANT: _is_instant,
}
