"""Ctrl-C that ends a command wherever it strikes.

Belongs here: an interrupt that Python had to pass over. Does not belong here: what a command does when
it is interrupted.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

# Long enough for the finalizer to have ended, too short for a person to notice.
_SECONDS_TO_LEAVE: Final = 0.02


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Send an interrupt again that fell into a finalizer, where no exception gets out.

    Clients close their connections in finalizers (urllib3's pools do), so the moment after a read is a
    likely one: the command would say nothing and go on for as long as it takes. Must be entered from the
    main thread, which is the one that signals interrupt.
    """
    before = sys.unraisablehook
    # To the thread and not the process: only so does a wait for an answer end at once.
    to_this_thread = (threading.get_ident(), signal.SIGINT)

    def hook(passed_over: "UnraisableHookArgs", /) -> None:
        if not _is_interrupt(passed_over.exc_type):
            before(passed_over)
            return
        again = threading.Timer(_SECONDS_TO_LEAVE, signal.pthread_kill, to_this_thread)
        again.daemon = True
        again.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _is_interrupt(kind: type[BaseException]) -> bool:
    # Dagster has one of its own, and importing it to ask would cost seconds. What else is outside of
    # Exception ends a generator or the program.
    return not issubclass(kind, (Exception, GeneratorExit, SystemExit))
