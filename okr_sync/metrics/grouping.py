"""`by` and `reduce`: which groups there are, and how their figures become one.

Belongs here: the groups of a dataset as of each span, the reduction, and which metrics can be
grouped. Does not belong here: the figures of a group (record_readings), the scan (scans).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, select

from okr_sync.config.models import AggMetric, RecordMetric, Reduce, SnapshotMetric
from okr_sync.errors import SourceError
from okr_sync.metrics.filters import Filterable
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.encoding import day_number, epoch_ms
from okr_sync.warehouse.mirror import FieldType

MOST_GROUPS: Final = 1_000
"""More groups than this are a mistake: an id was taken for a category."""

_ADDITIVE = ("count", "sum")


def is_additive(metric: RecordMetric) -> bool:
    """Whether the figures of parts (windows, groups) add up to the figure of the whole."""
    return isinstance(metric, AggMetric | SnapshotMetric) and metric.aggregation.agg in _ADDITIVE


def check_by(metric: RecordMetric, is_report: bool) -> str | None:
    """Why a metric can't be grouped as it is written, and what to write instead; None if it can.

    `is_report` says that its dataset is a GA4 report.
    """
    if metric.by is None:
        return None
    if is_report:
        return (
            "GA4 reports are pulled for one filter at a time, so they can't be grouped: define a "
            "metric with `where` for each value and combine them in a formula, such as min(a, b)"
        )
    if metric.reduce is Reduce.SUM and not is_additive(metric):
        return (
            "the figures of groups add up only for counts and sums: remove `by` and `reduce` for "
            "the figure of all records, or use `reduce: average`, min or max"
        )
    return None


@dataclass(frozen=True)
class Group:
    """A value of the `by` field as stored, and the first time (ms or day) at which it is seen."""

    value: str | int
    first_seen: int | None


@dataclass(frozen=True)
class Groups:
    """The groups of a dataset; `has_none` says that some records belong to no group."""

    groups: tuple[Group, ...]
    has_none: bool


def read_groups(
    connection: Connection,
    source: Filterable,
    by: str,
    anchor: str | None,
    where: ColumnElement[bool],
) -> Groups:
    """Every value of `by` among the records that satisfy `where`; SourceError for too many."""
    column: ColumnElement[Any] = source.column(by)
    at = None if anchor is None else source.column(anchor)
    query = select(column, func.count() if at is None else func.min(at)).where(where)
    if at is not None:
        query = query.where(at.is_not(None))
    rows = connection.execute(query.group_by(column).limit(MOST_GROUPS + 2)).all()
    groups = sorted((row for row in rows if row[0] is not None), key=lambda row: row[0])
    if len(groups) > MOST_GROUPS:
        raise SourceError(
            f"`by: {by}` has more than {MOST_GROUPS} different values. Group by a field with fewer."
        )
    return Groups(
        tuple(Group(value, None if at is None else seen) for value, seen in groups),
        len(groups) < len(rows),
    )


def is_known(group: Group, span: Span, anchor_type: FieldType | None) -> bool:
    """Whether a group had been seen by the end of the span's window: later ones don't exist yet."""
    if group.first_seen is None:
        return True
    if anchor_type is FieldType.DAY:
        return group.first_seen < day_number(span.window.end_day)
    return group.first_seen < epoch_ms(span.window.end_at)


def reduce_groups(
    reduce: Reduce, measurements: Sequence[Measurement], without_group: int
) -> Measurement:
    """One measurement of the groups' own; those without a value don't take part and are flagged.

    `without_group` counts the records in the window whose `by` field is empty.
    """
    values = [each.value for each in measurements if each.value is not None]
    flags = {f"groups:{len(measurements)}"}
    for each in measurements:
        flags |= {flag for flag in each.quality if not _count_of(flag)}
    flags |= _summed_flags(measurements)
    if len(values) < len(measurements):
        flags.add(f"empty_groups:{len(measurements) - len(values)}")
    if without_group:
        flags.add(f"missing_group:{without_group}")
    samples = [each.sample_size for each in measurements if each.sample_size is not None]
    return Measurement(
        _reduced(reduce, values),
        sample_size=sum(samples) if samples else None,
        quality=tuple(sorted(flags)),
    )


def _reduced(reduce: Reduce, values: Sequence[Decimal]) -> Decimal | None:
    if not values:
        return None
    if reduce is Reduce.MIN:
        return min(values)
    if reduce is Reduce.MAX:
        return max(values)
    total = sum(values, Decimal(0))
    return total if reduce is Reduce.SUM else total / len(values)


def _count_of(flag: str) -> bool:
    return flag.partition(":")[2].isdigit()


def _summed_flags(measurements: Sequence[Measurement]) -> set[str]:
    """Flags that count records (`missing_value:3`), added up over the groups."""
    counts: dict[str, int] = {}
    for each in measurements:
        for flag in filter(_count_of, each.quality):
            name, _, count = flag.partition(":")
            counts[name] = counts.get(name, 0) + int(count)
    return {f"{name}:{count}" for name, count in counts.items()}
