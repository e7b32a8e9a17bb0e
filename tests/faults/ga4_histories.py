"""Histories of a small GA4 property and a worker that stores its figures, drawn from a seed.

Run by the test file beside it; `python -m tests.faults.ga4_histories FOLDER SEED 1` plays one seed again.
The real connector reads the real sandbox over gRPC or REST. Between pulls days are restated; during
them calls are refused, cut or dropped, pages are short, lack rows or repeat them, row counts lie, and
reports are less than exact. A worker is left behind after any pull and another one goes on.

After each pull every stored figure is held against what the property had: it is right, or one that was
right before and has not been read since, or it has a flag. A pull that says it is complete has stored
every figure as it is. In the end, when nothing goes wrong any more, all figures are right and unflagged.
"""

import os
import random
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import select

from connectors.clock import Clock
from connectors.errors import RetryPolicy
from connectors.ga4.connector import Ga4Connector
from connectors.sandbox.ga4_server import Ga4Sandbox
from connectors.sandbox.ga4_sessions import Ga4Settings
from connectors.shared_state import STATE_VARIABLE
from okr_sync.config.models import Ga4Source
from okr_sync.config.where import Condition, Operator, Where
from okr_sync.metrics.needs import ExactWindowNeed, ReportsNeed, SeriesNeed
from okr_sync.warehouse.connect import open_warehouse
from okr_sync.warehouse.encoding import from_micros
from okr_sync.warehouse.report_store import CHANGED_LATE, refusals
from okr_sync.warehouse.tables import source_report_day, source_report_window

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 6)
BEGIN = datetime(2026, 11, 20, 12, tzinfo=UTC)
MOST_REQUESTS = 100
CHANNELS = ("Email", "Organic Search")

_REFUSALS = (
    *("401_invalid_token", "403_permission", "403_api_disabled", "429_tokens_day"),
    *("429_tokens_hour", "429_tokens_project_hour", "429_concurrent", "429_thresholded"),
    *("500_internal", "503_unavailable", "504_deadline"),
)
_DELIVERIES = ("200_html", "200_cut_json", "drop")
_PAGES = (
    *("short_page", "empty_page", "lost_rows", "repeated_row", "row_count_too_high"),
    *("missing_report", "value_types"),
)
_DOUBTS = ("sampled", "thresholded", "other_row", "truncated")

Figures = dict[tuple[Any, ...], Any]


class WrongError(AssertionError):
    """A stored figure is not what it must be."""


def drawn_sessions(draw: random.Random) -> pd.DataFrame:
    """Up to a few sessions a day, with people who come again."""
    days = [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
    rows = [
        {
            "started_at": f"{day}T{draw.randrange(24):02d}:30:00Z",
            "user_id": f"u{draw.randrange(5)}",
            "new_user": "false",
            "engaged": "true",
            "duration_seconds": "10",
            "sessionDefaultChannelGroup": draw.choice(CHANNELS),
        }
        for day in days
        for _ in range(draw.choice((0, 1, 2, 4, 25)))
    ]
    columns = ["started_at", "user_id", "new_user", "engaged", "duration_seconds"]
    return pd.DataFrame(rows, columns=[*columns, "sessionDefaultChannelGroup"], dtype=str)


_BY_EMAIL = Where((Condition("sessionDefaultChannelGroup", Operator.EQ, ("Email",)),))
_NEED = ReportsNeed(
    "web",
    "report",
    (
        SeriesNeed(Where(), frozenset({"sessions"}), FIRST, LAST),
        SeriesNeed(_BY_EMAIL, frozenset({"sessions"}), FIRST, LAST),
    ),
    (ExactWindowNeed(Where(), frozenset({"totalUsers"}), FIRST, LAST),),
)


def truth(rows: pd.DataFrame) -> Figures:
    """Every figure of the need, by plain counting."""
    figures: Figures = {}
    day_of = rows["started_at"].str[:10]
    for n in range((LAST - FIRST).days + 1):
        day = FIRST + timedelta(days=n)
        of_day = rows[day_of == day.isoformat()]
        figures[Where().key(), "sessions", day] = len(of_day)
        is_email = of_day["sessionDefaultChannelGroup"] == "Email"
        figures[_BY_EMAIL.key(), "sessions", day] = int(is_email.sum())
    figures[Where().key(), "totalUsers", FIRST] = rows["user_id"].nunique()
    return figures


class Stage:
    """One property and one warehouse for all histories."""

    def __init__(self, folder: Path) -> None:
        self.now = BEGIN
        settings = Ga4Settings("123456789", "Etc/UTC", "EUR")
        self.sandbox = Ga4Sandbox(settings, quotas=False, now=lambda: self.now)
        self.sandbox.start()
        os.environ[STATE_VARIABLE] = str(folder / "state")
        self._file = folder / "warehouse.sqlite"
        self._warehouse = open_warehouse(f"sqlite:///{self._file}")
        self._empty = sqlite3.connect(":memory:")
        with closing(sqlite3.connect(self._file)) as opened:
            opened.backup(self._empty)
        self._connectors: dict[str, Ga4Connector] = {}

    def close(self) -> None:
        """Stop the property and close the warehouse."""
        self.forget_workers()
        self._warehouse.close()
        self._empty.close()
        self.sandbox.stop()

    def fresh(self) -> None:
        """Begin another history, days later, when every quota is full again."""
        self.now += timedelta(days=2)
        with closing(sqlite3.connect(self._file)) as opened:
            self._empty.backup(opened)

    def forget_workers(self) -> None:
        """Leave the workers behind; others go on."""
        for connector in self._connectors.values():
            connector.close()
        self._connectors.clear()

    def pulled(self, transport: str) -> Any:
        """One pull over a transport."""
        if transport not in self._connectors:
            source = Ga4Source(name="web", property="123456789")
            environ = self.sandbox.environment_for_grpc()
            if transport == "rest":
                environ = self.sandbox.environment_for_rest()
                source = source.model_copy(
                    update={"credentials_env": "GOOGLE_APPLICATION_CREDENTIALS"}
                )
            clock = Clock(
                epoch=lambda: self.now.timestamp(),
                monotonic=lambda: self.now.timestamp(),
                sleep=self._sleep,
            )
            retries = RetryPolicy(tries=3)
            self._connectors[transport] = Ga4Connector(source, environ, retries, clock)
        return self._connectors[transport].pull(_NEED, self._warehouse, self.now)

    def _sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def refused(self) -> set[tuple[str, str]]:
        """The series and metrics that can't be had, as stored for who evaluates them."""
        with self._warehouse.read() as connection:
            return set(refusals(connection, "web", "report"))

    def stored(self) -> dict[tuple[Any, ...], tuple[Any, tuple[str, ...]]]:
        """Every stored figure with its flags, but for the one that tells that it was restated."""
        day, window = source_report_day, source_report_window
        with self._warehouse.read() as connection:
            found = {
                (row.series, row.metric, row.day): (from_micros(row.value_micros), _doubts(row))
                for row in connection.execute(select(day))
            }
            for row in connection.execute(select(window)):
                if row.metric == "totalUsers":
                    found[row.series, row.metric, row.first_day] = (row.value, _doubts(row))
        return found


def _doubts(row: Any) -> tuple[str, ...]:
    return tuple(flag for flag in row.quality if flag != CHANGED_LATE)


def play(stage: Stage, seed: int) -> None:
    """Play the history of a seed; raises WrongError where a figure is wrong."""
    draw = random.Random(seed)
    stage.fresh()
    faults = stage.sandbox.faults
    faults.switch_off()
    rows = drawn_sessions(draw)
    stage.sandbox.replace_sessions(rows)
    right = truth(rows)
    were: dict[tuple[Any, ...], set[Any]] = {key: {value} for key, value in right.items()}
    for _ in range(draw.choice((1, 2, 3))):
        stage.now += timedelta(hours=draw.choice((1, 26)))
        if draw.random() < 0.4:
            rows = drawn_sessions(draw)
            stage.sandbox.replace_sessions(rows)
            right = truth(rows)
            for key, value in right.items():
                were[key].add(value)
        told = [_switched(faults, draw) for _ in range(draw.choice((0, 1, 1, 2)))]
        before = stage.sandbox.requests.total()
        result = stage.pulled(draw.choice(("grpc", "grpc", "rest")))
        if stage.sandbox.requests.total() - before > MOST_REQUESTS:
            raise WrongError(f"a pull did not end after {MOST_REQUESTS} requests: {told}")
        if not result.is_complete and not result.error:
            raise WrongError(f"an incomplete pull says no reason: {told}")
        _check(stage, right if result.is_complete else None, were, f"{told} {result}")
        faults.switch_off()
        if draw.random() < 0.3:
            stage.forget_workers()
    stage.now += timedelta(days=2)
    result = stage.pulled("grpc")
    if not result.is_complete:
        raise WrongError(f"nothing is wrong any more, and a pull fails: {result}")
    figures = stage.stored()
    if figures != {key: (value, ()) for key, value in right.items()}:
        raise WrongError(f"in the end {figures} is stored, and {right} is right")


def _switched(faults: Any, draw: random.Random) -> str:
    name = "ga4." + draw.choice(draw.choice((_REFUSALS, _DELIVERIES, _PAGES, _DOUBTS)))
    times = draw.choice((None, 1, 1, 2))
    after = draw.randrange(3)
    faults.switch_on(name, times=times, after=after)
    return f"{name}:{times},after={after}"


def _check(
    stage: Stage, right: Figures | None, were: dict[tuple[Any, ...], set[Any]], told: str
) -> None:
    stored = stage.stored()
    for key, (value, flags) in stored.items():
        if not flags and value not in were[key]:
            raise WrongError(f"{key} is {value} without a flag; it was {were[key]}: {told}")
        if right is not None and not flags and value != right[key]:
            raise WrongError(f"{key} is {value} after a complete pull, not {right[key]}: {told}")
    if right is not None and (missing := right.keys() - stored.keys()):
        hidden = stage.refused()
        if not {(series, metric) for series, metric, _ in missing} <= hidden:
            raise WrongError(f"{missing} is missing after a complete pull: {told}")


def main(folder: Path, first: int, count: int) -> int:
    """Play seeds `first` to `first + count - 1`; 1 at the first that fails, which is told.

    Says at last what was played.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stage = Stage(folder)
    played = 0
    try:
        for seed in range(first, first + count):
            try:
                play(stage, seed)
            except WrongError as error:
                print(f"seed {seed}: {error}")
                return 1
            except BaseException as error:
                error.add_note(f"while seed {seed} was played")
                raise
            played += 1
    finally:
        stage.close()
    print(f"played {played} from {first}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
