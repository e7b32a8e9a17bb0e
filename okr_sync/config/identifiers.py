"""How things may be named: teams, objectives, key results, metrics, sources, currencies.

Belongs here: the forms of names and what to say of a wrong one. Does not belong here: whether a name
is known or taken (rules). The forms and lengths are those that warehouse keys, table names and
Dagster's asset names can hold without two names becoming one.
"""

import re

from okr_sync.config.problems import BadValue
from okr_sync.config.wording import quoted

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_METRIC = re.compile(r"[a-z][a-z0-9_]*")
_SOURCE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_MAX_ID = 90
_MAX_METRIC = 100
_MAX_SOURCE = 30
_TAKEN_BY_ASSETS = ("metric", "key_result")
"""Dagster's assets are metric/NAME, key_result/TEAM/ID and SOURCE/DATASET: those must stay apart."""


def check_id(text: str) -> str:
    """The id of a team, objective or key result as written, or BadValue."""
    return _check(text, _ID, _MAX_ID, "-", "small letters, digits and single hyphens", "an id")


def check_metric_name(text: str) -> str:
    """A metric's name as written, or BadValue."""
    rule = "small letters, digits and underscores, beginning with a letter"
    return _check(text, _METRIC, _MAX_METRIC, "_", rule, "a metric's name")


def check_source_name(text: str) -> str:
    """A source's name as written, or BadValue."""
    rule = "small letters, digits and single underscores, beginning with a letter"
    if text in _TAKEN_BY_ASSETS:
        raise BadValue(
            "bad-id",
            f"{quoted(text)} can't be a source's name, because okr-sync calls something else so.",
            "Name it after what it is, such as `hubspot` or `web`.",
        )
    return _check(text, _SOURCE, _MAX_SOURCE, "_", rule, "a source's name")


def check_objective_reference(text: str) -> str:
    """`team/objective` as written, or BadValue."""
    team, slash, objective = text.partition("/")
    if not slash:
        raise BadValue(
            "bad-id",
            f"{quoted(text)} doesn't say whose objective it is.",
            f"Write the team before it: `company/{text}`."
            if _ID.fullmatch(text) and len(text) <= _MAX_ID
            else "Write `team/objective`.",
        )
    check_id(team)
    check_id(objective)
    return text


def check_former_id(text: str) -> str:
    """`id` or `team/id` as written, of a key result as it was called before, or BadValue."""
    team, slash, own = text.partition("/")
    if slash:
        check_id(team)
    check_id(own if slash else text)
    return text


def in_place_name(key_result_id: str) -> str:
    """The name of a metric that is written in its key result."""
    # Ids hold single hyphens and no underscore, so different key results get different names.
    return key_result_id.replace("-", "_").replace("/", "__")


def check_currency(text: str) -> str:
    """A currency's code as written, or BadValue."""
    if re.fullmatch(r"[A-Z]{3}", text):
        return text
    upper = text.upper()
    is_near = re.fullmatch(r"[A-Z]{3}", upper)
    raise BadValue(
        "bad-currency",
        f"{quoted(text)} is not a currency code.",
        f"Did you mean `{upper}`?" if is_near else "Use three capitals, such as USD or EUR.",
    )


def _check(
    text: str, form: re.Pattern[str], longest: int, joiner: str, rule: str, what: str
) -> str:
    if len(text) > longest:
        raise BadValue(
            "bad-id",
            f"{quoted(text)} is too long for {what}.",
            f"Use at most {longest} characters.",
        )
    if form.fullmatch(text):
        return text
    guess = re.sub(r"[^a-z0-9]+", joiner, text.lower()).strip(joiner)
    fix = f"Use {rule}"
    fix += f", such as `{guess}`." if form.fullmatch(guess) else "."
    raise BadValue("bad-id", f"{quoted(text)} can't be {what}.", fix)
