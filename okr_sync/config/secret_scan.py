"""Secrets that were written into the project's files: found, reported, and never passed on.

Belongs here: what a token, a key or a URL with a password looks like. Does not belong here: where
secrets are read from when they are where they should be (connectors, the environment).

Every file is scanned before anything else is done with it, and each secret is overwritten with `x`
of the same length: no finding can quote it, config_version can't keep it, and columns stay right.
"""

import re
from bisect import bisect_right

from okr_sync.config.findings import Findings
from okr_sync.config.models import Position
from okr_sync.config.problems import BadValue

_ENVIRONMENT_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")

# Findings after which the file must be taken to hold a secret.
SECRET_RULES = frozenset(("secret-in-file", "bad-environment-name"))

_HOW = (
    "Remove it and make a new one, for this one must count as known. "
    "Put the new one into an environment variable"
)

# What is found, how it looks (its only group, or all of it, is the secret), what to do instead.
_EVERYWHERE = (
    (
        "A HubSpot token",
        re.compile(r"\bpat-[a-z]{2,4}[0-9]+-[0-9A-Za-z-]{6,}"),
        f"{_HOW}, and name the variable with `token_env`.",
    ),
    (
        "A URL with a password",
        re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{0,30}://([^\s/@:'\"]*:[^\s/@'\"]+)@"),
        f"{_HOW}, and name the variable with `url_env`.",
    ),
    (
        "A private key",
        re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]*"),
        f"{_HOW} or a file outside the project, and name the variable with `credentials_env`.",
    ),
    (
        "A Google key or token",
        re.compile(r"\bAIza[0-9A-Za-z_-]{30,}|\bya29\.[0-9A-Za-z_.-]{10,}"),
        f"{_HOW}, and name the variable with `credentials_env`.",
    ),
    (
        "A signed token",
        re.compile(r"(?<![0-9A-Za-z_-])eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]*"),
        f"{_HOW}, and name the variable.",
    ),
)
# In the project file: the values of keys that sound like a secret, and of those that want the name of
# a variable. They are told elsewhere (secret_in_file, check_environment_name), without quoting them.
_KEYED = re.compile(
    r"(?:token|password|secret|api_?key|private_key|credentials|url)[\"']?[ ]*:[ ]*[\"']?"
    r"([^\s\"'{}\[\],#][^\s\"'{},]*)",
    re.IGNORECASE,
)
_NAMED = re.compile(r"_env[\"']?[ ]*:[ ]*[\"']?([^\s\"'{}\[\],#]+)")


def scan(text: str, file: str, is_project: bool) -> tuple[str, Findings]:
    """The text with every secret overwritten, and a finding for each that its looks give away.

    Values of keys such as `token:` and `password:` are overwritten only in the project file
    (`is_project`); elsewhere these are ordinary words.
    """
    findings = Findings()
    line_starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def hide(match: re.Match[str]) -> str:
        group = match.re.groups
        hidden = "".join(c if c in "\r\n" else "x" for c in match[group])
        begin, end = match.start(group) - match.start(), match.end(group) - match.start()
        return match[0][:begin] + hidden + match[0][end:]

    clean = text
    for what, pattern, fix in _EVERYWHERE:
        for match in pattern.finditer(clean):
            offset = match.start(pattern.groups)
            line = bisect_right(line_starts, offset)
            position = Position(file, line, offset - line_starts[line - 1] + 1)
            findings.error(position, "secret-in-file", f"{what} is written in this file.", fix)
        clean = pattern.sub(hide, clean)
    if is_project:
        clean = _KEYED.sub(hide, clean)
        clean = _NAMED.sub(
            lambda match: match[0] if _ENVIRONMENT_NAME.fullmatch(match[1]) else hide(match), clean
        )
    return clean, findings


def secret_in_file(what: str, form: str) -> BadValue:
    """The refusal of a key whose value would be a secret; `form` shows how to name a variable."""
    return BadValue(
        "secret-in-file",
        f"{what[:1].upper()}{what[1:]} doesn't belong in a file.",
        f"Put it into an environment variable, and name that: `{form}`. "
        "If a real one was written here, make a new one: this one must count as known.",
    )


def check_environment_name(text: str) -> str:
    """The name of an environment variable as written, or BadValue."""
    if _ENVIRONMENT_NAME.fullmatch(text):
        return text
    # What stands here may be the secret itself, so it isn't quoted.
    raise BadValue(
        "bad-environment-name",
        "This is not the name of an environment variable.",
        "Use capitals, digits and underscores, such as HUBSPOT_ACCESS_TOKEN. "
        "If it is a secret, make a new one: this one must count as known.",
    )
