"""Check-ins: numbers that people say for key results without a metric, and how sure they are.

Belongs here: adding, withdrawing and reading rows of check_in, and the rows of files that were
refused. Does not belong here: reading what people write (sync.check_in_rows), or which number a day
gets (metrics.evaluate_check_ins).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from okr_sync.warehouse.chunks import among
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.locks import Lock, hold
from okr_sync.warehouse.tables import check_in, check_in_refusal, source_state
from okr_sync.warehouse.upsert import upsert

MANUAL = "manual"
"""The origin of published numbers that people have said."""


@dataclass(frozen=True)
class Said:
    """What somebody says of a key result as of the end of a day; `confidence` is 1 to 10."""

    key_result_id: str
    day: date
    value: Decimal
    confidence: int
    note: str | None
    author: str


@dataclass(frozen=True)
class CheckIn(Said):
    """A check-in as it is kept; `check_in_id` counts those of a key result from 1.

    `dataset` and `place` (file and line) say where it was read, None for one of the command. One that
    is withdrawn counts for no day.
    """

    check_in_id: int
    recorded_at: datetime
    dataset: str | None = None
    place: str | None = None
    withdrawn_at: datetime | None = None


@dataclass(frozen=True)
class Refusal:
    """A row of a file that is no check-in: where it stands, whom it is about, and what to do."""

    place: str
    key_result_id: str | None
    error: str


def add_check_in(warehouse: Warehouse, said: Said, recorded_at: datetime) -> CheckIn:
    """Record a check-in and return it; it shows with the next run.

    The same again, as after a command that was killed before it could answer, is the same check-in.
    """
    with warehouse.write() as connection:
        hold(connection, Lock.PUBLISH)  # two at once must not take the same number
        last = check_in_on(check_ins_of(connection, [said.key_result_id]), said.day)
        if last is not None and last.dataset is None and said_of(last) == said:
            return last
        return _add(connection, said, recorded_at)


def withdraw_check_in(
    warehouse: Warehouse, key_result_id: str, check_in_id: int, withdrawn_at: datetime
) -> bool:
    """Take a check-in back, from the next run on; False if there is none that still counts."""
    table = check_in
    with warehouse.write() as connection:
        done = connection.execute(
            update(table)
            .where(
                table.c.key_result_id == key_result_id,
                table.c.check_in_id == check_in_id,
                table.c.withdrawn_at.is_(None),
            )
            .values(withdrawn_at=withdrawn_at)
        )
        return done.rowcount > 0


def take_in_file(
    warehouse: Warehouse,
    dataset: str,
    rows: Sequence[tuple[str, Said]],
    refusals: Sequence[Refusal],
    key_result_ids: Collection[str],
    now: datetime,
) -> None:
    """Make the check-ins that a dataset's files hold, each with its place, the recorded ones.

    Of `key_result_ids` those are withdrawn that are no longer in the files, unless a row about the
    key result was refused: it may be the one. The last row of a day counts.
    """
    wanted: dict[tuple[str, date], tuple[str, Said]] = {}
    for place, said in rows:
        wanted[said.key_result_id, said.day] = place, said
    unclear = {refusal.key_result_id for refusal in refusals}
    with warehouse.write() as connection:
        hold(connection, Lock.PUBLISH)
        table = check_in.c
        known: set[tuple[str, date]] = set()
        for one in check_ins_of(connection, key_result_ids):
            if one.dataset != dataset or one.withdrawn_at is not None:
                continue
            own = (table.key_result_id == one.key_result_id) & (
                table.check_in_id == one.check_in_id
            )
            key = one.key_result_id, one.day
            if key in wanted and wanted[key][1] == said_of(one):
                known.add(key)
                if wanted[key][0] != one.place:  # rows were added above it
                    connection.execute(update(check_in).where(own).values(place=wanted[key][0]))
            elif key in wanted or one.key_result_id not in unclear:
                connection.execute(update(check_in).where(own).values(withdrawn_at=now))
        for key, (place, said) in wanted.items():
            if key not in known:
                _add(connection, said, now, dataset, place)
        connection.execute(delete(check_in_refusal).where(check_in_refusal.c.dataset == dataset))
        if refusals:
            refused = [asdict(refusal) | {"dataset": dataset} for refusal in refusals]
            connection.execute(insert(check_in_refusal), refused)
        source, _, name = dataset.partition(".")
        upsert(
            connection,
            source_state,
            [{"source": source, "dataset": name, "cursor_at": now, "complete_at": now}],
        )


def check_ins_of(
    connection: Connection, key_result_ids: Collection[str] | None = None
) -> list[CheckIn]:
    """All check-ins, withdrawn ones too, in order of key result and number."""
    statement = select(check_in)
    found = [
        CheckIn(**row)
        for chosen in among(check_in.c.key_result_id, key_result_ids)
        for row in connection.execute(statement.where(chosen)).mappings()
    ]
    return sorted(found, key=lambda one: (one.key_result_id, one.check_in_id))


def check_in_on(check_ins: Iterable[CheckIn], day: date, since: date = date.min) -> CheckIn | None:
    """Of one key result's check-ins the one that counts on a day: the newest, of a day the last said."""
    active = [one for one in check_ins if one.withdrawn_at is None and since <= one.day <= day]
    return max(active, key=lambda one: (one.day, one.check_in_id), default=None)


def said_of(one: CheckIn) -> Said:
    """What was said, without what is known of how it came here."""
    return Said(one.key_result_id, one.day, one.value, one.confidence, one.note, one.author)


def refusals_of(connection: Connection, dataset: str) -> list[Refusal]:
    """The rows of a dataset's files that were refused when they were read last, in order of place."""
    columns = check_in_refusal.c
    found = connection.execute(
        select(columns.place, columns.key_result_id, columns.error).where(
            columns.dataset == dataset
        )
    )
    return [Refusal(*row) for row in sorted(found, key=lambda row: _by_number(row.place))]


def _by_number(place: str) -> tuple[Any, ...]:
    file, _, number = place.rpartition(" ")
    return file, int(number) if number.isdigit() else 0


def _add(
    connection: Connection,
    said: Said,
    recorded_at: datetime,
    dataset: str | None = None,
    place: str | None = None,
) -> CheckIn:
    last = connection.scalar(
        select(func.max(check_in.c.check_in_id)).where(
            check_in.c.key_result_id == said.key_result_id
        )
    )
    added = CheckIn(
        **asdict(said),
        check_in_id=(last or 0) + 1,
        recorded_at=recorded_at,
        dataset=dataset,
        place=place,
    )
    connection.execute(insert(check_in), [asdict(added)])
    return added
