"""YAML text into plain data that remembers where each key and value stands.

Belongs here: the part of YAML that binding files may use. Does not belong here: words for what the
parser can't read (yaml_errors), what a key means (readers), files on disk (project_files).

Only null, true and false have a meaning of their own (YAML 1.2, core schema); every other plain
scalar stays the text that was written, so that `on`, `yes`, `12:30` and `2018-01-01` are not turned
into something else. Aliases, tags, merge keys and several documents are refused: they hide what a
binding says, and aliases make small files huge.
"""

import re
from dataclasses import dataclass

import yaml

from okr_sync.config.models import Position
from okr_sync.config.problems import Problem, Severity
from okr_sync.config.yaml_errors import Mark, position_of, syntax_problem

try:
    # libyaml's parser reads a MiB in half a second, the pure Python one in eight (measured).
    from yaml import CBaseLoader as _Parser
except ImportError:  # a PyYAML that was built without libyaml
    from yaml import BaseLoader as _Parser  # type: ignore[assignment]

MAX_NESTING = 20
MAX_VALUES = 100_000

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """One value: `text` as written; `is_plain` tells that it stood without quotes.

    `is_one_line` tells that it is not a block or folded over lines, so that places within it can be
    counted from its own.
    """

    position: Position
    text: str
    is_plain: bool
    is_one_line: bool = True

    @property
    def value(self) -> str | bool | None:
        """What it means by the core schema, numbers and dates left as text."""
        if not self.is_plain:
            return self.text
        if self.text in _NULLS:
            return None
        return _BOOLEANS.get(self.text, self.text)


@dataclass(frozen=True, slots=True)
class ListNode:
    """Values in order."""

    position: Position
    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value; `position` is the key's."""

    name: str
    position: Position
    value: "Node"


@dataclass(frozen=True, slots=True)
class MappingNode:
    """Entries by key, in order; of a key written more than once the first stands here."""

    position: Position
    entries: dict[str, Entry]
    duplicates: tuple[Entry, ...] = ()


Node = ScalarNode | ListNode | MappingNode


def read_yaml(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """The text's one document as nodes, None if it is empty, or what keeps it from being read.

    Where there are problems the nodes are of no use. Duplicate keys are not among them: they spoil
    only the mapping that they stand in (`MappingNode.duplicates`).
    """
    control = _CONTROL.search(text)
    if control is not None:
        line = text.count("\n", 0, control.start()) + 1
        column = control.start() - (text.rfind("\n", 0, control.start()) + 1) + 1
        return None, [_control_character(Position(file, line, column))]
    builder = _Builder(file)
    try:
        for event in yaml.parse(text, Loader=_Parser):
            builder.take(event)
    except yaml.YAMLError as error:
        return None, [*builder.problems, syntax_problem(error, text, file)]
    except _Refused as refused:
        return None, [*builder.problems, refused.problem]
    return builder.root, builder.problems


def _control_character(position: Position) -> Problem:
    return Problem(
        position,
        Severity.ERROR,
        "yaml-control-character",
        "There is an invisible control character here.",
        "Delete it, or type the text again.",
    )


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class _Open:
    """A list or mapping whose end has not come yet."""

    def __init__(self, position: Position, is_mapping: bool) -> None:
        self.position = position
        self.is_mapping = is_mapping
        self.items: list[Node] = []
        self.entries: dict[str, Entry] = {}
        self.duplicates: list[Entry] = []
        self.key: ScalarNode | None = None

    @property
    def wants_key(self) -> bool:
        return self.is_mapping and self.key is None

    def add(self, node: Node) -> None:
        if not self.is_mapping:
            self.items.append(node)
        elif self.key is None:
            assert isinstance(node, ScalarNode)  # _Builder refuses other keys
            self.key = node
        else:
            entry = Entry(self.key.text, self.key.position, node)
            self.key = None
            if entry.name in self.entries:
                self.duplicates.append(entry)
            else:
                self.entries[entry.name] = entry

    def close(self) -> Node:
        if self.is_mapping:
            return MappingNode(self.position, self.entries, tuple(self.duplicates))
        return ListNode(self.position, tuple(self.items))


class _Builder:
    """Nodes from parser events, without recursion, so that nothing written can exhaust the stack."""

    def __init__(self, file: str) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._file = file
        self._open: list[_Open] = []
        self._values = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._refuse(
                    event,
                    "yaml-several-documents",
                    "A second document begins here.",
                    "Put it into a file of its own, or remove the line `---`.",
                )
        elif isinstance(event, yaml.AliasEvent):
            self._note(
                event,
                "yaml-alias",
                f"`*{event.anchor}` is a YAML alias, which is not read.",
                "Write the value out.",
            )
            self._add(ScalarNode(self._position(event), "", False), event)
        elif isinstance(event, yaml.ScalarEvent):
            self._check_properties(event)
            self._add_scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            self._check_properties(event)
            self._begin(event, isinstance(event, yaml.MappingStartEvent))
        elif isinstance(event, yaml.SequenceEndEvent | yaml.MappingEndEvent):
            self._place(self._open.pop().close())

    def _begin(self, event: yaml.NodeEvent, is_mapping: bool) -> None:
        if self._open and self._open[-1].wants_key:
            self._refuse(
                event,
                "yaml-complex-key",
                "A list or mapping stands where a key should be.",
                "Write `key: value`, and put text that begins with `{` or `[` in quotes.",
            )
        if len(self._open) >= MAX_NESTING:
            self._refuse(
                event,
                "yaml-too-deep",
                f"This is nested more than {MAX_NESTING} levels deep.",
                "Write it flatter.",
            )
        self._count(event)
        self._open.append(_Open(self._position(event), is_mapping))

    def _add_scalar(self, event: yaml.ScalarEvent) -> None:
        position = self._position(event)
        # Escapes such as "\0" can make what the text itself may not hold.
        if _CONTROL.search(event.value):
            self.problems.append(_control_character(position))
        is_plain = not event.style  # libyaml says "" where PyYAML says None
        if is_plain and event.value == "<<" and self._open and self._open[-1].wants_key:
            self._note(
                event,
                "yaml-merge-key",
                "`<<` merges another mapping, which is not read.",
                "Write the keys out.",
            )
        start, end = event.start_mark, event.end_mark
        is_one_line = start is not None and end is not None and start.line == end.line
        self._add(ScalarNode(position, event.value, is_plain, is_one_line), event)

    def _add(self, node: ScalarNode, event: yaml.Event) -> None:
        self._count(event)
        self._place(node)

    def _place(self, node: Node) -> None:
        if self._open:
            self._open[-1].add(node)
        else:
            self.root = node

    def _count(self, event: yaml.Event) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            self._refuse(
                event,
                "yaml-too-big",
                f"The file holds more than {MAX_VALUES:,} values.",
                "Split it into several files.",
            )

    def _check_properties(self, event: yaml.NodeEvent) -> None:
        if event.anchor is not None:
            self._note(
                event,
                "yaml-alias",
                f"`&{event.anchor}` is a YAML anchor, which is not read.",
                "Remove it, and write the value out where it is used.",
            )
        tag = getattr(event, "tag", None)
        if tag is not None:
            self._note(
                event,
                "yaml-tag",
                "A YAML tag (`!…`) stands here, which is not read.",
                "Remove it, or put text that begins with `!` in quotes.",
            )

    def _position(self, event: yaml.Event) -> Position:
        mark: Mark | None = event.start_mark
        assert mark is not None  # both parsers mark every event
        return position_of(mark, self._file)

    def _note(self, event: yaml.Event, rule: str, message: str, fix: str) -> None:
        position = self._position(event)
        self.problems.append(Problem(position, Severity.ERROR, rule, message, fix))

    def _refuse(self, event: yaml.Event, rule: str, message: str, fix: str) -> None:
        raise _Refused(Problem(self._position(event), Severity.ERROR, rule, message, fix))
