"""Whom to tell: names of variables only, and what is said of anything else."""

from typing import Any

import pytest

from okr_sync.config.models import Tell

PROJECT = """\
version: 1
time_zone: UTC
currency: USD
sources: {hubspot: {kind: hubspot}}
rules: {too-few-key-results: off, vague-result: off, percent-of-count: off, yes-no-result: off}
"""


def test_channels_are_read(inspect: Any) -> None:
    """Teams, owners and a schedule of one's own; Mondays at eight otherwise."""
    written = (
        "tell: {url_env: ALL, teams: {growth: GROWTH}, owners: {ana: ANA}, digest: '0 7 * * 5'}\n"
    )
    inspection = inspect({"okr_sync.yaml": PROJECT + written})
    assert inspection.problems == ()
    assert inspection.bundle.project.tell == Tell(
        url_env="ALL", teams={"growth": "GROWTH"}, owners={"ana": "ANA"}, digest="0 7 * * 5"
    )
    short = inspect({"okr_sync.yaml": PROJECT + "tell: {url_env: ALL}\n"}).bundle.project.tell
    assert short == Tell(url_env="ALL", digest="0 8 * * 1")


@pytest.mark.parametrize(
    ("written", "rule", "words"),
    [
        ("tell: {}", "missing-key", "needs `url_env`"),
        ("tell: ALL", "wrong-type", "a mapping such as"),
        ("tell: {url_env: ALL, digest: monday}", "bad-schedule", "five fields"),
        ("tell: {url_env: ALL, team: {}}", "unknown-key", "Did you mean `teams`?"),
        ("tell: {teams: {growht: ALL}}", "unknown-team", "Did you mean `growth`?"),
        ("tell: {url_env: ALL, teams: [growth]}", "wrong-type", "under `teams`"),
    ],
)
def test_what_is_wrong_is_said_and_stops_no_number(
    inspect: Any, written: str, rule: str, words: str
) -> None:
    """The project runs on; nobody is told until it is mended."""
    inspection = inspect({"okr_sync.yaml": f"{PROJECT}{written}\n"})
    (problem,) = inspection.problems
    assert problem.rule == rule
    assert words in f"{problem.message} {problem.fix}"
    assert list(inspection.bundle.key_results) == ["growth/mqls"]


@pytest.mark.parametrize("key", ["url_env: {}", "teams: {{growth: {}}}", "owners: {{ana: '{}'}}"])
def test_an_address_in_the_file_is_refused_and_never_quoted(inspect: Any, key: str) -> None:
    """It may hold a secret, so the project doesn't run and the text isn't kept."""
    secret = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    inspection = inspect({"okr_sync.yaml": f"{PROJECT}tell: {{{key.format(secret)}}}\n"})
    assert inspection.bundle is None
    texts = " ".join(str(problem) for problem in inspection.problems)
    assert "not the name of an environment variable" in texts and "T1JJ3T3L2" not in texts
