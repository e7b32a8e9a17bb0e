"""Figures kept from run to run: after any changes they say what counting everything anew says."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select

from okr_sync.config.models import (
    AggMetric,
    Aggregation,
    ConversionMetric,
    DurationMetric,
    Family,
    Project,
    RatioMetric,
    RecordMetric,
    SnapshotMetric,
)
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.daily_figures import DailyQuestion, daily_figures
from okr_sync.metrics.evaluate_records import Answers, Question, evaluate_records
from okr_sync.metrics.fx import Rates
from okr_sync.metrics.mirrored import read_mirrored
from okr_sync.metrics.record_readings import reading_of
from okr_sync.metrics.scans import cells_of_spans, scan
from okr_sync.metrics.spans import Span
from okr_sync.metrics.timeline import Timeline
from okr_sync.metrics.windows import Window, local_midnight
from okr_sync.warehouse.connect import Warehouse, open_warehouse
from okr_sync.warehouse.encoding import epoch_ms
from okr_sync.warehouse.mirror import (
    DatasetState,
    FieldState,
    FieldType,
    Row,
    column_name,
    named_record_table,
    record_table,
    state_of,
)
from okr_sync.warehouse.mirror_changes import journal_table
from okr_sync.warehouse.mirror_writes import commit_changes, commit_full_read, store
from okr_sync.warehouse.tables import day_figures, mirror_change
from okr_sync.warehouse.tally_store import Counted, keep_figures

ZONE = ZoneInfo("America/New_York")
FIRST = date(2026, 3, 1)  # the 8th has 23 hours
DAYS = 20
TYPES = {
    "created_at": FieldType.INSTANT,
    "won_at": FieldType.INSTANT,
    "amount": FieldType.NUMBER,
    "channel": FieldType.TEXT,
}
AT = datetime(2026, 5, 1, tzinfo=UTC)
PAID = Where((Condition("channel", Operator.EQ, ("PAID",)),))
LARGE = Where((Condition("amount", Operator.GTE, ("5",)),))
BASE = {"dataset": "hubspot.deals", "family": Family.PIPELINE}


def _agg(name: str, agg: str, field: str | None = "amount", where: Where = PAID) -> AggMetric:
    aggregation = Aggregation(agg=agg, field=field)
    return AggMetric(name=name, aggregation=aggregation, time="created_at", where=where, **BASE)


METRICS: tuple[RecordMetric, ...] = (
    _agg("count", "count", None, Where()),
    _agg("sum", "sum"),
    _agg("large", "average", where=LARGE),
    _agg("min", "min"),
    _agg("max", "max", where=Where()),
    RatioMetric(
        name="share",
        numerator=Aggregation(agg="count", where=PAID),
        denominator=Aggregation(agg="count"),
        time="created_at",
        **BASE,
    ),
    ConversionMetric(
        name="won", from_time="created_at", to_time="won_at", within=timedelta(days=3), **BASE
    ),
    DurationMetric(name="days", from_time="created_at", to_time="won_at", agg="average", **BASE),
    DurationMetric(name="longest", from_time="created_at", to_time="won_at", agg="max", **BASE),
    _agg("median", "median"),
    _agg("p90", "p90", where=Where()),
    DurationMetric(name="half", from_time="created_at", to_time="won_at", agg="median", **BASE),
    SnapshotMetric(name="now", aggregation=Aggregation(agg="median", field="amount"), **BASE),
)


def _ms(minutes: int) -> int:
    return epoch_ms(local_midnight(FIRST, ZONE)) + minutes * 60_000


def rows() -> st.SearchStrategy[list[Row]]:
    """Records to add or to overwrite: few ids, so that most are met again."""
    minutes = st.integers(0, DAYS * 1440)
    row = st.fixed_dictionaries(
        {
            "id": st.integers(1, 12).map(str),
            column_name("created_at"): st.none() | minutes.map(_ms),
            column_name("won_at"): st.none() | minutes.map(_ms),
            column_name("amount"): st.none() | st.integers(-9, 9).map(lambda n: n * 500_000),
            column_name("channel"): st.sampled_from(["PAID", "ORGANIC", None]),
            "bad_fields": st.none(),
            "created_ms": st.none(),
            "updated_ms": st.none(),
        }
    )
    return st.lists(row, max_size=6, unique_by=lambda one: one["id"])


def steps() -> st.SearchStrategy[list[tuple[list[Row], set[str], int, int, bool]]]:
    """Changed records, deleted ones, the day and hour of the look, and whether all is read anew."""
    gone = st.sets(st.integers(1, 12).map(str), max_size=4)
    is_full = st.integers(0, 9).map(lambda drawn: drawn == 0)
    hour = st.sampled_from([24, 24, 24, 9, 10])
    step = st.tuples(rows(), gone, st.integers(1, DAYS), hour, is_full)
    return st.lists(step, min_size=2, max_size=4)


@pytest.fixture(scope="module")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A SQLite warehouse for all examples."""
    opened = open_warehouse(f"sqlite:///{tmp_path_factory.mktemp('kept') / 'w.sqlite'}")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def postgresql_database(postgresql_server: str) -> Iterator[Warehouse]:
    """A PostgreSQL warehouse for all examples."""
    opened = open_warehouse(postgresql_server)
    yield opened
    opened.close()


def apply(warehouse: Warehouse, changed: list[Row], gone: set[str], *, is_full: bool) -> None:
    """Write changes as a pull does, or everything as a full read does."""
    fields = {name: FieldState(kind, AT, None) for name, kind in TYPES.items()}
    with warehouse.write() as connection:
        known = state_of(connection, "hubspot", "deals")
        state = DatasetState(AT, AT, "1", ZONE.key, "USD")
        if is_full:
            stage = named_record_table("stage", TYPES)
            stage.create(connection)
            store(connection, stage, changed)
            commit_full_read(
                connection, "hubspot", "deals", stage=stage, fields=fields, known=known, state=state
            )
        else:
            kept = [row for row in changed if row["id"] not in gone]
            commit_changes(
                connection,
                "hubspot",
                "deals",
                rows=kept,
                gone=gone,
                fields=fields,
                known=known,
                state=state,
            )


def questions_of(last: int, hour: int = 24) -> list[Question]:
    """Every metric over two windows that end with a day, or in it."""
    end = FIRST + timedelta(days=last)
    end_at = local_midnight(end - timedelta(days=1), ZONE) + timedelta(hours=hour)
    end_at = min(end_at, local_midnight(end, ZONE))
    spans = tuple(
        Span(
            end - timedelta(days=1), end_at, Window(start, end, local_midnight(start, ZONE), end_at)
        )
        for start in (FIRST, max(FIRST, end - timedelta(days=7)))
    )
    return [Question(metric, spans) for metric in METRICS]


def look(warehouse: Warehouse, project: Project, last: int, hour: int = 24) -> Answers:
    """Evaluate every metric over these windows, and keep the figures."""
    answers, counted = seen(warehouse, project, last, hour)
    keep(warehouse, counted)
    return answers


def seen(
    warehouse: Warehouse, project: Project, last: int, hour: int = 24
) -> tuple[Answers, list[Counted]]:
    """Every metric over these windows, and the figures that are yet to be kept."""
    counted: list[Counted] = []
    with warehouse.read() as connection:
        answers, refusals = evaluate_records(
            connection, project, "hubspot.deals", questions_of(last, hour), counted
        )
    assert not refusals
    return answers, counted


def keep(warehouse: Warehouse, counted: list[Counted]) -> None:
    """Keep figures as a run does."""
    with warehouse.write() as connection:
        for each in counted:
            keep_figures(connection, each)


def anew(warehouse: Warehouse, project: Project, last: int, hour: int = 24) -> Answers:
    """The same with nothing kept from earlier."""
    with warehouse.write() as connection:
        connection.execute(delete(day_figures))
    return look(warehouse, project, last, hour)


@pytest.mark.parametrize("engine", ["sqlite_file", "postgresql_database"])
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(taken=steps())
def test_kept_figures_are_those_counted_anew(
    request: pytest.FixtureRequest,
    project: Project,
    engine: str,
    taken: list[tuple[list[Row], set[str], int, int, bool]],
) -> None:
    """Changed, deleted, restored and moved records: what is kept ends as what counting anew finds."""
    warehouse: Warehouse = request.getfixturevalue(engine)
    apply(warehouse, [], set(), is_full=True)
    look(warehouse, project, 5)
    for changed, gone, last, hour, is_full in taken:
        apply(warehouse, changed, gone, is_full=is_full)
        found = look(warehouse, project, last, hour)
    assert found == anew(warehouse, project, last, hour)


def drawn(draw: random.Random, number: int) -> Row:
    """A deal that may be without a time, an amount or a channel, or won before it was created."""
    created = draw.randrange(DAYS * 1440)
    if draw.random() < 0.4:  # at a midnight of the winter or of the summer, where cohorts are cut
        created = draw.randrange(1, DAYS) * 1440 - draw.choice([0, 60])
    won = created + draw.randrange(-600, 6000)
    return {
        "id": str(number),
        column_name("created_at"): None if draw.random() < 0.05 else _ms(created),
        column_name("won_at"): None if draw.random() < 0.3 else _ms(won),
        column_name("amount"): None if draw.random() < 0.1 else draw.randrange(40) * 500_000,
        column_name("channel"): draw.choice(["PAID", "PAID", "ORGANIC", None]),
        "bad_fields": None,
        "created_ms": None,
        "updated_ms": None,
    }


@pytest.mark.parametrize("seed", range(3))
def test_many_days_of_changes_leave_what_counting_anew_finds(
    warehouse: Warehouse, project: Project, seed: int
) -> None:
    """Hundreds of records, again and again some new, changed and gone: each look is as from nothing."""
    draw = random.Random(seed)
    apply(warehouse, [drawn(draw, number) for number in range(300)], set(), is_full=True)
    look(warehouse, project, 8)
    for last in (8, 13, 15, 13, 14, 8, 9):
        changed = [drawn(draw, number) for number in draw.sample(range(350), 30)]
        gone = {str(number) for number in draw.sample(range(350), 5)}
        apply(warehouse, changed, gone, is_full=False)
        hour = draw.choice([24, 24, 24, 9])
        found = look(warehouse, project, last, hour)
        with warehouse.read() as connection:
            held = connection.execute(select(day_figures)).all()
        assert found == anew(warehouse, project, last, hour)
        with warehouse.write() as connection:  # the next look starts from what was mended
            connection.execute(delete(day_figures))
            connection.execute(insert(day_figures), [row._asdict() for row in held])


def test_a_look_in_the_middle_of_a_day_keeps_whole_days_alone(
    warehouse: Warehouse, project: Project
) -> None:
    """What is cut at the hour of the look is of no use an hour later: the kept figures stay as many."""
    apply(warehouse, fifty(), set(), is_full=True)
    kept = []
    for hour in (24, 9, 10, 11):
        look(warehouse, project, 5, hour)
        with warehouse.read() as connection:
            kept.append(connection.scalar(select(func.count()).select_from(day_figures)))
    assert kept == kept[:1] * 4


def test_values_at_hand_are_ranked_as_the_engine_ranks_them(
    warehouse: Warehouse, project: Project
) -> None:
    """Percentiles with more values than may be held are left to the engine, and say the same."""
    draw = random.Random(1)
    apply(warehouse, [drawn(draw, number) for number in range(300)], set(), is_full=True)
    asked = [each for each in questions_of(15, 9) if each.metric.name in ("median", "p90")]
    spans = asked[0].spans
    with warehouse.read() as connection:
        metrics = [each.metric for each in asked]
        source = read_mirrored(connection, project, "hubspot.deals", metrics).source
        readings = [reading_of(metric, source, (), no_rates) for metric in metrics]
        ranked = scan(connection, cells_of_spans(source, "created_at", spans), readings)
        for most, held in ((500, [True, True]), (200, [True, False]), (10, [False, False])):
            timeline = Timeline(source, "created_at")
            questions = [DailyQuestion(each.daily, spans, False) for each in readings if each.daily]
            found, _ = daily_figures(connection, timeline, questions, most)
            assert [None not in each for each in found] == held
            for reading, answers, measured in zip(readings, found, ranked, strict=True):
                for answer, by_engine in zip(answers, measured, strict=True):
                    assert answer is None or reading.finish(*answer) == by_engine


def no_rates(currency: str) -> Rates:
    """No metric here converts money."""
    raise AssertionError(currency)


def fifty() -> list[Row]:
    """Fifty paid deals of 5."""
    row: Row = {
        column_name("created_at"): _ms(100),
        column_name("won_at"): None,
        column_name("amount"): 5_000_000,
        column_name("channel"): "PAID",
        "bad_fields": None,
        "created_ms": None,
        "updated_ms": None,
    }
    return [{"id": str(number), **row} for number in range(50)]


def test_only_what_changed_is_counted(warehouse: Warehouse, project: Project) -> None:
    """The journal holds the changed record alone, and is empty once the figures know of it."""
    many = fifty()
    apply(warehouse, many, set(), is_full=True)
    first = look(warehouse, project, 3)
    apply(warehouse, [{**many[7], column_name("amount"): 1_000_000}], {"8"}, is_full=False)
    journal = journal_table(record_table("hubspot", "deals", TYPES))
    with warehouse.read() as connection:
        ids = connection.scalars(select(journal.c.id).order_by(journal.c.id)).all()
    assert ids == ["7", "8"]
    second = look(warehouse, project, 3)
    assert {one.value for (name, _), one in first.items() if name == "count"} == {50}
    assert {one.value for (name, _), one in second.items() if name == "count"} == {49}
    assert {one.value for (name, _), one in second.items() if name == "sum"} == {48 * 5 + 1}
    with warehouse.read() as connection:
        assert connection.scalar(select(func.count()).select_from(journal)) == 0
        assert connection.execute(select(mirror_change.c.sequence)).scalar_one() == 2


def test_who_reads_meanwhile_sees_its_own_instant(warehouse: Warehouse, project: Project) -> None:
    """A full read gives up what was noted of changes, and takes it from nobody who is counting."""
    apply(warehouse, fifty(), set(), is_full=True)
    look(warehouse, project, 3)
    apply(warehouse, [], {"8"}, is_full=False)
    with warehouse.read() as connection:
        connection.execute(select(mirror_change.c.sequence)).one()  # here its instant begins
        apply(warehouse, [], set(), is_full=True)
        answers, _ = evaluate_records(connection, project, "hubspot.deals", questions_of(3))
    assert {one.value for (name, _), one in answers.items() if name == "count"} == {49}
    again = look(warehouse, project, 3)
    assert {one.value for (name, _), one in again.items() if name == "count"} == {0}


def test_who_found_nothing_changed_speaks_of_its_own_days_alone(
    warehouse: Warehouse, project: Project
) -> None:
    """A run that was slow stores more days, as of before a change that another run has looked past."""
    apply(warehouse, fifty(), set(), is_full=True)
    look(warehouse, project, 5)
    _, of_slow_run = seen(warehouse, project, 10)
    late = {**fifty()[0], "id": "99", column_name("created_at"): _ms(8 * 1440)}
    apply(warehouse, [late], set(), is_full=False)
    _, of_quick_run = seen(warehouse, project, 5)
    keep(warehouse, of_slow_run)
    keep(warehouse, of_quick_run)
    assert look(warehouse, project, 10) == anew(warehouse, project, 10)


def test_the_journal_has_the_fields_that_the_mirror_has(warehouse: Warehouse) -> None:
    """A field that comes, goes or gets another type begins the journal anew, with its columns."""
    apply(warehouse, fifty(), set(), is_full=True)
    kept = {"source": "hubspot", "dataset": "deals", "part": "p", "sequence": 1, "first_day": 0}
    for types in (TYPES, {**TYPES, "amount": FieldType.TEXT}, {"channel": FieldType.TEXT}, TYPES):
        fields = {name: FieldState(kind, AT, None) for name, kind in types.items()}
        row: Row = {column_name(name): None for name in types}
        row |= {"id": "3", "bad_fields": None, "created_ms": None, "updated_ms": None}
        # The first write finds other columns, the second the figures of the first.
        for _ in range(2):
            with warehouse.write() as connection:
                known = state_of(connection, "hubspot", "deals")
                assert known is not None
                connection.execute(delete(day_figures))
                connection.execute(insert(day_figures).values(**kept, figures="[]"))
                commit_changes(
                    connection,
                    "hubspot",
                    "deals",
                    rows=[row],
                    gone=set(),
                    fields=fields,
                    known=known,
                    state=known,
                )
        journal = journal_table(record_table("hubspot", "deals", types))
        with warehouse.read() as connection:
            assert "3" in {noted.id for noted in connection.execute(select(journal))}
