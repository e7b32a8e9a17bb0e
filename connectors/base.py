"""The contract of a connector: what it is asked for and what it gives back.

Belongs here: the types that every connector and its callers share. Does not belong here: any one
API (hubspot, ga4), which failure means what (errors) or what the numbers are for (okr_sync.metrics).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from okr_sync.metrics.needs import Need
from okr_sync.warehouse.connect import Warehouse

NeedT_contra = TypeVar("NeedT_contra", bound=Need, contravariant=True)

Progress = Callable[[int], None]
"""Called with the rows read so far, by a pull that takes a while."""


def unwatched(rows: int) -> None:
    """The progress of a pull that nobody watches."""


@dataclass(frozen=True)
class PullResult:
    """What one pull of one dataset did; a row of `source_pull`.

    `is_complete` is True only if the connector proved that everything was read and stored. A failed
    pull has `error` (the user's text, without secrets) and leaves the source tables as they were.
    """

    source: str
    dataset: str
    requests: int
    rows: int
    rows_expected: int | None
    is_complete: bool
    seconds: float
    cursor_from: datetime | None = None
    cursor_to: datetime | None = None
    quota: Mapping[str, int] = field(default_factory=dict)
    quality: tuple[str, ...] = ()
    """The flags of anything that was read, or refused, sorted."""
    error: str | None = None
    warnings: tuple[str, ...] = ()
    """What people should know of a pull that is complete, a sentence each."""
    is_transient: bool = False
    """Whether a later run may succeed where this pull failed."""
    is_deferred: bool = False
    """Whether only a later run may: trying again at once would waste what is left of a quota."""


class Connector(Protocol[NeedT_contra]):
    """Reads one source into the warehouse's source tables. Never raises for a source's failure."""

    def pull(
        self,
        need: NeedT_contra,
        warehouse: Warehouse,
        now: datetime,
        progress: Progress = unwatched,
    ) -> PullResult:
        """Bring the source tables up to date with what is needed, and prove it or say why not."""
        ...

    def close(self) -> None:
        """Give back connections."""
        ...
