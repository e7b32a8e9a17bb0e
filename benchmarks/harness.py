"""What a row of `make bench` is, and how it is measured: ratios of two things run in turns.

Belongs here: rows, pairs of runs, CPU seconds and memory of functions and commands. Does not belong
here: what is measured (a module per subject beside this one), servers and other people's packages
(servers, peers), printing (table).

How to add a row: write a function in benchmarks/SUBJECT.py (every module here is searched):

    @row("sync: nothing changed, requests", at_most(2), of="requests in a second sync ÷ dataset")
    def requests_of_an_idle_sync(bench: Bench) -> Comparison:
        project = bench.once(prepared_project)          # made once, shared by the rows that ask
        return bench.pairs(lambda: ours(project), lambda: floor(project))

Both functions are run in turns (A B A B …, `bench.repeats` times, 5 by default) and return one number
each, in the same unit; the row's figure is the median of ours ÷ theirs. `in_child(function, *args)`
and `run_command([...])` measure CPU and wall seconds and peak memory in a fresh process; take
`.cpu_seconds` where the machine may be busy with other things. `tree_cpu(pid)` tells what a server has
used. Where the floor is a number and not a program, give it as `lambda: 5.0`.

A row that misses its target says so; it fails nothing. A row that can't be measured here (a package
that can't be had) raises Unavailable with the reason. Everything a row writes goes below
`bench.folder`, which is removed at the end. One function may give several rows: return a mapping of
label to Comparison.
"""

import multiprocessing
import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final, TypeVar

import psutil

DEFAULT_REPEATS: Final = 5

T = TypeVar("T")


class Unavailable(Exception):
    """A row can't be measured on this machine, for the reason given."""


# --- what a row wants and what it found -----------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """What a row's figure should be: at most or at least a number."""

    limit: float
    is_most: bool

    def is_met(self, seen: float) -> bool:
        """Whether a figure is as it should be."""
        return seen <= self.limit if self.is_most else seen >= self.limit

    def __str__(self) -> str:
        return f"{'≤' if self.is_most else '≥'} {self.limit:g}"


def at_most(limit: float) -> Target:
    """A ratio of ours ÷ theirs that should not be greater."""
    return Target(limit, is_most=True)


def at_least(limit: float) -> Target:
    """A ratio that should not be smaller, such as theirs ÷ ours for `5 times faster`."""
    return Target(limit, is_most=False)


@dataclass(frozen=True)
class Comparison:
    """Pairs of figures in one unit (`s`, `MB`, …), the first of each pair divided by the second."""

    pairs: tuple[tuple[float, float], ...]
    unit: str = "s"

    @property
    def ratios(self) -> list[float]:
        """Each pair's own ratio."""
        return [first / second for first, second in self.pairs]

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios."""
        return statistics.median(self.ratios)

    @property
    def medians(self) -> tuple[float, float]:
        """The medians of both sides, each by itself."""
        first, second = zip(*self.pairs, strict=True)
        return statistics.median(first), statistics.median(second)

    def inverted(self) -> "Comparison":
        """Theirs ÷ ours: how many times faster (or smaller) ours is."""
        return Comparison(tuple((second, first) for first, second in self.pairs), self.unit)


Found = Comparison | Mapping[str, Comparison]


@dataclass
class Bench:
    """What a row is given: how often to measure, a folder to write to, what rows share."""

    folder: Path
    repeats: int = DEFAULT_REPEATS
    closing: ExitStack = field(default_factory=ExitStack)
    """Servers and the like that are to be stopped when all rows are done."""
    _made: dict[Callable[["Bench"], Any], Any] = field(default_factory=dict)

    def once(self, make: Callable[["Bench"], T]) -> T:
        """What `make` makes, made when the first row asks and the same for all others."""
        if make not in self._made:
            self._made[make] = make(self)
        found: T = self._made[make]
        return found

    def pairs(
        self, ours: Callable[[], float], theirs: Callable[[], float], unit: str = "s"
    ) -> Comparison:
        """Run both in turns, ours first, and compare."""
        return Comparison(tuple((ours(), theirs()) for _ in range(self.repeats)), unit)

    def usages(
        self, ours: Callable[[], "Usage"], theirs: Callable[[], "Usage"]
    ) -> dict[str, Comparison]:
        """Run both in turns, and compare CPU seconds, wall seconds and peak memory."""
        seen = [(ours(), theirs()) for _ in range(self.repeats)]
        return {
            "CPU": Comparison(tuple((a.cpu_seconds, b.cpu_seconds) for a, b in seen)),
            "wall": Comparison(tuple((a.wall_seconds, b.wall_seconds) for a, b in seen)),
            "memory": Comparison(tuple((a.peak_mb, b.peak_mb) for a, b in seen), "MB"),
        }


@dataclass(frozen=True)
class Row:
    """A line (or several) of the table."""

    name: str
    target: Target
    of: str
    measure: Callable[[Bench], Found]


ROWS: Final[list[Row]] = []


def row(
    name: str, target: Target, of: str
) -> Callable[[Callable[[Bench], Found]], Callable[[Bench], Found]]:
    """Make a function a row: its name as `subject: what`, its target, what is divided by what."""

    def add(measure: Callable[[Bench], Found]) -> Callable[[Bench], Found]:
        ROWS.append(Row(name, target, of, measure))
        return measure

    return add


# --- measuring ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Usage:
    """What a run has used: user and system seconds with those of its children; peak memory in MB."""

    cpu_seconds: float
    wall_seconds: float
    peak_mb: float


def run_command(
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    status: int = 0,
) -> Usage:
    """Run a command to its end, its output unseen; RuntimeError with the output for another status.

    `environment` is added to this process's own. Its memory can't be told to be less than this
    process's (about 30 MB).
    """
    start = time.perf_counter()
    with subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        cwd=folder,
        env={**os.environ, **(environment or {})},
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, wait_status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(wait_status)
    if process.returncode != status:
        text = said.decode(errors="replace")[-4000:]
        raise RuntimeError(f"{command[0]} ended with status {process.returncode}:\n{text}")
    return Usage(used.ru_utime + used.ru_stime, wall, _megabytes(used.ru_maxrss))


def in_child(function: Callable[..., T], *arguments: Any) -> tuple[Usage, T]:
    """Run a module's function in a fresh process; what it used, without starting, and its result.

    What the function's module imports is not counted; what the function imports is. Peak memory is
    the whole process's. Arguments and result must be picklable.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report, args=(sender, function, arguments))
    process.start()
    sender.close()
    try:
        usage, result = receiver.recv()
    except EOFError:
        raise RuntimeError(f"{function.__name__} failed; its own words are above") from None
    finally:
        process.join()
    return usage, result


def _report(sender: Connection, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    start, before = time.perf_counter(), _cpu_of_self()
    result = function(*arguments)
    usage = Usage(_cpu_of_self() - before, time.perf_counter() - start, _own_peak_mb())
    sender.send((usage, result))


def _cpu_of_self() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _own_peak_mb() -> float:
    # Linux counts the parent's memory into ru_maxrss of a new program; VmHWM is its own.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return _megabytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _megabytes(max_rss: int) -> float:
    # Kilobytes, but bytes on macOS.
    return max_rss / (1024 * 1024 if psutil.MACOS else 1024)


def tree_cpu(pid: int) -> float:
    """CPU seconds that a process and all its children have used so far, ended ones included."""
    root = psutil.Process(pid)
    total = 0.0
    for process in (root, *root.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:  # ended since it was listed: it is in its parent's account
            continue
        total += times.user + times.system
        total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total
