"""Rules about key results that had another id before (`was`).

Belongs here: an id that is still used or claimed twice, and what to say of one that the warehouse has
never had. Does not belong here: asking the warehouse (sync.renames).
"""

from collections.abc import Collection, Sequence

from okr_sync.config.findings import Draft, Findings
from okr_sync.config.models import KeyResult
from okr_sync.config.problems import Problem, Severity
from okr_sync.config.rules import by_name, place_of
from okr_sync.config.wording import advice, quoted


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


def unknown_former_id(key_result: KeyResult, former: Collection[str]) -> Problem:
    """The warning that `was` names an id without a history; `former` are those that could be meant."""
    was = str(key_result.was)
    return Problem(
        key_result.defined_at,
        Severity.WARNING,
        "unknown-former-id",
        f"`was` says {quoted(was)}, and the warehouse has never had that key result.",
        advice(was, former, "Mend the id, or remove the line: there is no history to keep."),
        key_result.key_result_id,
    )
