"""Reading `tell`: who is told of broken key results and of the week, through which channels.

Belongs here: the key in the project file. Does not belong here: the channels' addresses, which are in
the environment, and what is told (briefing).
"""

from collections.abc import Callable, Iterable, Mapping

from okr_sync.config.fields import Fields
from okr_sync.config.findings import Findings
from okr_sync.config.identifiers import check_id
from okr_sync.config.models import Position, Tell
from okr_sync.config.problems import BadValue
from okr_sync.config.secret_scan import check_environment_name
from okr_sync.config.wording import advice, quoted

_FORM = "a mapping such as {url_env: OKR_TELL, teams: {web: OKR_TELL_WEB}}"


def read_tell(
    fields: Fields, findings: Findings, parse_schedule: Callable[[str], str]
) -> tuple[Tell | None, dict[str, Position]]:
    """What the project says, None if nothing or wrongly, and where its teams stand.

    A mistake spoils the telling and no number.
    """
    own = Findings()
    outer = Fields(fields.node, "okr_sync.yaml", own)
    if not fields.has("tell"):
        return None, {}
    node = outer.mapping("tell", _FORM)
    if node is None:
        findings.include(own)
        return None, {}
    inner = Fields(node, "`tell`", own)
    url_env = inner.parsed("url_env", check_environment_name)
    teams = _channels(inner, "teams", check_id)
    owners = _channels(inner, "owners", str)
    digest = inner.parsed("digest", parse_schedule)
    inner.finish()
    if own.first_error is None and url_env is None and not teams and not owners:
        inner.missing("url_env", "Name the variable that holds the channels' addresses.")
    findings.include(own)
    if own.first_error is not None:
        return None, {}
    tell = Tell(
        url_env=url_env,
        teams={name: channel for name, (channel, _) in teams.items()},
        owners={name: channel for name, (channel, _) in owners.items()},
        digest=digest or Tell().digest,
    )
    return tell, {name: position for name, (_, position) in teams.items()}


def check_teams(told: Mapping[str, Position], teams: Iterable[str], findings: Findings) -> None:
    """Warn of teams that have a channel and no objective."""
    known = set(teams)
    for team, position in told.items():
        if team not in known:
            findings.warn(
                position,
                "unknown-team",
                f"No file of OKRs is of the team {quoted(team)}.",
                advice(team, known, "Name a team as its file does."),
            )


def _channels(
    fields: Fields, key: str, check: Callable[[str], object]
) -> dict[str, tuple[str, Position]]:
    """Names of variables by team or owner, each with its place."""
    node = fields.mapping(key, f"a mapping such as {{name: OKR_TELL_NAME}} under `{key}`")
    if node is None:
        return {}
    inner = Fields(node, f"`{key}` of `tell`", fields.findings)
    found: dict[str, tuple[str, Position]] = {}
    for entry in node.entries.values():
        try:
            check(entry.name)
        except BadValue as bad:
            fields.findings.bad(entry.position, bad)
        channel = inner.parsed(entry.name, check_environment_name)
        if channel is not None:
            found[entry.name] = channel, entry.position
    return found
