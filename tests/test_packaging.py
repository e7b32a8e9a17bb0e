"""The locks that `make setup` installs from: complete, hashed, and tied to no machine or index."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ("requirements.lock", "requirements-kubernetes.lock", "requirements-dev.lock")
PINNED = re.compile(r"([a-z0-9.-]+)(?:\[[a-z,]+\])?==(\S+)(?: ; (.+?))? \\")


def pins(lock: str) -> dict[str, set[tuple[str, str]]]:
    """Name → the versions that the lock pins, each with its marker ('' for everywhere)."""
    found: dict[str, set[tuple[str, str]]] = {}
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        match = PINNED.fullmatch(line)
        if match:
            found.setdefault(match[1], set()).add((match[2], match[3] or ""))
    return found


def versions(found: set[tuple[str, str]]) -> set[str]:
    """The versions alone: a development tool may need a package on more systems than users do."""
    return {version for version, _ in found}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_is_a_pin_or_a_hash(lock: str) -> None:
    """Nothing else may be in a lock: no index host, no link, no path of the machine it was made on."""
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        hashed = re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", line)
        assert hashed or PINNED.fullmatch(line), line


@pytest.mark.parametrize("lock", LOCKS[1:])
def test_the_other_locks_hold_the_run_lock(lock: str) -> None:
    """Tests and clusters run the very versions that users get."""
    run, other = (
        {name: versions(found) for name, found in pins(one).items()} for one in (LOCKS[0], lock)
    )
    assert len(run) > 20
    assert {name: other.get(name) for name in run} == run


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_hold_what_pyproject_asks_for(lock: str) -> None:
    """A dependency added to pyproject.toml and not locked would fail only on a fresh machine."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = list(settings["project"]["dependencies"])
    if lock == "requirements-kubernetes.lock":
        wanted += settings["project"]["optional-dependencies"]["kubernetes"]
    if lock == "requirements-dev.lock":
        wanted += settings["dependency-groups"]["dev"]
    names = {re.split(r"[\[<>=!~ ]", text)[0].lower().replace("_", "-") for text in wanted}
    assert names <= set(pins(lock))


def test_urllib3_is_not_the_broken_release() -> None:
    """urllib3 2.6.0 breaks hubspot-api-client."""
    assert "2.6.0" not in versions(pins("requirements.lock")["urllib3"])
