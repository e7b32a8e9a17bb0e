"""The YAML parser's complaints in plain words.

Belongs here: what a syntax error means to somebody who isn't a programmer. Does not belong here: what
this language refuses of valid YAML (yaml_reader).

libyaml and PyYAML's own parser word their complaints differently; what they share is looked for.
"""

import re
from collections.abc import Iterator
from typing import Protocol

import yaml

from okr_sync.config.models import Position
from okr_sync.config.problems import Problem, Severity


class Mark(Protocol):
    """A place in the text, lines and columns from 0, as both parsers give it."""

    @property
    def line(self) -> int:
        """The line."""
        ...

    @property
    def column(self) -> int:
        """The column, in characters."""
        ...


def syntax_problem(error: yaml.YAMLError, text: str, file: str) -> Problem:
    """What the parser's error means, and where."""
    mark = getattr(error, "problem_mark", None)
    opened = getattr(error, "context_mark", None)
    cause = str(getattr(error, "problem", None) or "")
    position = Position(file, 1, 1) if mark is None else position_of(mark, file)
    character = "" if mark is None else _character(text, mark)
    opening = position if opened is None else position_of(opened, file)
    rule = "yaml-syntax"
    if character == "\t" or " tab " in cause:
        rule = "yaml-tab"
        message = "A tab stands where YAML wants spaces."
        fix = "Indent with spaces."
    elif "mapping values are not allowed" in cause:
        message = "A second `:` on this line, or a line that is indented wrongly."
        fix = "Put text that holds `: ` in quotes, and line the keys up."
    elif "cannot start any token" in cause:
        message = f"A value can't begin with `{character}`."
        fix = "Put the value in quotes."
    elif "unexpected end of stream" in cause:
        position = opening
        message = "This quote is never closed."
        fix = "Close it with the same sign."
    elif "',' or ']'" in cause or "',' or '}'" in cause:
        closing = "]" if "']'" in cause else "}"
        message = f"The bracket opened at {opening.line}:{opening.column} isn't closed before here."
        fix = f"Put a `,` between its values and `{closing}` at its end."
    elif "find expected ':'" in cause:
        message = "There is a key without a `:`."
        fix = "Write `key: value`."
    elif "escape" in cause:
        message = "A backslash in double quotes begins an escape that doesn't exist."
        fix = "Use single quotes, or write the backslash twice."
    elif "expected key" in cause or "<block end>" in cause or "'-' indicator" in cause:
        message = "This doesn't fit with the lines above it."
        fix = "Line it up with the keys (or dashes) it belongs to, and check their quotes."
    elif "<document start>" in cause:
        message = "There is something left over here after the end."
        fix = "Remove it, or check the brackets before it."
    else:
        message = "This isn't valid YAML."
        fix = "Check the indentation, quotes and brackets here and on the line before."
    return Problem(position, Severity.ERROR, rule, message, fix)


def position_of(mark: Mark, file: str) -> Position:
    """A mark as people count: from 1."""
    return Position(file, mark.line + 1, mark.column + 1)


def _character(text: str, mark: Mark) -> str:
    for number, line in enumerate(_lines(text)):
        if number == mark.line:
            return line[mark.column : mark.column + 1]
    return ""


def _lines(text: str) -> Iterator[str]:
    # Not str.splitlines: YAML breaks lines at fewer characters than Python does.
    yield from re.split("\r\n|[\r\n\x85\u2028\u2029]", text)
