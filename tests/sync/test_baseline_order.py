"""A measured baseline does not hang on which days were measured first."""

from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import select

from okr_sync.warehouse.tables import measured_baseline

PIECES = (("2026-03-10", "2026-03-15"), ("2026-03-01", "2026-03-09"), ("2026-03-05", "2026-03-12"))


@pytest.mark.parametrize("order", list(permutations(PIECES)))
def test_the_first_final_day_of_the_cycle_counts_whatever_was_measured_first(
    desk: Any, order: tuple[tuple[str, str], ...]
) -> None:
    """Without a value in the cycle before, it is the first day that has one, in any order of backfills."""
    desk.key_results(
        "id: share, title: Lift the share, metric: paid_share, goal: {from: measured, to: 100%}"
    )
    desk.contacts = {
        "a": ("2026-03-03T15:00:00Z", "DIRECT"),
        "b": ("2026-03-04T15:00:00Z", "PAID_SEARCH"),
    }
    for days in order:
        desk.sync("2026-03-20T20:00:00", backfill=days)
    with desk.warehouse.read() as connection:
        (frozen,) = connection.execute(select(measured_baseline)).all()
    assert (frozen.baseline, str(frozen.as_of)) == (0, "2026-03-03")
    shown = desk.latest("sales/share")
    assert len(shown) == 15
    assert [day for day, row in shown.items() if row.value is None] == ["2026-03-01", "2026-03-02"]
    assert {row.progress for day, row in shown.items() if day > "2026-03-03"} == {
        shown["2026-03-15"].value
    }
    assert {row.baseline for row in shown.values()} == {0}
    assert {row.quality for row in shown.values()} == {()}
