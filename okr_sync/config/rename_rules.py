"""Rules about key results that had another id before (`was`).

Belongs here: what only shows across key results: an id that is still used, or claimed twice. Does not
belong here: whether anything is known of the old id, which the warehouse says (sync.renames).
"""

from collections.abc import Sequence

from okr_sync.config.findings import Draft, Findings
from okr_sync.config.models import KeyResult
from okr_sync.config.rules import by_name, place_of
from okr_sync.config.wording import quoted


def check_renames(key_results: Sequence[Draft[KeyResult]], findings: Findings) -> None:
    """One history goes on in one key result: its old id is free, and one key result claims it."""
    defined = by_name(key_results)
    claims: dict[str, list[Draft[KeyResult]]] = {}
    for draft in key_results:
        if draft.item is not None and draft.item.was is not None:
            claims.setdefault(draft.item.was, []).append(draft)
    for was, drafts in claims.items():
        for draft in drafts:
            own = Findings()
            place = place_of(draft.node, ("was",))
            other = next((one for one in drafts if one is not draft), None)
            if was == draft.name:
                own.error(
                    place,
                    "bad-rename",
                    f"The key result is {quoted(was)} already.",
                    "Write the id that it had before, or remove the line.",
                )
            elif was in defined:
                own.error(
                    place,
                    "bad-rename",
                    f"{quoted(was)} is still a key result, defined at {defined[was][0].position}.",
                    "If the rename was done long ago, remove this line. If that one is another new "
                    "key result, rename first, run a sync, and add it then.",
                )
            elif other is not None:
                own.error(
                    place,
                    "bad-rename",
                    f"{quoted(was)} also became {quoted(other.name)}, at {other.position}.",
                    "A history goes on in one key result: keep the line in one of them.",
                )
            if own.first_error is not None:
                draft.reject(own.first_error)
            findings.include(own, draft.name)
