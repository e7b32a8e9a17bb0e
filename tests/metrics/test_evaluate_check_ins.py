"""Check-ins as measurements: the last word counts until the next one, and not beyond its window."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal as D

from okr_sync.config.models import Family, ManualMetric
from okr_sync.metrics.evaluate_check_ins import evaluate_check_ins
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.check_ins import Said, add_check_in, withdraw_check_in
from okr_sync.warehouse.connect import Warehouse

SAID_AT = datetime(2026, 4, 20, 12, tzinfo=UTC)


def said(day: date, value: str, confidence: int, key_result_id: str = "t/kr") -> Said:
    """What somebody says of a key result."""
    return Said(key_result_id, day, D(value), confidence, None, "ada@example.com")


def test_the_last_word_counts_until_the_next_one(
    warehouse: Warehouse, days: Callable[..., Span]
) -> None:
    """Each day has the newest check-in up to it with its day and confidence; other key results' and
    withdrawn ones, and those from before the window, have no say."""
    for one in (
        said(date(2026, 2, 28), "1", 1),
        said(date(2026, 3, 5), "2.5", 7),
        said(date(2026, 3, 9), "3", 10),
        said(date(2026, 3, 9), "4", 9),
        said(date(2026, 3, 12), "99", 3),
        said(date(2026, 3, 6), "50", 5, "t/other"),
    ):
        add_check_in(warehouse, one, SAID_AT)
    assert withdraw_check_in(warehouse, "t/kr", 5, SAID_AT)
    first = date(2026, 3, 1)
    spans = [days(first, date(2026, 3, day)) for day in (4, 5, 8, 9, 31)]
    metric = ManualMetric(name="t/kr", family=Family.ENGAGEMENT, key_result_id="t/kr")
    with warehouse.read() as connection:
        found = evaluate_check_ins(connection, metric, spans)
    on_5th = Measurement(D("2.5"), quality=("checked_in:2026-03-05", "confidence:7"))
    on_9th = Measurement(D(4), quality=("checked_in:2026-03-09", "confidence:9"))
    assert list(found.items()) == list(
        zip(spans, [Measurement(None), on_5th, on_5th, on_9th, on_9th], strict=True)
    )
