"""Numbers and durations as people write them: `18%`, `£3.5M`, `2_100_000`, `45d`.

Belongs here: text into an exact number or a length of time. Does not belong here: what the number is
for (readers) and dates (cycles).
"""

import re
from datetime import timedelta
from decimal import Decimal

from okr_sync.config.problems import BadValue
from okr_sync.config.wording import quoted

_MAX_DIGITS = 24
_MAX_EXPONENT = 15
_MAX_DAYS = 3660

# Powers of ten. `m` is a million here: nothing is measured in thousandths.
_SUFFIXES = {"k": 3, "m": 6, "mn": 6, "b": 9, "bn": 9, "%": -2}

_CURRENCY = r"(?:(?:R|US|A|C|NZ|HK|S)?\$|[£€¥₹]|[A-Z]{3})"
_NUMBER = re.compile(
    rf"""
    (?P<sign>[-−]?)
    (?:{_CURRENCY}\s?)?
    (?P<late_sign>[-−]?)
    (?P<whole>[0-9]{{1,3}}(?:,[0-9]{{3}})+|[0-9]+(?:_[0-9]+)*)
    (?:\.(?P<fraction>[0-9]+))?
    (?:[eE](?P<exponent>[-+]?[0-9]{{1,3}}))?
    (?:\s?(?P<suffix>%|[kK]|[mM][nN]?|[bB][nN]?))?
    (?:\s?(?P<unit>{_CURRENCY}))?
    """,
    re.VERBOSE,
)
_COMMA_DECIMAL = re.compile(r"[^0-9]*[0-9.]*,[0-9]+[^0-9,]*")
_DOT_GROUPS = re.compile(r"[^0-9]*[0-9]{1,3}(?:\.[0-9]{3}){2,}[^0-9]*")

_DURATION = re.compile(r"(?P<count>[0-9]{1,9})\s?(?P<unit>[A-Za-z]+)")
_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), timedelta(seconds=1)),
    **dict.fromkeys(("min", "minute", "minutes"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "hour", "hours"), timedelta(hours=1)),
    **dict.fromkeys(("d", "day", "days"), timedelta(days=1)),
    **dict.fromkeys(("w", "week", "weeks"), timedelta(weeks=1)),
}
_NO_FIXED_LENGTH = frozenset(("mo", "month", "months", "q", "quarter", "quarters", "y", "year"))


def parse_restated(text: str) -> Decimal:
    """The share from which on a restatement is flagged, such as `5%`; above 0 and at most 100 %."""
    share = parse_number(text)
    if 0 < share <= 1:
        return share
    raise BadValue(
        "bad-number",
        f"{quoted(text)} is not a share of a number.",
        f"Write it in per cent, as in {text}%." if 1 < share <= 100 else "Write it as in 5%.",
    )


def parse_number(text: str) -> Decimal:
    """The exact number that people mean by `text`; raises BadValue where that isn't certain.

    A comma groups thousands and a point begins decimals, as in the rest of the language; currency
    signs and codes are allowed and say nothing (money is in the project's currency).
    """
    written = text.strip()
    match = _NUMBER.fullmatch(written) if len(written) <= 80 else None
    if match is None or (match["sign"] and match["late_sign"]):
        raise _not_a_number(written)
    if match["exponent"] and match["suffix"]:
        raise _not_a_number(written)
    whole = re.sub("[_,]", "", match["whole"])
    fraction = match["fraction"] or ""
    digits = (whole + fraction).lstrip("0")
    exponent = int(match["exponent"] or 0)
    if len(digits) > _MAX_DIGITS or abs(exponent) > _MAX_EXPONENT:
        raise BadValue(
            "bad-number",
            f"{quoted(written)} is beyond what can be kept exactly.",
            f"Use at most {_MAX_DIGITS} digits and exponents up to {_MAX_EXPONENT}.",
        )
    power = exponent - len(fraction) + _SUFFIXES.get((match["suffix"] or "").lower(), 0)
    sign = 1 if match["sign"] or match["late_sign"] else 0
    if power > 0:
        digits, power = (digits or "0") + "0" * power, 0
    value = Decimal((sign, tuple(int(digit) for digit in digits or "0"), power))
    return abs(value) if value.is_zero() else value


def parse_in_unit(text: str, unit: str | None) -> Decimal:
    """The exact number that people mean by `text` for something in this unit, or BadValue.

    Percentages need their sign, and nothing else may have one.
    """
    value = parse_number(text)
    is_percent = "%" in text
    if unit == "percent" and not is_percent and abs(value) > 1:
        raise BadValue(
            "percent-sign",
            "The key result is a percentage.",
            f"Write {text.strip()}% (or 0.25 for 25%).",
        )
    if is_percent and unit not in (None, "percent"):
        raise BadValue(
            "percent-sign",
            f"The key result is in {unit}, not in percent.",
            f"Write {text.strip(' %')}.",
        )
    return value


def _not_a_number(written: str) -> BadValue:
    if _DOT_GROUPS.fullmatch(written):
        return BadValue(
            "bad-number",
            f"{quoted(written)} has several decimal points.",
            "Group thousands with `,` or `_`: 1,234,567 or 1_234_567.",
        )
    if _COMMA_DECIMAL.fullmatch(written):
        return BadValue(
            "bad-number",
            f"{quoted(written)} is ambiguous: a comma groups thousands here.",
            "Write decimals with a point (1.5), or thousands in full (1,500 or 1500).",
        )
    return BadValue(
        "bad-number",
        f"{quoted(written)} is not a number.",
        "Write it as in 250, 18%, 3.5M, £50k, -3 or 2_100_000.",
    )


def parse_duration(text: str) -> timedelta:
    """The length of time that `text` names (`45d`, `48h`, `6w`, `90min`), up to ten years.

    Raises BadValue for `m` (minutes or months?), for months, quarters and years, which have no fixed
    length, and for a bare number.
    """
    written = text.strip()
    match = _DURATION.fullmatch(written)
    if match is None:
        raise BadValue(
            "bad-duration",
            f"{quoted(written)} is not a length of time.",
            "Write a whole number and its unit: 45d, 48h, 6w or 90min.",
        )
    unit = match["unit"].lower()
    if unit == "m":
        raise BadValue(
            "bad-duration",
            f"{quoted(written)} could be minutes or months.",
            "Write minutes as 30min, and months in days, such as 30d.",
        )
    if unit.removesuffix("s") in _NO_FIXED_LENGTH or unit in _NO_FIXED_LENGTH:
        raise BadValue(
            "bad-duration",
            f"{quoted(written)} has no fixed length.",
            "Write it in days or weeks, such as 30d or 13w.",
        )
    if unit not in _UNITS:
        raise BadValue(
            "bad-duration",
            f"{quoted(written)} has an unknown unit.",
            "Use d (days), h (hours), w (weeks), min (minutes) or s (seconds).",
        )
    longest = timedelta(days=_MAX_DAYS)
    count = int(match["count"])
    if count > longest // _UNITS[unit]:
        raise BadValue(
            "bad-duration",
            f"{quoted(written)} is longer than ten years.",
            f"Use at most {_MAX_DAYS}d.",
        )
    return count * _UNITS[unit]
