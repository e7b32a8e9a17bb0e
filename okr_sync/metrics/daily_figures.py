"""Figures of many metrics over many windows, each window added up from its days.

Belongs here: which days and pieces of days the metrics of one time field want, and their sums. Does
not belong here: the counting (tallies), what a metric makes of its figures (its reading), metrics
that don't add up (scans).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from okr_sync.metrics.measures import Daily, Figures, Measure, Merge, Part
from okr_sync.metrics.spans import Span
from okr_sync.metrics.tallies import tally
from okr_sync.metrics.tally_changes import kept_figures
from okr_sync.metrics.timeline import Piece, Timeline, marks_of, slots_of
from okr_sync.warehouse.tally_store import DayFigures

_MEANING: Final = 1
"""To be raised when an operator or a measure changes what it means: figures are then counted anew."""


@dataclass(frozen=True)
class DailyQuestion:
    """A metric as daily figures, and the spans that it is wanted over."""

    daily: Daily
    spans: tuple[Span, ...]
    is_lasting: bool
    """Whether its figures change only with the records themselves, and so are worth keeping."""


def daily_figures(
    connection: Connection, timeline: Timeline, questions: Sequence[DailyQuestion]
) -> tuple[list[list[Figures | None]], dict[str, DayFigures]]:
    """For each question its figures by span; None where the span has to be scanned.

    Beside them the figures by day that are worth keeping, by part.
    """
    wanted = _Wanted(timeline)
    for question in questions:
        for span in question.spans:
            wanted.add(question, span)
    wanted.count(connection)
    figures = [
        [
            question.daily.figures(wanted.figures(question.daily, span), span)
            for span in question.spans
        ]
        for question in questions
    ]
    return figures, wanted.lasting()


class _Wanted:
    """The parts of one time field's metrics with the days and pieces that are looked at."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._kept: dict[str, DayFigures] = {}
        self._held: dict[str, DayFigures] = {}
        self._lasting: set[str] = set()
        self._keys: dict[Part, str] = {}
        self._parts: dict[str, Part] = {}
        self._days: dict[str, tuple[int, int]] = {}
        self._pieces: dict[str, set[Piece]] = defaultdict(set)
        self._marks: list[int] = []
        self._of_slots: Mapping[str, Sequence[int | None]] = {}
        self._first_slot = 0

    def add(self, question: DailyQuestion, span: Span) -> None:
        """Note what a metric wants for a span."""
        for number, start, end in question.daily.ranges(span):
            key = self._key(question.daily.parts[number])
            if question.is_lasting:
                self._lasting.add(key)
            stretch = self._timeline.stretch(start, end)
            if stretch.pieces:
                self._pieces[key].update(stretch.pieces)
            if stretch.first < stretch.after:
                first, after = self._days.get(key, (stretch.first, stretch.after))
                self._days[key] = min(first, stretch.first), max(after, stretch.after)

    def _key(self, part: Part) -> str:
        key = self._keys.get(part)
        if key is None:
            days = f"{_MEANING} {self._timeline.source.zone.key} {self._timeline.anchor or ''}"
            key = self._keys[part] = f"{days} {part.key}"
            self._parts.setdefault(key, part)
        return key

    def count(self, connection: Connection) -> None:
        """Have everything counted that is not held."""
        lasting = {key: self._parts[key] for key in self._days if key in self._lasting}
        self._kept, mended = kept_figures(connection, self._timeline, lasting)
        self._held = self._kept | mended
        # Parts that lack days up to the same one are counted together, over the days of all.
        missing: dict[int, dict[str, int]] = defaultdict(dict)
        for key, (first, after) in self._days.items():
            for gap_first, gap_after in self._gaps(key, first, after):
                missing[gap_after][key] = gap_first
        for after, firsts in sorted(missing.items()):
            first = min(firsts.values())
            parts = {key: self._parts[key] for key in firsts}
            found = tally(connection, self._timeline, parts, range(first, after))
            for key in parts:
                held = self._held.get(key)
                start = held.after if held is not None and held.after < after else first
                values = found.get(key) or self._nothing(key, after - first)
                counted = DayFigures(start, values[start - first :])
                self._held[key] = counted if held is None else held.joined(counted)
        pieces = {piece for some in self._pieces.values() for piece in some}
        if pieces:
            parts = {key: self._parts[key] for key in self._pieces}
            self._marks = marks_of(pieces)
            days = {piece.day for piece in pieces}
            self._first_slot = min(days) * (len(self._marks) + 1)
            self._of_slots = tally(connection, self._timeline, parts, days, self._marks)

    def _nothing(self, key: str, days: int) -> list[int | None]:
        return [0 if self._parts[key].measure.merge is Merge.SUM else None] * days

    def lasting(self) -> dict[str, DayFigures]:
        """The figures by day that are worth keeping and are not kept like that, by part."""
        return {
            key: figures
            for key, figures in self._held.items()
            if key in self._lasting and figures is not self._kept.get(key)
        }

    def _gaps(self, key: str, first: int, after: int) -> Iterable[tuple[int, int]]:
        held = self._held.get(key)
        if held is None:
            return [(first, after)]
        gaps = ((min(first, held.first), held.first), (held.after, max(after, held.after)))
        return [gap for gap in gaps if gap[0] < gap[1]]

    def figures(self, daily: Daily, span: Span) -> Figures:
        """The figures of a metric's parts over the ranges that it wants."""
        return [
            self._figure(self._keys[daily.parts[number]], start, end)
            for number, start, end in daily.ranges(span)
        ]

    def _figure(self, key: str, start: int, end: int) -> int | None:
        stretch = self._timeline.stretch(start, end)
        found: list[int | None] = []
        if stretch.first < stretch.after:
            found += self._held[key].between(stretch.first, stretch.after)
        for piece in stretch.pieces:
            if key not in self._of_slots:
                continue
            slots = slots_of(piece, self._marks)
            found += self._of_slots[key][
                slots.start - self._first_slot : slots.stop - self._first_slot
            ]
        return _total(self._parts[key].measure, found)


def _total(measure: Measure, figures: Iterable[int | None]) -> int | None:
    if measure.merge is Merge.SUM:
        return sum(filter(None, figures))
    known = (figure for figure in figures if figure is not None)
    return (min if measure.merge is Merge.MIN else max)(known, default=None)
