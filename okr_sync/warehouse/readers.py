"""Which process reads, and whether it still lives.

Belongs here: a name for this process that others can check. Does not belong here: what is read
(checkpoints) or the leases of runs (lease).
"""

import os
import socket
import uuid
from typing import Final

# A process id alone may be another process's by now, in a restarted container even one's own.
_THIS_PROCESS: Final = uuid.uuid4().hex[:12]


def reader_name() -> str:
    """A name for one reader in this process, as `machine process-id process reader`."""
    return f"{_machine()} {os.getpid()} {_THIS_PROCESS} {uuid.uuid4().hex[:12]}"


def is_dead(name: str) -> bool:
    """Whether a reader certainly lives no more; False where that can't be known from here."""
    parts = name.split(" ")
    if len(parts) != 4 or not parts[1].isdigit() or parts[0] != _machine():
        return False
    if int(parts[1]) == os.getpid():
        return parts[2] != _THIS_PROCESS
    if os.name != "posix":
        return False  # there, asking after a process would end it
    try:
        os.kill(int(parts[1]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _machine() -> str:
    return socket.gethostname().replace(" ", "_")[:100] or "unknown"
