"""`okr-sync sandbox`: serve an account folder, in the foreground or around a command.

Belongs here: signals, exit statuses, the child's environment and what is printed. Does not belong
here: the servers (connectors.sandbox).
"""

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Literal

import click

from connectors.sandbox.fault_page import fault_list
from connectors.sandbox.faults import read_switch
from connectors.sandbox.serve import Sandbox

_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
_BY_SIGNAL = 128


def run_sandbox(
    directory: Path,
    command: Sequence[str] = (),
    *,
    rate_limits: bool = True,
    hubspot_port: int = 0,
    ga4_port: int = 0,
    control_port: int = 0,
    ga4_transport: Literal["grpc", "rest"] = "grpc",
    faults: Sequence[str] = (),
) -> int:
    """Serve an account folder and give the exit status.

    With a command: run it in the environment that reaches the servers, then stop them; its own
    status, 128 + n when signal n ended it, 127 when there is no such command, 126 when it can't be
    run. Without: serve until Ctrl-C or SIGTERM, then 0. A port of 0 takes a free one. `faults` are
    switched on before anything is served, written as `faults.read_switch` reads them. Must be called
    from the main thread. Raises OkrSyncError for a folder or a port that can't be used and UsageError
    for a fault that there isn't.
    """
    sandbox = Sandbox(
        directory,
        rate_limits=rate_limits,
        hubspot_port=hubspot_port,
        ga4_port=ga4_port,
        control_port=control_port,
        ga4_transport=ga4_transport,
    )
    for text in faults:
        sandbox.faults.switch_on(**read_switch(text))
    if command:
        with sandbox:
            return _run(command, sandbox.environment())
    return _serve(sandbox, directory)


def print_faults() -> None:
    """The faults that there are, for people."""
    click.echo(fault_list())


def _serve(sandbox: Sandbox, directory: Path) -> int:
    done = threading.Event()

    def finish(number: int, frame: FrameType | None) -> None:
        done.set()

    with _handling((signal.SIGINT, signal.SIGTERM), finish), sandbox:
        click.echo(f"# Serving {directory}; stop with Ctrl-C. In another shell:")
        for name, value in sandbox.environment().items():
            click.echo(f"export {name}={shlex.quote(value)}")
        sys.stdout.flush()
        done.wait()
    return 0


def _run(command: Sequence[str], variables: dict[str, str]) -> int:
    environment = {**os.environ, **variables, **_no_proxy()}
    # `okr-sync` is beside the interpreter that runs this, also when its environment isn't active.
    environment["PATH"] = os.pathsep.join(
        [os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]
    )
    waiting: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def forward(number: int, frame: FrameType | None) -> None:
        if child is None:
            waiting.append(number)
        elif number != signal.SIGINT or not _terminal_signals_us():
            child.send_signal(number)

    with _handling((signal.SIGINT, signal.SIGTERM), forward):
        try:
            child = subprocess.Popen(list(command), env=environment)
        except FileNotFoundError:
            click.echo(f"There is no command {command[0]!r}. Check its name and PATH.", err=True)
            return _NOT_FOUND
        except OSError as error:
            click.echo(f"{command[0]!r} can't be run: {error.strerror}.", err=True)
            return _NOT_EXECUTABLE
        for number in waiting:
            child.send_signal(number)
        status = child.wait()
    return _BY_SIGNAL - status if status < 0 else status


def _no_proxy() -> dict[str, str]:
    """Keep a proxy of the user's from standing between the clients and loopback."""
    own = ("127.0.0.1", "localhost")
    given = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    hosts = ",".join([*filter(None, given.split(",")), *own])
    return {"NO_PROXY": hosts, "no_proxy": hosts}


def _terminal_signals_us() -> bool:
    """Whether Ctrl-C comes from our terminal, which then tells the command by itself."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False


@contextmanager
def _handling(
    numbers: Sequence[signal.Signals],
    handler: "signal._HANDLER",
) -> Iterator[None]:
    former = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, one in former.items():
            signal.signal(number, one)
