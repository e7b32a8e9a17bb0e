"""Findings as data: objects for programs, and SARIF for code review.

Belongs here: the shapes that `check --json` and `check --sarif` print. Does not belong here: lines for
people (check) and finding (config).
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from okr_sync import __version__
from okr_sync.config.problems import Problem
from okr_sync.config.rule_table import RULES

_SARIF_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def as_object(problem: Problem) -> dict[str, str | int | None]:
    """A finding with file, line, column, severity, rule, message, fix and key_result_id."""
    return {
        "file": problem.position.file,
        "line": problem.position.line,
        "column": problem.position.column,
        "severity": problem.severity.value,
        "rule": problem.rule,
        "message": problem.message,
        "fix": problem.fix,
        "key_result_id": problem.key_result_id,
    }


def as_sarif_log(problems: Sequence[Problem]) -> dict[str, Any]:
    """A SARIF 2.1.0 log with one run; paths are relative to the project's folder (`PROJECT`)."""
    used = sorted({problem.rule for problem in problems})
    return {
        "$schema": _SARIF_SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "okr-sync",
                        "version": __version__,
                        "rules": [_rule(name) for name in used],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {
                    "PROJECT": {"description": {"text": "The folder that holds okr_sync.yaml."}}
                },
                "results": [_result(problem, used) for problem in problems],
            }
        ],
    }


def _rule(name: str) -> dict[str, Any]:
    rule = RULES[name]
    return {
        "id": name,
        "shortDescription": {"text": rule.meaning},
        "defaultConfiguration": {"level": rule.severity.value},
    }


def _result(problem: Problem, rules: Sequence[str]) -> dict[str, Any]:
    position = problem.position
    result: dict[str, Any] = {
        "ruleId": problem.rule,
        "ruleIndex": rules.index(problem.rule),
        "level": problem.severity.value,
        "message": {"text": f"{problem.message} {problem.fix}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(position.file), "uriBaseId": "PROJECT"},
                    "region": {"startLine": position.line, "startColumn": position.column},
                }
            }
        ],
    }
    if problem.key_result_id is not None:
        result["properties"] = {"key_result_id": problem.key_result_id}
    return result


def _uri(path: str) -> str:
    return quote(path, safe="/")
