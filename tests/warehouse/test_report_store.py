"""Report figures in the warehouse: exact, replaced as a whole, never mixed between properties."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select

from okr_sync.errors import SourceError
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.encoding import from_micros
from okr_sync.warehouse.report_store import (
    DailyFigures,
    FigureRefusal,
    ReportAccount,
    ReportKey,
    WindowFigure,
    days_present,
    put_windows,
    record_account,
    record_refusals,
    refusals,
    replace_days,
    report_account,
    windows_present,
)
from okr_sync.warehouse.tables import source_report_day, source_report_window

KEY = ReportKey("web", "reports", "")
MOBILE = ReportKey("web", "reports", "abc")
FIRST, SECOND, THIRD = date(2026, 10, 1), date(2026, 10, 2), date(2026, 10, 3)
MONDAY = datetime(2026, 10, 5, 8, tzinfo=UTC)
TUESDAY = datetime(2026, 10, 6, 8, tzinfo=UTC)


def stored_days(warehouse: Warehouse) -> dict[tuple[str, str, date], tuple[Decimal, object]]:
    """Every stored day: (series, metric, day) → (value, quality)."""
    table = source_report_day
    with warehouse.read() as connection:
        return {
            (row.series, row.metric, row.day): (from_micros(row.value_micros), row.quality)
            for row in connection.execute(select(table))
        }


def test_days_are_replaced_and_zeros_are_explicit(warehouse: Warehouse) -> None:
    """A second read restates the days it covers; a day without a row is a stored 0."""
    with warehouse.write() as connection:
        first = DailyFigures({FIRST: Decimal("17.5"), SECOND: Decimal(100)}, ("sampled",))
        replace_days(connection, KEY, {"keyEvents": first}, FIRST, THIRD, MONDAY)
        replace_days(connection, MOBILE, {"keyEvents": DailyFigures({})}, SECOND, SECOND, MONDAY)
    with warehouse.write() as connection:
        again = DailyFigures({SECOND: Decimal(120)})
        replace_days(connection, KEY, {"keyEvents": again}, SECOND, THIRD, TUESDAY)
        assert days_present(connection, KEY, "keyEvents", FIRST, THIRD) == {
            FIRST: MONDAY,
            SECOND: TUESDAY,
            THIRD: TUESDAY,
        }
    assert stored_days(warehouse) == {
        ("", "keyEvents", FIRST): (Decimal("17.5"), ("sampled",)),
        ("", "keyEvents", SECOND): (Decimal(120), ()),
        ("", "keyEvents", THIRD): (Decimal(0), ()),
        ("abc", "keyEvents", SECOND): (Decimal(0), ()),
    }


def test_more_decimals_than_six_are_rounded_half_even(warehouse: Warehouse) -> None:
    """Millionths are exact to add; what lies beyond is rounded without a bias."""
    values = {FIRST: Decimal("0.0000025"), SECOND: Decimal("0.0000035"), THIRD: Decimal("-1.5")}
    with warehouse.write() as connection:
        replace_days(connection, KEY, {"totalRevenue": DailyFigures(values)}, FIRST, THIRD, MONDAY)
    stored = stored_days(warehouse)
    assert [stored["", "totalRevenue", day][0] for day in (FIRST, SECOND, THIRD)] == [
        Decimal("0.000002"),
        Decimal("0.000004"),
        Decimal("-1.5"),
    ]


def test_a_value_that_is_too_large_is_refused(warehouse: Warehouse) -> None:
    """A number that can't be kept is an error in words, and nothing of the pull is stored."""
    with pytest.raises(SourceError, match="too large"), warehouse.write() as connection:
        replace_days(
            connection, KEY, {"sessions": DailyFigures({FIRST: Decimal(1)})}, FIRST, FIRST, MONDAY
        )
        replace_days(
            connection,
            KEY,
            {"totalRevenue": DailyFigures({FIRST: Decimal("1e13")})},
            FIRST,
            FIRST,
            MONDAY,
        )
    assert stored_days(warehouse) == {}


def test_windows_are_exact_and_replaced(warehouse: Warehouse) -> None:
    """A rate keeps every digit that GA4 told; no value stays no value; the last read counts."""
    rate = Decimal("0.67152961980548188")
    with warehouse.write() as connection:
        put_windows(
            connection,
            KEY,
            [
                WindowFigure("totalUsers", FIRST, THIRD, Decimal(7)),
                WindowFigure("sessionKeyEventRate", FIRST, THIRD, None),
            ],
            MONDAY,
        )
    with warehouse.write() as connection:
        put_windows(
            connection,
            KEY,
            [
                WindowFigure("sessionKeyEventRate", FIRST, THIRD, Decimal(1)),
                WindowFigure("sessionKeyEventRate", FIRST, THIRD, rate, ("thresholded",)),
                WindowFigure("sessionKeyEventRate", FIRST, SECOND, None),
            ],
            TUESDAY,
        )
        assert windows_present(connection, "web", "reports", {THIRD}) == {
            ("", "totalUsers", FIRST, THIRD): MONDAY,
            ("", "sessionKeyEventRate", FIRST, THIRD): TUESDAY,
        }
        assert windows_present(connection, "web", "reports", {SECOND}) == {
            ("", "sessionKeyEventRate", FIRST, SECOND): TUESDAY
        }
        assert windows_present(connection, "web", "reports", ()) == {}
    table = source_report_window
    with warehouse.read() as connection:
        rows = {
            (row.metric, row.last_day): (row.value, row.quality)
            for row in connection.execute(select(table))
        }
    assert rows == {
        ("totalUsers", THIRD): (Decimal(7), ()),
        ("sessionKeyEventRate", THIRD): (rate, ("thresholded",)),
        ("sessionKeyEventRate", SECOND): (None, ()),
    }


def test_another_property_starts_anew(warehouse: Warehouse) -> None:
    """Figures of two properties are never added up when the project names another one."""
    berlin = ReportAccount("111", "Europe/Berlin", "EUR")
    with warehouse.write() as connection:
        assert report_account(connection, "web", "reports") is None
        record_account(connection, "web", "reports", berlin, MONDAY)
        figures = {"sessions": DailyFigures({FIRST: Decimal(5)})}
        replace_days(connection, KEY, figures, FIRST, FIRST, MONDAY)
        put_windows(connection, KEY, [WindowFigure("totalUsers", FIRST, FIRST, Decimal(5))], MONDAY)
    with warehouse.write() as connection:
        record_account(connection, "web", "reports", ReportAccount("111", None, None), TUESDAY)
        assert report_account(connection, "web", "reports") == berlin
        assert days_present(connection, KEY, "sessions", FIRST, FIRST)
        auckland = ReportAccount("222", "Pacific/Auckland", "NZD")
        record_account(connection, "web", "reports", auckland, TUESDAY)
        assert report_account(connection, "web", "reports") == auckland
        assert not days_present(connection, KEY, "sessions", FIRST, FIRST)
        assert windows_present(connection, "web", "reports", {FIRST}) == {}


def test_refusals_come_and_go(warehouse: Warehouse) -> None:
    """Why a figure can't be had is kept until it can, by filter and metric."""
    with warehouse.write() as connection:
        unknown, hidden = FigureRefusal("no such"), FigureRefusal("not here", ("blocked_metric",))
        record_refusals(connection, MOBILE, ["sessions", "keyEvents"], {"keyEvents": unknown})
        assert refusals(connection, "web", "reports") == {("abc", "keyEvents"): unknown}
        record_refusals(connection, KEY, ["totalUsers"], {"totalUsers": hidden})
        record_refusals(connection, MOBILE, ["keyEvents"], {})
        assert refusals(connection, "web", "reports") == {("", "totalUsers"): hidden}
        assert refusals(connection, "other", "reports") == {}
