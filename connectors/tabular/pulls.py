"""What a pull of a table tells, whether it came about or not.

Belongs here: the report of one pull, and how long it took. Does not belong here: the pull itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from connectors.base import PullResult
from okr_sync.errors import DeferredSourceError, SourceError, TransientSourceError


@dataclass
class Pulled:
    """What a pull has done so far: `requests` are statements, or files that were opened."""

    requests: int = 0
    rows: int = 0
    rows_expected: int | None = None
    warnings: tuple[str, ...] = ()


def report_pull(
    source: str, dataset: str, cursor_to: datetime, pull: Callable[[Pulled], None]
) -> PullResult:
    """Run a pull, which fills in what it has done, and report it; a SourceError becomes `error`."""
    started = time.monotonic()
    done = Pulled()
    error: SourceError | None = None
    try:
        pull(done)
    except SourceError as failure:
        error = failure
    return PullResult(
        source=source,
        dataset=dataset,
        requests=done.requests,
        rows=done.rows if error is None else 0,
        rows_expected=done.rows_expected if error is None else None,
        is_complete=error is None,
        seconds=time.monotonic() - started,
        cursor_to=cursor_to if error is None else None,
        error=error.user_text if error else None,
        warnings=done.warnings if error is None else (),
        is_transient=isinstance(error, TransientSourceError),
        is_deferred=isinstance(error, DeferredSourceError),
    )
