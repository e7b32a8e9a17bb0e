"""Words that many findings share: quoting what was written, near misses, what isn't supported.

Belongs here: text made from text. Does not belong here: what is right or wrong (readers, rules).
"""

from collections.abc import Iterable
from difflib import get_close_matches

from okr_sync import __version__
from okr_sync.config.problems import BadValue

_LONGEST_QUOTE = 60
_LONGEST_GUESS = 100


def quoted(text: str) -> str:
    """What was written, on one line, between backticks, cut where it is long."""
    line = " ".join(text.split())
    if len(line) > _LONGEST_QUOTE:
        line = line[: _LONGEST_QUOTE - 1] + "…"
    return f"`{line}`"


def near_miss(word: str, known: Iterable[str]) -> str | None:
    """The known word that was probably meant, or None."""
    if len(word) > _LONGEST_GUESS:
        return None
    by_lower_case = {name.lower(): name for name in sorted(known, reverse=True)}
    found = get_close_matches(word.lower(), by_lower_case, n=1, cutoff=0.6)
    return by_lower_case[found[0]] if found else None


def advice(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """`Did you mean …?` where there is a near miss, else the known words (or `otherwise`)."""
    names = sorted(known)
    meant = near_miss(word, names)
    if meant is not None:
        return f"Did you mean `{meant}`?"
    return otherwise or f"Use {listed(names)}."


def listed(words: Iterable[str], last: str = "or") -> str:
    """`a, b or c`, in the given order."""
    items = list(words)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


def not_supported(what: str, instead: str) -> BadValue:
    """The refusal of what the binding language names and this version doesn't carry out.

    `what` ends with its verb: "`formula` metrics are".
    """
    return BadValue(
        "not-supported", f"{what} not supported by this version ({__version__}).", instead
    )
