"""Key results by the names that people type.

Belongs here: matching typed names with ids. Does not belong here: what is done with them.
"""

import difflib
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from okr_sync.errors import UsageError


class Defined(Protocol):
    """What the files define: a bundle, or its outline."""

    @property
    def key_results(self) -> Collection[str]:
        """The ids of those in use."""

    @property
    def quarantined(self) -> Mapping[str, str]:
        """Why others are not, by id."""


def choose_key_results(typed: Iterable[str], known: Collection[str]) -> list[str]:
    """The ids that the typed names mean: `team/id`, or `id` alone where one team has it.

    Raises UsageError that names the near miss, or the teams between which to choose.
    """
    return [_choose_one(name, known) for name in typed]


def choose_measured(typed: str, measured: Collection[str], defined: Defined) -> str:
    """The id that a typed name means, of a key result that has been measured.

    Raises UsageError, also where the files define it but no run has measured it.
    """
    name = _choose_one(typed, {*measured, *defined.key_results, *defined.quarantined})
    if name in measured:
        return name
    if name in defined.quarantined:
        raise UsageError(f"{name} can't be measured: {defined.quarantined[name]}")
    raise UsageError(
        f"{name} has not been measured yet. Run `okr-sync sync`, or look at it with "
        f"`okr-sync preview {name}`."
    )


def _choose_one(name: str, known: Collection[str]) -> str:
    if name in known:
        return name
    same_id = sorted(each for each in known if each.partition("/")[2] == name)
    if len(same_id) == 1:
        return same_id[0]
    if same_id:
        raise UsageError(f"Several teams have a key result {name}: {', '.join(same_id)}.")
    of_team = sorted(each for each in known if each.partition("/")[0] == name)
    if of_team:
        raise UsageError(f"{name} is a team. Its key results are {', '.join(of_team)}.")
    raise UsageError(f"There is no key result {name}.{_near(name, known)}")


def _near(name: str, known: Collection[str]) -> str:
    """The key result that was probably meant, by its whole id or by what stands after the team."""
    by_short_id = {each.partition("/")[2]: each for each in sorted(known, reverse=True)}
    for candidates, cutoff in ((by_short_id, 0.6), ({each: each for each in known}, 0.4)):
        near = difflib.get_close_matches(name, candidates, n=1, cutoff=cutoff)
        if near:
            return f" Did you mean {candidates[near[0]]}?"
    return " `okr-sync status` lists them." if known else " The project has none yet."
