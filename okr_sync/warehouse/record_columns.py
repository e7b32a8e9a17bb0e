"""Whole columns of values: what parse_value does, for thousands of values at once.

Belongs here: the quick ways for values that are as a source usually writes them. Does not belong here:
what a value means and whether it is bad (record_values): whatever is unusual is left to it, one by
one, so that both always agree.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from okr_sync.warehouse.record_values import FieldType, Stored, parse_value

Column = tuple[list[Stored], list[int]]
"""The values to store, and the places of those that could not be read."""

_PLAIN: Final = frozenset({str, type(None)})
_INSTANT_LENGTH: Final = len("2026-10-01T08:00:00.000Z")
# Where an instant has its punctuation.
_MARKS: Final = ((4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, "."), (23, "Z"))
_PLAIN_NUMBER: Final = re.compile(r"[0-9]{1,8}(?:\.[0-9]{1,6})?", re.ASCII)
_MOST_REMEMBERED: Final = 20_000
_FEW: Final = 50


def parse_column(raw: Sequence[object], kind: FieldType) -> Column:
    """The values of a column as parse_value gives them, and which of them are bad."""
    if len(raw) < _FEW or not _PLAIN.issuperset(map(type, raw)):
        return _one_by_one(raw, kind)
    texts = cast(Sequence[str | None], raw)
    if kind is FieldType.TEXT:
        return _texts(texts)
    if kind is FieldType.INSTANT:
        return _instants(texts)
    return _remembered(texts, kind)


def _one_by_one(raw: Sequence[object], kind: FieldType) -> Column:
    values: list[Stored] = []
    bad: list[int] = []
    for place, value in enumerate(raw):
        stored, is_bad = parse_value(value, kind)
        values.append(stored)
        if is_bad:
            bad.append(place)
    return values, bad


def _texts(texts: Sequence[str | None]) -> Column:
    there = list(filter(None, texts))
    if any(map(str.isspace, there)) or "\x00" in "".join(there):
        return _one_by_one(texts, FieldType.TEXT)
    return [text or None for text in texts], []


def _instants(texts: Sequence[str | None]) -> Column:
    there = list(filter(None, texts))
    joined = "".join(there)
    count = len(there)
    is_usual = (
        len(joined) == count * _INSTANT_LENGTH
        and joined.isascii()
        and all(joined[at::_INSTANT_LENGTH] == mark * count for at, mark in _MARKS)
    )
    if not is_usual:
        return _one_by_one(texts, FieldType.INSTANT)
    # Imported here: who reads little does without.
    import numpy as np

    try:
        # The Z is checked above; numpy warns of zones.
        moments = np.array([text[:-1] for text in there], dtype="datetime64[ms]")
    except ValueError:
        return _one_by_one(texts, FieldType.INSTANT)
    stored: list[int] = moments.astype(np.int64).tolist()
    if count == len(texts):
        return list(stored), []
    following = iter(stored)
    return [next(following) if text else None for text in texts], []


@dataclass
class _Memory:
    """Texts that were read before, and which of them are bad."""

    values: dict[str | None, Stored] = field(default_factory=dict)
    bad: set[str | None] = field(default_factory=set)


_memories: Final[dict[FieldType, _Memory]] = {}


def _remembered(texts: Sequence[str | None], kind: FieldType) -> Column:
    """Numbers, days and flags come again and again: each text is read once."""
    memory = _memories.setdefault(kind, _Memory())
    if len(memory.values) > _MOST_REMEMBERED:
        memory = _memories[kind] = _Memory()
    fresh = list(set(texts).difference(memory.values))
    if kind is FieldType.NUMBER and len(fresh) >= _FEW:
        numbers, fresh = _plain_numbers(fresh)
        memory.values.update(numbers)
    for text in fresh:
        memory.values[text], is_bad = parse_value(text, kind)
        if is_bad:
            memory.bad.add(text)
    values = [memory.values[text] for text in texts]
    if memory.bad.isdisjoint(texts):
        return values, []
    return values, [place for place, text in enumerate(texts) if text in memory.bad]


def _plain_numbers(
    texts: Sequence[str | None],
) -> tuple[dict[str | None, Stored], list[str | None]]:
    """The millionths of numbers that a double holds exactly enough, and the texts that are others."""
    plain = [text for text in texts if text and _PLAIN_NUMBER.fullmatch(text)]
    if not plain:
        return {}, list(texts)
    import numpy as np

    # Below a hundred millions a double is off by less than a fortieth of a millionth.
    millionths = np.rint(np.array(plain, dtype=np.float64) * 1e6).astype(np.int64).tolist()
    found: dict[str | None, Stored] = dict(zip(plain, millionths, strict=True))
    return found, [text for text in texts if text not in found]
