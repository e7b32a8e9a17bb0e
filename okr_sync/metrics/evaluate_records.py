"""Metrics over mirrored records: one scan per dataset and time field for all metrics and windows.

Belongs here: the SQL that counts records in windows, and what its figures mean for each kind of
metric. Does not belong here: GA4 reports (evaluate_reports), goals (progress), storing (warehouse).

Every query joins the records to a small table of windows, so that one window and ninety cost one
statement, and groups by window. Division happens once, at the end, on exact numbers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from zoneinfo import ZoneInfo

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    and_,
    column,
    func,
    select,
    values,
)

from okr_sync.config.models import AnyMetric
from okr_sync.errors import SourceError
from okr_sync.metrics.aggregates import Figures
from okr_sync.metrics.filters import Filterable
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.record_fields import (
    anchor_field,
    fields_of_metric,
    number_fields,
    time_fields,
)
from okr_sync.metrics.record_readings import Reading, holds_bad_value, reading_of
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.encoding import day_number, epoch_ms
from okr_sync.warehouse.mirror import FieldState, FieldType, fields_of, record_table

_METRICS_PER_SCAN = 100
"""A metric has up to nine columns; PostgreSQL takes 1,664 and SQLite 2,000 in one statement."""


@dataclass(frozen=True)
class Question:
    """A metric and the spans over which its figure is wanted."""

    metric: AnyMetric
    spans: tuple[Span, ...]


Answers = dict[tuple[str, Span], Measurement]
"""Measurements by metric name and span."""

Refusals = dict[str, str]
"""Why a metric has no measurement at all, by its name, in words for its owner."""


def evaluate_records(
    connection: Connection, dataset: str, questions: Sequence[Question], zone: ZoneInfo
) -> tuple[Answers, Refusals]:
    """Evaluate metrics over one dataset's records, such as `hubspot.contacts`.

    A metric whose fields or conditions can't be used is refused by itself; the others go on.
    """
    source_name, _, dataset_name = dataset.partition(".")
    states = fields_of(connection, source_name, dataset_name)
    types = {name: state.type for name, state in states.items() if state.type is not None}
    table = record_table(source_name, dataset_name, types)
    source = Filterable(table, types, zone)
    refusals: Refusals = {}
    groups: dict[tuple[str, tuple[Span, ...]], list[_Asked]] = {}
    usable = [q for q in questions if not _refused(q, states, refusals)]
    bad_fields = _bad_fields(connection, source) if usable else frozenset()
    for question in usable:
        try:
            reading = reading_of(question.metric, source, bad_fields)
        except SourceError as error:
            refusals[question.metric.name] = f"Metric {question.metric.name}: {error.user_text}"
            continue
        together = (anchor_field(question.metric), question.spans)
        groups.setdefault(together, []).append(_Asked(question.metric.name, reading))
    answers: Answers = {}
    for (anchor, spans), group in groups.items():
        for start in range(0, len(group), _METRICS_PER_SCAN):
            some = group[start : start + _METRICS_PER_SCAN]
            answers |= _scan(connection, source, anchor, spans, some)
        if anchor in bad_fields:
            flag = f"bad_time:{_count_bad(connection, source, anchor)}"
            for key in ((asked.metric, span) for asked in group for span in spans):
                quality = tuple(sorted((*answers[key].quality, flag)))
                answers[key] = replace(answers[key], quality=quality)
    return answers, refusals


def _refused(question: Question, states: Mapping[str, FieldState], refusals: Refusals) -> bool:
    metric = question.metric
    for field in sorted(fields_of_metric(metric)):
        state = states.get(field)
        if state is not None and state.error and _hurts(metric, field, state.type):
            refusals[metric.name] = f"Metric {metric.name}: {state.error}"
            return True
        if state is None or state.filled_at is None:
            refusals[metric.name] = (
                f"Metric {metric.name}: {metric.dataset} has not yet been read with the field "
                f"{field}. Run `okr-sync sync`."
            )
            return True
    return False


def _hurts(metric: AnyMetric, field: str, kind: FieldType | None) -> bool:
    """Whether what is wrong with a field is wrong for this metric.

    A text that another team's binding takes for a date can still be counted and compared by this one.
    """
    if kind is None:
        return True
    as_time = field in time_fields(metric) and kind not in (FieldType.INSTANT, FieldType.DAY)
    as_number = field in number_fields(metric) and kind is not FieldType.NUMBER
    return as_time or as_number


def _bad_fields(connection: Connection, source: Filterable) -> frozenset[str]:
    """The fields of which at least one record holds a value that could not be read."""
    bad = source.table.c.bad_fields
    found: set[str] = set()
    for (names,) in connection.execute(select(bad).where(bad.is_not(None)).distinct()):
        found.update(name for name in names.split(",") if name)
    return frozenset(found)


def _count_bad(connection: Connection, source: Filterable, field: str) -> int:
    """How many records hold an unreadable value of a field, whichever window they belong to."""
    query = select(func.count()).select_from(source.table).where(holds_bad_value(source, field))
    return int(connection.execute(query).scalar_one())


# --- the scan ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Asked:
    """A metric's name and what it reads from the scan."""

    metric: str
    reading: Reading


def _scan(
    connection: Connection,
    source: Filterable,
    anchor: str,
    spans: Sequence[Span],
    group: Sequence[_Asked],
) -> Answers:
    """One pass over the records for metrics that look at the same time field and windows."""
    windows = _windows_table(spans, source.zone)
    in_window = _in_window(source, anchor, windows)
    columns = [asked.reading.columns(windows) for asked in group]
    labelled = [column.label(f"c{i}") for i, column in enumerate(chain(*columns))]
    query = (
        select(windows.c.span, *labelled)
        .select_from(windows.join(source.table, in_window))
        .group_by(windows.c.span)
    )
    rows = {row[0]: row[1:] for row in connection.execute(query)}
    nothing: Figures = [None] * len(labelled)
    answers: Answers = {}
    start = 0
    for asked, own in zip(group, columns, strict=True):
        ranked = asked.reading.ranked(connection, source, windows, in_window)
        for number, span in enumerate(spans):
            figures = rows.get(number, nothing)[start : start + len(own)]
            answers[asked.metric, span] = asked.reading.finish(figures, ranked.get(number))
        start += len(own)
    return answers


def _windows_table(spans: Sequence[Span], zone: ZoneInfo) -> CTE:
    """The spans as rows: number, window in milliseconds and in days, and the as-of instant.

    `as_of_day` is the as-of day and `open_day` the first day that had not wholly passed by the as-of
    instant: the day after, or the as-of day itself while it is in progress.
    """
    rows = [
        (
            number,
            epoch_ms(span.window.start_at),
            epoch_ms(span.window.end_at),
            day_number(span.window.start_day),
            day_number(span.window.end_day),
            epoch_ms(span.as_of_at),
            day_number(span.as_of),
            day_number(span.as_of_at.astimezone(zone).date()),
        )
        for number, span in enumerate(spans)
    ]
    return (
        values(
            column("span", Integer),
            column("start_ms", BigInteger),
            column("end_ms", BigInteger),
            column("start_day", Integer),
            column("end_day", Integer),
            column("as_of_ms", BigInteger),
            column("as_of_day", Integer),
            column("open_day", Integer),
            name="windows",
        )
        .data(rows)
        .cte("windows")
    )


def _in_window(source: Filterable, anchor: str, windows: CTE) -> ColumnElement[bool]:
    at = source.column(anchor)
    if source.types[anchor] is FieldType.DAY:
        return and_(at >= windows.c.start_day, at < windows.c.end_day)
    return and_(at >= windows.c.start_ms, at < windows.c.end_ms)
