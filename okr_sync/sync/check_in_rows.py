"""What people write in check-ins: a value in the key result's unit, a confidence, a day.

Belongs here: reading a row of a file, or the words of the command, and what to say of a wrong one.
Does not belong here: files (connectors.files) or keeping check-ins (warehouse.check_ins).
"""

import re
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

from okr_sync.config.fields import parse_day
from okr_sync.config.models import KeyResult
from okr_sync.config.numbers import parse_in_unit
from okr_sync.config.problems import BadValue
from okr_sync.config.wording import advice, quoted
from okr_sync.warehouse.check_ins import Said

Row = Mapping[str, str | None]
"""The texts of a row by column."""

_MIDNIGHT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]00:00(:00(\.0+)?)?")
_LONGEST_NOTE = 2_000
_LONGEST_AUTHOR = 200
_MOST_NAMED = 5


class RefusedRow(Exception):
    """A row that is no check-in: whom it is about, as far as that can be read, and why."""

    def __init__(self, key_result_id: str | None, bad: BadValue) -> None:
        super().__init__(str(bad))
        self.key_result_id = key_result_id


def read_row(
    row: Row, manual: Mapping[str, KeyResult], others: Collection[str], today: date
) -> Said | None:
    """The check-in of a row; None for one of a day before the key result's cycle.

    `manual` are the key results that take check-ins, `others` the ids of those that don't. Raises
    RefusedRow.
    """
    try:
        key_result = _key_result(_filled(row, "key_result"), manual, others)
    except BadValue as bad:
        raise RefusedRow(None, bad) from bad
    try:
        day = _day(_filled(row, "day"))
        if day < key_result.cycle.start:
            return None
        return Said(
            key_result.key_result_id,
            check_day(key_result, day, today),
            parse_in_unit(_filled(row, "value"), key_result.unit),
            read_confidence(_filled(row, "confidence")),
            read_note(row.get("note")),
            read_author(_filled(row, "author")),
        )
    except BadValue as bad:
        raise RefusedRow(key_result.key_result_id, bad) from bad


def read_confidence(text: str) -> int:
    """A whole number from 1 to 10, or BadValue."""
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal(0)
    if not number.is_finite() or number != int(number) or not 1 <= number <= 10:
        raise BadValue(
            "bad-number",
            f"{quoted(text)} is not a confidence.",
            "Write a whole number from 1 (a guess) to 10 (certain).",
        )
    return int(number)


def read_note(text: str | None) -> str | None:
    """A note as written, None for an empty one; BadValue for a very long one."""
    stripped = (text or "").strip()
    if len(stripped) > _LONGEST_NOTE:
        raise BadValue(
            "too-long", "The note is too long.", f"Use at most {_LONGEST_NOTE} characters."
        )
    return stripped or None


def read_author(text: str) -> str:
    """Who says it, as written; BadValue for nobody or a very long name."""
    stripped = text.strip()
    if not stripped or len(stripped) > _LONGEST_AUTHOR:
        raise BadValue("bad-author", "Nobody says it.", "Write who does, as in ana@example.com.")
    return stripped


def check_day(key_result: KeyResult, day: date, today: date) -> date:
    """The day as given, or BadValue where the key result can have no check-in of it."""
    cycle = key_result.cycle
    last = cycle.end - timedelta(days=1)
    if day > today:
        raise BadValue("bad-date", f"{day} has not come yet.", f"Write {today}, or a day before.")
    if day < cycle.start:
        raise BadValue(
            "bad-date",
            f"{day} lies before the cycle {cycle.name}, which begins on {cycle.start}.",
            f"Write a day from {cycle.start} to {last}.",
        )
    if day > last:
        raise BadValue(
            "bad-date",
            f"{day} lies after the cycle {cycle.name}, which ended on {last}.",
            f"Say where it ended with the day {last}.",
        )
    return day


def _key_result(text: str, manual: Mapping[str, KeyResult], others: Collection[str]) -> KeyResult:
    renamed = {one.was: name for name, one in manual.items() if one.was is not None}
    text = renamed.get(text, text)
    same = [name for name in manual if name == text or name.partition("/")[2] == text]
    if text in manual or len(same) == 1:
        return manual[text if text in manual else same[0]]
    if text in others:
        raise BadValue(
            "check-ins-with-metric",
            f"{text} has a metric, so its number isn't checked in.",
            "Remove the row. To set a number for some days use `okr-sync override`.",
        )
    if same:
        raise BadValue("unknown", f"{quoted(text)} may be {' or '.join(same)}.", "Write which.")
    few = ", ".join(sorted(manual)[:_MOST_NAMED])
    raise BadValue(
        "unknown",
        f"There is no key result {quoted(text)}.",
        advice(text, manual, f"Write one of those that have no metric: {few}."),
    )


def _filled(row: Row, column: str) -> str:
    text = (row.get(column) or "").strip()
    if not text:
        raise BadValue("empty-value", f"The column {column} is empty.", "Fill it in.")
    return text


def _day(text: str) -> date:
    whole = _MIDNIGHT.fullmatch(text)
    return parse_day(whole[1] if whole else text)
