"""How the report and the digest put things: days, moves of progress, and a status's colour and sign.

Belongs here: words and signs that both share. Does not belong here: numbers with units (numbers) or
words that commands share too (wording).
"""

from datetime import date
from decimal import Decimal

TONES = {
    "achieved": ("good", "✓"),
    "exceeding": ("good", "▲"),
    "on_track": ("fine", "●"),
    "lagging": ("warn", "◆"),
    "severely_lagging": ("bad", "▼"),
    "insufficient_data": ("none", "○"),
    "no_data": ("none", "○"),
}
"""By status: the colour's name, and a sign for who doesn't see colours."""


def in_points(points: Decimal) -> str:
    """A move of progress: `+12 points`, `-1 point`, `less than a point`, or `0 points` for none."""
    if 0 < abs(points) < 1:
        return "less than a point"
    sign = "+" if points > 0 else ""
    return f"{sign}{points:,.0f} point{'' if abs(round(points)) == 1 else 's'}"


def short_day(day: date) -> str:
    """A day as in `3 Nov`."""
    return f"{day.day} {day:%b}"


def long_day(day: date) -> str:
    """A day as in `3 November 2026`."""
    return f"{day.day} {day:%B %Y}"
