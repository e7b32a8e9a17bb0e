"""A small HTTP/1.1 server for loopback that both sandboxes share.

Belongs here: sockets, keep-alive, parsing of a request, compression, counting, and the one place
where a response is sent. Does not belong here: what is answered (an `App` decides), routes
(routing), the rules of any one API (hubspot_*, ga4_*).
"""

import gzip
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from okr_sync.errors import OkrSyncError

_GZIP_FROM_BYTES = 1024
_LENGTH = re.compile(r"[0-9]{1,12}")
_LARGEST_BODY_BYTES = 16 * 1024 * 1024
_STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Request:
    """One request as it came: `path` is percent-decoded, header names are lower case.

    `query` keeps order, repetitions and empty values; `target` is the path and query as sent.
    """

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes
    target: str = ""

    def values(self, name: str) -> list[str]:
        """All values of a query parameter, in order."""
        return [value for key, value in self.query if key == name]

    def value(self, name: str) -> str | None:
        """The last value of a query parameter, or None if it was not sent."""
        values = self.values(name)
        return values[-1] if values else None


class Manner(Enum):
    """How a response arrives."""

    WHOLE = auto()
    DROPPED = auto()  # the connection is closed in its place
    CUT = auto()  # the connection is closed half-way through it
    TRICKLING = auto()  # a byte every `seconds`
    HELD = auto()  # after `seconds` the connection is closed in its place


@dataclass(frozen=True)
class Response:
    """What is sent back; `route` is the name under which the server counts the request.

    `seconds` is how long a response that is WHOLE is held back, else what its manner says.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    route: str = ""
    manner: Manner = Manner.WHOLE
    seconds: float = 0.0


App = Callable[[Request], Response]


def json_response(
    status: int, payload: Any, headers: Mapping[str, str] | None = None, route: str = ""
) -> Response:
    """A response with a JSON body (orjson) and its content type."""
    return Response(
        status,
        orjson.dumps(payload),
        {"Content-Type": "application/json;charset=utf-8", **(headers or {})},
        route,
    )


class LoopbackServer:
    """Serves an `App` on 127.0.0.1 from background threads, one for each connection.

    `port=0` takes a free port. `counts` holds the requests answered by (route, status) and
    `connections` the number of TCP connections accepted, so that tests can see both; `stopping` is
    set when responses that are held back need not be any more.
    Raises OkrSyncError when the port can't be had.
    """

    def __init__(self, app: App, port: int = 0) -> None:
        self.counts: Counter[tuple[str, int]] = Counter()
        self.connections = 0
        self.stopping = threading.Event()
        self._app = app
        self._port = port
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address to give to a client, such as http://127.0.0.1:40123."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Bind the port and begin to serve; returns when connections are accepted."""
        try:
            self._server = _Server(("127.0.0.1", self._port), self)
        except OSError as error:
            raise OkrSyncError(
                f"Port {self._port} of 127.0.0.1 can't be used ({error.strerror}). "
                "Name another port, or none to take a free one."
            ) from error
        self._port = self._server.socket.getsockname()[1]
        self.stopping.clear()
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop accepting, end the open connections and wait for the threads that serve them."""
        if self._server is None or self._thread is None:
            return
        self.stopping.set()
        self._server.shutdown()
        self._thread.join(_STOP_SECONDS)
        self._server.server_close()
        with self._lock:
            still_open = dict(self._open)
        for connection, thread in still_open.items():
            _end(connection)
            thread.join(_STOP_SECONDS)
        self._server = None
        self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def requests(self, route: str | None = None, status: int | None = None) -> int:
        """How many requests were answered, of one route or status if given."""
        with self._lock:
            return sum(
                count
                for (its_route, its_status), count in self.counts.items()
                if route in (None, its_route) and status in (None, its_status)
            )

    def opened(self, connection: socket.socket) -> None:
        """A connection is being served by the current thread (called by the handler)."""
        with self._lock:
            self.connections += 1
            self._open[connection] = threading.current_thread()

    def closed(self, connection: socket.socket) -> None:
        """A connection has ended (called by the handler)."""
        with self._lock:
            self._open.pop(connection, None)

    def answer(self, request: Request) -> Response:
        """Have the app answer a request, and count it."""
        response = self._app(request)
        with self._lock:
            self.counts[response.route or request.path, response.status] += 1
        return response


def _end(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the client was quicker


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], owner: LoopbackServer) -> None:
        self.owner = owner
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # http.server looks up the host's name here, which can take seconds without a resolver.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.owner.opened(self.connection)

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.server.owner.closed(self.connection)

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            self.close_connection = True  # the client went away; nothing is left to tell it

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a request line may hold what must not be logged."""

    def _serve(self) -> None:
        body = self._read_body()
        if body is None:
            return
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=unquote(parts.path),
            query=parse_qsl(parts.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            target=self.path,
        )
        self._send(self.server.owner.answer(request), request.headers.get("accept-encoding", ""))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

    def _read_body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not _LENGTH.fullmatch(length):
            self.close_connection = True
            self._send(Response(HTTPStatus.LENGTH_REQUIRED), "")
            return None
        if int(length) > _LARGEST_BODY_BYTES:
            self.close_connection = True
            self._send(Response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE), "")
            return None
        return self.rfile.read(int(length))

    def _send(self, response: Response, accept_encoding: str) -> None:
        body = response.body
        headers = {"Server": "okr-sync-sandbox", "Date": self.date_time_string()}
        headers.update(response.headers)
        if "gzip" in accept_encoding and len(body) >= _GZIP_FROM_BYTES:
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        headers["Content-Length"] = str(len(body))
        if self.close_connection:
            headers["Connection"] = "close"
        try:
            reason = HTTPStatus(response.status).phrase
        except ValueError:
            reason = ""
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        start = f"{self.protocol_version} {response.status} {reason}\r\n{head}\r\n"
        # One write, so that head and body never wait for each other's acknowledgement.
        self._deliver(response, start.encode("latin-1"), b"" if self.command == "HEAD" else body)

    def _deliver(self, response: Response, head: bytes, body: bytes) -> None:
        stopping, seconds = self.server.owner.stopping, response.seconds
        match response.manner:
            case Manner.WHOLE:
                if seconds:
                    stopping.wait(seconds)
                self.wfile.write(head + body)
            case Manner.TRICKLING:
                self.wfile.write(head)
                for place in range(len(body)):
                    if stopping.wait(seconds):
                        break
                    self.wfile.write(body[place : place + 1])
            case Manner.CUT:
                self.wfile.write(head + body[: len(body) // 2])
                self.close_connection = True
            case Manner.DROPPED | Manner.HELD:
                stopping.wait(seconds)
                self.close_connection = True
