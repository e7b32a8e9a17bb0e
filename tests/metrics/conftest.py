"""Fixtures of the tests of evaluation: records in the mirror, and metrics evaluated over them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from okr_sync.config.bundle import Bundle
from okr_sync.config.models import (
    AnyMetric,
    Cycle,
    FilesSource,
    Ga4Source,
    Goal,
    GoalKind,
    HubSpotSource,
    KeyResult,
    Position,
    Project,
    RecordMetric,
    SqlSource,
)
from okr_sync.metrics.evaluate_records import Question, evaluate_records
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.spans import Span
from okr_sync.metrics.windows import Window, local_midnight
from okr_sync.warehouse.association_store import replace_associations
from okr_sync.warehouse.connect import Warehouse
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
from okr_sync.warehouse.record_values import parse_value

_READ_AT = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def project() -> Project:
    """A project in New York with a source of each kind and exchange rates in a file."""
    return Project(
        time_zone="America/New_York",
        currency="USD",
        sources={
            "hubspot": HubSpotSource(name="hubspot"),
            "web": Ga4Source(name="web", property="1"),
            "people": SqlSource(name="people", url_env="PEOPLE_URL"),
            "files": FilesSource(name="files", path="files"),
        },
        fx="files.rates",
    )


@pytest.fixture
def bundle_of(project: Project) -> Callable[..., Bundle]:
    """A function for the project with some metrics, and key results on them over the first quarter.

    A key result is named by its metric (`t/` and the name is its id) or as a pair of id and metric.
    """

    def make(metrics: Iterable[AnyMetric], *used: str | tuple[str, str]) -> Bundle:
        key_results = {
            key_result_id: KeyResult(
                key_result_id=key_result_id,
                objective_id="t/o",
                team="t",
                title=key_result_id,
                metric=metric,
                goal=Goal(kind=GoalKind.AT_LEAST, target=Decimal(1), low=Decimal(1)),
                cycle=Cycle("2026-Q1", date(2026, 1, 1), date(2026, 4, 1)),
                settle=timedelta(hours=48),
                revise=timedelta(days=7),
                defined_at=Position("okrs.yaml", 1, 1),
            )
            for key_result_id, metric in (
                (f"t/{one}", one) if isinstance(one, str) else one for one in used
            )
        }
        by_name = {metric.name: metric for metric in metrics}
        return Bundle(Path(), project, by_name, {}, key_results, {}, {}, (), {}, "")

    return make


@pytest.fixture
def put_records() -> Callable[..., None]:
    """A function that makes records, as a source writes them, all that the mirror of a dataset holds.

    The record's id is its `id`, or its place in the list from 1. With `keep`, others stay.
    """

    def put(
        warehouse: Warehouse,
        dataset: str,
        types: Mapping[str, FieldType],
        records: Sequence[Mapping[str, str | None]],
        keep: bool = False,
    ) -> None:
        rows: list[Row] = []
        for number, record in enumerate(records, 1):
            row: Row = {
                "id": record.get("id") or str(number),
                "created_ms": None,
                "updated_ms": None,
            }
            bad = []
            for field, kind in types.items():
                row[column_name(field)], is_bad = parse_value(record.get(field), kind)
                bad += [field] if is_bad else []
            row["bad_fields"] = f",{','.join(bad)}," if bad else None
            rows.append(row)
        source, _, name = dataset.partition(".")
        with warehouse.write() as connection:
            known = state_of(connection, source, name)
            present: set[str] = set()
            if known is not None and not keep:
                present = set(connection.scalars(select(record_table(source, name, {}).c.id)))
            commit_changes(
                connection,
                source,
                name,
                rows=rows,
                gone=present - {str(row["id"]) for row in rows},
                fields={field: FieldState(kind, _READ_AT, None) for field, kind in types.items()},
                known=known,
                state=DatasetState(_READ_AT, _READ_AT, "1", "America/New_York", "USD"),
            )

    return put


@pytest.fixture
def put_associations() -> Callable[..., None]:
    """A function that stores which contacts each deal has, by the deal's id."""

    def put(warehouse: Warehouse, pairs: Mapping[str, Sequence[str]]) -> None:
        with warehouse.write() as connection:
            replace_associations(connection, "hubspot", "deals", "contacts", pairs, _READ_AT)

    return put


@pytest.fixture
def days(project: Project) -> Callable[..., Span]:
    """A function for the span of the days first..last, both inclusive, as known at the last's end."""
    zone = ZoneInfo(project.time_zone)

    def span(first: date, last: date) -> Span:
        end = last + timedelta(days=1)
        end_at = local_midnight(end, zone)
        return Span(last, end_at, Window(first, end, local_midnight(first, zone), end_at))

    return span


@pytest.fixture
def march(days: Callable[..., Span]) -> Span:
    """March 2026."""
    return days(date(2026, 3, 1), date(2026, 3, 31))


@pytest.fixture
def measure(project: Project, march: Span) -> Callable[..., Measurement]:
    """A function that evaluates a metric over records; the test fails if it is refused."""

    def of(warehouse: Warehouse, metric: RecordMetric, at: Span = march) -> Measurement:
        with warehouse.read() as connection:
            questions = [Question(metric, (at,))]
            answers, refusals = evaluate_records(connection, project, metric.dataset, questions)
        assert not refusals
        return answers[metric.name, at]

    return of


@pytest.fixture
def refusal(project: Project, march: Span) -> Callable[..., str]:
    """A function that gives the reason why a metric over records is refused."""

    def of(warehouse: Warehouse, metric: RecordMetric) -> str:
        with warehouse.read() as connection:
            questions = [Question(metric, (march,))]
            answers, refusals = evaluate_records(connection, project, metric.dataset, questions)
        assert not answers
        return refusals[metric.name]

    return of
