"""Quality flags: every name, what it says to who reads a number, and how much it weighs.

Belongs here: the one table of flags, and a flag as a sentence. Does not belong here: when a flag is
set (metrics, progress, connectors) or how a list of them is laid out (commands, assets).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from okr_sync.numbers import show_percent


class Weight(StrEnum):
    """What a flag does to the number beside it; the values are the documentation's words."""

    NOTE = "good to know"
    DOUBT = "the number may be off"
    REFUSED = "no number is published"


@dataclass(frozen=True)
class Flag:
    """What one flag means. `detail` is an example of what follows its colon; None where nothing does.

    `words` go on after a count or a share (`4 records have …`), or stand before a name in brackets;
    `of_one` go on after the count 1.
    """

    words: str
    weight: Weight
    detail: str | None = None
    of_one: str | None = None


_NOTE, _DOUBT, _REFUSED = Weight.NOTE, Weight.DOUBT, Weight.REFUSED

FLAGS: Final[dict[str, Flag]] = {
    # the day
    "provisional": Flag("the day can still change: its settling time has not passed", _NOTE),
    "restated": Flag(
        "more or less than was first reported of the day: the source has restated it", _NOTE, "0.12"
    ),
    # records
    "below_min_n": Flag("fewer than `min_n` records: there is no score", _NOTE),
    "immature": Flag(
        "of the cohort have not had their time yet and are left out", _NOTE, detail="0.38"
    ),
    "negative_duration": Flag(
        "records end before they begin: they have no duration and did not convert",
        _DOUBT,
        "2",
        "record ends before it begins: it has no duration and did not convert",
    ),
    "missing_home_currency": Flag(
        "records have no amount in the home currency and are left out",
        _DOUBT,
        "4",
        "record has no amount in the home currency and is left out",
    ),
    "missing_value": Flag(
        "records have no value and are left out",
        _DOUBT,
        "4",
        "record has no value and is left out",
    ),
    "missing_rate": Flag(
        "records have no exchange rate and are left out",
        _DOUBT,
        "3",
        "record has no exchange rate and is left out",
    ),
    "zero_denominator": Flag(
        "records have nothing to divide by and are left out",
        _DOUBT,
        "2",
        "record has nothing to divide by and is left out",
    ),
    "bad_value": Flag(
        "records hold a value that can't be read and are left out",
        _DOUBT,
        "2",
        "record holds a value that can't be read and is left out",
    ),
    "bad_time": Flag(
        "records hold a time that can't be read and lie in no window",
        _DOUBT,
        "2",
        "record holds a time that can't be read and lies in no window",
    ),
    # groups
    "groups": Flag(
        "groups were reduced to one number", _NOTE, "5", "group was reduced to one number"
    ),
    "empty_groups": Flag(
        "groups have no value and don't take part",
        _NOTE,
        "2",
        "group has no value and doesn't take part",
    ),
    "missing_group": Flag(
        "records have no value of the `by` field and are left out",
        _DOUBT,
        "3",
        "record has no value of the `by` field and is left out",
    ),
    # formulas
    "missing_input": Flag("this input of the formula has no value", _NOTE, "promoters"),
    "division_by_zero": Flag("the formula divides by zero", _NOTE),
    # levels
    "level_since": Flag("the first level that is known is of this day", _NOTE, "2026-10-05"),
    "no_earlier_level": Flag("there is no earlier level to subtract", _NOTE),
    # baselines and goals
    "no_baseline": Flag("the baseline has not been measured yet", _NOTE),
    "baseline_is_target": Flag(
        "the measured baseline is the target already: write another target", _NOTE
    ),
    "baseline_not_above_zero": Flag(
        "the measured baseline is not above 0, so a share more or less of it is no target: write "
        "the number to reach",
        _NOTE,
    ),
    "baseline_of_earlier_definition": Flag(
        "the baseline was measured by another definition than the number and may not compare", _NOTE
    ),
    # people
    "override": Flag("a person set the value", _NOTE),
    "checked_in": Flag("people said the number, as of this day", _NOTE, "2026-11-23"),
    "confidence": Flag("of 10 is how sure its author was", _NOTE, "7"),
    # HubSpot
    "partial_access": Flag(
        "HubSpot doesn't show the token a property that the metric needs", _REFUSED
    ),
    # GA4
    "changed_late": Flag(
        "GA4 changed a figure later than two days after its day or window had ended", _NOTE
    ),
    "property_time_zone": Flag("GA4 counts days in this time zone", _NOTE, "Europe/Berlin"),
    "property_currency": Flag(
        "GA4 tells amounts in this currency, and the metric or the project says another",
        _DOUBT,
        "EUR",
    ),
    "sampled": Flag("GA4 computed the figure from a part of the events", _DOUBT),
    "thresholded": Flag("GA4 held rows back so that nobody can be recognised", _DOUBT),
    "other_row": Flag("GA4 threw rare values together as (other)", _DOUBT),
    "truncated": Flag("GA4 cut a part of the data off", _DOUBT),
    "total_differs": Flag("the days don't add up to the total that GA4 gives", _DOUBT),
    "schema_restricted": Flag(
        "GA4 hides this metric from the credential by its role and would say 0", _REFUSED
    ),
    "blocked_metric": Flag(
        "the GA4 property doesn't give this metric to the credential and would say 0", _REFUSED
    ),
}
"""By name, in the order of the documentation."""


def flag_in_words(flag: str) -> str:
    """A quality flag as a sentence, with its count, share or name."""
    name, _, detail = flag.partition(":")
    known = FLAGS.get(name)
    if known is None:
        return f"noted by the source ({flag})"
    if name == "immature" and Decimal(detail) == 1:
        # Two decimals don't tell all of it from nearly all, beside which there is a number.
        return f"all or nearly all {known.words}"
    if name in ("immature", "restated"):
        return f"{share_in_words(detail)} {known.words}"
    if detail == "1" and known.of_one is not None:
        return f"1 {known.of_one}"
    if detail.isdigit():
        return f"{detail} {known.words}"
    return f"{known.words} ({detail})" if detail else known.words


def share_in_words(detail: str) -> str:
    """The share that a flag names, in two decimals, as a percentage: there is some of it, so never 0%."""
    share = Decimal(detail)
    return show_percent(share) if share else "less than 1%"


def weighing(flags: Iterable[str], weight: Weight) -> tuple[str, ...]:
    """Those of the flags that have this weight, in their order."""
    return tuple(
        flag
        for flag in flags
        if (known := FLAGS.get(flag.partition(":")[0])) is not None and known.weight is weight
    )


def flag_table() -> str:
    """All flags as a Markdown table, each as an example, in words and with its weight."""
    lines = ["| flag | meaning | weight |", "|---|---|---|"]
    for name, flag in FLAGS.items():
        example = f"{name}:{flag.detail}" if flag.detail is not None else name
        lines.append(f"| `{example}` | {flag_in_words(example)} | {flag.weight.value} |")
    return "\n".join(lines) + "\n"
