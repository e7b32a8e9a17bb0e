"""A project in a notebook: the commands' readings as pandas DataFrames.

Belongs here: columns and their types. Does not belong here: the readings themselves (warehouse.status and reads,
commands.previewing, commands.explaining, commands.records).

Every frame has nullable types: numbers `Float64` and `Int64`, texts `string`, flags `boolean`, times
`datetime64[us, UTC]`, days `datetime64[us]` without a zone (a day is not an instant). The warehouse
keeps exact decimals; a frame's numbers are the nearest double, good to 15 digits.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from okr_sync import __version__
from okr_sync.commands.choose import choose_key_results, choose_measured
from okr_sync.commands.explaining import explanation_lines
from okr_sync.commands.preview import observation_object
from okr_sync.commands.previewing import Preview, preview_of
from okr_sync.commands.project_warehouse import end_of_day, opened
from okr_sync.commands.records import RecordRow, record_rows
from okr_sync.config.bundle import Bundle
from okr_sync.config.loader import load_project
from okr_sync.errors import ConfigError, OkrSyncError, UsageError
from okr_sync.inspect.explanation import explain
from okr_sync.warehouse.check_ins import CheckIn, check_ins_of
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.reads import HistoryRow, history
from okr_sync.warehouse.status import StatusRow, status

_TEXT, _NUMBER, _COUNT, _FLAG = "string", "Float64", "Int64", "boolean"
_TIME, _DAY = "datetime64[us, UTC]", "datetime64[us]"
_TYPES = {
    **dict.fromkeys(
        (
            "value",
            "numerator",
            "denominator",
            "progress",
            "score",
            "expected_progress",
            "baseline",
            "target",
            "amount",
            "denominator_amount",
        ),
        _NUMBER,
    ),
    **dict.fromkeys(("sample_size", "revision", "confidence", "check_in_id"), _COUNT),
    **dict.fromkeys(("is_final", "counted", "in_numerator", "in_denominator"), _FLAG),
    **dict.fromkeys(
        (
            "measured_at",
            "stale_after",
            "recorded_at",
            "superseded_at",
            "withdrawn_at",
            "retired_at",
            "at",
        ),
        _TIME,
    ),
    **dict.fromkeys(("as_of", "cycle_start", "cycle_end", "day"), _DAY),
}
"""Columns by name; every other one is text."""


class NotebookProject:
    """A project's readings. The files and the warehouse are read anew by every call.

    Methods take a key result as the commands do: `team/id`, or `id` alone where one team has it.
    They raise OkrSyncError, whose text says what to do.
    """

    def __init__(self, path: "str | PathLike[str]" = ".") -> None:
        self._folder = Path(path)
        load_project(self._folder)

    def __repr__(self) -> str:
        return f"okr_sync.open_project({str(self._folder)!r})"

    def status(
        self, as_of: "str | date | None" = None, as_known_on: "str | date | None" = None
    ) -> pd.DataFrame:
        """Every key result with its number, indexed by `key_result_id`: as `okr-sync status`.

        With `as_known_on` it is what was known at that day's end: "what did we believe on Monday?"
        """
        with opened(self._folder) as (bundle, warehouse):
            rows = status(
                warehouse,
                now=datetime.now(UTC),
                as_of=_day(as_of),
                as_known_on=_known_at(bundle, as_known_on),
            )
        return _frame(StatusRow, rows, ["key_result_id"])

    def history(self, key_result: str, as_known_on: "str | date | None" = None) -> pd.DataFrame:
        """Every revision of a key result's numbers, indexed by `as_of` and `revision`.

        With `as_known_on`, of each day only the one that was known at that day's end.
        """
        with opened(self._folder) as (bundle, warehouse):
            name = _measured(warehouse, bundle, key_result, even_retired=True)
            rows = history(warehouse, name, as_known_on=_known_at(bundle, as_known_on))
        return _frame(HistoryRow, rows, ["as_of", "revision"])

    def preview(
        self,
        key_result: str,
        from_: "str | date | None" = None,
        *,
        pull: bool | None = None,
    ) -> pd.DataFrame:
        """What the files give now, indexed by `as_of`: as `okr-sync preview`, nothing is published.

        `pull` says whether to read the sources first; None reads them if the warehouse can't answer.
        """
        found = self._preview(key_result, _day(from_), pull)
        rows = [observation_object(one) for one in found.observations]
        names = [field for field in _PREVIEW_COLUMNS if field != "as_of"]
        return _typed(rows, ["as_of", *names], ["as_of"])

    def explain(self, key_result: str, as_of: "str | date | None" = None) -> pd.DataFrame:
        """How a number came about, in sentences, indexed by `section`: as `okr-sync explain`."""
        with opened(self._folder) as (bundle, warehouse):
            name = _measured(warehouse, bundle, key_result)
            found = explain(warehouse, bundle, name, _day(as_of), datetime.now(UTC))
        rows = [
            {"section": section, "text": text}
            for section, text in explanation_lines(found, __version__)
        ]
        return _typed(rows, ["section", "text"], ["section"])

    def records(self, key_result: str, as_of: "str | date | None" = None) -> pd.DataFrame:
        """The records behind a number, indexed by `record_id`: as `okr-sync explain --records`."""
        with opened(self._folder) as (bundle, warehouse):
            name = _measured(warehouse, bundle, key_result)
            found = explain(warehouse, bundle, name, _day(as_of), datetime.now(UTC))
            rows = record_rows(warehouse, found)
        return _frame(RecordRow, rows, ["record_id"])

    def check_ins(self, key_result: str) -> pd.DataFrame:
        """What people have said of a key result without a metric, indexed by `day`, withdrawn ones too."""
        with opened(self._folder) as (bundle, warehouse):
            (name,) = choose_key_results([key_result], bundle.key_results)
            with warehouse.read() as connection:
                found = check_ins_of(connection, [name])
        return _frame(CheckIn, sorted(found, key=lambda one: (one.day, one.check_in_id)), ["day"])

    def _preview(self, key_result: str, first: date | None, pull: bool | None) -> Preview:
        bundle = load_project(self._folder)
        known = {*bundle.key_results, *bundle.quarantined}
        (name,) = choose_key_results([key_result], known)
        if name in bundle.quarantined:
            raise ConfigError(f"{name} can't be measured: {bundle.quarantined[name]}")
        found = preview_of(
            bundle,
            bundle.key_results[name],
            first,
            beside_published=False,
            pull=pull,
            now=datetime.now(UTC),
            watch=lambda dataset, rows: None,
        )
        if found.error is not None:
            raise OkrSyncError(found.error)
        return found


_PREVIEW_COLUMNS = (
    "as_of",
    "value",
    "numerator",
    "denominator",
    "sample_size",
    "progress",
    "score",
    "expected_progress",
    "status",
    "is_final",
    "quality",
)


def _measured(
    warehouse: Warehouse, bundle: Bundle, key_result: str, *, even_retired: bool = False
) -> str:
    rows = status(warehouse, now=datetime.now(UTC), even_retired=even_retired)
    return choose_measured(key_result, {row.key_result_id for row in rows}, bundle)


def _known_at(bundle: Bundle, given: "str | date | None") -> datetime | None:
    day = _day(given)
    return None if day is None else end_of_day(bundle.project.time_zone, day)


def _day(given: "str | date | None") -> date | None:
    if isinstance(given, datetime):
        return given.date()
    if not isinstance(given, str):
        return given
    try:
        return date.fromisoformat(given)
    except ValueError as error:
        raise UsageError(f"{given!r} is not a day. Write it as 2026-10-31.") from error


def _frame(kind: type[Any], rows: Iterable[Any], index: list[str]) -> pd.DataFrame:
    names = [field.name for field in dataclasses.fields(kind)]
    plain = [{name: getattr(row, name) for name in names} for row in rows]
    return _typed(plain, names, index)


def _typed(rows: Sequence[Mapping[str, Any]], names: list[str], index: list[str]) -> pd.DataFrame:
    """A frame with these columns in this order, each of its type, also where there is no row."""
    columns = {
        name: pd.Series([_cell(row[name], name) for row in rows], dtype=_TYPES.get(name, _TEXT))
        for name in names
    }
    return pd.DataFrame(columns).set_index(index)


def _cell(value: Any, name: str) -> Any:
    if value is None:
        return None
    kind = _TYPES.get(name)
    if kind == _NUMBER:
        return float(value)
    if kind == _TIME and not isinstance(value, datetime):
        return None if value is None else pd.Timestamp(value, tz="UTC")
    if kind == _DAY:
        return pd.Timestamp(value)
    return ", ".join(value) if isinstance(value, tuple | list) else value
