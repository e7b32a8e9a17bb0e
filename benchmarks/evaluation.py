"""Evaluation over a large company's records, on SQLite and PostgreSQL.

Belongs here: the rows, and the straightforward queries that they are held against. Does not belong
here: the company (large_mirror).
"""

import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from benchmarks.harness import Bench, Comparison, at_least, at_most, row
from benchmarks.large_mirror import (
    CONTACTS,
    DEALS,
    PROJECT,
    SIZES,
    TODAY,
    change,
    fill,
    metrics,
    questions,
    records,
)
from benchmarks.servers import postgresql
from okr_sync.config.models import AggMetric, ConversionMetric, DurationMetric, RatioMetric
from okr_sync.metrics.evaluate_records import Answers, Question, evaluate_records
from okr_sync.metrics.filters import Filterable, condition_sql
from okr_sync.metrics.mirrored import read_mirrored
from okr_sync.metrics.record_fields import anchor_field
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.encoding import MICROS, epoch_ms
from okr_sync.warehouse.tables import day_figures
from okr_sync.warehouse.tally_store import Counted, keep_figures

ENGINES = ("SQLite", "PostgreSQL")


@dataclass(frozen=True)
class Large:
    """A filled warehouse, and how many CPU seconds this process and its server have used so far."""

    warehouse: Warehouse
    cpu_seconds: Callable[[], float]

    def used_by(self, work: Callable[[], object]) -> float:
        """CPU seconds of some work, the server's counted in."""
        before = self.cpu_seconds()
        work()
        return self.cpu_seconds() - before


def sqlite_mirror(bench: Bench) -> Large:
    """The large company in a SQLite file."""
    return _filled(bench, f"sqlite:///{bench.folder / 'large.sqlite'}", time.process_time)


def postgresql_mirror(bench: Bench) -> Large:
    """The large company in a PostgreSQL database, vacuumed and analysed as its daemon would do."""
    server = bench.once(postgresql)
    large = _filled(
        bench, server.new_database(), lambda: time.process_time() + server.cpu_seconds()
    )
    with large.warehouse.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE")
    return large


def _filled(bench: Bench, url: str, cpu_seconds: Callable[[], float]) -> Large:
    warehouse = open_warehouse(url)
    bench.closing.callback(warehouse.close)
    with warehouse.write() as connection:
        fill(connection, SIZES)
    return Large(warehouse, cpu_seconds)


def mirrors(bench: Bench) -> dict[str, Large]:
    """The large company on both engines."""
    return dict(
        zip(ENGINES, (bench.once(sqlite_mirror), bench.once(postgresql_mirror)), strict=True)
    )


# --- one straightforward query for each key result ------------------------------------------------


def straightforward(connection: Connection, asked: dict[str, list[Question]]) -> list[str]:
    """A statement for each question, its values written into it, as one would send it by hand."""
    return [
        str(_query(connection, dataset, question).compile(
            connection, compile_kwargs={"literal_binds": True}
        ))
        for dataset, some in asked.items()
        for question in some
    ]  # fmt: skip


def _query(connection: Connection, dataset: str, question: Question) -> sa.Select[Any]:
    metric, (span,) = question.metric, question.spans
    source = read_mirrored(connection, PROJECT, dataset, [metric]).source
    anchor = source.column(str(anchor_field(metric)))
    where = condition_sql(metric.where, source)
    return (
        sa.select(*_columns(question, source))
        .where(anchor >= epoch_ms(span.window.start_at), anchor < epoch_ms(span.window.end_at))
        .where(where)
    )


def _columns(question: Question, source: Filterable) -> Sequence[sa.ColumnElement[Any]]:
    metric, (span,) = question.metric, question.spans
    count = sa.func.count()
    if isinstance(metric, AggMetric):
        field = metric.aggregation.field
        if field is None:
            return (count,)
        x: sa.ColumnElement[Any] = source.column(field)
        kept = condition_sql(metric.aggregation.where, source)
        return (
            sa.func.count(x).filter(kept),
            *(sa.func.sum(part).filter(kept) for part in (x // MICROS, x % MICROS)),
        )
    if isinstance(metric, RatioMetric):
        return count.filter(condition_sql(metric.numerator.where, source)), count
    assert isinstance(metric, ConversionMetric | DurationMetric)
    first, second = source.column(metric.from_time), source.column(metric.to_time)
    if isinstance(metric, ConversionMetric):
        within = metric.within // timedelta(milliseconds=1)
        as_of = epoch_ms(span.as_of_at)
        converted = sa.and_(second >= first, second <= first + within, second < as_of)
        mature = first + within <= as_of
        return count, count.filter(mature), count.filter(sa.and_(mature, converted))
    elapsed = second - first
    if metric.agg == "average":
        return sa.func.count(elapsed).filter(elapsed >= 0), sa.func.sum(elapsed).filter(
            elapsed >= 0
        )
    return (elapsed,)  # a median: the values, which whoever asked then ranks


def ask(large: Large, statements: Sequence[str]) -> None:
    """Run the statements, one after the other, in one transaction."""
    with large.warehouse.read() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement).all()


def evaluate(large: Large, asked: dict[str, list[Question]]) -> Answers:
    """Our evaluation of the same questions."""
    answers: Answers = {}
    with large.warehouse.read() as connection:
        for dataset, some in asked.items():
            found, refusals = evaluate_records(connection, PROJECT, dataset, some)
            assert not refusals, refusals
            answers |= found
    return answers


@row(
    "evaluation: 1,000 key results of a day",
    at_least(5),
    of="a straightforward query for each ÷ evaluation",
)
def one_day(bench: Bench) -> dict[str, Comparison]:
    """Nothing kept from earlier evaluations."""
    found = {}
    for name, large in mirrors(bench).items():
        asked = questions(metrics(), [TODAY])
        with large.warehouse.read() as connection:
            statements = straightforward(connection, asked)
        found[name] = bench.pairs(
            partial(large.used_by, partial(evaluate, large, asked)),
            partial(large.used_by, partial(ask, large, statements)),
        ).inverted()
    return found


@row(
    "evaluation: a 90-day backfill of 100 key results",
    at_most(5),
    of="90 days ÷ the last of them",
)
def backfill(bench: Bench) -> dict[str, Comparison]:
    """Both from nothing."""
    days = [TODAY - timedelta(days=i) for i in reversed(range(90))]
    found = {}
    for name, large in mirrors(bench).items():
        many, one = questions(metrics(100), days), questions(metrics(100), [TODAY])
        found[name] = bench.pairs(
            partial(large.used_by, partial(evaluate, large, many)),
            partial(large.used_by, partial(evaluate, large, one)),
        )
    return found


def changed_records(large: Large, turn: int) -> None:
    """Write 1,000 other versions of records of both datasets, as a pull does."""
    draw = random.Random(turn)
    for dataset, share in ((CONTACTS, 833), (DEALS, 167)):
        ids = [str(number) for number in draw.sample(range(1, SIZES[dataset] + 1), share)]
        rows = [
            {**row, "id": one} for one, row in zip(ids, records(dataset, share, turn), strict=True)
        ]
        with large.warehouse.write() as connection:
            change(connection, dataset, rows)


def evaluate_and_keep(large: Large, asked: dict[str, list[Question]]) -> Answers:
    """Our evaluation as a run does it: its figures by day are kept for the next."""
    answers: Answers = {}
    for dataset, some in asked.items():
        counted: list[Counted] = []
        with large.warehouse.read() as connection:
            found, refusals = evaluate_records(connection, PROJECT, dataset, some, counted)
        assert not refusals, refusals
        answers |= found
        with large.warehouse.write() as connection:
            for each in counted:
                keep_figures(connection, each)
    return answers


def forgetting(large: Large, asked: dict[str, list[Question]]) -> Answers:
    """The same with nothing kept from earlier."""
    with large.warehouse.write() as connection:
        connection.execute(sa.delete(day_figures))
    return evaluate_and_keep(large, asked)


@row(
    "evaluation: the day again after 1,000 changed records",
    at_most(0.1),
    of="evaluation after the changes ÷ evaluation from nothing",
)
def again(bench: Bench) -> dict[str, Comparison]:
    """Writing the changed records is in neither; both must find the same."""
    found = {}
    turns = itertools.count(1)
    for name, large in mirrors(bench).items():
        for label, asked in (
            ("figures that add up", questions(metrics(medians=False), [TODAY])),
            ("with 4 % medians", questions(metrics(), [TODAY])),
        ):
            forgetting(large, asked)
            pairs = []
            for _ in range(bench.repeats):
                changed_records(large, next(turns))
                found_by: list[Answers] = []
                pairs.append(
                    (
                        large.used_by(partial(_found, found_by, evaluate_and_keep, large, asked)),
                        large.used_by(partial(_found, found_by, forgetting, large, asked)),
                    )
                )
                assert found_by[0] == found_by[1]
            found[f"{name}, {label}"] = Comparison(tuple(pairs))
    return found


def _found(
    found: list[Answers],
    evaluation: Callable[[Large, dict[str, list[Question]]], Answers],
    large: Large,
    asked: dict[str, list[Question]],
) -> None:
    found.append(evaluation(large, asked))
