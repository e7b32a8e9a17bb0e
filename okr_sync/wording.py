"""Small turns of phrase that every part's messages share.

Belongs here: what makes counts, statuses and goals read well. Does not belong here: numbers with units
(numbers), definitions (inspect.words) or the wording of findings (config.wording).
"""

from collections.abc import Callable
from decimal import Decimal


def counted(number: int, what: str) -> str:
    """A number and the things that it counts: `1 key result`, `2,000 rows`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def status_in_words(status: str) -> str:
    """A status as people say it: `severely lagging`."""
    return status.replace("_", " ")


def ends_in_words(
    kind: str,
    baseline: Decimal | None,
    target: Decimal | None,
    low: Decimal | None,
    show: Callable[[Decimal | None], str],
    share: Decimal | None = None,
) -> str:
    """A goal as people read it everywhere: `18% → 27%`, `≥ 200`, `≤ 5 d`, `3% … 4%`.

    A baseline that has not been measured yet is `measured`, and a target that hangs on it the `share`
    (0.25 is `+25%`).
    """
    end = (
        f"{(share * 100).normalize():+,f}%"
        if target is None and share is not None
        else show(target)
    )
    if kind == "from_to":
        return f"{'measured' if baseline is None else show(baseline)} → {end}"
    if kind == "between":
        return f"{show(low)} … {end}"
    return f"{'≥' if kind == 'at_least' else '≤'} {end}"
