"""The records behind a number: which ones count, on which side, and which are left out and why.

Belongs here: one query a metric and span that lists record ids, under the conditions by which
metrics.record_readings counts them (a test holds both together). Does not belong here: counting
itself (metrics), links and files (commands).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Label,
    Select,
    Subquery,
    Text,
    and_,
    case,
    func,
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
    Ga4Source,
    ManualMetric,
    Pool,
    RatioMetric,
    RecordMetric,
    SnapshotMetric,
    SqlMetric,
)
from okr_sync.errors import SourceError
from okr_sync.metrics.dependencies import leaf_metrics
from okr_sync.metrics.filters import Filterable, condition_sql
from okr_sync.metrics.fx import Rates, read_rates
from okr_sync.metrics.mirrored import Mirrored, read_mirrored
from okr_sync.metrics.readings import MS_PER_DAY
from okr_sync.metrics.record_fields import anchor_field, converts_currency, fields_of_metric
from okr_sync.metrics.spans import Span
from okr_sync.metrics.time_conditions import (
    Horizon,
    conversion_conditions,
    duration_conditions,
    elapsed_ms,
)
from okr_sync.warehouse.encoding import (
    day_number,
    epoch_ms,
    from_day_number,
    from_epoch_ms,
    from_micros,
)
from okr_sync.warehouse.mirror import FieldType
from okr_sync.warehouse.record_values import stored_text


@dataclass(frozen=True)
class Contribution:
    """One record: whether it counts, and with what.

    `counted` says that the sample holds it. `in_numerator` and `in_denominator` are None for metrics
    that don't divide. `amount` is what it brings to the number or to its numerator (days for
    durations, the metric's currency for converted money), `denominator_amount` what it brings to the denominator. `left_out` says, for people,
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
    return [
        leaf
        for leaf in leaf_metrics(bundle.metrics, metric)
        if not isinstance(leaf, SqlMetric | ManualMetric)
        and not isinstance(bundle.project.sources[leaf.source], Ga4Source)
    ]


def contributions(
    connection: Connection, bundle: Bundle, metric: RecordMetric, span: Span
) -> Iterator[Contribution]:
    """The records of a metric's window that count or almost do, in order of id.

    Records that don't satisfy `where` are not among them. Raises SourceError where the metric can't
    be read from its records.
    """
    return _listed(connection, _listing(connection, bundle, metric, span))


def tally(connection: Connection, bundle: Bundle, metric: RecordMetric, span: Span) -> Tally:
    """Count what `contributions` would list."""
    listing = _listing(connection, bundle, metric, span)
    if listing.rates is not None:  # which records have a rate is not known in SQL
        found = [
            (one.left_out, 1, int(one.counted), None, None) for one in _listed(connection, listing)
        ]
    else:
        rows = listing.rows.c
        query = select(
            rows.left_out,
            func.count(),
            func.sum(rows.counted),
            func.sum(rows.in_numerator),
            func.sum(rows.in_denominator),
        ).group_by(rows.left_out)
        found = [tuple(row) for row in connection.execute(query)]
    left_out: Counter[str] = Counter()
    for reason, number, *_ in found:
        if reason is not None:
            left_out[reason] += int(number)
    divides = isinstance(metric, RatioMetric | ConversionMetric) and _has_sides(metric)
    return Tally(
        metric=metric.name,
        counted=_total(found, 2),
        in_numerator=_total(found, 3) if divides else None,
        in_denominator=_total(found, 4) if divides else None,
        left_out=dict(left_out),
        filtered_out=connection.execute(listing.filtered_out).scalar_one(),
    )


def _has_sides(metric: RatioMetric | ConversionMetric) -> bool:
    """Whether the number is a numerator ÷ a denominator, and not a mean or reduced from groups."""
    is_mean = isinstance(metric, RatioMetric) and metric.pool is Pool.MEAN
    return metric.by is None and not is_mean


def _total(rows: Iterable[tuple[Any, ...]], place: int) -> int:
    return sum(int(row[place] or 0) for row in rows)


# --- the query ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Listing:
    """The rows of one metric and span as a subquery, and how its whole numbers are read."""

    metric: RecordMetric
    rows: Subquery
    filtered_out: Select[int]
    source: Filterable
    time_type: FieldType | None
    rates: Rates | None

    def amount(self, stored: int | None) -> Decimal | None:
        """What a stored amount is, in the unit of the metric."""
        if stored is None:
            return None
        if isinstance(self.metric, ConversionMetric | DurationMetric):
            return Decimal(int(stored)) / MS_PER_DAY
        return from_micros(int(stored))

    def time(self, stored: int | None) -> datetime | date | None:
        """The time by which a record lies in the window."""
        if stored is None or self.time_type is None:
            return None
        is_day = self.time_type is FieldType.DAY
        return from_day_number(stored) if is_day else from_epoch_ms(stored)

    def group(self, stored: str | int | None) -> str | None:
        """The value of the `by` field, as people write it."""
        if self.metric.by is None or stored is None:
            return None
        return stored_text(stored, self.source.types[self.metric.by])

    def rate(self, currency: str | None, at: datetime | date | None) -> Decimal | None:
        """What the currency of a record was worth on its day; None where nobody said."""
        if self.rates is None or currency is None or at is None:
            return None
        day = at.astimezone(self.source.zone).date() if isinstance(at, datetime) else at
        return self.rates.rate(currency.strip().upper(), day_number(day))


def _listed(connection: Connection, listing: _Listing) -> Iterator[Contribution]:
    query = select(listing.rows).order_by(listing.rows.c.record_id)
    for row in connection.execute(query):
        at, amount = listing.time(row.at), listing.amount(row.amount)
        counted, left_out = bool(row.counted), row.left_out
        if listing.rates is not None and counted and amount is not None:
            rate = listing.rate(row.currency, at)
            counted = rate is not None
            amount = None if rate is None else amount * rate
            if rate is None:
                left_out = f"no exchange rate from {row.currency or 'an unnamed currency'}"
        yield Contribution(
            metric=listing.metric.name,
            record_id=row.record_id,
            at=at,
            counted=counted,
            in_numerator=_flag(row.in_numerator),
            in_denominator=_flag(row.in_denominator),
            amount=amount,
            denominator_amount=listing.amount(row.denominator_amount),
            group=listing.group(row.grouped),
            left_out=left_out,
        )


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


def _listing(connection: Connection, bundle: Bundle, metric: RecordMetric, span: Span) -> _Listing:
    project = bundle.project
    mirrored = read_mirrored(connection, project, metric.dataset, [metric])
    mirrored.check(metric, project)
    source = mirrored.source
    rules = _rules(metric, source, span)
    unreadable = _unreadable(metric, mirrored, bundle)
    anchor = anchor_field(metric)
    in_window = true() if anchor is None else _in_window(source, anchor, span)
    currency = metric.currency_field if isinstance(metric, AggMetric) else None
    reasons = (*unreadable, *rules.reasons)
    columns: list[Label[Any]] = [
        source.table.c.id.label("record_id"),
        _or_null(None if anchor is None else source.column(anchor)).label("at"),
        _as_number(rules.counted).label("counted"),
        _as_number(rules.in_numerator).label("in_numerator"),
        _as_number(rules.in_denominator).label("in_denominator"),
        _or_null(rules.amount).label("amount"),
        _or_null(rules.denominator_amount).label("denominator_amount"),
        _or_null(None if metric.by is None else source.column(metric.by)).label("grouped"),
        _text_or_null(currency, source).label("currency"),
        (case(*reasons, else_=null()) if reasons else sql_cast(null(), Text)).label("left_out"),
    ]
    listed = or_(rules.matched, *(test for test, _ in reasons))
    rates = None
    if isinstance(metric, AggMetric) and converts_currency(metric) and project.fx is not None:
        rates = read_rates(connection, project.fx, str(metric.currency), source.zone)
    return _Listing(
        metric,
        select(*columns).where(in_window, listed).subquery("listing"),
        select(func.count())
        .select_from(source.table)
        .where(in_window, case((listed, 1), else_=0) == 0),
        source,
        None if anchor is None else source.types[anchor],
        rates,
    )


def _unreadable(
    metric: RecordMetric, mirrored: Mirrored, bundle: Bundle
) -> tuple[tuple[ColumnElement[bool], str], ...]:
    names = mirrored.source.table.c.bad_fields
    return tuple(
        (names.contains(f",{field},", autoescape=True), f"{field} can't be read")
        for field in sorted(mirrored.bad_fields & fields_of_metric(metric, bundle.project))
    )


def _text_or_null(field: str | None, source: Filterable) -> ColumnElement[Any]:
    return sql_cast(null() if field is None else source.column(field), Text)


def _as_number(condition: ColumnElement[bool] | None) -> ColumnElement[Any]:
    return sql_cast(null(), Integer) if condition is None else case((condition, 1), else_=0)


def _or_null(column: ColumnElement[Any] | None) -> ColumnElement[Any]:
    return sql_cast(null(), Integer) if column is None else column


def _rules(metric: RecordMetric, source: Filterable, span: Span) -> _Rules:
    where = condition_sql(metric.where, source)
    if isinstance(metric, AggMetric | SnapshotMetric):
        rules = _agg_rules(metric.aggregation, where, source)
    elif isinstance(metric, RatioMetric):
        is_mean = metric.pool is Pool.MEAN
        rules = (_mean_rules if is_mean else _ratio_rules)(metric, where, source)
    elif isinstance(metric, ConversionMetric):
        rules = _conversion_rules(metric, where, source, span)
    else:
        rules = _duration_rules(metric, where, source, span)
    return rules if metric.by is None else _grouped(rules, metric.by, source)


def _grouped(rules: _Rules, by: str, source: Filterable) -> _Rules:
    """The same rules for a metric with `by`: a record without a group counts nowhere."""
    filled = source.column(by).is_not(None)
    return replace(
        rules,
        counted=and_(rules.counted, filled),
        reasons=((and_(rules.matched, ~filled), f"{by} is empty"), *rules.reasons),
        in_numerator=None,
        in_denominator=None,
    )


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


def _agg_rules(aggregation: Aggregation, where: ColumnElement[bool], source: Filterable) -> _Rules:
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
    return _Rules(
        counted=below,
        matched=or_(above, below),
        reasons=tuple(reasons),
        in_numerator=above,
        in_denominator=below,
        amount=None if top_amount is None else case((above, top_amount)),
        denominator_amount=None if bottom_amount is None else case((below, bottom_amount)),
    )


def _mean_rules(metric: RatioMetric, where: ColumnElement[bool], source: Filterable) -> _Rules:
    """`pool: mean`: every record with a rate of its own counts; there are no sums to be part of."""
    matched, _, below = _part(metric.denominator, where, source)
    _, _, above = _part(metric.numerator, where, source)
    if below is None or above is None:
        raise SourceError("`pool: mean` needs a number field on both sides.")
    if metric.numerator.where.tests:
        above = case((condition_sql(metric.numerator.where, source), above), else_=0)
    return _Rules(
        counted=and_(matched, below != 0, above.is_not(None)),
        matched=matched,
        reasons=(
            (
                and_(matched, func.coalesce(below, 0) == 0),
                f"{metric.denominator.field} is 0 or empty",
            ),
            (and_(matched, above.is_(None)), f"{metric.numerator.field} is empty"),
        ),
        amount=above,
        denominator_amount=below,
    )


def _horizon(span: Span, source: Filterable) -> Horizon:
    open_day = span.as_of_at.astimezone(source.zone).date()
    return Horizon(epoch_ms(span.as_of_at), day_number(open_day))


def _conversion_rules(
    metric: ConversionMetric, where: ColumnElement[bool], source: Filterable, span: Span
) -> _Rules:
    cohort = conversion_conditions(metric, where, source, _horizon(span, source))
    elapsed = elapsed_ms(metric, source)
    return _Rules(
        counted=cohort.mature,
        matched=where,
        reasons=(
            (cohort.immature, f"its {metric.within.days} days are not over"),
            (cohort.negative, f"{metric.to_time} lies before {metric.from_time}"),
        ),
        in_numerator=cohort.converted,
        in_denominator=cohort.mature,
        amount=case((elapsed >= 0, elapsed)),
    )


def _duration_rules(
    metric: DurationMetric, where: ColumnElement[bool], source: Filterable, span: Span
) -> _Rules:
    known = duration_conditions(metric, where, source, _horizon(span, source))
    reasons = [
        (known.negative, f"{metric.to_time} lies before {metric.from_time}"),
        (and_(where, source.column(metric.from_time).is_(None)), f"{metric.from_time} is empty"),
    ]
    if metric.cohort == "start":
        reasons.append((known.not_arrived, "it has not arrived yet"))
    amount = case((known.counted, elapsed_ms(metric, source)))
    return _Rules(known.counted, where, tuple(reasons), amount=amount)


def _in_window(source: Filterable, anchor: str, span: Span) -> ColumnElement[bool]:
    at, window = source.column(anchor), span.window
    if source.types[anchor] is FieldType.DAY:
        return and_(at >= day_number(window.start_day), at < day_number(window.end_day))
    return and_(at >= epoch_ms(window.start_at), at < epoch_ms(window.end_at))


def _flag(stored: int | None) -> bool | None:
    return None if stored is None else bool(stored)
