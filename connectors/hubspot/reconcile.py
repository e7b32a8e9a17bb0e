"""Holding a mirror against HubSpot: the proof that all is there, and the repair of what has drifted.

Belongs here: comparing counts, finding where they differ, reading those records again, and looking
at a part of the mirror in each run. Does not belong here: reading (records), what a mirror holds
(holdings) or what to do when a mirror can't be put right this way (pull).

A modified date tells of changes and of nothing else: records that are deleted, merged or restored
and properties that HubSpot calculates leave none. So each run compares how many records there are.
Where the counts differ, halves of the range of ids are counted until the records that make the
difference are found; those are read again by id, which no index delays. As many deletions as
restorations cancel each other in a count, so each run also counts above one id and compares the
records behind it one by one; the id moves on from run to run until all have had their turn.

Ids are compared as numbers here. If HubSpot's index orders them otherwise, nothing is lost: what is
found is then no proof of anything, only the repair takes longer ways (a full read).
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from connectors.hubspot.holdings import Held
from connectors.hubspot.records import RecordReader
from okr_sync.warehouse.mirror import Row

INDEX_LAG: Final = timedelta(minutes=15)
"""How long a change may take to show in searches: windows overlap by it."""

MOST_SLICES: Final = 20
"""How many slices one run compares while it finds drift in each."""

_PARTS: Final = 8
_LARGEST_ID: Final = 2**63 - 1
_MOST_ACCOUNTED: Final = 2_000
_COUNTS: Final = 5
_LEAST_REQUESTS: Final = 60
# A full read is a hundred records a request at four times the rate of searches.
_RECORDS_PER_REQUEST: Final = 500
# Steps of this share of the whole come nearest to every place soonest.
_GOLDEN: Final = 0.6180339887498949


class TooMuchDriftError(Exception):
    """More differs than is worth looking for: reading everything is quicker."""


class Reconciler:
    """Compares what a mirror holds with HubSpot; what it finds wrong it puts right in `held`.

    `repaired` counts the records that were put right. Reading raises SourceError and its kin, and
    TooMuchDriftError.
    """

    def __init__(self, reader: RecordReader, held: Held) -> None:
        self._reader = reader
        self._held = held
        self.repaired = 0
        self._not_indexed: set[str] = set()
        self._still_indexed: set[str] = set()
        allowed = max(_LEAST_REQUESTS, held.count // _RECORDS_PER_REQUEST)
        self._last_request = reader.requests + allowed

    # --- the proof ---

    def settle(self, total: int | None, read_up_to: datetime) -> int:
        """How many records the mirror must hold, given that HubSpot's index counts `total`.

        The index may differ from a mirror that is right in two ways: records created since the
        instant up to which it was read are in the index only, and what a list gave a moment ago may
        not be in the index yet. Both are accounted for by id. No request when the counts agree; a
        total that is known to count records created since is None, for it may agree by chance.
        """
        held = self._held
        if total == held.count:
            return total
        total, created_since = self._counted(read_up_to)
        expected = total - len(created_since)
        if expected < held.count:
            expected += self._recent_not_indexed(read_up_to)
        if expected == held.count:
            return expected
        return self._search_for_the_difference(total, created_since)

    def settle_listed(
        self, total: int, read_up_to: datetime, *, is_known: bool, is_still: bool
    ) -> int:
        """As `settle`, for a mirror that was just filled from a list.

        A record that the list passed over and one that has gone since cancel each other in every count.
        That can't be where each record of before `is_known` by its id and was asked for, nor where the
        account `is_still` (it counted the same before the list, and nothing new has come). Else the
        mirror is held against the ids that the index holds, a request for each page of them; a small
        one always, and with the whole records.
        """
        held, reader = self._held, self._reader
        if max(held.count, total) <= _PARTS * reader.search_page:
            self.compare_all(reader.everything())
            return self.settle(total, read_up_to)
        expected = self.settle(None, read_up_to)
        if expected != held.count or is_known or (is_still and not self.repaired):
            return expected
        self._take_in_the_unlisted()
        return self.settle(None, read_up_to)

    def _take_in_the_unlisted(self) -> None:
        began = self._reader.requests
        for indexed in self._reader.indexed_ids():
            lacking = indexed - self._held.present(indexed)
            if lacking:
                found = self._reader.read(lacking)
                self._held.put(found)
                self.repaired += len(found)
        # Not taken from what finding drift may cost.
        self._last_request += self._reader.requests - began

    def _counted(self, read_up_to: datetime) -> tuple[int, set[str]]:
        """How many records the index holds, and which of them the mirror lacks as too new.

        A record created between the two answers would stand in for one that is gone: the ids are
        asked for before and after the count, and it holds when they are the same.
        """
        created_since = self._created_since(read_up_to)
        for _ in range(_COUNTS):
            total, before = self._reader.total(), created_since
            created_since = self._created_since(read_up_to)
            if created_since == before:
                return total, created_since
        raise TooMuchDriftError

    def _created_since(self, at: datetime) -> set[str]:
        created = self._reader.ids_created_after(at)
        return created - self._held.present(created)

    def _recent_not_indexed(self, read_up_to: datetime) -> int:
        recent = self._held.changed_since(read_up_to - INDEX_LAG)
        if not recent or len(recent) > _MOST_ACCOUNTED:
            return 0
        missing = recent - self._reader.indexed(recent)
        existing = {str(row["id"]) for row in self._reader.read(missing)}
        # Once more: one that was archived for a moment is missing, and stands in the count all the same.
        return len(existing - self._reader.indexed(existing))

    def _search_for_the_difference(self, total: int, created_since: Collection[str]) -> int:
        # Of this search alone: what the index lagged behind in an earlier one it may know by now.
        self._not_indexed.clear()
        self._still_indexed.clear()
        self._localise(self._parts(total))
        created = len(set(created_since) - self._held.present(created_since))
        still = self._still_indexed - set(created_since)
        return total - created - len(still) + len(self._not_indexed)

    # --- finding where counts differ ---

    def _parts(self, total: int) -> list[tuple[int, int, int]]:
        """The whole range of ids in a few parts of like size, with HubSpot's counts.

        Where something has drifted there is often more, and differences of unlike sign cancel each
        other in a count of all.
        """
        held = self._held
        if held.count <= _PARTS * self._reader.search_page:
            return [(0, _LARGEST_ID, total)]
        places = (held.count * number // _PARTS for number in range(1, _PARTS))
        borders = [at for place in places if (at := held.nth(place, 0, _LARGEST_ID)) is not None]
        parts: list[tuple[int, int, int]] = []
        low = 0
        for border in borders:
            self._afford(1)
            parts.append((low, border - 1, self._reader.count_between(low, border - 1)))
            low = border
        rest = total - sum(there for _, _, there in parts)
        return [*parts, (low, _LARGEST_ID, rest)]

    def _localise(self, ranges: Sequence[tuple[int, int, int]]) -> None:
        """Compare again the records of ranges of ids whose counts differ; each with HubSpot's count."""
        waiting = list(ranges)
        while waiting:
            low, high, there = waiting.pop()
            here = self._held.count_between(low, high)
            if here == there:
                continue
            middle = self._held.nth(here // 2, low, high) if here > 1 else None
            if max(here, there) <= self._reader.search_page or middle is None or middle <= low:
                self._afford(there // self._reader.search_page)
                self.compare(low, high, self._reader.between(low, high))
                continue
            self._afford(1)
            below = self._reader.count_between(low, middle - 1)
            waiting += [(low, middle - 1, below), (middle, high, there - below)]

    def _afford(self, requests: int) -> None:
        if self._reader.requests + requests > self._last_request:
            raise TooMuchDriftError

    def compare(self, low: int, high: int, found: Sequence[Row]) -> int:
        """Compare what the index holds of a range of ids with the mirror; how much was put right.

        What differs is read by id, which is right also where the index lags.
        """
        there = {str(row["id"]): row for row in found}
        here = self._held.ids_between(low, high)
        missing, unknown = here - there.keys(), there.keys() - here
        current = self._held.current(there.keys() & here)
        drifted = {one for one, row in current.items() if _differs(row, there[one])}
        doubtful = missing | unknown | drifted
        if not doubtful:
            return 0
        if len(doubtful) > _MOST_ACCOUNTED:
            raise TooMuchDriftError
        truth = {str(row["id"]): row for row in self._reader.read(doubtful)}
        gone = (missing | drifted) - truth.keys()
        # What the index lacks may be older in the mirror than it is.
        current |= self._held.current(missing)
        fresh = [row for one, row in truth.items() if current.get(one) != row]
        self._held.take_out(gone)
        self._held.put(fresh)
        # A range of an index that orders ids otherwise lacks what it holds elsewhere.
        existing = missing & truth.keys()
        self._not_indexed |= existing - self._reader.indexed(existing)
        self._still_indexed |= (unknown | drifted) - truth.keys()
        count = len(gone) + len(fresh)
        self.repaired += count
        return count

    def compare_all(self, found: Sequence[Row]) -> int:
        """Compare the whole mirror with all that the index holds."""
        return self.compare(0, _LARGEST_ID, found)

    # --- a look at a part, in each run ---

    def look(self, step: int, total: int) -> bool:
        """Compare one slice of the mirror, and go on to the next while something is wrong in it.

        `step` counts the runs and chooses the slice; `total` is HubSpot's count of all. One request
        when nothing is wrong. Whether so much is wrong that reading everything is due.
        """
        held = self._held
        page = self._reader.search_page
        # From a page before the first, or those at the beginning would seldom have their turn.
        place = max(0, int(step * _GOLDEN % 1 * (held.count + page)) - page)
        first = low = held.nth(place, 0, _LARGEST_ID)
        for number in range(MOST_SLICES):
            if low is None or first is None:
                return False
            if number:
                self._afford(1)
            piece = self._reader.slice_from(low)
            ids = [int(str(row["id"])) for row in piece.rows]
            if not ids or ids != sorted(ids) or ids[0] < low:
                return False  # gone meanwhile, or another order of ids: nothing to compare by
            if not number and piece.total != held.count_between(low, _LARGEST_ID):
                self._localise([(0, low - 1, total - piece.total), (low, _LARGEST_ID, piece.total)])
                return False
            is_last = piece.total <= len(ids)
            repaired = self.compare(low, _LARGEST_ID if is_last else ids[-1], piece.rows)
            was_before, low = low < first, 0 if is_last else ids[-1] + 1
            is_round = low >= first if was_before else is_last and first == 0
            if not repaired or is_round:
                return False
        return True


def _differs(here: Row, there: Row) -> bool:
    """Whether the index knows a record otherwise, and not only as it was before."""
    if here == there:
        return False
    ours, theirs = here["updated_ms"], there["updated_ms"]
    return not (isinstance(ours, int) and isinstance(theirs, int) and theirs < ours)
