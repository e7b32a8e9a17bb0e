"""Python's search for garbage, and when it is in the way.

Belongs here: pausing it. Does not belong here: the work that is done meanwhile.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Keep Python's cycle collector from searching very many objects over and over.

    For work that makes no cycles and holds a million objects, which are a million to walk through each
    time. Two threads at once only resume it a little early.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
