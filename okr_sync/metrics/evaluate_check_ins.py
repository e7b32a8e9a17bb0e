"""Numbers that people say: the check-in that counts on a day, as a measurement.

Belongs here: that the last word goes on until the next one, within a cycle. Does not belong here:
keeping check-ins (warehouse.check_ins) or when one is due (sync.check_ins).
"""

from collections.abc import Iterable

from sqlalchemy import Connection

from okr_sync.config.models import ManualMetric
from okr_sync.metrics.measurement import Measurement
from okr_sync.metrics.spans import Span
from okr_sync.warehouse.check_ins import check_in_on, check_ins_of


def evaluate_check_ins(
    connection: Connection, metric: ManualMetric, spans: Iterable[Span]
) -> dict[Span, Measurement]:
    """The measurements of a key result that takes check-ins, by span.

    Flags say of which day the number is and how sure its author was: `checked_in:2026-11-23`,
    `confidence:7`. What was said before the window has no say in it.
    """
    check_ins = check_ins_of(connection, [metric.key_result_id])
    found: dict[Span, Measurement] = {}
    for span in spans:
        said = check_in_on(check_ins, span.as_of, span.window.start_day)
        found[span] = (
            Measurement(None)
            if said is None
            else Measurement(
                said.value, quality=(f"checked_in:{said.day}", f"confidence:{said.confidence}")
            )
        )
    return found
