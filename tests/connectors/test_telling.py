"""Messages through Apprise to a real mail server and a real HTTP receiver; down, slow to return, secret."""

import email
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from connectors.telling import send_due
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.messages import Draft, Kind, queue, waiting

NOW = datetime(2026, 11, 23, 14, tzinfo=UTC)
SECRET = "s3cr3t-canary"


class Mailbox:
    """Keeps the mails that a server takes."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Take a mail."""
        self.mails.append(email.message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


class Hook:
    """An HTTP receiver that answers with `status` and keeps what it was sent.

    The process `to_kill` gets no answer: it is killed once its message is there. An answer waits for
    the event `wait_for`, two seconds at most; `reached` says that something has come.
    """

    def __init__(self) -> None:
        self.status = 200
        self.to_kill: int | None = None
        self.posts: list[dict[str, Any]] = []
        self.reached = threading.Event()
        self.wait_for: threading.Event | None = None
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hook.status == 200:
                    hook.posts.append(json.loads(body))
                hook.reached.set()
                if hook.wait_for is not None:
                    hook.wait_for.wait(2)
                if hook.to_kill is not None:
                    os.kill(hook.to_kill, signal.SIGKILL)
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A receiver, stopped after the test."""
    running = Hook()
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    """A mail server and its port."""
    box = Mailbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


def post(
    warehouse: Warehouse, channel: str = "WEB", html: str | None = "<p>The <b>week</b></p>"
) -> None:
    """Queue a message."""
    draft = Draft(Kind.DIGEST, "web", channel, channel, "web: the week", "The week & more", html)
    queue(warehouse, lambda told: [draft], NOW)


def test_mail_gets_html_and_a_webhook_text(
    warehouse: Warehouse, hook: Hook, mailbox: tuple[Mailbox, int]
) -> None:
    """One channel with two addresses: each has the message in its form, once."""
    box, port = mailbox
    mail = f"mailto://127.0.0.1:{port}/?from=okr@example.com&to=web@example.com&mode=insecure"
    post(warehouse)
    environ = {"WEB": f"{mail}  json://127.0.0.1:{hook.port}/{SECRET}"}
    assert send_due(warehouse, environ, NOW) == []
    assert waiting(warehouse) == []
    (sent,) = hook.posts
    assert (sent["title"], sent["message"]) == ("web: the week", "The week & more")
    (received,) = box.mails
    assert received["subject"] == "web: the week" and received["to"] == "web@example.com"
    html = received.get_body(("html",))
    assert html is not None and "<b>week</b>" in html.get_content()
    assert send_due(warehouse, environ, NOW + timedelta(days=1)) == []
    assert (len(hook.posts), len(box.mails)) == (1, 1)


def test_a_receiver_that_is_down_gets_the_message_later_and_others_once(
    warehouse: Warehouse,
    hook: Hook,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The error names variable and kind, never the address; nobody is told twice meanwhile."""
    down = Hook()
    down.status = 503
    address = f"json://user:{SECRET}@127.0.0.1:{down.port}/{SECRET}?+X-Token={SECRET}"
    environ = {"WEB": f"json://127.0.0.1:{hook.port}/ {address}"}
    post(warehouse)
    with caplog.at_level(logging.DEBUG):
        (problem,) = send_due(warehouse, environ, NOW)
    assert problem == (
        "web: the week: The receiver of json:// is down or refuses the message. (address 2 of WEB)"
    )
    (left,) = waiting(warehouse)
    out, err = capfd.readouterr()
    assert SECRET not in "".join([problem, caplog.text, out, err, repr(left)])
    assert (len(hook.posts), left.reached, left.attempts) == (1, ("0",), 1)
    down.status = 200
    assert send_due(warehouse, environ, NOW + timedelta(minutes=2)) == []
    assert (len(hook.posts), len(down.posts), waiting(warehouse)) == (1, 1, [])
    down.server.shutdown()
    down.server.server_close()


def test_a_sender_that_dies_after_sending_repeats_once_and_loses_nothing(
    warehouse: Warehouse, warehouse_url: str, hook: Hook
) -> None:
    """Killed between the receiver's having it and the note of that; the next one sends it again, once."""
    post(warehouse)
    program = (
        "import sys, datetime as d; sys.stdin.readline()\n"
        "from connectors.telling import send_due\n"
        "from okr_sync.warehouse.connect import open_warehouse\n"
        "send_due(open_warehouse(sys.argv[1]), {'WEB': sys.argv[2]}, d.datetime(2026, 11, 23, 14, tzinfo=d.UTC))"
    )
    address = f"json://127.0.0.1:{hook.port}/"
    sender = subprocess.Popen(
        [sys.executable, "-c", program, warehouse_url, address], stdin=subprocess.PIPE, text=True
    )
    hook.to_kill = sender.pid
    sender.communicate("go\n")
    assert sender.returncode == -signal.SIGKILL
    hook.to_kill = None
    assert (len(hook.posts), len(waiting(warehouse))) == (1, 1)
    environ = {"WEB": address}
    assert send_due(warehouse, environ, NOW + timedelta(minutes=5)) == []
    assert len(hook.posts) == 1  # the dead one's turn is not over
    for minutes in (11, 12, 60):
        assert send_due(warehouse, environ, NOW + timedelta(minutes=minutes)) == []
    assert (len(hook.posts), waiting(warehouse)) == (2, [])


def test_two_who_send_at_once_keep_each_others_secrets(
    warehouse: Warehouse, caplog: pytest.LogCaptureFixture
) -> None:
    """The first to end must not let the loggers talk of the other's address, nor leave them dumb."""
    first, second = Hook(), Hook()
    first.wait_for, second.wait_for = second.reached, threading.Event()
    senders = []
    # HubSpot's client sets a level of its own for urllib3, which other tests may have left.
    caplog.set_level(logging.DEBUG, logger="urllib3.connectionpool")
    with caplog.at_level(logging.DEBUG):
        for channel, hook in (("ONE", first), ("TWO", second)):
            post(warehouse, channel)
            environ = {channel: f"json://127.0.0.1:{hook.port}/{SECRET}"}
            sender = threading.Thread(target=send_due, args=(warehouse, environ, NOW))
            sender.start()
            senders.append(sender)
            if hook is first:
                assert hook.reached.wait(30)
        senders[0].join()
        second.wait_for.set()
        senders[1].join()
        logging.getLogger("urllib3.connectionpool").debug("still talking")
    assert (len(first.posts), len(second.posts)) == (1, 1)
    assert SECRET not in caplog.text
    assert "still talking" in caplog.text
    for hook in (first, second):
        hook.server.shutdown()
        hook.server.server_close()


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({}, "The environment variable WEB is not set"),
        ({"WEB": f"hooks.example.com/{SECRET}"}, "no address that can be used"),
        ({"WEB": f"bogus://{SECRET}"}, "no address that can be used"),
        ({"WEB": f"json://127.0.0.1:9/{SECRET}"}, "is down or refuses"),
    ],
)
def test_what_can_not_be_reached_is_said_without_secrets(
    warehouse: Warehouse, environ: dict[str, str], text: str
) -> None:
    """A variable that isn't set, an address that is none, a port where nobody listens."""
    post(warehouse)
    (problem,) = send_due(warehouse, environ, NOW)
    assert text in problem and SECRET not in problem
    assert len(waiting(warehouse)) == 1
