"""Whole columns of values: what parse_value does, for thousands of values at once.

Belongs here: the quick ways for values that are as a source usually writes them. Does not belong here:
what a value means and whether it is bad (record_values): whatever is unusual is left to it, one by
one, so that both always agree.
"""

from collections.abc import Sequence
from typing import Final

from okr_sync.warehouse.record_values import FieldType, Stored, parse_value

Column = tuple[list[Stored], list[int]]
"""The values to store, and the places of those that could not be read."""

_PLAIN: Final = frozenset({str, type(None)})
_INSTANT_LENGTH: Final = len("2026-10-01T08:00:00.000Z")
# Where an instant has its punctuation.
_MARKS: Final = ((4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, "."), (23, "Z"))
_MOST_REMEMBERED: Final = 20_000
_FEW: Final = 50


def parse_column(raw: Sequence[object], kind: FieldType) -> Column:
    """The values of a column as parse_value gives them, and which of them are bad."""
    if len(raw) < _FEW or not _PLAIN.issuperset(map(type, raw)):
        return _one_by_one(raw, kind)
    texts: list[str | None] = raw if isinstance(raw, list) else list(raw)  # type: ignore[arg-type]
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


def _texts(texts: list[str | None]) -> Column:
    there = list(filter(None, texts))
    if any(map(str.isspace, there)) or "\x00" in "".join(there):
        return _one_by_one(texts, FieldType.TEXT)
    return [text or None for text in texts], []


def _instants(texts: list[str | None]) -> Column:
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


_memories: Final[dict[FieldType, dict[str | None, tuple[Stored, bool]]]] = {}


def _remembered(texts: list[str | None], kind: FieldType) -> Column:
    """Numbers, days and flags come again and again: each text is read once."""
    memory = _memories.setdefault(kind, {})
    if len(memory) > _MOST_REMEMBERED:
        memory = _memories[kind] = {}
    for text in set(texts).difference(memory):
        memory[text] = parse_value(text, kind)
    pairs = [memory[text] for text in texts]
    bad = [place for place, (_, is_bad) in enumerate(pairs) if is_bad]
    return [stored for stored, _ in pairs], bad
