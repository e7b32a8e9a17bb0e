"""Answers that are slow below the client, name odd waits and limits, or hold half a character."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from connectors.base import PullResult
from connectors.clock import Clock
from connectors.hubspot.connector import HubSpotConnector
from connectors.hubspot.live import HubSpotProbe
from connectors.hubspot.transport import ClientSettings
from connectors.sandbox.account import Account
from connectors.sandbox.http_server import Request, Response, json_response
from connectors.sandbox.hubspot_server import SANDBOX_TOKEN, HubSpotSandbox
from okr_sync.config.models import HubSpotSource
from okr_sync.errors import SourceError
from okr_sync.metrics.needs import RecordsNeed
from okr_sync.warehouse.connect import Warehouse

MakeAccount = Callable[..., Account]
Pull = Callable[..., PullResult]
Mirror = Callable[[Warehouse, str], dict[str, dict[str, Any]]]

_AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Altered(HubSpotSandbox):
    """A sandbox whose answers pass through `alter` before they are sent, while there is one."""

    alter: Callable[[Request, Response], Response] | None = None

    def answer(self, request: Request) -> Response:
        """The sandbox's answer, altered."""
        response = super().answer(request)
        return response if self.alter is None else self.alter(request, response)


@pytest.fixture
def sandbox(hs_account: MakeAccount) -> Iterator[Altered]:
    """Three contacts, served as they are."""
    contacts = [
        {"hs_object_id": str(n), "createdate": "2026-10-01T08:00:00.000Z", "plan": "pro"}
        for n in range(1, 4)
    ]
    with Altered(hs_account({"contacts": contacts}), rate_limits=False) as running:
        yield running


# --- slow -------------------------------------------------------------------------------------------

_BEGINNINGS = {
    "headers": b"HTTP/1.1 200 OK\r\nX-Slow: ",
    "the body of an error": b"HTTP/1.1 500 Oops\r\nContent-Length: 90000\r\n\r\n",
    "the size of a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "the name in gzip data": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 90000\r\n\r\n"
        b"\x1f\x8b\x08\x08\0\0\0\0\0\0"
    ),
}


@pytest.mark.parametrize("part", _BEGINNINGS)
def test_an_answer_that_trickles_ends_wherever_it_does(
    sqlite_warehouse: Warehouse, hs_quick: ClientSettings, part: str
) -> None:
    """A byte now and then keeps no time-out between bytes from starting anew; the limit for a whole
    answer holds in each part of it."""
    stopping = threading.Event()

    def trickle(connection: socket.socket) -> None:
        with closing(connection):
            connection.recv(65_536)
            try:
                connection.sendall(_BEGINNINGS[part])
                while not stopping.wait(0.1):
                    connection.sendall(b"1")
            except OSError:
                return  # the client has hung up, as it must

    def serve() -> None:
        while not stopping.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=trickle, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        environ = {
            "HUBSPOT_ACCESS_TOKEN": "pat-na1-odd",
            "OKR_SYNC_HUBSPOT_ENDPOINT": f"http://127.0.0.1:{listener.getsockname()[1]}",
        }
        settings = replace(hs_quick, answer_seconds=0.5)
        connector = HubSpotConnector(HubSpotSource(name="hubspot"), environ, settings)
        need = RecordsNeed("hubspot", "contacts", frozenset({"plan"}))
        # Without the limit the slowest of these answers would take hours, not what the server's thread
        # gives it: it goes on until the test is over.
        ended: list[PullResult] = []
        puller = threading.Thread(
            target=lambda: ended.append(connector.pull(need, sqlite_warehouse, _AT)), daemon=True
        )
        puller.start()
        puller.join(30)
        stopping.set()
        puller.join()
        connector.close()
    assert "did not answer within 0.5 s" in (ended[0].error or "")


# --- waits and limits -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "least"),
    [
        ("7.5", 7.5),
        (format_datetime(_AT + timedelta(seconds=10), usegmt=True), 10.0),
        (format_datetime(_AT - timedelta(days=1), usegmt=True), 1.0),
        ("²", 1.0),
        ("-5", 1.0),
        ("soon", 1.0),
    ],
)
def test_retry_after_in_all_its_forms(
    sandbox: Altered,
    sqlite_warehouse: Warehouse,
    hs_pull: Pull,
    hs_quick: ClientSettings,
    named: str,
    least: float,
) -> None:
    """Seconds, fractions and dates (by HubSpot's clock) are waited for; nonsense is as if nothing had
    been said, and no crash."""
    slept: list[float] = []
    refused: list[str] = []

    def refuse_once(request: Request, response: Response) -> Response:
        if refused:
            return response
        refused.append(request.path)
        now = format_datetime(_AT, usegmt=True)
        return json_response(503, {}, {"Retry-After": named, "Date": now})

    sandbox.alter = refuse_once
    retry = replace(hs_quick.retry, first_wait=1.0, longest_wait=1.0)
    settings = replace(hs_quick, retry=retry, clock=Clock(sleep=slept.append))
    result = hs_pull(sandbox, sqlite_warehouse, "plan", settings=settings)
    assert (result.error, result.rows) == (None, 3)
    assert slept[0] == least if least > 1.0 else 0.5 <= slept[0] <= 1.0


@pytest.mark.parametrize("named", ["99999999999", "9" * 400, "Fri, 31 Dec 2099 23:59:59 GMT"])
def test_a_retry_after_that_no_run_can_wait_for(
    sandbox: Altered, sqlite_warehouse: Warehouse, hs_pull: Pull, named: str
) -> None:
    """It is left to a later run, without another request."""
    sandbox.alter = lambda request, response: json_response(503, {}, {"Retry-After": named})
    result = hs_pull(sandbox, sqlite_warehouse, "plan")
    assert (result.is_complete, result.is_transient, result.requests) == (False, True, 1)


@pytest.mark.parametrize(
    "told",
    [
        {"X-HubSpot-RateLimit-Max": "²"},
        {"X-HubSpot-RateLimit-Daily-Remaining": "9" * 5_000},
        {"X-HubSpot-RateLimit-Max": "5", "X-HubSpot-RateLimit-Interval-Milliseconds": "86400000"},
        {"X-HubSpot-RateLimit-Max": "0", "X-HubSpot-RateLimit-Remaining": "-1"},
    ],
)
def test_rate_headers_that_make_no_sense(
    sandbox: Altered, sqlite_warehouse: Warehouse, hs_pull: Pull, told: dict[str, str]
) -> None:
    """They crash nothing, and stop neither this run nor the next ones, which would ask no one again."""
    sandbox.alter = lambda request, response: replace(
        response, headers={**response.headers, **told}
    )
    for _ in range(4):
        result = hs_pull(sandbox, sqlite_warehouse, "plan")
        assert (result.error, result.rows) == (None, 3)


# --- texts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (rb"pr\ud83d", "pr\N{REPLACEMENT CHARACTER}"),
        (rb"\udc4do", "\N{REPLACEMENT CHARACTER}o"),
        (rb"\ud83d\udc4d\ud83d", "\N{THUMBS UP SIGN}\N{REPLACEMENT CHARACTER}"),
        (rb"\\ud83d\ud83d", "\\ud83d\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_half_of_a_character(
    sandbox: Altered,
    warehouse: Warehouse,
    hs_pull: Pull,
    hs_mirror: Mirror,
    written: bytes,
    stored: str,
) -> None:
    """A text that was cut in the middle of an emoji does not make all records unreadable."""
    sandbox.alter = lambda request, response: replace(
        response, body=response.body.replace(b'"pro"', b'"' + written + b'"')
    )
    result = hs_pull(sandbox, warehouse, "plan")
    assert (result.error, result.rows) == (None, 3)
    assert hs_mirror(warehouse, "contacts")["1"]["f_plan"] == stored


def test_what_hubspot_says_has_no_control_characters(
    sandbox: Altered, warehouse: Warehouse, hs_pull: Pull
) -> None:
    """A terminal would obey them, and PostgreSQL keeps no NUL."""
    sandbox.alter = lambda request, response: json_response(
        400, {"message": "no \x1b[31msuch\x00 thing\r\n", "category": "VALIDATION\x00"}
    )
    result = hs_pull(sandbox, warehouse, "plan")
    assert "It said: no [31msuch thing" in (result.error or "")
    assert (result.error or "").isprintable()


@pytest.mark.parametrize("stage", [None, "1", {"id": 1, "label": "Open"}])
def test_a_pipeline_with_a_stage_that_is_none(sandbox: Altered, stage: Any) -> None:
    """`check --live` says that the answer is odd, and does not crash."""
    pipeline = {"id": "default", "label": "Sales", "stages": [stage]}
    sandbox.alter = lambda request, response: json_response(200, {"results": [pipeline]})
    environ = {
        "HUBSPOT_ACCESS_TOKEN": SANDBOX_TOKEN,
        "OKR_SYNC_HUBSPOT_ENDPOINT": sandbox.url,
    }
    probe = HubSpotProbe(HubSpotSource(name="hubspot"), environ)
    with pytest.raises(SourceError, match="no id or no label"):
        probe.pipelines("deals")
    probe.close()
