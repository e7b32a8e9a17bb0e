"""Reports that come in pages, or don't fit together, from a scripted server over real gRPC."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import grpc
import pytest
from google.analytics.data_v1beta.types import BatchRunReportsRequest, BatchRunReportsResponse
from google.protobuf.json_format import ParseDict
from sqlalchemy import select

from connectors.base import PullResult
from connectors.ga4.connector import Ga4Connector
from okr_sync.config.models import Ga4Source
from okr_sync.config.where import Where
from okr_sync.metrics.needs import ExactWindowNeed, ReportsNeed, SeriesNeed
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.encoding import from_micros
from okr_sync.warehouse.tables import source_report_day

NEED = ReportsNeed(
    "web",
    "reports",
    (SeriesNeed(Where(), frozenset({"sessions"}), date(2026, 11, 1), date(2026, 11, 4)),),
    (),
)
EVENTS = frozenset({"eventCount"})
FIRST_DAY = date(2026, 11, 1)
Answer = dict[str, Any]


class Script(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Answers each batchRunReports call with the next of these batches, after calls that end with these
    statuses; refuses when the batches are over; keeps the offsets asked."""

    def __init__(
        self, answers: list[list[Answer]], ends_with: Sequence[grpc.StatusCode] = ()
    ) -> None:
        self.answers = answers
        self.ends_with = list(ends_with)
        self.offsets: list[int] = []

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a call; every method is answered from the script."""
        request_type = type(BatchRunReportsRequest.pb(BatchRunReportsRequest()))
        return grpc.unary_unary_rpc_method_handler(
            self._answer,
            request_deserializer=request_type.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def _answer(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.offsets += [report.offset for report in request.requests]
        if self.ends_with:
            context.abort(self.ends_with.pop(0), "")
        if not self.answers:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "The script is over.")
        response = BatchRunReportsResponse.pb(BatchRunReportsResponse())
        return ParseDict({"reports": self.answers.pop(0)}, response)


@contextmanager
def served(script: Script) -> Iterator[str]:
    """The endpoint of a started server."""
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((script,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def page(row_count: int, *cells: tuple[str, str]) -> Answer:
    """A response that counts so many rows in all and holds these."""
    return {
        "dimensionHeaders": [{"name": "date"}],
        "metricHeaders": [{"name": "sessions", "type": "TYPE_INTEGER"}],
        "rows": [
            {"dimensionValues": [{"value": day}], "metricValues": [{"value": value}]}
            for day, value in cells
        ],
        "rowCount": row_count,
        "metadata": {"timeZone": "Etc/UTC", "currencyCode": "EUR"},
    }


def pull(script: Script, warehouse: Warehouse, need: ReportsNeed = NEED) -> PullResult:
    """One pull from a server that follows the script."""
    with served(script) as endpoint:
        source = Ga4Source(name="web", property="1", endpoint=endpoint)
        connector = Ga4Connector(source, {})
        try:
            return connector.pull(need, warehouse, datetime(2026, 11, 20, tzinfo=UTC))
        finally:
            connector.close()


def stored(warehouse: Warehouse) -> list[Decimal]:
    """The stored values by day."""
    table = source_report_day
    with warehouse.read() as connection:
        rows = connection.execute(select(table.c.value_micros).order_by(table.c.day))
        return [from_micros(row.value_micros) for row in rows]


FIRST, SECOND, THIRD = ("20261101", "1"), ("20261102", "2"), ("20261103", "3")


def test_short_pages_are_read_to_the_count(sqlite_warehouse: Warehouse) -> None:
    """Scenario 20: pages follow by offset until as many rows were read as GA4 counts."""
    script = Script([[page(3, FIRST)], [page(3, SECOND)], [page(3, THIRD)]])
    result = pull(script, sqlite_warehouse)
    assert (result.error, result.rows, result.rows_expected) == (None, 3, 3)
    assert script.offsets == [0, 1, 2]
    assert stored(sqlite_warehouse) == [1, 2, 3, 0]


def test_a_report_that_changes_between_pages_is_read_again(sqlite_warehouse: Warehouse) -> None:
    """Rows that move between pages would be lost or doubled: the report is read anew."""
    script = Script(
        [
            [page(2, FIRST)],
            [page(3, THIRD)],
            [page(3, FIRST, SECOND)],
            [page(3, THIRD)],
        ]
    )
    result = pull(script, sqlite_warehouse)
    assert result.error is None
    assert script.offsets == [0, 1, 0, 2]
    assert stored(sqlite_warehouse) == [1, 2, 3, 0]


@pytest.mark.parametrize(
    ("pages", "words"),
    [
        ([page(2, FIRST), page(2)], "counts 2 rows in a report, but 1"),
        ([page(2, FIRST), page(3, SECOND)], "it had 2 rows, then 3"),
        ([page(2, FIRST), page(2, FIRST)], "same row twice"),
        ([page(1, FIRST, SECOND)], "counts 1 rows in a report, but 2"),
    ],
)
def test_what_never_fits_is_refused(
    sqlite_warehouse: Warehouse, pages: list[Answer], words: str
) -> None:
    """After three reads that don't fit nothing is stored, and the error has both numbers."""
    script = Script([[each] for each in pages] * 3)
    result = pull(script, sqlite_warehouse)
    assert result.error is not None
    assert words in result.error
    assert result.is_transient
    assert not script.answers
    assert stored(sqlite_warehouse) == []


@pytest.mark.parametrize("code", [grpc.StatusCode.CANCELLED, grpc.StatusCode.ABORTED])
def test_a_call_that_is_ended_on_the_way_is_made_again(
    sqlite_warehouse: Warehouse, code: grpc.StatusCode
) -> None:
    """A proxy or a server that goes away ends calls with statuses of their own, once."""
    script = Script([[page(1, FIRST)]], ends_with=[code])
    assert pull(script, sqlite_warehouse).error is None
    assert stored(sqlite_warehouse) == [1, 0, 0, 0]


def test_the_same_page_again_and_again(sqlite_warehouse: Warehouse) -> None:
    """A count of rows that no report by day can have ends the reading at the first page of each try."""
    script = Script([[page(1_000_000_000, FIRST)]] * 4)
    result = pull(script, sqlite_warehouse)
    assert "can't have more than 5" in (result.error or "")
    assert script.offsets == [0, 0, 0]
    assert stored(sqlite_warehouse) == []


@pytest.mark.parametrize("text", ["1e400", "1e999999", "1e9999999999"])
@pytest.mark.parametrize("by_day", [True, False])
def test_figures_that_no_warehouse_holds(
    sqlite_warehouse: Warehouse, text: str, by_day: bool
) -> None:
    """They fail the pull with words, at once; nothing is raised and no absurd number stored."""
    whole = ExactWindowNeed(Where(), frozenset({"totalUsers"}), FIRST_DAY, FIRST_DAY)
    need = NEED if by_day else ReportsNeed("web", "reports", (), (whole,))
    answer = page(1, ("20261101", text))
    if not by_day:
        del answer["dimensionHeaders"]
        answer["metricHeaders"] = [{"name": "totalUsers", "type": "TYPE_INTEGER"}]
        answer["rows"] = [{"metricValues": [{"value": text}]}]
    result = pull(Script([[answer]] * 3), sqlite_warehouse, need)
    assert f"GA4 sent '{text}' as a figure" in (result.error or "")
    assert (result.is_complete, result.rows, stored(sqlite_warehouse)) == (False, 0, [])


def test_days_out_of_order_are_not_kept_of_a_report_that_is_cut_off(
    sqlite_warehouse: Warehouse,
) -> None:
    """What is between them may be on the page that didn't come, and would be stored as 0."""
    assert not pull(Script([[page(4, THIRD, FIRST)]]), sqlite_warehouse).is_complete
    assert stored(sqlite_warehouse) == []
    # In the order that was asked for, the second is a day of 0.
    assert not pull(Script([[page(4, FIRST, THIRD)]]), sqlite_warehouse).is_complete
    assert stored(sqlite_warehouse) == [1, 0, 3]


@pytest.mark.parametrize(("total", "flags"), [("3", ()), ("5", ("total_differs",))])
def test_days_that_do_not_add_up_to_the_total_are_flagged(
    sqlite_warehouse: Warehouse, total: str, flags: tuple[str, ...]
) -> None:
    """Events are counted once a day: a total of another size means that a row is missing."""
    answer = page(2, FIRST, SECOND)
    answer["metricHeaders"] = [{"name": "eventCount", "type": "TYPE_INTEGER"}]
    answer["totals"] = [
        {"dimensionValues": [{"value": "RESERVED_TOTAL"}], "metricValues": [{"value": total}]}
    ]
    need = ReportsNeed("web", "reports", (replace(NEED.series[0], metrics=EVENTS),), ())
    result = pull(Script([[answer]]), sqlite_warehouse, need)
    assert (result.error, result.quality) == (None, flags)
    with sqlite_warehouse.read() as connection:
        found = set(connection.scalars(select(source_report_day.c.quality)))
    assert found == {flags}


def test_a_batch_with_too_few_reports_is_refused(sqlite_warehouse: Warehouse) -> None:
    """A report that wasn't answered is not an empty one."""
    result = pull(Script([[]]), sqlite_warehouse)
    assert result.error is not None
    assert "sent 0" in result.error
    assert stored(sqlite_warehouse) == []
