"""No secret in any output: what the tests write and say is searched for their credentials.

A plugin of the whole test suite (tests/conftest.py registers it). Every credential that the tests use
holds one of WORDS. Searched are, after each test: what it printed and logged; what its commands and
child processes answered; the errors that it expected, with their causes; Dagster's events; the files
below its folder and in its state folder (SQLite's rows, Dagster's storage, pages, logs, JSON); and every
row of its PostgreSQL databases before they are dropped. What is found fails the test and says where it
was.

Not searched are folders that the tests of a module share, the folders in memory of tests/crash and
tests/faults, and what a test reads from a child process itself (`process.stdout`).

A test whose subject is a secret in a file or the command that hands one out says so:
`@pytest.mark.secret_in("files")`, or "output".
"""

import io
import logging
import os
import sys
import traceback
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

CANARY = "hunter2canary"
"""What every credential of the tests should hold."""

WORDS = (
    CANARY,
    "canary",
    "hunter2",
    "s3cr3t",
    "s3cret",
    "pat-na1-",  # every HubSpot token, the sandbox's own too
    "pat-secret",
    "eyJ0eXAiOiAiSldU",  # the beginning of every bearer token for GA4 ({"typ": "JWT)
    "PRIVATE KEY-----",
)
KEY_FILE = "key.json"
"""The only name under which a test may keep a service account's key in its folder."""

_BYTES = tuple(word.encode() for word in WORDS)

_FOLDERS = ("tmp_path", "own_state", "session_state")
"""The fixtures that give the folders in which a test's runs write."""


def found_in(text: str | bytes) -> list[str]:
    """The words of credentials that a text holds."""
    if isinstance(text, bytes):
        return [word for word, raw in zip(WORDS, _BYTES, strict=True) if raw in text]
    return [word for word in WORDS if word in text]


class CanaryWatch:
    """What was found in the test that is running, and the hooks that look."""

    def __init__(self) -> None:
        self._found: list[str] = []
        self._errors: list[Any] = []
        self._folders: set[Path] = set()
        self._watches_dagster = False

    def look(self, place: str, text: str | bytes | None) -> None:
        """Search what was said at a place."""
        for word in found_in(text) if text else ():
            said = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
            at = said.find(word)
            self._found.append(f"{place}: …{said[max(0, at - 60) : at + 40]!r}…")

    def found(self) -> list[str]:
        """What was found since this was last asked."""
        found, self._found = self._found, []
        return found

    def look_into_postgresql(self, url: str) -> None:
        """Search every row of every table of a database."""
        with psycopg.connect(url) as connection:
            tables = connection.execute(
                "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
                "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            ).fetchall()
            if not tables:
                return
            pattern = "|".join(WORDS)
            hits = connection.execute(
                " UNION ALL ".join(
                    f"SELECT '{name}', t::text FROM {name} AS t WHERE t::text ~ '{pattern}'"
                    for (name,) in tables
                )
            )
            for name, row in hits:
                self.look(f"PostgreSQL, table {name}", row)

    # --- what is heard while a test runs ------------------------------------------------------------

    def _hear(self, patch: pytest.MonkeyPatch) -> None:
        """Listen where tests take output away from pytest: child processes, commands, capsys."""
        import subprocess

        import click.testing

        watch = self
        communicate = subprocess.Popen.communicate
        invoke = click.testing.CliRunner.invoke
        readouterr = pytest.CaptureFixture.readouterr
        raises = pytest.raises

        def communicated(process: Any, *given: Any, **named: Any) -> Any:
            said = communicate(process, *given, **named)
            for stream, text in zip(("stdout", "stderr"), said, strict=True):
                watch.look(f"{stream} of {_program(process.args)}", text)
            return said

        def invoked(runner: Any, *given: Any, **named: Any) -> Any:
            result = invoke(runner, *given, **named)
            watch.look("output of a command", result.output)
            watch.look("stderr of a command", result.stderr)
            return result

        def read(fixture: Any) -> Any:
            said = readouterr(fixture)
            watch.look("stdout", said.out)
            watch.look("stderr", said.err)
            return said

        def raised(*given: Any, **named: Any) -> Any:
            expected = raises(*given, **named)
            watch._errors.append(expected)
            return expected

        patch.setattr(subprocess.Popen, "communicate", communicated)
        patch.setattr(click.testing.CliRunner, "invoke", invoked)
        patch.setattr(pytest.CaptureFixture, "readouterr", read)
        patch.setattr(pytest, "raises", raised)

    def _hear_dagster(self, patch: pytest.MonkeyPatch) -> None:
        """Listen to every event that Dagster stores, as soon as a test has imported it."""
        if self._watches_dagster or "dagster" not in sys.modules:
            return
        self._watches_dagster = True
        from dagster import DagsterInstance

        handle = DagsterInstance.handle_new_event
        watch = self

        def handled(instance: Any, event: Any, **named: Any) -> Any:
            watch.look("an event of Dagster", event.to_json())
            return handle(instance, event, **named)

        patch.setattr(DagsterInstance, "handle_new_event", handled)

    # --- the plugin's hooks -------------------------------------------------------------------------

    @pytest.hookimpl
    def pytest_configure(self, config: pytest.Config) -> None:
        """Begin to listen."""
        config.addinivalue_line(
            "markers", "secret_in(place): a secret belongs there, see canary.py"
        )
        self._patch = pytest.MonkeyPatch()
        self._hear(self._patch)
        self._logged = io.StringIO()
        self._handler = logging.StreamHandler(self._logged)
        logging.getLogger().addHandler(self._handler)

    @pytest.hookimpl
    def pytest_unconfigure(self) -> None:
        """Listen no more."""
        logging.getLogger().removeHandler(self._handler)
        self._patch.undo()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Remember the test's folders, which its fixtures' end may hide."""
        self._hear_dagster(self._patch)
        fixtures = getattr(item, "funcargs", {})
        self._folders |= {fixtures[name] for name in _FOLDERS if name in fixtures}
        yield
        self._hear_dagster(self._patch)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Search when everything of the test has ended, its fixtures too."""
        report = yield
        if call.when == "teardown":
            for title, said in report.sections:
                self.look(title, said)
            found = self._of_test(item)
            if found and report.passed:
                report.outcome = "failed"
                report.longrepr = "It lets a secret out:\n" + "\n".join(found[:20])
        return report

    def _of_test(self, item: pytest.Item) -> list[str]:
        for expected in self._errors:
            for text in _texts_of(getattr(expected, "excinfo", expected)):
                self.look("an error", text)
        self._errors.clear()
        self.look("a log", self._logged.getvalue())
        self._logged.seek(0)
        self._logged.truncate()
        said = self.found()
        for folder in self._folders:
            for path in _files(folder):
                content = path.read_bytes()
                is_key = path.name == KEY_FILE and b'"type": "service_account"' in content[:100]
                if not is_key:
                    self.look(f"file {path.relative_to(folder)}", content)
        self._folders.clear()
        written = self.found()
        allowed = {place for mark in item.iter_markers("secret_in") for place in mark.args}
        return ([] if "output" in allowed else said) + ([] if "files" in allowed else written)


def _texts_of(excinfo: Any) -> Iterator[str]:
    """What an expected error and its causes say, as a log of it would show them."""
    try:
        error: BaseException | None = getattr(excinfo, "value", None) if excinfo else None
    except AssertionError:
        return  # what was expected did not come, which the test says by itself
    while error is not None:
        yield "".join(traceback.format_exception_only(error))
        yield from (value for value in vars(error).values() if isinstance(value, str))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _program(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else " ".join(map(str, list(arguments)[:3]))
