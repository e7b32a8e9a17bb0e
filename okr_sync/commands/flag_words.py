"""Quality flags as sentences.

Belongs here: what each flag means to who reads a number. Does not belong here: when a flag is set
(metrics, progress) or how it is laid out (explaining).
"""

from decimal import Decimal

from okr_sync.commands.numbers import show_percent

_FLAGS = {
    "provisional": "the day can still change: its settling time has not passed",
    "immature": "of the cohort have not had their time yet and are left out",
    "negative_duration": "records end before they begin: they have no duration and did not convert",
    "missing_home_currency": "records have no amount in the home currency and are left out",
    "missing_value": "records have no value and are left out",
    "missing_rate": "records have no exchange rate and are left out",
    "zero_denominator": "records have nothing to divide by and are left out",
    "bad_value": "records hold a value that can't be read",
    "groups": "groups were reduced to one number",
    "below_min_n": "fewer than `min_n` records: there is no score",
    "no_baseline": "the baseline has not been measured yet",
    "baseline_is_target": "the measured baseline is the target already: write another target",
    "baseline_not_above_zero": (
        "the measured baseline is not above 0, so a share more or less of it is no target: write the "
        "number to reach"
    ),
    "baseline_of_earlier_definition": (
        "the baseline was measured by another definition than the number and may not compare"
    ),
    "missing_input": "this input of the formula has no value",
    "division_by_zero": "the formula divides by zero",
    "empty_groups": "groups have no value and don't take part",
    "missing_group": "records have no value of the `by` field and are left out",
    "bad_time": "records hold a time that can't be read and lie in no window",
    "no_earlier_level": "there is no earlier level to subtract",
    "level_since": "the first level that is known is of this day",
    "sampled": "GA4 computed the figure from a part of the events",
    "thresholded": "GA4 held rows back so that nobody can be recognised",
    "other_row": "GA4 threw rare values together as (other)",
    "truncated": "GA4 cut a part of the data off",
    "schema_restricted": "GA4 hides this metric from our user and says 0",
    "blocked_metric": "the GA4 property doesn't give this metric to us and says 0",
    "property_time_zone": "GA4 counts days in this time zone",
    "override": "a person set the value",
}


def flag_in_words(flag: str) -> str:
    """A quality flag as a sentence; the flag itself where it says all there is to say."""
    name, _, number = flag.partition(":")
    text = _FLAGS.get(name)
    if text is None:
        return "noted by the source"
    if name == "immature":
        return f"{show_percent(Decimal(number))} {text}"
    return f"{number} {text}" if number.isdigit() else f"{text}{f' ({number})' if number else ''}"
