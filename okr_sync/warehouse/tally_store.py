"""Figures of records by day, kept from run to run.

Belongs here: their shape, reading and storing them. Does not belong here: counting (metrics.tallies)
or what has changed since (mirror_changes).
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Table

from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.mirror_changes import forget_before, sequence_of
from okr_sync.warehouse.tables import day_figures
from okr_sync.warehouse.upsert import upsert

Figure = Any
"""A whole number, None where there is none; of values that are to be ranked their sorted list."""


@dataclass(frozen=True)
class DayFigures:
    """A part's figures for the days from `first` on; None where there is none that day."""

    first: int
    values: list[Figure]
    stored: tuple[int, int] | None = field(default=None, compare=False)
    """Of figures that are just as they are stored: the write that they knew of then, their length."""

    @property
    def after(self) -> int:
        """The first day that is not known any more."""
        return self.first + len(self.values)

    def between(self, first: int, after: int) -> Sequence[Figure]:
        """The figures of the days [first, after), which must be known."""
        return self.values[first - self.first : after - self.first]

    def within(self, first: int, after: int) -> "DayFigures":
        """What is known of the days [first, after)."""
        start, end = max(first, self.first), min(after, self.after)
        return (
            self
            if (start, end) == (self.first, self.after)
            else DayFigures(start, self.values[start - self.first : max(start, end) - self.first])
        )

    def joined(self, other: "DayFigures") -> "DayFigures":
        """Both, of which one must begin where the other ends."""
        earlier, later = (self, other) if self.first < other.first else (other, self)
        return DayFigures(earlier.first, earlier.values + later.values)


@dataclass(frozen=True)
class Counted:
    """Figures of a dataset by part, as of a write of its mirror, that are worth keeping."""

    source: str
    dataset: str
    table: Table
    sequence: int
    figures: Mapping[str, DayFigures]


def read_figures(
    connection: Connection, source: str, dataset: str, parts: Collection[str]
) -> dict[str, tuple[int, DayFigures]]:
    """What is kept of parts, with the write of the mirror that it knows of."""
    names = {_name(part): part for part in parts}
    table = day_figures.c
    found: dict[str, tuple[int, DayFigures]] = {}
    for some in in_chunks(sorted(names)):
        query = sa.select(table.part, table.sequence, table.first_day, table.figures).where(
            table.source == source, table.dataset == dataset, table.part.in_(some)
        )
        for name, sequence, first_day, figures in connection.execute(query):
            stored = sequence, len(figures)
            found[names[name]] = sequence, DayFigures(first_day, json.loads(figures), stored)
    return found


def keep_figures(connection: Connection, counted: Counted) -> None:
    """Keep figures, unless the mirror's changes since they were counted are not known any more.

    It holds the mirror's number first, as who writes the mirror does, so that neither waits for the
    other's figures.
    """
    sequence = sequence_of(connection, counted.source, counted.dataset, is_held=True)
    if not sequence.known_since <= counted.sequence <= sequence.newest:
        return
    key = {"source": counted.source, "dataset": counted.dataset, "sequence": counted.sequence}
    rows: list[dict[str, Any]] = []
    untouched: dict[str, DayFigures] = {}
    for part, figures in counted.figures.items():
        if figures.stored is not None:
            untouched[_name(part)] = figures
            continue
        text = json.dumps(figures.values, separators=(",", ":"))
        rows.append({**key, "part": _name(part), "first_day": figures.first, "figures": text})
    upsert(connection, day_figures, rows)
    _confirm(connection, counted, untouched)
    forget_before(connection, counted.table, counted.source, counted.dataset)


def _confirm(connection: Connection, counted: Counted, untouched: Mapping[str, DayFigures]) -> None:
    """Let figures that no change has touched know of the newest write.

    Another run may have stored other days of the same part meanwhile, of which nothing is known
    here: of figures as of the same write, the same first day and length are the same days.
    """
    table = day_figures.c
    for some in in_chunks(sorted(untouched)):
        of_these = sa.and_(
            table.source == counted.source,
            table.dataset == counted.dataset,
            table.part.in_(some),
        )
        length = sa.func.length(table.figures)
        held = connection.execute(
            sa.select(table.part, table.first_day, table.sequence, length).where(of_these)
        )
        same = [
            name
            for name, first, *stored in held
            if (first, tuple(stored)) == (untouched[name].first, untouched[name].stored)
        ]
        connection.execute(
            sa.update(day_figures)
            .where(of_these, table.part.in_(same))
            .values(sequence=counted.sequence)
        )


def _name(part: str) -> str:
    return sha256(part.encode()).hexdigest()
