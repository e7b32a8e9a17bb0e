"""The curve of a key result over its cycle, as points of a small picture.

Belongs here: geometry, in the picture's units. Does not belong here: colours and markup (templates).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from okr_sync.briefing.facts import Event, Point, Standing

WIDTH, HEIGHT = 320, 104
_LEFT, _RIGHT, _TOP, _BOTTOM = 6, 6, 18, 8
_HEADROOM = Decimal("0.08")


@dataclass(frozen=True)
class Mark:
    """An event on the curve: where, its kind and its words."""

    x: float
    y: float
    kind: str
    text: str


@dataclass(frozen=True)
class Chart:
    """Lines as `x,y x,y …`: the curve in pieces (days without a number are gaps), target and pace.

    `last` is the newest point, `today` the x of the as-of day, `top` and `bottom` the values at the
    upper and lower edge.
    """

    curve: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    targets: tuple[str, ...]
    pace: str | None
    last: tuple[float, float] | None
    today: float
    marks: tuple[Mark, ...]
    top: Decimal
    bottom: Decimal


def chart_of(standing: Standing, today: date) -> Chart | None:
    """The picture of a key result's cycle; None where no day of it has a number."""
    row, points = standing.row, standing.points
    known = [point for point in points if point.value is not None]
    if not known:
        return None
    scale = _Scale(standing, known)
    pieces = _pieces(points)
    return Chart(
        curve=tuple(_line(scale, piece) for piece in pieces if len(piece) > 1),
        dots=tuple(scale.of(piece[0]) for piece in pieces if len(piece) == 1),
        targets=tuple(_targets(scale, standing)),
        pace=_pace(scale, standing),
        last=scale.of(known[-1]),
        today=scale.x(min(max(today, row.cycle_start), row.cycle_end)),
        marks=tuple(_mark(scale, event, known) for event in standing.events),
        top=scale.high,
        bottom=scale.low,
    )


class _Scale:
    def __init__(self, standing: Standing, known: Sequence[Point]) -> None:
        row = standing.row
        numbers = [point.value for point in known]
        numbers += [row.baseline, row.target, row.low]
        numbers += [point.target for point in known]
        shown = [number for number in numbers if number is not None]
        low, high = min(shown), max(shown)
        room = (high - low) * _HEADROOM or abs(high) * _HEADROOM or Decimal(1)
        self.low, self.high = low - room, high + room
        self._first = row.cycle_start
        self._days = max((row.cycle_end - row.cycle_start).days, 1)

    def x(self, day: date) -> float:
        share = min(max((day - self._first).days / self._days, 0.0), 1.0)
        return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: Decimal) -> float:
        share = float((value - self.low) / (self.high - self.low))
        return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 1)

    def of(self, point: Point) -> tuple[float, float]:
        return self.x(point.as_of), self.y(point.value or Decimal(0))


def _pieces(points: Sequence[Point]) -> list[list[Point]]:
    """Runs of points with a number; a day that is known to have none breaks the line."""
    pieces: list[list[Point]] = [[]]
    for point in points:
        if point.value is None:
            pieces.append([])
        else:
            pieces[-1].append(point)
    return [piece for piece in pieces if piece]


def _line(scale: _Scale, points: Sequence[Point]) -> str:
    return " ".join("{},{}".format(*scale.of(point)) for point in points)


def _targets(scale: _Scale, standing: Standing) -> list[str]:
    """The target over the cycle, as steps where it has changed; both bounds of `between`."""
    row = standing.row
    last = row.cycle_end
    steps: list[tuple[date, Decimal]] = []
    for point in standing.points:
        if point.target is not None and (not steps or steps[-1][1] != point.target):
            steps.append((point.as_of if steps else row.cycle_start, point.target))
    if row.target is not None and (not steps or steps[-1][1] != row.target):
        steps.append((row.cycle_start if not steps else last, row.target))
    lines = []
    if steps:
        corners = []
        for (day, target), after in zip(steps, [*steps[1:], (last, None)], strict=True):
            corners += [
                f"{scale.x(day)},{scale.y(target)}",
                f"{scale.x(after[0])},{scale.y(target)}",
            ]
        lines.append(" ".join(corners))
    if row.goal_kind == "between" and row.low is not None:
        y = scale.y(row.low)
        lines.append(f"{scale.x(row.cycle_start)},{y} {scale.x(last)},{y}")
    return lines


def _pace(scale: _Scale, standing: Standing) -> str | None:
    """The straight line from the baseline to the target."""
    row = standing.row
    ends = row.baseline, row.target
    if row.goal_kind != "from_to" or not standing.paced or ends[0] is None or ends[1] is None:
        return None
    day_before = row.cycle_start - timedelta(days=1)
    return f"{scale.x(day_before)},{scale.y(ends[0])} {scale.x(row.cycle_end)},{scale.y(ends[1])}"


def _mark(scale: _Scale, event: Event, known: Sequence[Point]) -> Mark:
    nearest = min(known, key=lambda point: abs((point.as_of - event.day).days))
    return Mark(scale.x(event.day), scale.of(nearest)[1], event.kind, event.text)
