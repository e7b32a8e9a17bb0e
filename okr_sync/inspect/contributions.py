"""The records behind a number: which ones count, on which side, and which are left out and why.

Belongs here: one query a metric and span that lists record ids, under the conditions by which
metrics.record_readings counts them (a test holds both together). Does not belong here: counting
itself (metrics), links and files (commands).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Label,
    Select,
    Text,
    and_,
    case,
    func,
    literal,
    null,
    or_,
    select,
    true,
)
from sqlalchemy import cast as sql_cast

from okr_sync.config.bundle import Bundle
from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    AnyMetric,
    ConversionMetric,
    DurationMetric,
    FormulaMetric,
    Ga4Source,
    Pool,
    RatioMetric,
    RecordMetric,
    SnapshotMetric,
    SqlMetric,
)
from okr_sync.metrics.filters import Filterable, condition_sql
from okr_sync.metrics.record_fields import anchor_field, fields_of_metric
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.encoding import (
    day_number,
    epoch_ms,
    from_day_number,
    from_epoch_ms,
    from_micros,
)
from okr_sync.warehouse.mirror import FieldType, fields_of, record_table

_MS_PER_DAY = 86_400_000


@dataclass(frozen=True)
class Contribution:
    """One record: whether it counts, and with what.

    `counted` says that the sample holds it. `in_numerator` and `in_denominator` are None for metrics
    that don't divide. `amount` is what it brings to the number or to its numerator (days for
    durations), `denominator_amount` what it brings to the denominator. `left_out` says, for people,
    why it doesn't count or what is odd about it.
    """

    metric: str
    record_id: str
    at: datetime | date | None
    counted: bool
    in_numerator: bool | None
    in_denominator: bool | None
    amount: Decimal | None
    denominator_amount: Decimal | None
    group: str | None
    left_out: str | None


@dataclass(frozen=True)
class Tally:
    """How many records of a metric's window count, and how many don't, by reason.

    `filtered_out` lie in the window and don't satisfy `where`.
    """

    metric: str
    counted: int
    in_numerator: int | None
    in_denominator: int | None
    left_out: Mapping[str, int]
    filtered_out: int


def record_metrics(bundle: Bundle, metric: AnyMetric) -> list[RecordMetric]:
    """The metrics over records that a number is made of, through formulas; each once."""
    found: dict[str, RecordMetric] = {}
    if isinstance(metric, FormulaMetric):
        for name in metric.inputs.values():
            found |= {one.name: one for one in record_metrics(bundle, bundle.metrics[name])}
    elif not isinstance(metric, SqlMetric) and not isinstance(
        bundle.project.sources[metric.source], Ga4Source
    ):
        found[metric.name] = metric
    return list(found.values())


def contributions(
    connection: Connection, bundle: Bundle, metric: RecordMetric, span: Span
) -> Iterator[Contribution]:
    """The records of a metric's window that count or almost do, in order of id.

    Records that don't satisfy `where` are not among them. Raises SourceError where the metric can't
    be read from its records.
    """
    listing = _listing(connection, bundle, metric, span)
    rows = listing.table.c
    query = select(listing.table).order_by(rows.record_id)
    for row in connection.execute(query):
        yield Contribution(
            metric=metric.name,
            record_id=row.record_id,
            at=_time(row.at, listing.time_type),
            counted=bool(row.counted),
            in_numerator=_flag(row.in_numerator),
            in_denominator=_flag(row.in_denominator),
            amount=listing.read_amount(row.amount),
            denominator_amount=listing.read_amount(row.denominator_amount),
            group=row.grouped,
            left_out=row.left_out,
        )


def tally(connection: Connection, bundle: Bundle, metric: RecordMetric, span: Span) -> Tally:
    """Count what `contributions` would list."""
    listing = _listing(connection, bundle, metric, span)
    rows = listing.table.c
    query = select(
        rows.left_out,
        func.count(),
        func.sum(rows.counted),
        func.sum(rows.in_numerator),
        func.sum(rows.in_denominator),
    ).group_by(rows.left_out)
    found = list(connection.execute(query))
    divides = isinstance(metric, RatioMetric | ConversionMetric)
    return Tally(
        metric=metric.name,
        counted=sum(int(row[2] or 0) for row in found),
        in_numerator=sum(int(row[3] or 0) for row in found) if divides else None,
        in_denominator=sum(int(row[4] or 0) for row in found) if divides else None,
        left_out={row[0]: int(row[1]) for row in found if row[0] is not None},
        filtered_out=connection.execute(listing.filtered_out).scalar_one(),
    )


# --- the query ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Listing:
    """The rows of one metric and span as a subquery, and how its whole numbers are read."""

    table: Any
    filtered_out: Select[tuple[int]]
    time_type: FieldType | None
    is_duration: bool

    def read_amount(self, stored: int | None) -> Decimal | None:
        if stored is None:
            return None
        if self.is_duration:
            return Decimal(int(stored)) / _MS_PER_DAY
        return from_micros(int(stored))


@dataclass(frozen=True)
class _Rules:
    """Which records of the window a metric lists, and what is said of each."""

    counted: ColumnElement[bool]
    matched: ColumnElement[bool]
    reasons: tuple[tuple[ColumnElement[bool], str], ...] = ()
    in_numerator: ColumnElement[bool] | None = None
    in_denominator: ColumnElement[bool] | None = None
    amount: ColumnElement[Any] | None = None
    denominator_amount: ColumnElement[Any] | None = None


def _listing(
    connection: Connection, bundle: Bundle, metric: RecordMetric, span: Span
) -> _Listing:
    states = fields_of(connection, metric.source, metric.dataset_name)
    types = {name: state.type for name, state in states.items() if state.type is not None}
    table = record_table(metric.source, metric.dataset_name, types)
    source = Filterable(table, types, ZoneInfo(bundle.project.time_zone))
    rules = _with_bad_values(_rules(metric, source, span), metric, source)
    anchor = anchor_field(metric)
    in_window = true() if anchor is None else _in_window(source, anchor, span)
    reason = case(*((test, text) for test, text in rules.reasons), else_=null())
    columns: list[Label[Any]] = [
        table.c.id.label("record_id"),
        (null() if anchor is None else source.column(anchor)).label("at"),
        _as_number(rules.counted).label("counted"),
        _as_number(rules.in_numerator).label("in_numerator"),
        _as_number(rules.in_denominator).label("in_denominator"),
        _or_null(rules.amount).label("amount"),
        _or_null(rules.denominator_amount).label("denominator_amount"),
        (null() if metric.by is None else sql_cast(source.column(metric.by), Text)).label("grouped"),
        (reason if rules.reasons else null()).label("left_out"),
    ]
    listed = or_(rules.matched, *(test for test, _ in rules.reasons))
    return _Listing(
        select(*columns).where(in_window, listed).subquery("listing"),
        select(func.count()).select_from(table).where(in_window, ~func.coalesce(listed, False)),
        None if anchor is None else types[anchor],
        isinstance(metric, ConversionMetric | DurationMetric),
    )


def _as_number(condition: ColumnElement[bool] | None) -> ColumnElement[Any]:
    return sql_cast(null(), Integer) if condition is None else case((condition, 1), else_=0)


def _or_null(column: ColumnElement[Any] | None) -> ColumnElement[Any]:
    return sql_cast(null(), Integer) if column is None else column


def _rules(metric: RecordMetric, source: Filterable, span: Span) -> _Rules:
    where = condition_sql(metric.where, source)
    if isinstance(metric, AggMetric | SnapshotMetric):
        return _agg_rules(metric.aggregation, where, source)
    if isinstance(metric, RatioMetric):
        return _ratio_rules(metric, where, source)
    if isinstance(metric, ConversionMetric):
        return _conversion_rules(metric, where, source, span)
    return _duration_rules(metric, where, source, span)


def _part(
    aggregation: Aggregation, where: ColumnElement[bool], source: Filterable
) -> tuple[ColumnElement[bool], ColumnElement[bool], ColumnElement[Any] | None]:
    """What satisfies an aggregation's conditions, what of it counts, and the amount it counts with."""
    matched = and_(where, condition_sql(aggregation.where, source))
    if aggregation.field is None:
        return matched, matched, None
    column = source.column(aggregation.field)
    is_number = source.types[aggregation.field] is FieldType.NUMBER
    return matched, and_(matched, column.is_not(None)), column if is_number else None


def _agg_rules(
    aggregation: Aggregation, where: ColumnElement[bool], source: Filterable
) -> _Rules:
    matched, counted, amount = _part(aggregation, where, source)
    reasons: tuple[tuple[ColumnElement[bool], str], ...] = ()
    if aggregation.field is not None:
        empty = and_(matched, source.column(aggregation.field).is_(None))
        reasons = ((empty, f"{aggregation.field} is empty"),)
    return _Rules(counted, matched, reasons, amount=amount)


def _ratio_rules(metric: RatioMetric, where: ColumnElement[bool], source: Filterable) -> _Rules:
    top, above, top_amount = _part(metric.numerator, where, source)
    bottom, below, bottom_amount = _part(metric.denominator, where, source)
    reasons = [
        (and_(matched, source.column(part.field).is_(None)), f"{part.field} is empty")
        for part, matched in ((metric.numerator, top), (metric.denominator, bottom))
        if part.field is not None
    ]
    if metric.pool is Pool.MEAN and bottom_amount is not None:
        whole = and_(above, below, bottom_amount != 0)
        reasons.append((and_(bottom, bottom_amount == 0), f"{metric.denominator.field} is 0"))
        above = below = whole
    return _Rules(
        counted=below,
        matched=or_(above, below),
        reasons=tuple(reasons),
        in_numerator=above,
        in_denominator=below,
        amount=None if top_amount is None else case((above, top_amount)),
        denominator_amount=None if bottom_amount is None else case((below, bottom_amount)),
    )


def _milliseconds(source: Filterable, field: str) -> ColumnElement[Any]:
    at = source.column(field)
    return at * literal(_MS_PER_DAY) if source.types[field] is FieldType.DAY else at


def _conversion_rules(
    metric: ConversionMetric, where: ColumnElement[bool], source: Filterable, span: Span
) -> _Rules:
    first, second = _milliseconds(source, metric.from_time), _milliseconds(source, metric.to_time)
    within = metric.within // timedelta(milliseconds=1)
    as_of_ms = epoch_ms(span.as_of_at)
    mature = and_(where, first + within <= as_of_ms)
    converted = and_(mature, second >= first, second <= first + within)
    return _Rules(
        counted=mature,
        matched=where,
        reasons=(
            (and_(where, first + within > as_of_ms), f"its {metric.within.days} days are not over"),
            (and_(mature, second < first), f"{metric.to_time} lies before {metric.from_time}"),
        ),
        in_numerator=converted,
        in_denominator=mature,
        amount=case((second >= first, second - first)),
    )


def _duration_rules(
    metric: DurationMetric, where: ColumnElement[bool], source: Filterable, span: Span
) -> _Rules:
    first, second = _milliseconds(source, metric.from_time), _milliseconds(source, metric.to_time)
    counted = and_(where, first.is_not(None), second >= first)
    reasons = [
        (and_(where, second < first), f"{metric.to_time} lies before {metric.from_time}"),
        (and_(where, first.is_(None)), f"{metric.from_time} is empty"),
    ]
    if metric.cohort == "start":
        arrived = second < epoch_ms(span.as_of_at)
        counted = and_(counted, arrived)
        reasons.append((and_(where, or_(second.is_(None), ~arrived)), "it has not arrived yet"))
    return _Rules(counted, where, tuple(reasons), amount=case((counted, second - first)))


def _with_bad_values(rules: _Rules, metric: RecordMetric, source: Filterable) -> _Rules:
    """The same rules, that first name records with a value that could not be read."""
    names = source.table.c.bad_fields
    bad = tuple(
        (names.contains(f",{field},", autoescape=True), f"{field} can't be read")
        for field in sorted(fields_of_metric(metric))
    )
    return _Rules(
        rules.counted,
        rules.matched,
        (*bad, *rules.reasons),
        rules.in_numerator,
        rules.in_denominator,
        rules.amount,
        rules.denominator_amount,
    )


def _in_window(source: Filterable, anchor: str, span: Span) -> ColumnElement[bool]:
    at, window = source.column(anchor), span.window
    if source.types[anchor] is FieldType.DAY:
        return and_(at >= day_number(window.start_day), at < day_number(window.end_day))
    return and_(at >= epoch_ms(window.start_at), at < epoch_ms(window.end_at))


def _flag(stored: int | None) -> bool | None:
    return None if stored is None else bool(stored)


def _time(stored: int | None, kind: FieldType | None) -> datetime | date | None:
    if stored is None or kind is None:
        return None
    return from_day_number(stored) if kind is FieldType.DAY else from_epoch_ms(stored)
