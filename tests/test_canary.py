"""The search for secrets (canary.py) finds one wherever a test lets it out, and nothing else."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CONFTEST = """
import importlib.util
import pytest

spec = importlib.util.spec_from_file_location("canary", {path!r})
canary = importlib.util.module_from_spec(spec)
spec.loader.exec_module(canary)


def pytest_configure(config):
    config.pluginmanager.register(canary.CanaryWatch(), "canary")


@pytest.fixture
def own_state(tmp_path_factory):
    return tmp_path_factory.getbasetemp() / "state" / "of-the-test"
"""

LEAKS = """
import logging, sqlite3, subprocess, sys
import click, dagster as dg, pytest
from click.testing import CliRunner

SECRET = "hunter2" + "canary"


def test_clean(tmp_path):
    (tmp_path / "page.html").write_text("Nothing to see")
    print("nothing", file=sys.stderr)
    with pytest.raises(ValueError):
        raise ValueError("nothing")


def test_printed():
    print(SECRET)


def test_printed_and_read_by_the_test(capsys):
    print(SECRET, file=sys.stderr)
    capsys.readouterr()


def test_logged():
    logging.getLogger("okr_sync").warning("url %s", f"postgresql://u:{SECRET}@h/db")


def test_in_an_error():
    with pytest.raises(ValueError):
        raise ValueError(SECRET)


def test_in_the_cause_of_an_error():
    with pytest.raises(ValueError):
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError("nothing") from error


def test_in_the_detail_of_an_error():
    from okr_sync.errors import OkrSyncError
    with pytest.raises(OkrSyncError):
        raise OkrSyncError("It broke.", detail=f"Authorization: Bearer {SECRET}")


def test_said_by_a_command():
    @click.command()
    def show():
        click.echo(SECRET)
    CliRunner().invoke(show)


def test_said_by_a_process():
    subprocess.run([sys.executable, "-c", f"print({SECRET!r})"], capture_output=True, check=True)


def test_in_a_page(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "page.html").write_text(f"<a href='https://u:{SECRET}@h'>")


def test_in_a_row(tmp_path):
    with sqlite3.connect(tmp_path / "w.sqlite") as connection:
        connection.execute("CREATE TABLE t (error TEXT)")
        connection.execute("INSERT INTO t VALUES (?)", [SECRET])
    connection.close()


KEY = '{"type": "service_account", "private_key": "' + SECRET + '"}'


def test_in_a_key_s_own_file(tmp_path):
    (tmp_path / "key.json").write_text(KEY)


def test_in_a_key_in_another_file(tmp_path):
    (tmp_path / "report.json").write_text(KEY)


def test_in_another_file_of_a_key_s_name(tmp_path):
    (tmp_path / "key.json").write_text(SECRET)


def test_in_the_state_folder(own_state):
    own_state.mkdir(parents=True)
    (own_state / "limits").write_text(SECRET)


def test_in_an_event_of_dagster():
    @dg.asset
    def leaky():
        return dg.MaterializeResult(metadata={"url": SECRET})
    assert dg.materialize([leaky]).success


@pytest.fixture
def late():
    yield
    print(SECRET)


def test_at_the_end_of_a_fixture(late):
    pass


@pytest.mark.secret_in("files")
def test_allowed_in_files(tmp_path):
    (tmp_path / "okr_sync.yaml").write_text(SECRET)


@pytest.mark.secret_in("files")
def test_allowed_in_files_and_printed(tmp_path):
    print(SECRET)
"""

CLEAN = {"test_clean", "test_allowed_in_files", "test_in_a_key_s_own_file"}


@pytest.mark.secret_in("files")
@pytest.mark.secret_in("output")
def test_every_way_out_is_watched(tmp_path: Path) -> None:
    """A print, a log line, an error, a command, a process, a file, a row, an event: each is told."""
    plugin = Path(__file__).with_name("canary.py")
    (tmp_path / "conftest.py").write_text(CONFTEST.format(path=str(plugin)))
    (tmp_path / "test_leaks.py").write_text(LEAKS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "--rootdir", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    told = {
        line.split("::")[1].split(" ")[0]
        for line in done.stdout.splitlines()
        if line.startswith("ERROR ")
    }
    written = {line[4:].partition("(")[0] for line in LEAKS.splitlines() if line.startswith("def ")}
    leaking = {name for name in written if name.startswith("test_")} - CLEAN
    assert told == leaking, done.stdout[-3000:]


def test_rows_of_postgresql_are_searched(
    postgresql_url: str, request: pytest.FixtureRequest
) -> None:
    """Every table of a database is looked through before it is dropped; here nothing is dropped yet."""
    import psycopg

    plugin: Any = request.config.pluginmanager.get_plugin("canary")
    watch = type(plugin)()  # one of its own
    with psycopg.connect(postgresql_url) as connection:
        connection.execute('CREATE TABLE "odd name" (a INTEGER, said TEXT)')
        connection.execute("INSERT INTO \"odd name\" VALUES (1, 'nothing')")
        connection.commit()
        watch.look_into_postgresql(postgresql_url)
        assert watch.found() == []
        connection.execute('INSERT INTO "odd name" VALUES (2, %s)', ["x hunter2" + "canary y"])
        connection.commit()
        watch.look_into_postgresql(postgresql_url)
        assert 'PostgreSQL, table public."odd name"' in watch.found()[0]
        connection.execute('DROP TABLE "odd name"')
