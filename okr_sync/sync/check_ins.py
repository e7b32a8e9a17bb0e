"""Key results that people check in: their days, when a check-in is due, and what stands in the way.

Belongs here: what a run does otherwise for them than for measured ones. Does not belong here: reading
what people write (check_in_rows), keeping it (warehouse.check_ins) or the number of a day
(metrics.evaluate_check_ins).
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, timedelta

from sqlalchemy import Connection, select

from okr_sync.config.bundle import Bundle
from okr_sync.config.cycles import Calendar
from okr_sync.config.models import KeyResult
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.spans import Span
from okr_sync.metrics.windows import local_midnight
from okr_sync.warehouse.check_ins import CheckIn, check_in_on, check_ins_of, refusals_of
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.overrides import Override, override_on
from okr_sync.warehouse.reads import pulls
from okr_sync.warehouse.tables import key_result_history

_MOST_TOLD = 3


def days_to_judge(key_result: KeyResult, day: date) -> set[date]:
    """Every day of the cycle up to `day`: a check-in may be said, or mended, for any of them."""
    first = key_result.cycle.start
    return {first + timedelta(days=i) for i in range((day - first).days + 1)}


def said_since(
    connection: Connection, key_result_ids: Collection[str], since: Mapping[str, datetime]
) -> set[str]:
    """The key results of which a check-in was recorded or withdrawn after the instant given for each."""
    return {
        one.key_result_id
        for one in check_ins_of(connection, key_result_ids)
        if max(one.recorded_at, one.withdrawn_at or one.recorded_at) > since[one.key_result_id]
    }


def worth_publishing(
    connection: Connection,
    key_result: KeyResult,
    measurements: Mapping[Span, Measurement],
    overrides: Collection[Override],
) -> dict[Span, Measurement]:
    """The days with a number, the newest day, and those whose published number has been withdrawn.

    Days before the first check-in are not filled with nothing.
    """
    published = set(
        connection.scalars(
            select(key_result_history.c.as_of).where(
                key_result_history.c.key_result_id == key_result.key_result_id,
                key_result_history.c.superseded_at.is_(None),
            )
        )
    )
    newest = max((span.as_of for span in measurements), default=None)
    return {
        span: one
        for span, one in measurements.items()
        if one.value is not None
        or span.as_of == newest
        or span.as_of in published
        or override_on(overrides, span.as_of) is not None
    }


def due_at(key_result: KeyResult, check_ins: Iterable[CheckIn], calendar: Calendar) -> datetime:
    """When a key result's number is stale without another check-in: at the end of the day it is due."""
    if key_result.check_in_every is None:
        raise ValueError(f"{key_result.key_result_id} has a metric")
    cycle = key_result.cycle
    last = check_in_on(check_ins, cycle.end - timedelta(days=1), cycle.start)
    day = cycle.start if last is None else last.day
    due = day + timedelta(days=key_result.check_in_every // timedelta(days=1))
    return local_midnight(due + timedelta(days=1), calendar.zone)


def check_in_failures(
    warehouse: Warehouse, bundle: Bundle, run_id: str, key_results: Iterable[KeyResult]
) -> dict[str, str]:
    """Why what files say of these key results is not known, by id, for people.

    That is a pull of this run that failed, or rows about the key result that were refused.
    """
    dataset = bundle.project.check_ins.dataset
    manual = [one.key_result_id for one in key_results if one.is_manual]
    if dataset is None or not manual:
        return {}
    for pull in pulls(warehouse, run_id):
        if f"{pull.source}.{pull.dataset}" == dataset and not pull.is_complete:
            return dict.fromkeys(manual, pull.error or "The check-ins could not be read.")
    refused: dict[str, list[str]] = {}
    with warehouse.read() as connection:
        for refusal in refusals_of(connection, dataset):
            if refusal.key_result_id in manual:
                refused.setdefault(refusal.key_result_id, []).append(
                    f"{refusal.place}: {refusal.error}"
                )
    return {name: _told(texts) for name, texts in refused.items()}


def _told(texts: list[str]) -> str:
    more = len(texts) - _MOST_TOLD
    rest = [f"And {more} more such rows."] if more > 0 else []
    return " ".join([*texts[:_MOST_TOLD], *rest])
