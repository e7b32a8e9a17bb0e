"""A process that sends through a shared pace and prints when it was to and when it did: run by test_pace."""

import sys
import time
from pathlib import Path

from connectors.clock import Clock
from connectors.pace import Pace, Window
from connectors.shared_state import SharedState


def main() -> None:
    """Arguments: the state's folder, how many requests, the window's size and seconds."""
    folder, count, most, seconds = sys.argv[1:]
    pace = Pace(SharedState("test", "http://localhost", "secret", Path(folder)), Clock())
    for _ in range(int(count)):
        ticket = pace.admit("requests", Window(int(most), float(seconds)))
        print(ticket.at, time.time(), flush=True)
        pace.sent(ticket)


if __name__ == "__main__":
    main()
