"""Figures of many metrics over many windows, each window added up from its days.

Belongs here: which days and pieces of days the metrics of one time field want, and their sums. Does
not belong here: the counting (tallies, value_lists), what a metric makes of its figures (its
reading), metrics that don't add up (scans).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection

from okr_sync.metrics.measures import Daily, Figures, Measure, Merge, Part
from okr_sync.metrics.spans import Span
from okr_sync.metrics.tallies import tally
from okr_sync.metrics.tally_changes import kept_figures
from okr_sync.metrics.timeline import Piece, Timeline
from okr_sync.metrics.value_lists import value_lists
from okr_sync.warehouse.encoding import epoch_ms
from okr_sync.warehouse.tally_store import DayFigures, Figure

_MEANING: Final = 1
"""To be raised when an operator or a measure changes what it means: figures are then counted anew."""

MOST_VALUES: Final = 500_000
"""No more values of one time field's metrics are held to be ranked; the engine ranks what is beyond."""


@dataclass(frozen=True)
class DailyQuestion:
    """A metric as daily figures, and the spans that it is wanted over."""

    daily: Daily
    spans: tuple[Span, ...]
    is_lasting: bool
    """Whether its figures change only with the records themselves, and so are worth keeping."""


def daily_figures(
    connection: Connection,
    timeline: Timeline,
    questions: Sequence[DailyQuestion],
    most_values: int = MOST_VALUES,
) -> tuple[list[list[tuple[Figures, Any] | None]], dict[str, DayFigures]]:
    """For each question what its reading finishes, by span; None where the span has to be scanned.

    No more than `most_values` values are held to be ranked, those of the metrics that have fewest.

    Beside that the figures by day that are worth keeping, by part.
    """
    wanted = _Wanted(timeline, most_values)
    for question in questions:
        for span in question.spans:
            wanted.add(question, span)
    wanted.count(connection)
    found = [[wanted.found(each.daily, span) for span in each.spans] for each in questions]
    return found, wanted.lasting()


class _Wanted:
    """The parts of one time field's metrics with the days that are looked at.

    A piece of days is a part of its own, over the records that lie in it.
    """

    def __init__(self, timeline: Timeline, most_values: int) -> None:
        self._timeline, self._most_values = timeline, most_values
        self._kept: dict[str, DayFigures] = {}
        self._held: dict[str, DayFigures] = {}
        self._lasting: set[str] = set()
        self._keys: dict[Part, str] = {}
        self._parts: dict[str, Part] = {}
        self._days: dict[str, tuple[int, int]] = {}
        self._pieces: dict[str, tuple[Part, Piece]] = {}
        self._numbers: dict[str, str] = {}
        """By the part of values the one that counts them."""

    def add(self, question: DailyQuestion, span: Span) -> None:
        """Note what a metric wants for a span."""
        # What ends within a day has other pieces each time.
        is_whole = self._timeline.begins_day(epoch_ms(span.as_of_at))
        for number, start, end in question.daily.ranges(span):
            part = question.daily.parts[number]
            stretch = self._timeline.stretch(start, end)
            key = self._key(part)
            self._want(key, stretch.first, stretch.after, is_lasting=question.is_lasting)
            if part.number is not None:
                self._numbers[key] = self._key(part.number)
            for day, piece in stretch.pieces:
                own = _key_of_piece(key, piece)
                self._pieces[own] = part, piece
                self._want(own, day, day + 1, is_lasting=question.is_lasting and is_whole)
                if part.number is not None:
                    self._numbers[own] = _key_of_piece(self._numbers[key], piece)

    def _want(self, key: str, first: int, after: int, *, is_lasting: bool) -> None:
        if first < after:
            known_first, known_after = self._days.get(key, (first, after))
            self._days[key] = min(first, known_first), max(after, known_after)
        if is_lasting:
            self._lasting.add(key)

    def _key(self, part: Part) -> str:
        key = self._keys.get(part)
        if key is None:
            days = f"{_MEANING} {self._timeline.source.zone.key} {self._timeline.anchor or ''}"
            key = self._keys[part] = f"{days} {part.key}"
            self._parts.setdefault(key, part)
        return key

    def count(self, connection: Connection) -> None:
        """Have everything counted that is not held."""
        self._cut_pieces()
        lasting = {key: self._parts[key] for key in self._days if key in self._lasting}
        # Of these nothing may be held beside what is wanted: a piece's condition knows only its
        # days, and values are many.
        exact = {key: self._days[key] for key in lasting if self._is_exact(key)}
        self._kept, mended = kept_figures(connection, self._timeline, lasting, exact)
        self._held = self._kept | mended
        values = [key for key in self._days if self._parts[key].measure.merge is Merge.VALUES]
        self._fill(connection, self._days.keys() - set(values))
        affordable = self._affordable(values)
        for key in values:
            if key not in affordable:
                self._held.pop(key, None)
        self._fill(connection, affordable)

    def _is_exact(self, key: str) -> bool:
        return key in self._pieces or self._parts[key].measure.merge is Merge.VALUES

    def _cut_pieces(self) -> None:
        """Make the parts of pieces, now that their days are known."""
        days: dict[Piece, tuple[int, int]] = {}
        for key, (_, piece) in self._pieces.items():
            first, after = self._days[key]
            known_first, known_after = days.get(piece, (first, after))
            days[piece] = min(first, known_first), max(after, known_after)
        inside = {piece: self._timeline.in_piece(piece, *some) for piece, some in days.items()}
        measures: dict[tuple[str, Piece], Measure] = {}
        for key, (part, piece) in self._pieces.items():
            known = (part.measure.name, piece)
            if known not in measures:
                measures[known] = part.measure.within(_name(piece), inside[piece])
            self._parts[key] = Part(part.wheres, measures[known])

    def _fill(self, connection: Connection, keys: Iterable[str]) -> None:
        """Count the days that parts lack."""
        # Parts that lack days up to the same one are counted together, over the days of all; so
        # are all pieces, which are of few days.
        missing: dict[tuple[bool, int], list[tuple[str, range]]] = defaultdict(list)
        for key in sorted(keys):
            for gap in self._gaps(key):
                of_values = self._parts[key].measure.merge is Merge.VALUES
                until = 0 if key in self._pieces else gap.stop
                missing[of_values, until].append((key, gap))
        for (of_values, _), gaps in sorted(missing.items()):
            days = set().union(*(gap for _, gap in gaps))
            parts = {key: self._parts[key] for key, _ in gaps}
            found: Mapping[str, Mapping[int, Figure]]
            found = (value_lists if of_values else tally)(connection, self._timeline, parts, days)
            for key, gap in gaps:
                own = found.get(key, {})
                nothing = self._parts[key].measure.nothing()
                counted = DayFigures(gap.start, [own.get(day, nothing) for day in gap])
                held = self._held.get(key)
                self._held[key] = counted if held is None else held.joined(counted)

    def _gaps(self, key: str) -> Iterator[range]:
        first, after = self._days[key]
        held = self._held.get(key)
        if held is None:
            yield range(first, after)
            return
        if first < held.first:
            yield range(first, held.first)
        if held.after < after:
            yield range(held.after, after)

    def _affordable(self, keys: Iterable[str]) -> list[str]:
        """The parts of values, smallest first, that together have no more than may be held."""
        sizes = sorted(
            (sum(self._held[self._numbers[key]].between(*self._days[key])), key) for key in keys
        )
        found: list[str] = []
        left = self._most_values
        for size, key in sizes:
            left -= size
            if left < 0:
                break
            found.append(key)
        return found

    def lasting(self) -> dict[str, DayFigures]:
        """The figures by day that are worth keeping and are not kept like that, by part."""
        return {
            key: figures
            for key, figures in self._held.items()
            if key in self._lasting and figures is not self._kept.get(key)
        }

    def found(self, daily: Daily, span: Span) -> tuple[Figures, Any] | None:
        """What a metric makes of its parts' figures over the ranges that it wants."""
        figures: list[Figure] = []
        for number, start, end in daily.ranges(span):
            part = daily.parts[number]
            by_day = self._by_day(self._keys[part], start, end)
            if by_day is None:
                return None
            figures.append(_total(part.measure, by_day))
        return daily.figures(figures, span)

    def _by_day(self, key: str, start: int, end: int) -> list[Figure] | None:
        """The figures of the days and pieces of a range; None where some are not held."""
        stretch = self._timeline.stretch(start, end)
        wanted = [(key, stretch.first, stretch.after)] if stretch.first < stretch.after else []
        wanted += [(_key_of_piece(key, piece), day, day + 1) for day, piece in stretch.pieces]
        found: list[Figure] = []
        for name, first, after in wanted:
            if name not in self._held:
                return None
            found += self._held[name].between(first, after)
        return found


def _key_of_piece(key: str, piece: Piece) -> str:
    return f"{key} {_name(piece)}"


def _name(piece: Piece) -> str:
    return f"{piece.start}-{'' if piece.end is None else piece.end}"


def _total(measure: Measure, figures: Iterable[Figure]) -> Figure:
    if measure.merge is Merge.SUM:
        return sum(filter(None, figures))
    if measure.merge is Merge.VALUES:
        return sorted(chain.from_iterable(figures))
    known = (figure for figure in figures if figure is not None)
    return (min if measure.merge is Merge.MIN else max)(known, default=None)
