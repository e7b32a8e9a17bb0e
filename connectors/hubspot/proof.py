"""The proof that a mirror holds what HubSpot counts.

Belongs here: holding the number of records against HubSpot's own total and accounting for the few
that may differ for a reason. Does not belong here: reading (records) or deciding what to do when the
proof fails (pull).

The total comes from the search index. It may differ from a mirror that is right in two ways: records
created since the instant up to which the mirror was read are in the index and not in the mirror, and
records that a list gave a moment ago may not be in the index yet. Both are counted one by one, by
id; a difference that is left over means that something is missing or too much.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from connectors.hubspot.records import RecordReader

INDEX_LAG: Final = timedelta(minutes=15)
"""How long a change may take to show in searches: windows overlap by it."""

_MOST_ACCOUNTED: Final = 2_000
_LEAST_PAGES: Final = 10


@dataclass(frozen=True)
class Holding:
    """What a mirror holds, or would hold once it is written.

    `present` gives those of some ids that it holds, `changed_since` the ids of the records that the
    source says were created or changed at an instant or later.
    """

    count: int
    present: Callable[[Collection[str]], set[str]]
    changed_since: Callable[[datetime], set[str]]


def expected_count(reader: RecordReader, holding: Holding, read_up_to: datetime) -> int:
    """How many records the mirror must hold, given what HubSpot counts now.

    One request when the two agree.
    """
    total = reader.total()
    if total == holding.count:
        return total
    later = reader.ids_modified_after(read_up_to)
    created_since = later - holding.present(later)
    expected = reader.total() - len(created_since)
    if expected < holding.count:
        expected += _not_yet_indexed(reader, holding, read_up_to)
    elif expected > holding.count:
        expected -= _archived_still_indexed(reader, holding, read_up_to)
    return expected


def archived_in(reader: RecordReader, holding: Holding) -> set[str]:
    """The records that a mirror holds although they are in HubSpot's archive.

    Gives up after as many pages as a full read would take: that is the better way then.
    """
    gone: set[str] = set()
    for page in reader.archived(_pages(holding)):
        gone |= holding.present([record.id for record in page])
    return gone


def _not_yet_indexed(reader: RecordReader, holding: Holding, read_up_to: datetime) -> int:
    recent = holding.changed_since(read_up_to - INDEX_LAG)
    if not recent or len(recent) > _MOST_ACCOUNTED:
        return 0
    return len(reader.existing(recent - reader.indexed(recent)))


def _archived_still_indexed(reader: RecordReader, holding: Holding, read_up_to: datetime) -> int:
    since_ms = (read_up_to - INDEX_LAG).timestamp() * 1000
    recent: set[str] = set()
    for page in reader.archived(_pages(holding)):
        recent.update(one.id for one in page if (one.archived_ms or 0) >= since_ms)
    recent -= holding.present(recent)
    if not recent or len(recent) > _MOST_ACCOUNTED:
        return 0
    return len(reader.indexed(recent))


def _pages(holding: Holding) -> int:
    return max(_LEAST_PAGES, holding.count // 100 + 1)
