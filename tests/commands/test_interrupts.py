"""Ctrl-C at moments where Python lets no exception out."""

import subprocess
import sys

import pytest

# The signal comes while a finalizer runs, as it does when urllib3 closes a pool's connections.
_FALLS_INTO_A_FINALIZER = """
import signal, time, weakref
import click
from okr_sync.cli.group import Group

class Pool: ...

def read():
    pool = Pool()
    weakref.finalize(pool, signal.raise_signal, signal.SIGINT)
    del pool
    time.sleep(20)
    print("went on")

@click.group(cls=Group)
def main(): ...
"""

_PLAIN = """
@main.command()
def sync():
    read()
"""

_IN_A_STEP_OF_DAGSTERS = """
import dagster as dg

@dg.op
def step():
    read()

@dg.job
def job():
    step()

@main.command()
def sync():
    result = job.execute_in_process(
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    [failure] = result.get_step_failure_events()
    raise SystemExit(failure.step_failure_data.error.cls_name)
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    """The command `sync` of a program, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", program, "sync"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "end"),
    [(_PLAIN, "Aborted!"), (_IN_A_STEP_OF_DAGSTERS, "DagsterExecutionInterruptedError")],
    ids=["plain", "dagster"],
)
def test_an_interrupt_during_a_finalizer_still_ends_the_command(command: str, end: str) -> None:
    """Ctrl-C just after a read was passed over with a traceback, and the sync went on to its end."""
    program = f"{_FALLS_INTO_A_FINALIZER}{command}\nmain()"
    ended = run(program)
    assert ended.returncode == 1
    assert ended.stdout.split() == [end]


def test_other_errors_of_finalizers_are_still_told() -> None:
    """What is no interrupt goes to whoever told of it before."""
    program = f"{_FALLS_INTO_A_FINALIZER}{_PLAIN}\nmain()".replace(
        "signal.raise_signal, signal.SIGINT", "int, 'not a number'"
    ).replace("time.sleep(20)", "")
    ended = run(program)
    assert ended.returncode == 0
    assert "invalid literal for int()" in ended.stdout
    assert ended.stdout.endswith("went on\n")
