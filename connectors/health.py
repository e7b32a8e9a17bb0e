"""What a look at a source found: whether it can be read, and what to do where it can't.

Belongs here: the findings that every source's health module gives. Does not belong here: looking
(hubspot.health, ga4.health, sql.health, files.health) or showing (the command).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from connectors.errors import RetryPolicy

LOOK_SECONDS: Final = 10.0
"""How long a look waits for one answer. Somebody is waiting for it, unlike for a pull."""

LOOK_RETRIES: Final = RetryPolicy(tries=2, total_seconds=LOOK_SECONDS)
"""A look tries once more after a failure, but not after an answer that did not come in time."""


class Level(StrEnum):
    """How a finding is: fine, worth knowing, or in the way of every run."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: `subject` names it, `text` says what was found.

    `remedy` says what to do; None where there is nothing to do. Neither ever holds a secret.
    """

    level: Level
    subject: str
    text: str
    remedy: str | None = None


def failed(subject: str, text: str) -> Finding:
    """A failure whose text already says what to do, as those of connectors do.

    A subject begins with the source's name, so the text needs not name it once more.
    """
    source = subject.partition(":")[0]
    return Finding(Level.FAILED, subject, text.removeprefix(f"Source {source}: "))
