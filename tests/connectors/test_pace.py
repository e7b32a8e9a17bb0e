"""Keeping to an account's limits, together with other threads, processes and programmes."""

import resource
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from connectors.clock import Clock
from connectors.hubspot.pace import HubSpotPace
from connectors.pace import ExhaustedError, Pace, Window
from connectors.shared_state import STATE_VARIABLE, SharedState

_WORKER = Path(__file__).with_name("pace_worker.py")
EARLY = 0.001
"""Seconds by which two clocks of a machine may differ: the one that tells, and the one that sleeps."""


@dataclass
class Hands:
    """A clock that only moves when somebody sleeps; `slept` lists for how long."""

    now: float = 1_000_000.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> Clock:
        """The clock that a connector goes by."""
        return Clock(lambda: self.now, lambda: self.now, self.sleep)


@pytest.fixture
def hands() -> Hands:
    """A clock in the test's hands."""
    return Hands()


@pytest.fixture
def pace(hands: Hands) -> Pace:
    """The limits of one account, by the clock in the test's hands."""
    return Pace(SharedState("test", "http://localhost", "secret"), hands.clock())


def _fullest(sent: list[float], seconds: float) -> int:
    return max(sum(at <= other < at + seconds for other in sent) for at in sent)


def test_no_window_is_ever_overfull(pace: Pace, hands: Hands) -> None:
    """However requests come, at most the limit is sent in any window."""
    sent = []
    for pause in (0.0, 0.0, 0.4, 0.0, 0.0, 0.0, 0.9, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0):
        hands.now += pause
        pace.admit("requests", Window(5, 1.1))
        sent.append(hands.now)
    assert _fullest(sent, 1.1 - 1e-6) == 5


def test_slow_answers_count_from_when_they_came(pace: Pace, hands: Hands) -> None:
    """The service counts a request at some time before its answer, so only then a window begins."""
    for _ in range(5):
        ticket = pace.admit("requests", Window(5, 10.0))
        hands.now += 1.5
        pace.sent(ticket)
    pace.admit("requests", Window(5, 10.0))
    assert hands.now == pytest.approx(1_000_000 + 1.5 + 10.0)


def test_processes_share_a_window(tmp_path: Path) -> None:
    """Three processes at once keep to one limit, and none of them is left behind."""
    command = [sys.executable, str(_WORKER), str(tmp_path), "20", "20", "1.0"]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    planned = []
    for worker in workers:
        out, _ = worker.communicate(timeout=60)
        assert worker.returncode == 0
        for line in out.splitlines():
            at, let_through = map(float, line.split())
            assert let_through >= at - EARLY
            planned.append(at)
    assert len(planned) == 60
    assert _fullest(planned, 1.0 - EARLY) == 20


def test_threads_share_a_window() -> None:
    """Threads with connectors of their own keep to one limit."""
    sent: list[tuple[float, float]] = []

    def work() -> None:
        clock = Clock()
        pace = Pace(SharedState("test", "http://localhost", "secret"), clock)
        for _ in range(10):
            ticket = pace.admit("requests", Window(10, 0.5))
            sent.append((ticket.at, clock.epoch()))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sent) == 30
    assert all(let_through >= at - EARLY for at, let_through in sent)
    assert _fullest([at for at, _ in sent], 0.5 - EARLY) == 10


def test_a_pause_holds_for_everybody(hands: Hands) -> None:
    """After a refusal nobody sends until the time that the service named, at most a minute."""
    one, other = (HubSpotPace("http://localhost", "secret", 4.5, hands.clock()) for _ in range(2))
    ticket = one.admit(is_search=False)
    one.answered(ticket, {})
    one.refused(ticket, 20.0)
    other.admit(is_search=True)
    assert hands.slept == []
    other.admit(is_search=False)
    assert hands.now == 1_000_020.0


def test_headers_are_learnt_from(hands: Hands) -> None:
    """The window follows what the service tells, less what other programmes use of it."""
    pace = HubSpotPace("http://localhost", "secret", 4.5, hands.clock())
    told = {"burst": 190, "burst_remaining": 189, "interval_ms": 10_000}
    for number in range(186):
        told["burst_remaining"] = 189 - number
        pace.answered(pace.admit(is_search=False), told)
    assert hands.slept == []
    pace.admit(is_search=False)
    assert hands.now == 1_000_010.0
    hands.now += 100.0
    # Somebody else has used 180 of them: four stay unused, so five of ours fit.
    pace.answered(pace.admit(is_search=False), {**told, "burst_remaining": 9})
    start = hands.now
    for _ in range(5):
        pace.answered(pace.admit(is_search=False), {})
    assert hands.now == start
    pace.admit(is_search=False)
    assert hands.now == start + 10.0


def test_an_unknown_limit_is_the_smallest(hands: Hands) -> None:
    """Until HubSpot has named its limit, the smallest tier's holds."""
    pace = HubSpotPace("http://localhost", "secret", 4.5, hands.clock())
    for _ in range(96):
        pace.admit(is_search=False)
    assert hands.slept == []
    pace.admit(is_search=False)
    assert hands.now == 1_000_010.0


def test_a_day_is_checked_before_and_counted_after(hands: Hands) -> None:
    """Searches, whose answers tell nothing, count against the day too; a used-up one is asked about
    again after a while and not before."""
    pace = HubSpotPace("http://localhost", "secret", 4.5, hands.clock())
    pace.answered(pace.admit(is_search=False), {"daily_remaining": 2})
    pace.answered(pace.admit(is_search=True), {})
    pace.answered(pace.admit(is_search=True), {})
    for is_search in (True, False):
        with pytest.raises(ExhaustedError, match="the day"):
            pace.admit(is_search=is_search)
    assert pace.left_today() == 0
    hands.now += 901
    assert pace.left_today() is None
    pace.answered(pace.admit(is_search=False), {"daily_remaining": 250_000})
    assert pace.left_today() == 250_000
    pace.day_is_over()
    with pytest.raises(ExhaustedError):
        pace.admit(is_search=False)


def test_no_wait_is_longer_than_a_minute(pace: Pace, hands: Hands) -> None:
    """What would take longer is left to a later run, and takes nobody's turn."""
    for _ in range(3):
        pace.admit("requests", Window(1, 30.0))
    with pytest.raises(ExhaustedError):
        pace.admit("requests", Window(1, 90.0))
    assert max(hands.slept) <= 60.0
    assert len(hands.slept) == 2


def test_a_clock_that_was_set_back_stops_nobody(pace: Pace, hands: Hands) -> None:
    """What was counted in a future that is not one any more is forgotten."""
    for _ in range(5):
        pace.admit("requests", Window(5, 10.0))
    pace.learn_budget("tokens", 0)
    pace.pause("requests", 60.0)
    hands.now -= 3_600
    pace.admit("requests", Window(5, 10.0), ("tokens",))
    assert hands.slept == []


def test_budgets_are_spent_by_their_cost(pace: Pace, hands: Hands) -> None:
    """A request that may cost more than is left is not sent; a budget comes back when it is due."""
    pace.learn_budget("tokens", 10, 600.0)
    pace.spend("tokens", 7)
    assert pace.budget_left("tokens") == 3
    with pytest.raises(ExhaustedError) as refused:
        pace.spend("tokens", 4)
    assert refused.value.seconds == 600.0
    assert pace.budget_left("tokens") == 3
    hands.now += 600.0
    pace.spend("tokens", 4)


def test_units_that_are_counted_at_once_are_all_counted(tmp_path: Path) -> None:
    """Two threads that take the same unit would leave one uncounted."""

    def work() -> None:
        pace = Pace(SharedState("test", "http://localhost", "secret", tmp_path), Clock())
        for _ in range(50):
            pace.count_down("errors", 1_000, 600.0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pace = Pace(SharedState("test", "http://localhost", "secret", tmp_path), Clock())
    assert pace.budget_left("errors") == 800


def test_places_are_given_back_and_outlive_nobody(pace: Pace, hands: Hands) -> None:
    """So many at once; a place that a killed process holds is free again after its time."""
    with pace.place("requests", 2, 30.0), pace.place("requests", 2, 30.0):
        assert hands.slept == []
        with pace.place("requests", 2, 30.0):
            assert sum(hands.slept) == pytest.approx(30.0)
    with (
        pace.place("requests", 1, 100.0),
        pytest.raises(ExhaustedError),
        pace.place("requests", 1, 100.0),
    ):
        pass


def test_a_folder_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hands: Hands
) -> None:
    """A state folder that is a file is passed over; the token is nowhere in what is kept."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pace = HubSpotPace("http://localhost", "pat-secret", 4.5, hands.clock())
    pace.admit(is_search=False)
    kept = [file.read_bytes() for file in tmp_path.glob("okr-sync-*/limits.sqlite*")]
    assert kept
    assert not any(b"pat-secret" in content for content in kept)


def _damaged(file: Path) -> None:
    for one in file.parent.glob(f"{file.name}*"):
        one.write_bytes(b"no database " * 4_000)


def _refusing(file: Path) -> None:
    opened = sqlite3.connect(file)
    opened.execute("CREATE TRIGGER no BEFORE INSERT ON shared BEGIN SELECT RAISE(FAIL, 'no'); END")
    opened.close()


def _without_room(file: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.fixture
def file_size() -> Iterator[None]:
    """Gives back the room that a test takes from its own process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("broken", [_damaged, _refusing, _without_room])
@pytest.mark.usefixtures("file_size")
def test_a_file_that_breaks_stops_no_pull(
    tmp_path: Path, hands: Hands, broken: Callable[[Path], None]
) -> None:
    """What was known goes on in memory: the limit still holds for all threads of the process."""
    one, other = (
        Pace(SharedState("test", "http://localhost", "secret", tmp_path), hands.clock())
        for _ in range(2)
    )
    one.learn_budget("tokens", 10, 600.0)
    broken(tmp_path / "limits.sqlite")
    one.spend("tokens", 7)
    other.admit("requests", Window(1, 10.0))
    one.admit("requests", Window(1, 10.0))
    assert sum(hands.slept) == 10.0
    with pytest.raises(ExhaustedError):
        other.spend("tokens", 4)


_KNOWN = """
import sys
from pathlib import Path
from connectors.clock import Clock
from connectors.pace import Pace
from connectors.shared_state import SharedState
state = SharedState("test", "http://localhost", "secret", Path(sys.argv[1]))
print(Pace(state, Clock(epoch=lambda: 1_000_000.0)).budget_left("tokens"))
"""


def test_a_file_that_is_deleted_is_made_anew(tmp_path: Path, hands: Hands) -> None:
    """A run that goes on when somebody tidies up still shares what it knows with one that begins then."""
    folder = tmp_path / "state"
    folder.mkdir()
    one = Pace(SharedState("test", "http://localhost", "secret", folder), hands.clock())
    one.learn_budget("tokens", 10, 600.0)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    one.spend("tokens", 7)
    command = [sys.executable, "-c", _KNOWN, str(folder)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "3"


@pytest.mark.parametrize("body", [b"no JSON", b"[1]", b"\xff"])
def test_a_document_that_is_none_is_begun_anew(tmp_path: Path, hands: Hands, body: bytes) -> None:
    """What a damaged disk or a person has left in the file crashes no pull."""
    pace = Pace(SharedState("test", "http://localhost", "secret", tmp_path), hands.clock())
    pace.learn_budget("tokens", 10, 600.0)
    with sqlite3.connect(tmp_path / "limits.sqlite") as opened:
        opened.execute("UPDATE shared SET body = ?", (body,))
    pace.admit("requests", Window(1, 10.0), ("tokens",))
    assert pace.budget_left("tokens") is None


def test_apps_of_one_account_share_its_searches_and_not_its_bursts(hands: Hands) -> None:
    """HubSpot allows five searches a second for the account, whatever the token, and so many other
    requests for each app."""
    one, other, stranger = (
        HubSpotPace("http://localhost", token, 4.5, hands.clock()) for token in ("a", "b", "c")
    )
    for pace, portal in ((one, "4711"), (other, "4711"), (stranger, "4712")):
        pace.belongs_to(portal)
    for pace in (one, other):
        for _ in range(96):
            pace.answered(pace.admit(is_search=False), {})
    assert hands.slept == []
    for pace in (one, other, one, other, one):
        pace.answered(pace.admit(is_search=True), {})
    stranger.admit(is_search=True)
    assert hands.slept == []
    ticket = other.admit(is_search=True)
    assert sum(hands.slept) == pytest.approx(5 / 4.5)
    other.refused(ticket, 20.0)
    one.admit(is_search=True)
    assert sum(hands.slept) == pytest.approx(5 / 4.5 + 20.0)
