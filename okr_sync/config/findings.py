"""Collecting findings while reading: everything wrong with one definition, and whether it stands.

Belongs here: the collector and the draft of a definition. Does not belong here: what is wrong
(readers, rules).
"""

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from okr_sync.config.models import Position
from okr_sync.config.problems import BadValue, Problem, Severity
from okr_sync.config.yaml_reader import Node

T = TypeVar("T")


class Findings:
    """The problems of one thing that is being read, in the order in which they were met."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def error(self, position: Position, rule: str, message: str, fix: str) -> Problem:
        """Add an error; it is returned for those who point to it."""
        return self._add(Problem(position, Severity.ERROR, rule, message, fix))

    def warn(self, position: Position, rule: str, message: str, fix: str) -> Problem:
        """Add a warning, which stops nothing."""
        return self._add(Problem(position, Severity.WARNING, rule, message, fix))

    def bad(self, position: Position, value: BadValue) -> Problem:
        """Add the error that a reader of one value raised."""
        return self.error(position, value.rule, value.message, value.fix)

    def include(self, other: "Findings", key_result_id: str | None = None) -> None:
        """Take over another's problems, as those of one key result where an id is given."""
        for problem in other.problems:
            self._add(replace(problem, key_result_id=problem.key_result_id or key_result_id))

    @property
    def first_error(self) -> Problem | None:
        """The error that comes first in the files, or None if there is none."""
        errors = [p for p in self.problems if p.severity is Severity.ERROR]
        return min(errors, key=lambda p: p.position) if errors else None

    def _add(self, problem: Problem) -> Problem:
        self.problems.append(problem)
        return problem


@dataclass
class Draft(Generic[T]):
    """A definition as written: `item` is what it became, None once something is wrong with it.

    `position` is where its name or id stands, `node` what was written (for positions within).
    """

    name: str
    position: Position
    node: Node
    item: T | None
    problem: Problem | None = None

    def reject(self, problem: Problem) -> None:
        """Take the definition out of use; the first reason given stays."""
        self.item = None
        if self.problem is None:
            self.problem = problem
