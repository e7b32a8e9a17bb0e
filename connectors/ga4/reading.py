"""Reading reports to the end: batches, pages, second looks, and one bad field among good ones.

Belongs here: the order of calls that gets every report whole or says why not. Does not belong here:
single calls (calls), what a page must be (rows) or storing (connector).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.ga4.calls import Ga4Calls, RefusedReportError
from connectors.ga4.requests import Report, batches, report_message
from connectors.ga4.rows import Answer, Page, assemble, first_days, read_page
from okr_sync.errors import IncompletePullError, SourceError
from okr_sync.warehouse.report_store import FigureRefusal

READS = 3
"""How often a report is read from its first page, when its pages don't fit together."""


@dataclass
class Reading:
    """What was read: whole reports, and (series, metric) → why GA4 won't answer that.

    After an error it holds what had been whole before: reports, and the days of a report by day whose
    pages had come.
    """

    answers: list[Answer] = field(default_factory=list)
    refusals: dict[tuple[str, str], FigureRefusal] = field(default_factory=dict)


def read_reports(
    calls: Ga4Calls, property_id: str, reports: Sequence[Report], reading: Reading
) -> None:
    """Read every report, whole, into `reading`.

    A 400 names something that can't be asked for. The reports of its batch are then asked one by
    one, and the metrics of a refused report too, so that one binding's mistake stops no other.
    Raises SourceError for any other failure.
    """
    sendable: list[Report] = []
    for report in reports:
        try:
            report_message(report, property_id)
        except SourceError as error:
            _refuse(reading, report, error)
        else:
            sendable.append(report)
    for batch in batches(sendable):
        try:
            firsts = _pages(calls, property_id, batch)
        except RefusedReportError:
            for report in batch:
                _read_alone(calls, property_id, report, reading)
        else:
            for report, first in zip(batch, firsts, strict=True):
                _read_on(calls, property_id, report, first, reading)


def _read_alone(calls: Ga4Calls, property_id: str, report: Report, reading: Reading) -> None:
    """Read one report, or those of its metrics that go."""
    try:
        first = _pages(calls, property_id, [report])[0]
    except RefusedReportError as error:
        if len(report.metrics) == 1:
            _refuse(reading, report, error)
            return
        for metric in report.metrics:
            _read_alone(calls, property_id, report.with_metrics([metric]), reading)
    else:
        _read_on(calls, property_id, report, first, reading)


def _refuse(reading: Reading, report: Report, error: SourceError) -> None:
    for metric in report.metrics:
        reading.refusals[report.where.key(), metric] = FigureRefusal(error.user_text)


def _read_on(
    calls: Ga4Calls, property_id: str, report: Report, first: Any, reading: Reading
) -> None:
    """All pages of a report whose first response is known, read again if they don't fit."""
    for attempt in range(1, READS + 1):
        pages: list[Page] = []
        try:
            pages.append(read_page(first, report))
            while (
                0 < pages[-1].rows
                and sum(page.rows for page in pages) < pages[0].row_count
                and pages[-1].row_count == pages[0].row_count
            ):
                offset = sum(page.rows for page in pages)
                (following,) = _pages(calls, property_id, [report], offset)
                pages.append(read_page(following, report))
            reading.answers.append(assemble(report, pages))
            return
        except IncompletePullError:
            if attempt == READS:
                raise
        except SourceError:
            begun = first_days(report, pages)
            if begun is not None:
                reading.answers.append(begun)
            raise
        (first,) = _pages(calls, property_id, [report])


def _pages(
    calls: Ga4Calls, property_id: str, reports: Sequence[Report], offset: int = 0
) -> list[Any]:
    return calls.run_reports(reports, _told(reports, property_id), offset)


def _told(reports: Sequence[Report], property_id: str) -> str:
    """What is being read, for people: the metrics and filters of one report, or just how many."""
    if len(reports) > 1:
        return f"property {property_id}"
    fields = ", ".join(sorted(reports[0].where.fields()))
    filtered = f" (filtered by {fields})" if fields else ""
    return f"{', '.join(reports[0].metrics)}{filtered} of property {property_id}"
