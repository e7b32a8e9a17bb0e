"""A limit for the time that a whole answer takes, from its first header to its last byte.

Belongs here: how the connections of urllib3 are given one. Does not belong here: how long it is, and
what follows from it (transport).

A time-out between two bytes never ends an answer that trickles, and headers, the bodies of errors, the
sizes of chunks and the head of gzip data are read below the client, where nobody else can look at a
clock. So it is done where all of them pass: at the file that http.client reads of a socket.
"""

import http.client
import io
import socket
import time
from typing import Any, Final

import urllib3

_BUFFER: Final = 1 << 16


def bound_answers(manager: urllib3.PoolManager, seconds: float) -> None:
    """Let connections that `manager` makes from now on end an answer that takes longer, as a time-out.

    The answer ends with the first read after the limit, so a read's own time-out may come on top.
    """

    class Answer(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
            super().__init__(sock, *args, **options)
            self.fp = io.BufferedReader(_Bounded(self.fp.detach(), seconds), _BUFFER)

    class Plain(urllib3.connection.HTTPConnection):
        response_class = Answer

    class Secure(urllib3.connection.HTTPSConnection):
        response_class = Answer

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Secure

    manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}


class _Bounded(io.RawIOBase):
    """A socket's raw file that raises TimeoutError once its time is over."""

    def __init__(self, raw: io.RawIOBase, seconds: float) -> None:
        self._raw = raw
        self._deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self._deadline:
            raise TimeoutError("the whole answer took too long")
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
