"""A finding about the project's files: where, what, and how to mend it.

Belongs here: the finding, how it reads, and the exception that readers of one value raise. Does not
belong here: the rules that find (rules, readers) and the exit status that follows (commands).
"""

from dataclasses import dataclass
from enum import StrEnum

from okr_sync.config.models import Position


class Severity(StrEnum):
    """An error keeps what it concerns from running; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Problem:
    """One finding: `rule` is a stable id, `message` says what is wrong, `fix` what to do."""

    position: Position
    severity: Severity
    rule: str
    message: str
    fix: str
    key_result_id: str | None = None
    """The key result that the finding quarantines, where it is one key result's."""

    def __str__(self) -> str:
        return f"{self.position}: {self.severity.value}: {self.message} {self.fix} [{self.rule}]"

    @property
    def text(self) -> str:
        """The finding as a sentence with its place, for where no list of findings is shown."""
        return f"{self.message} {self.fix} ({self.position})"


class BadValue(ValueError):
    """A value that can't mean what it should: a `Problem` that doesn't know its place yet."""

    def __init__(self, rule: str, message: str, fix: str) -> None:
        super().__init__(f"{message} {fix}")
        self.rule = rule
        self.message = message
        self.fix = fix
