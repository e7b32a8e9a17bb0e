"""Numbers for people: percents, money, days and counts, rounded for reading.

Belongs here: how a decimal is shown with its unit. Does not belong here: reading numbers that
people write (config.numbers) or anything that computes with them.
"""

from decimal import Decimal

_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£", "BRL": "R$ ", "JPY": "¥"}
_SCALES = ((Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "k"))


def show_number(number: Decimal | None, unit: str | None) -> str:
    """A number as people read it: `18.0%`, `$2.14M`, `10.5 d`, `3,343`; `–` for none."""
    if number is None:
        return "–"
    if unit == "percent":
        return f"{number * 100:z,.1f}%"
    if unit == "days":
        return f"{number:z,.1f} d"
    if unit is not None and len(unit) == 3 and unit.isupper():
        return _show_money(number, unit)
    if number == number.to_integral_value():
        return f"{number:,.0f}"
    return f"{number:z,.2f}"


def _show_money(number: Decimal, currency: str) -> str:
    sign = _SIGNS.get(currency, f"{currency} ")
    size = abs(number)
    minus = "-" if number < 0 and round(size) else ""
    for scale, letter in _SCALES:
        if size >= scale:
            return f"{minus}{sign}{size / scale:,.2f}{letter}"
    return f"{minus}{sign}{size:,.0f}"


def show_percent(share: Decimal | None) -> str:
    """A share as whole percent, `78%`; `–` for none. Only what is all of it is shown as 100%."""
    if share is None:
        return "–"
    percent = share * 100
    if abs(percent) < 100:
        percent = min(max(percent, Decimal(-99)), Decimal(99))
    return f"{percent:z,.0f}%"
