"""Publishing: observations, history, current numbers and the run's counters in one transaction.

Belongs here: the transaction and its order. Does not belong here: the rules of each table
(definitions, revisions, current, runs), nor any computing or network, which would hold the
warehouse's only writer.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, func, select, update

from okr_sync.checks.results import CheckResult
from okr_sync.garbage import without_collector
from okr_sync.metrics.measurement import MetricObservation
from okr_sync.warehouse.causes import explain_changes, first_cause, keep_restated
from okr_sync.warehouse.check_results import write_checks
from okr_sync.warehouse.chunks import in_chunks
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.current import mark_failed, refresh_current
from okr_sync.warehouse.definitions import write_changed
from okr_sync.warehouse.goals import record_goals
from okr_sync.warehouse.observations import (
    AgreedGoal,
    KeyResultFailure,
    KeyResultObservation,
    KeyResultRow,
    ObjectiveRow,
)
from okr_sync.warehouse.renames import renamed_since
from okr_sync.warehouse.revisions import Changed, Recorded, Row, append_revisions
from okr_sync.warehouse.runs import end_run
from okr_sync.warehouse.tables import (
    key_result,
    key_result_history,
    metric_value,
    objective,
    run_outcome,
    sync_run,
)
from okr_sync.warehouse.turns import confirmed_by_newer, take_turn
from okr_sync.warehouse.upsert import insert_missing, upsert

T = TypeVar("T")

Check = Callable[[Mapping[str, Mapping[date, Sequence[str]]]], Iterable[CheckResult]]
"""Checks what is about to be published: from quality flags by key result id and day, as written."""


class _OfKeyResult(Protocol):
    @property
    def key_result_id(self) -> str: ...


K = TypeVar("K", bound=_OfKeyResult)

_PARTS = ("value", "numerator", "denominator", "sample_size", "quality")
_COMPARED = (
    *_PARTS,
    "progress",
    "score",
    "expected_progress",
    "status",
    "is_final",
    "definition_hash",
)
_BATCH = 20_000  # rows held in memory at once: a long backfill has a million


class Change(NamedTuple):
    """One added revision: what the number was and is, and why; revision 1 had no number before."""

    key_result_id: str
    as_of: date
    old_value: Decimal | None
    new_value: Decimal | None
    revision: int
    cause: str


@dataclass(frozen=True)
class PublishOutcome:
    """What a publish did: observations that were new, revised or unchanged; key results that failed.

    `changes` are the new and the revised ones, in order of key result and day. An outdated one was
    left alone, because a run that began later has spoken of the same key result and day.
    """

    new: int
    revised: int
    unchanged: int
    failed: int
    changes: tuple[Change, ...]
    outdated: int = 0
    revisions: Mapping[str, int] = field(default_factory=dict)
    """How many revisions the newest day of each key result has, by its id."""
    checks: tuple[CheckResult, ...] = ()
    flags: Mapping[str, Mapping[date, Sequence[str]]] = field(default_factory=dict)
    """The quality flags as written, by key result id and day: those that publishing adds included."""


def publish(
    warehouse: Warehouse,
    *,
    run_id: str,
    published_at: datetime,
    measured_at: datetime,
    objectives: Iterable[ObjectiveRow],
    key_results: Iterable[KeyResultRow],
    observations: Iterable[KeyResultObservation],
    metric_observations: Iterable[MetricObservation],
    failures: Iterable[KeyResultFailure],
    stale_after: Mapping[str, datetime | None],
    goals: Iterable[AgreedGoal] = (),
    check: Check | None = None,
) -> PublishOutcome:
    """Write what one step of a run has found: all of it, or, on any error, nothing.

    `key_results` defines at least those observed for the first time, and those whose `goals` are new.
    `stale_after` has every
    observed key result: when its number counts as stale unless confirmed, None for one that is
    settled. Publishing the same again writes no history. A key result that is reported again in the
    same run counts once. The run ends with the publish that completes its key results. What a run
    that began later has published is left as it is. `check` is given what became of each observation,
    and what it finds is kept with the numbers. Raises ValueError for the same key with
    different content or an unknown run, LeaseLostError for a run that is taken for dead or over,
    WarehouseError for the database.
    """
    observed = _unique(observations, lambda one: (one.key_result_id, one.as_of))
    metrics = _unique(metric_observations, _metric_key)
    failed = _unique(failures, lambda one: one.key_result_id)
    defined = _unique(key_results, lambda one: one.key_result_id)
    aims = _unique(objectives, lambda one: one.objective_id)
    agreed = _unique(goals, lambda one: one.key_result_id)
    counts: Counter[str] = Counter()
    changes: list[Change] = []
    outcomes: dict[str, str] = {}
    newest: dict[str, tuple[date, int]] = {}
    flags: dict[str, dict[date, Sequence[str]]] = {}
    checks: tuple[CheckResult, ...] = ()
    with warehouse.write() as connection, without_collector():
        turn = take_turn(connection, run_id)
        given_up = renamed_since(connection, turn.token)
        if given_up:  # a newer run keeps them under another id
            counts["outdated"] += sum(one.key_result_id in given_up for one in observed)
            observed, failed = _without(observed, given_up), _without(failed, given_up)
            defined, agreed = _without(defined, given_up), _without(agreed, given_up)
        aim_rows, defined_rows = [asdict(one) for one in aims], [asdict(one) for one in defined]
        if turn.is_overtaken:  # the newer run's project says what is so now
            insert_missing(connection, objective, aim_rows)
            insert_missing(connection, key_result, defined_rows)
        else:
            write_changed(connection, objective, aim_rows)
            write_changed(connection, key_result, defined_rows, ignored=("config_hash",))
            record_goals(connection, agreed, recorded_at=published_at, run_id=run_id)
        for batch in in_chunks(observed, _BATCH):
            rows = [_history_row(one) for one in batch]
            recorded = append_revisions(
                connection,
                key_result_history,
                rows,
                compared=_COMPARED,
                recorded_at=published_at,
                run_id=run_id,
                turn=turn,
                carry=keep_restated,
                explain=partial(_explain, connection, batch),
            )
            refresh_current(
                connection,
                [one.row for one in recorded if not one.is_outdated],
                stale_after=stale_after,
                measured_at=measured_at,
                run_id=run_id,
                newer=turn.newer,
            )
            _note(recorded, counts, changes, outcomes)
            for each in recorded:
                name, day = each.row["key_result_id"], each.row["as_of"]
                newest[name] = max(newest.get(name, (day, 0)), (day, each.revision))
                if each.row["quality"]:
                    flags.setdefault(name, {})[day] = each.row["quality"]
        for metric_batch in in_chunks(metrics, _BATCH):
            append_revisions(
                connection,
                metric_value,
                [_metric_row(one) for one in metric_batch],
                compared=_PARTS,
                recorded_at=published_at,
                run_id=run_id,
                turn=turn,
            )
        confirmed = confirmed_by_newer(connection, key_result_history, turn)
        mark_failed(connection, failed, run_id=run_id, newer=turn.newer, confirmed=confirmed)
        outcomes |= {one.key_result_id: "failed" for one in failed}
        if check is not None:
            checks = tuple(check(flags))
            write_checks(connection, checks, run_id=run_id, recorded_at=published_at, turn=turn)
        _count(connection, run_id, outcomes, published_at)
    return PublishOutcome(
        counts["new"],
        counts["revised"],
        counts["unchanged"],
        len(failed),
        tuple(changes),
        counts["outdated"],
        {name: revision for name, (_, revision) in newest.items()},
        checks,
        flags,
    )


def _explain(
    connection: Connection, batch: Sequence[KeyResultObservation], changed: Sequence[Changed]
) -> None:
    if changed:  # in a first backfill, however long, nothing has
        observed = {(one.key_result_id, one.as_of): one for one in batch}
        explain_changes(connection, changed, observed)


def _note(
    recorded: Sequence[Recorded],
    counts: Counter[str],
    changes: list[Change],
    outcomes: dict[str, str],
) -> None:
    for row, before, revision, is_outdated in recorded:
        name = row["key_result_id"]
        if before is None or before["revision"] != revision:
            counts["new" if before is None else "revised"] += 1
            outcomes[name] = "ok"
            old_value = None if before is None else before["value"]
            changes.append(
                Change(name, row["as_of"], old_value, row["value"], revision, row["cause"])
            )
        else:
            counts["outdated" if is_outdated else "unchanged"] += 1
            outcomes.setdefault(name, "unchanged")


def _count(
    connection: Connection, run_id: str, outcomes: Mapping[str, str], published_at: datetime
) -> None:
    """Add the outcomes to the run's counters, and end the run when none is missing any more."""
    run = connection.execute(select(sync_run).where(sync_run.c.run_id == run_id)).one()
    if run.status != "running":
        return
    mine = run_outcome.c.run_id == run_id
    earlier: dict[str, str] = {}
    for ids in in_chunks(sorted(outcomes)):
        statement = select(run_outcome).where(mine, run_outcome.c.key_result_id.in_(ids))
        earlier |= {row.key_result_id: row.outcome for row in connection.execute(statement)}
    reported = [
        {"run_id": run_id, "key_result_id": name, "outcome": outcome}
        for name, outcome in sorted(outcomes.items())
        # A step that is tried again finds unchanged what it wrote itself the first time.
        if not (outcome == "unchanged" and earlier.get(name) == "ok")
    ]
    upsert(connection, run_outcome, reported)
    statement_of_counts = (
        select(run_outcome.c.outcome, func.count()).where(mine).group_by(run_outcome.c.outcome)
    )
    counted = {outcome: number for outcome, number in connection.execute(statement_of_counts)}
    connection.execute(
        update(sync_run)
        .where(sync_run.c.run_id == run_id)
        .values(
            key_results_ok=counted.get("ok", 0),
            key_results_failed=counted.get("failed", 0),
            key_results_unchanged=counted.get("unchanged", 0),
        )
    )
    if sum(counted.values()) >= run.key_results_expected:
        end_run(connection, run_id, finished_at=published_at)


def _unique(given: Iterable[T], key: Callable[[T], Any]) -> list[T]:
    """The given things in order of their keys, each once."""
    found: dict[Any, T] = {}
    for one in given:
        kept = found.setdefault(key(one), one)
        if kept is not one and kept != one:
            raise ValueError(f"{type(one).__name__} {key(one)!r} comes twice and differs")
    return [found[name] for name in sorted(found)]


def _without(rows: list[K], given_up: Collection[str]) -> list[K]:
    return [one for one in rows if one.key_result_id not in given_up]


def _metric_key(one: MetricObservation) -> tuple[str, date, date, date]:
    return one.metric, one.as_of, one.window.start_day, one.window.end_day


def _history_row(one: KeyResultObservation) -> Row:
    measurement = one.measurement
    return {
        "key_result_id": one.key_result_id,
        "as_of": one.as_of,
        "value": measurement.value,
        "numerator": measurement.numerator,
        "denominator": measurement.denominator,
        "sample_size": measurement.sample_size,
        "progress": one.progress,
        "score": one.score,
        "expected_progress": one.expected_progress,
        "status": one.status,
        "is_final": one.is_final,
        "origin": one.origin,
        "cause": first_cause(one.origin).value,
        "baseline": one.baseline,
        "target": one.target,
        "quality": tuple(sorted(set(one.quality))),
        "definition_hash": one.definition_hash,
    }


def _metric_row(one: MetricObservation) -> Row:
    measurement = one.measurement
    return {
        "metric": one.metric,
        "as_of": one.as_of,
        "window_start": one.window.start_day,
        "window_end": one.window.end_day,
        "value": measurement.value,
        "numerator": measurement.numerator,
        "denominator": measurement.denominator,
        "sample_size": measurement.sample_size,
        "quality": tuple(sorted(set(measurement.quality))),
    }
