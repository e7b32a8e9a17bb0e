"""A company with 1,000,000 contacts and 200,000 deals, written straight into a warehouse's mirror.

Belongs here: its records, and a thousand metrics on them as a large company would bind. Does not
belong here: measuring (evaluation), reading a source (the rows about HubSpot do that).

Records lie in three years; a contact may have become an MQL, SQL, opportunity and customer, each some
days after the other. Metrics count, add up, convert and divide by 28 days, month, quarter and year,
over the combinations of region, segment, source, product and the like that teams have.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import cycle, islice, pairwise, product
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

from okr_sync.config.cycles import Calendar
from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    ConversionMetric,
    Cycle,
    DurationMetric,
    Family,
    HubSpotSource,
    Over,
    OverKind,
    Project,
    RatioMetric,
    RecordMetric,
)
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.evaluate_records import Question
from okr_sync.metrics.spans import Span
from okr_sync.metrics.windows import as_of_instant, resolve_window
from okr_sync.warehouse.mirror import (
    DatasetState,
    FieldState,
    FieldType,
    Row,
    column_name,
    record_table,
    state_of,
)
from okr_sync.warehouse.mirror_writes import commit_changes

TODAY = date(2026, 11, 15)
NOW = datetime(2026, 11, 16, 9, tzinfo=UTC)  # the day is over in New York
FIRST = datetime(2024, 1, 1, tzinfo=UTC)
PROJECT = Project(
    time_zone="America/New_York",
    currency="USD",
    sources={"hubspot": HubSpotSource(name="hubspot")},
)
CONTACTS, DEALS = "contacts", "deals"

_DAY_MS = 86_400_000
_END_MS = int(NOW.timestamp() * 1000)
_START_MS = int(FIRST.timestamp() * 1000)

CHOICES = {
    "source": ("PAID_SEARCH", "PAID_SOCIAL", "ORGANIC_SEARCH", "SOCIAL_MEDIA", "EMAIL_MARKETING",
               "REFERRALS", "DIRECT_TRAFFIC", "OFFLINE"),
    "region": ("EMEA", "AMER", "APAC", "LATAM", "DACH", "NORDICS"),
    "segment": ("enterprise", "mid_market", "smb", "startup"),
    "product": ("core", "analytics", "automation", "service", "commerce", "payments", "data", "ai"),
    "industry": tuple(f"industry_{i}" for i in range(12)),
    "lifecycle": ("subscriber", "lead", "mql", "sql", "opportunity", "customer"),
    "campaign": tuple(f"campaign-{i:03}" for i in range(200)),
}  # fmt: skip
STAGES = ("created_at", "mql_at", "sql_at", "opportunity_at", "customer_at")
TYPES = {
    CONTACTS: {
        **dict.fromkeys(STAGES, FieldType.INSTANT),
        **dict.fromkeys(CHOICES, FieldType.TEXT),
        "score": FieldType.NUMBER,
    },
    DEALS: {
        "created_at": FieldType.INSTANT,
        "closed_at": FieldType.INSTANT,
        **dict.fromkeys(("source", "region", "segment", "product"), FieldType.TEXT),
        "stage": FieldType.TEXT,
        "pipeline": FieldType.TEXT,
        "amount": FieldType.NUMBER,
    },
}
SIZES = {CONTACTS: 1_000_000, DEALS: 200_000}


# --- records --------------------------------------------------------------------------------------


def records(dataset: str, count: int, seed: int) -> Iterator[Row]:
    """Records of a dataset as the mirror keeps them, `id` counted from 1."""
    draw = random.Random(seed)
    make = _contact if dataset == CONTACTS else _deal
    for number in range(1, count + 1):
        yield {"id": str(number), "bad_fields": None, **make(draw)}


def _contact(draw: random.Random) -> Row:
    at = draw.randrange(_START_MS, _END_MS)
    row: Row = {"created_ms": at, "updated_ms": at}
    for field, values in CHOICES.items():
        row[column_name(field)] = values[int(draw.random() * len(values))]
    row[column_name("score")] = (
        int(draw.random() * 100) * 1_000_000 if draw.random() < 0.9 else None
    )
    reached = True
    for field, share in zip(STAGES, (1.0, 0.5, 0.4, 0.5, 0.4), strict=True):
        reached = reached and draw.random() < share
        row[column_name(field)] = at if reached else None
        at += int(draw.expovariate(1 / 20) * _DAY_MS)
    return row


def _deal(draw: random.Random) -> Row:
    at = draw.randrange(_START_MS, _END_MS)
    closed = at + int(draw.expovariate(1 / 60) * _DAY_MS)
    row: Row = {"created_ms": at, "updated_ms": at}
    for field in ("source", "region", "segment", "product"):
        values = CHOICES[field]
        row[column_name(field)] = values[int(draw.random() * len(values))]
    row[column_name("created_at")], row[column_name("closed_at")] = at, closed
    row[column_name("stage")] = draw.choice(("won", "lost", "open"))
    row[column_name("pipeline")] = draw.choice(("new", "renewal", "partner"))
    row[column_name("amount")] = int(draw.lognormvariate(9, 1) * 100) * 10_000
    return row


def fill(connection: Connection, sizes: dict[str, int]) -> None:
    """Write the records of both datasets into an empty warehouse's mirror."""
    for dataset, count in sizes.items():
        change(connection, dataset, [])  # makes the table
        table = record_table("hubspot", dataset, TYPES[dataset])
        rows = records(dataset, count, seed=count)
        if connection.dialect.name == "postgresql":
            _copy(connection, table, rows)
            continue
        names = [column.name for column in table.c]
        marks = ", ".join("?" * len(names))
        statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"
        while some := [tuple(row[name] for name in names) for row in islice(rows, 20_000)]:
            connection.exec_driver_sql(statement, some)


def _copy(connection: Connection, table: sa.Table, rows: Iterator[Row]) -> None:
    names = [column.name for column in table.c]
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor().copy(f"COPY {table.name} ({', '.join(names)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row([row[name] for name in names])


def change(connection: Connection, dataset: str, rows: Sequence[Row]) -> None:
    """Write changed records as a pull does."""
    commit_changes(
        connection,
        "hubspot",
        dataset,
        rows=rows,
        gone=(),
        fields={name: FieldState(kind, FIRST, None) for name, kind in TYPES[dataset].items()},
        known=state_of(connection, "hubspot", dataset),
        state=DatasetState(NOW, NOW, "1", PROJECT.time_zone, PROJECT.currency),
    )


# --- metrics --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A key result's metric and its window."""

    metric: RecordMetric
    over: Over


def _where(chosen: dict[str, str | tuple[str, ...]]) -> Where:
    return Where(
        tuple(
            Condition(field, Operator.IN, value)
            if isinstance(value, tuple)
            else Condition(field, Operator.EQ, (value,))
            for field, value in chosen.items()
        )
    )


def _filters() -> Iterator[dict[str, str | tuple[str, ...]]]:
    """What teams filter by: one or two of the fields, and once in a while a group of sources."""
    pairs = [
        ("region", "segment"),
        ("source", "segment"),
        ("region", "product"),
        ("source", "region"),
    ]
    for fields in pairs:
        for values in product(*(CHOICES[field] for field in fields)):
            yield dict(zip(fields, values, strict=True))
    for field in ("region", "segment", "source", "product"):
        for value in CHOICES[field]:
            yield {field: value}
            yield {field: value, "source": ("PAID_SEARCH", "PAID_SOCIAL")}


def metrics(count: int = 1_000, *, medians: bool = True) -> list[Asked]:
    """That many key results' metrics: 4 of 100 are medians, which don't add up, if wanted."""
    filters = [each for each in _filters() if each]
    random.Random(7).shuffle(filters)
    overs = cycle(
        (
            Over(kind=OverKind.CYCLE),
            Over(kind=OverKind.LAST, days=28),
            Over(kind=OverKind.TO_DATE, period="month"),
            Over(kind=OverKind.CYCLE),
            Over(kind=OverKind.TO_DATE, period="year"),
        )
    )
    kinds = cycle(kind for kind in _KINDS if medians or kind[0] != "median")
    chosen = cycle(filters)
    return [
        Asked(_metric(f"m{i:04}", next(kinds), _where(next(chosen))), next(overs))
        for i in range(count)
    ]


# Of 25 key results: what they measure.
_KINDS = (
    *(("count", stage) for stage in STAGES),
    *(("count", stage) for stage in ("mql_at", "sql_at", "mql_at", "sql_at")),
    ("conversion", "mql_at"), ("conversion", "sql_at"), ("conversion", "created_at"),
    ("share", "created_at"), ("share", "mql_at"), ("score", "mql_at"),
    ("amount", "created_at"), ("amount", "closed_at"), ("amount", "closed_at"), ("won", "closed_at"),
    ("won", "closed_at"), ("size", "closed_at"), ("deals", "created_at"), ("deals", "closed_at"),
    ("days", "closed_at"), ("median", "closed_at"),
)  # fmt: skip
_NEXT = dict(pairwise(STAGES))
_WON = Where((Condition("stage", Operator.EQ, ("won",)),))


def _metric(name: str, kind: tuple[str, str], where: Where) -> RecordMetric:
    what, time = kind
    contacts = {
        "name": name,
        "dataset": "hubspot.contacts",
        "family": Family.FUNNEL,
        "where": where,
    }
    deals = {**contacts, "dataset": "hubspot.deals"}
    count = Aggregation(agg="count")
    amount = Aggregation(agg="sum", field="amount")
    if what == "count":
        return AggMetric(**contacts, aggregation=count, time=time)
    if what == "conversion":
        within = timedelta(days=45 if time == "mql_at" else 30)
        return ConversionMetric(**contacts, from_time=time, to_time=_NEXT[time], within=within)
    if what == "share":
        paid = Where((Condition("source", Operator.IN, ("PAID_SEARCH", "PAID_SOCIAL")),))
        part = Aggregation(agg="count", where=paid)
        return RatioMetric(**contacts, numerator=part, denominator=count, time=time)
    if what == "score":
        return AggMetric(
            **contacts, aggregation=Aggregation(agg="average", field="score"), time=time
        )
    if what == "amount":
        return AggMetric(**deals, aggregation=amount, time=time)
    if what == "won":
        won = Aggregation(agg="count", where=_WON)
        return RatioMetric(**deals, numerator=won, denominator=count, time=time)
    if what == "size":
        average = Aggregation(agg="average", field="amount", where=_WON)
        return AggMetric(**deals, aggregation=average, time=time)
    if what == "deals":
        return AggMetric(**deals, aggregation=count, time=time)
    agg = "median" if what == "median" else "average"
    return DurationMetric(**deals, from_time="created_at", to_time=time, agg=agg)


def questions(asked: Sequence[Asked], days: Sequence[date]) -> dict[str, list[Question]]:
    """By dataset what is asked as of these days, in the cycle 2026-H2."""
    half = Cycle(name="2026-H2", start=date(2026, 7, 1), end=date(2027, 1, 1))
    calendar = Calendar(ZoneInfo(PROJECT.time_zone))
    found: dict[str, list[Question]] = {"hubspot.contacts": [], "hubspot.deals": []}
    for one in asked:
        spans = []
        for day in days:
            window = resolve_window(one.over, half, day, calendar, NOW)
            if window is not None:
                spans.append(Span(day, as_of_instant(day, calendar.zone, NOW), window))
        found[one.metric.dataset].append(Question(one.metric, tuple(spans)))
    return found
