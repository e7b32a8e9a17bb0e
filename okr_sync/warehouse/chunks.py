"""Statements over many values: in pieces that fit the parameters of one statement in every engine.

Belongs here: cutting values into pieces. Does not belong here: what is asked of them.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, true

T = TypeVar("T")


def in_chunks(values: Sequence[T], size: int = 500) -> Iterator[Sequence[T]]:
    """The values in runs of at most `size`; every engine takes as many ids as it has by default."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def among(column: ColumnElement[str], ids: Collection[str] | None) -> Iterator[ColumnElement[bool]]:
    """That a column is one of the ids, a condition for each statement; None means any id, in one."""
    if ids is None:
        yield true()
        return
    for some in in_chunks(sorted(set(ids))):
        yield column.in_(some)
