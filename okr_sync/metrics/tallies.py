"""Tallies: the figures of many parts, slot by slot, from a few queries that group records by code.

Belongs here: which parts go into one query, the query, and adding up its groups for each part. Does
not belong here: codes (codes), slots (timeline), what a metric makes of the figures (daily_figures).

What the engine gives back is bounded by what the bindings tell apart and by the days, and not by the
number of records.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, func, select

from okr_sync.metrics.codes import Codes, Combination, Matcher
from okr_sync.metrics.measures import Measure, Merge, Part
from okr_sync.metrics.timeline import Timeline

MOST_GROUPS: Final = 200_000
"""A query is given no more conditions when it could find more groups than this."""

_MOST_MEASURES: Final = 300
"""PostgreSQL takes 1,664 columns in one statement, and SQLite 2,000."""

_Packed = tuple[int, ...]


@dataclass
class _Bin:
    """What one query counts: the dimensions it groups by, and the parts that it serves."""

    dimensions: frozenset[str]
    parts: list[tuple[str, Part, Matcher]] = field(default_factory=list)


def tally(
    connection: Connection,
    timeline: Timeline,
    parts: Mapping[str, Part],
    days: Collection[int],
    marks: Sequence[int] = (),
    most_groups: int | None = MOST_GROUPS,
) -> dict[str, list[int | None]]:
    """The figures of parts (by key) over records in the days, by slot of these days and marks.

    The first figure is that of the first day's first slot. Nothing is 0 in a sum, None in an extreme;
    a part for which no record was found at all is left out. `most_groups` None: as many as there are.
    """
    codes = Codes(timeline.source)
    found: dict[str, list[int | None]] = {}
    slots = len(days) * (len(marks) + 1)
    most = None if most_groups is None else max(1, most_groups // slots)
    for some in _bins(codes, parts, most):
        found |= _count(connection, timeline, codes, some, sorted(days), marks)
    return found


def _bins(codes: Codes, parts: Mapping[str, Part], most: int | None) -> list[_Bin]:
    """Parts together while their dimensions part the records into at most `most` classes."""
    by_dimensions: dict[frozenset[str], list[tuple[str, Part, Matcher]]] = defaultdict(list)
    matchers: dict[str, Matcher] = {}
    for key, part in parts.items():
        # Not by the conditions themselves: true, 1 and Decimal(1) are equal in Python.
        matcher = matchers.get(part.where_key)
        if matcher is None:
            matcher = matchers[part.where_key] = codes.matcher(part.wheres)
        by_dimensions[matcher.dimensions].append((key, part, matcher))
    bins: list[_Bin] = []
    # The largest first: what is part of another's dimensions costs nothing more.
    for dimensions in sorted(by_dimensions, key=lambda some: (-codes.size(some), sorted(some))):
        own = by_dimensions[dimensions]
        fitting = (
            each
            for each in bins
            if most is None or codes.size(each.dimensions | dimensions) <= most
        )
        chosen = next((each for each in bins if dimensions <= each.dimensions), None)
        chosen = chosen or next(fitting, None)
        if chosen is None:
            chosen = _Bin(dimensions)
            bins.append(chosen)
        chosen.dimensions |= dimensions
        chosen.parts += own
    return [piece for each in bins for piece in _narrow(each)]


def _narrow(wide: _Bin) -> Iterator[_Bin]:
    """The same in pieces of as many measures as one statement takes."""
    narrow, names = _Bin(wide.dimensions), set[str]()
    for each in wide.parts:
        name = each[1].measure.name
        if name not in names and len(names) == _MOST_MEASURES:
            yield narrow
            narrow, names = _Bin(wide.dimensions), set()
        names.add(name)
        narrow.parts.append(each)
    yield narrow


# --- one query ------------------------------------------------------------------------------------


def _count(
    connection: Connection,
    timeline: Timeline,
    codes: Codes,
    wanted: _Bin,
    days: Sequence[int],
    marks: Sequence[int],
) -> dict[str, list[int | None]]:
    dimensions = sorted(wanted.dimensions)
    packs = codes.packed(dimensions)
    measures = {part.measure.name: part.measure for _, part, _ in wanted.parts}
    # In two steps, because an engine doesn't see that two expressions with parameters are the same.
    adds = {name: measure.record() for name, measure in measures.items()}
    numbered = {name: f"m{i}" for i, name in enumerate(measures)}
    records = (
        select(
            timeline.slot(days, marks).label("slot"),
            *(pack.label(f"k{i}") for i, pack in enumerate(packs)),
            *(add.label(numbered[name]) for name, add in adds.items() if add is not None),
        )
        .select_from(timeline.source.table)
        .where(timeline.inside(days))
        .subquery("records")
    )
    keys = [records.c.slot, *(records.c[f"k{i}"] for i in range(len(packs)))]
    figures = [
        func.count() if adds[name] is None else measure.over(records.c[numbered[name]])
        for name, measure in measures.items()
    ]
    groups: dict[_Packed, list[Sequence[Any]]] = defaultdict(list)
    for group in connection.execute(select(*keys, *figures).group_by(*keys)).all():
        groups[tuple(group[1 : len(keys)])].append(group)
    places = {name: len(keys) + i for i, name in enumerate(measures)}
    per_day = len(marks) + 1
    slots = range(days[0] * per_day, (days[-1] + 1) * per_day)
    classes = _Classes({packed: codes.unpacked(dimensions, packed) for packed in groups})
    found: dict[str, list[int | None]] = {}
    for key, part, matcher in wanted.parts:
        matching = classes.matching(matcher)
        if matching:
            own = [groups[packed] for packed in matching]
            found[key] = _added_up(part.measure, places[part.measure.name], slots, own)
    return found


def _added_up(
    measure: Measure, place: int, slots: range, found: Iterable[Iterable[Sequence[Any]]]
) -> list[int | None]:
    """By slot the figure of a measure, at its place in each of the groups found."""
    base = slots.start
    if measure.merge is Merge.SUM:
        sums = [0] * len(slots)
        for groups in found:
            for group in groups:
                sums[group[0] - base] += group[place]
        return list(map(int, sums))  # PostgreSQL's sums of whole numbers are decimals
    extremes: list[int | None] = [None] * len(slots)
    for groups in found:
        for group in groups:
            number = group[0] - base
            extremes[number] = measure.merged(extremes[number], group[place])
    return extremes


class _Classes:
    """The classes of records that there are, and which of them satisfy a condition."""

    def __init__(self, combinations: Mapping[_Packed, Combination]) -> None:
        self._combinations = combinations
        self._by_dimensions: dict[frozenset[str], list[tuple[Combination, list[_Packed]]]] = {}

    def matching(self, matcher: Matcher) -> list[_Packed]:
        """The classes, as packed codes, whose records satisfy a condition."""
        told_apart = self._by_dimensions.get(matcher.dimensions)
        if told_apart is None:
            told_apart = self._by_dimensions[matcher.dimensions] = self._by(matcher.dimensions)
        return [packed for codes, some in told_apart if matcher.holds(codes) for packed in some]

    def _by(self, dimensions: frozenset[str]) -> list[tuple[Combination, list[_Packed]]]:
        names = sorted(dimensions)
        alike: dict[tuple[int, ...], list[_Packed]] = defaultdict(list)
        for packed, codes in self._combinations.items():
            alike[tuple(codes[name] for name in names)].append(packed)
        return [(dict(zip(names, codes, strict=True)), some) for codes, some in alike.items()]
