"""Whole columns of values: what parse_value does, for thousands of values at once.

Belongs here: the quick ways for values that are as a source usually writes them. Does not belong here:
what a value means and whether it is bad (record_values): whatever is unusual is left to it, one by
one, so that both always agree.
"""

import re
from collections.abc import Callable, Collection, Sequence
from itertools import chain
from typing import Final, cast

from okr_sync.warehouse.record_values import FieldType, Stored, parse_value

Column = tuple[list[Stored], list[int]]
"""The values to store, and the places of those that could not be read."""

_Texts = Sequence[str | None]

_PLAIN: Final = frozenset({str, type(None)})
# What an instant and the end of its line look like when each digit is a zero.
_INSTANT: Final = b"0000-00-00T00:00:00.000Z\n"
_INSTANT_DTYPE: Final = "S23"  # without the Z: numpy warns of zones
_AS_ZEROS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_PLAIN_NUMBER: Final = r"[0-9]{1,8}(?:\.[0-9]{1,6})?"
_PLAIN_NUMBERS: Final = re.compile(rf"{_PLAIN_NUMBER}(?:\n{_PLAIN_NUMBER})*", re.ASCII)
_MOST_REMEMBERED: Final = 20_000
# Longer numbers are amounts, which seldom come again.
_LONGEST_REMEMBERED: Final = {FieldType.NUMBER: 6, FieldType.DAY: 10, FieldType.FLAG: 5}
_FEW: Final = 50
_FEW_NUMBERS: Final = 16


def parse_column(raw: Sequence[object], kind: FieldType) -> Column:
    """The values of a column as parse_value gives them, and which of them are bad."""
    if len(raw) < _FEW or not _PLAIN.issuperset(map(type, raw)):
        return _one_by_one(raw, kind)
    texts = cast(_Texts, raw)
    quickly = _QUICKLY.get(kind)
    if quickly is None:
        return _remembered(texts, kind)
    values = quickly(texts)
    return _one_by_one(raw, kind) if values is None else (values, [])


def parse_columns(columns: Sequence[Sequence[object]], kind: FieldType) -> list[Column]:
    """Columns of one length as parse_column reads each: all at once, if nothing in them is unusual."""
    quickly = _QUICKLY.get(kind)
    if quickly is not None and columns:
        raw = list(chain.from_iterable(columns))
        if len(raw) >= _FEW and _PLAIN.issuperset(map(type, raw)):
            values = quickly(cast(_Texts, raw))
            if values is not None:
                size = len(columns[0])
                return [(values[at : at + size], []) for at in range(0, len(values), size)]
    return [parse_column(raw, kind) for raw in columns]


def _one_by_one(raw: Sequence[object], kind: FieldType) -> Column:
    values: list[Stored] = []
    bad: list[int] = []
    for place, value in enumerate(raw):
        stored, is_bad = parse_value(value, kind)
        values.append(stored)
        if is_bad:
            bad.append(place)
    return values, bad


def _texts(texts: _Texts) -> list[Stored] | None:
    there = list(filter(None, texts))
    if any(map(str.isspace, there)) or "\x00" in "".join(there):
        return None
    return [text or None for text in texts] if "" in texts else list(texts)


def _instants(texts: _Texts) -> list[Stored] | None:
    there = list(filter(None, texts))
    count = len(there)
    # Where all lines look alike each text is as long as the others.
    lines = "\n".join([*there, ""]).encode("ascii", "replace")
    if lines.translate(_AS_ZEROS) != _INSTANT * count:
        return None
    # Imported here: who reads little does without.
    import numpy as np

    try:
        moments = np.ndarray((count,), _INSTANT_DTYPE, lines, 0, (len(_INSTANT),)).astype("M8[ms]")
    except ValueError:
        return None
    stored: list[Stored] = moments.astype(np.int64).tolist()
    if count == len(texts):
        return stored
    following = iter(stored)
    return [next(following) if text else None for text in texts]


# Those of which nearly every value is another one; the others come again and again.
_QUICKLY: Final[dict[FieldType, Callable[[_Texts], list[Stored] | None]]] = {
    FieldType.TEXT: _texts,
    FieldType.INSTANT: _instants,
}

_memories: Final[dict[FieldType, dict[str | None, Stored]]] = {}


def _remembered(texts: _Texts, kind: FieldType) -> Column:
    """Numbers, days and flags come again and again: each short text is read once."""
    memory = _memories.setdefault(kind, {})
    try:
        return list(map(memory.__getitem__, texts)), []
    except KeyError:
        pass
    fresh = set(texts).difference(memory)
    read: dict[str | None, Stored] = _plain_numbers(fresh) if kind is FieldType.NUMBER else {}
    bad: set[str | None] = set()
    for text in fresh.difference(read):
        read[text], is_bad = parse_value(text, kind)
        if is_bad:
            bad.add(text)
    values = [read[text] if text in read else memory[text] for text in texts]
    if len(memory) > _MOST_REMEMBERED:
        # Another one, and this one as it is: other threads are reading it.
        memory = _memories[kind] = {}
    longest = _LONGEST_REMEMBERED[kind]
    for text in fresh.difference(bad):
        if len(text or "") <= longest:
            memory[text] = read[text]
    return values, [place for place, text in enumerate(texts) if text in bad] if bad else []


def _plain_numbers(texts: Collection[str | None]) -> dict[str | None, Stored]:
    """The millionths of those numbers, if they are some, that a double holds exactly enough."""
    if len(texts) < _FEW_NUMBERS:
        return {}
    there = list(filter(None, texts))
    if not _are_plain(there):
        there = [text for text in there if _are_plain([text])]
    if not there:
        return {}
    import numpy as np

    # Below a hundred millions a double is off by less than a fortieth of a millionth.
    doubles = np.array(list(map(float, there)))
    millionths = np.rint(doubles * 1e6).astype(np.int64).tolist()
    return dict(zip(there, millionths, strict=True))


def _are_plain(texts: Sequence[str]) -> bool:
    lines = "\n".join(texts)
    return _PLAIN_NUMBERS.fullmatch(lines) is not None and lines.count("\n") < len(texts)
