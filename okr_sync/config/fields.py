"""Reading one mapping of a binding file, key by key, with a finding for everything that is amiss.

Belongs here: how any key is read (text, choice, number, list…) and what is said of a missing, empty,
duplicate or unknown one. Does not belong here: which keys a metric or a key result has (the readers
of each).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import TypeVar

from okr_sync.config.findings import Findings
from okr_sync.config.models import Position
from okr_sync.config.numbers import parse_duration, parse_number
from okr_sync.config.problems import BadValue
from okr_sync.config.wording import advice, listed, quoted
from okr_sync.config.yaml_reader import Entry, ListNode, MappingNode, Node, ScalarNode

T = TypeVar("T")

_INTEGER = re.compile(r"[0-9]{1,9}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PERCENT = ("%", "percent", "per cent")


def parse_day(text: str) -> date:
    """The day written as `2026-10-01`, or BadValue."""
    if _DAY.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass  # such as 2026-02-30: it is told below
    raise BadValue(
        "bad-date", f"{quoted(text)} is not a day of the calendar.", "Write it as 2026-10-01."
    )


class Fields:
    """One mapping, whose values are asked for by key; `finish` then reports keys nobody asked for.

    `what` names the mapping in findings ("a key result"). `refused` holds keys that get an answer of
    their own: what is not supported, or belongs elsewhere. A reading method that finds something
    wrong says so in `findings` and returns None.
    """

    def __init__(
        self,
        node: MappingNode,
        what: str,
        findings: Findings,
        refused: Mapping[str, BadValue] | None = None,
    ) -> None:
        self.node = node
        self.findings = findings
        self._what = what
        self._refused = refused or {}
        self._asked: set[str] = set()
        report_duplicates(node, findings)

    def has(self, key: str) -> bool:
        """Whether the key is written."""
        self._asked.add(key)
        return key in self.node.entries

    @property
    def written(self) -> frozenset[str]:
        """The keys that are written, whether or not anybody asks for them."""
        return frozenset(self.node.entries)

    def position(self, key: str) -> Position:
        """Where the key's value stands, or the mapping if the key isn't written."""
        entry = self.node.entries.get(key)
        return self.node.position if entry is None else entry.value.position

    def value(self, key: str, *, required: bool = False, hint: str = "") -> Node | None:
        """The key's value as it was written; None, with a finding where due, if there is none."""
        self._asked.add(key)
        entry = self.node.entries.get(key)
        if entry is None:
            if required:
                self.missing(key, hint)
            return None
        if isinstance(entry.value, ScalarNode) and entry.value.value is None:
            self.findings.error(
                entry.position,
                "empty-value",
                f"`{key}` has no value.",
                hint or "Give it one, or remove the line.",
            )
            return None
        return entry.value

    def missing(self, key: str, hint: str = "") -> None:
        """Report that a key is needed."""
        self.findings.error(
            self.node.position, "missing-key", f"{self._what} needs `{key}`.", hint or "Add it."
        )

    def text(self, key: str, *, required: bool = False, hint: str = "") -> str | None:
        """Free text."""
        node = self.value(key, required=required, hint=hint)
        if node is None:
            return None
        if not isinstance(node, ScalarNode):
            self.wrong_type(node, f"`{key}`", "one text")
            return None
        text = node.text.strip()
        if not text:
            self.findings.error(
                node.position, "empty-value", f"`{key}` is empty.", hint or "Write something."
            )
            return None
        return text

    def parsed(
        self, key: str, parse: Callable[[str], T], *, required: bool = False, hint: str = ""
    ) -> T | None:
        """What `parse` makes of the key's text; the BadValue that it raises becomes a finding."""
        text = self.text(key, required=required, hint=hint)
        if text is None:
            return None
        try:
            return parse(text)
        except BadValue as bad:
            self.findings.bad(self.position(key), bad)
            return None

    def number(self, key: str, *, required: bool = False) -> Decimal | None:
        """A number as people write it."""
        return self.parsed(key, parse_number, required=required)

    def duration(self, key: str, *, required: bool = False, hint: str = "") -> timedelta | None:
        """A length of time such as `45d`."""
        return self.parsed(key, parse_duration, required=required, hint=hint)

    def day(self, key: str, *, required: bool = False) -> date | None:
        """A day such as `2026-10-01`."""
        return self.parsed(key, parse_day, required=required)

    def integer(self, key: str, low: int, high: int) -> int | None:
        """A whole number from `low` to `high`."""

        def parse(text: str) -> int:
            digits = text.replace("_", "")
            if _INTEGER.fullmatch(digits) and low <= int(digits) <= high:
                return int(digits)
            raise BadValue(
                "bad-number",
                f"{quoted(text)} is not a whole number from {low} to {high}.",
                f"Write `{key}: {max(low, 1)}`, for example.",
            )

        return self.parsed(key, parse)

    def choice(self, key: str, choices: Iterable[str], *, required: bool = False) -> str | None:
        """One of a few words."""
        words = tuple(choices)

        def parse(text: str) -> str:
            if text in words:
                return text
            raise BadValue(
                "bad-choice",
                f"{quoted(text)} is not a value of `{key}`.",
                advice(text, words, f"Use {listed(words)}."),
            )

        return self.parsed(key, parse, required=required, hint=f"Use {listed(words)}.")

    def flag(self, key: str) -> bool | None:
        """true or false."""
        node = self.value(key)
        if node is None:
            return None
        if isinstance(node, ScalarNode) and isinstance(node.value, bool):
            return node.value
        self.findings.error(
            node.position, "wrong-type", f"`{key}` is {shape(node)}.", "Write true or false."
        )
        return None

    def unit(self) -> str | None:
        """The free text of `unit`, which a column of 40 characters has to hold; `%` is `percent`."""

        def parse(text: str) -> str:
            if text.casefold() in _PERCENT:
                return "percent"
            if len(text) <= 40:
                return text
            raise BadValue("too-long", "`unit` is too long.", "Use at most 40 characters.")

        return self.parsed("unit", parse)

    def texts(self, key: str, check: Callable[[str], object] = str) -> tuple[str, ...]:
        """A list of texts, each of which `check` may refuse with BadValue."""
        node = self.value(key)
        if node is None:
            return ()
        if not isinstance(node, ListNode):
            self.wrong_type(node, f"`{key}`", f"a list, as in `{key}: [a, b]`")
            return ()
        found: list[str] = []
        for item in node.items:
            text = item.text.strip() if isinstance(item, ScalarNode) else ""
            if not text or not isinstance(item, ScalarNode) or item.value is None:
                self.wrong_type(item, f"An item of `{key}`", "a text")
                continue
            try:
                check(text)
            except BadValue as bad:
                self.findings.bad(item.position, bad)
                continue
            if text in found:
                self.findings.error(
                    item.position,
                    "duplicate-item",
                    f"{quoted(text)} stands twice in `{key}`.",
                    "Keep one of them.",
                )
                continue
            found.append(text)
        return tuple(found)

    def mapping(
        self, key: str, what: str, *, required: bool = False, hint: str = ""
    ) -> MappingNode | None:
        """A mapping; `what` says which, as in "a mapping such as {numerator: …}"."""
        node = self.value(key, required=required, hint=hint)
        if node is None or isinstance(node, MappingNode):
            return node
        self.wrong_type(node, f"`{key}`", what)
        return None

    def items(self, key: str, what: str, *, required: bool = False) -> tuple[Node, ...]:
        """A list of whatever, which must not be empty."""
        node = self.value(key, required=required)
        if node is None:
            return ()
        if not isinstance(node, ListNode):
            self.wrong_type(node, f"`{key}`", f"a list of {what}, each beginning with `- `")
            return ()
        if not node.items:
            self.findings.error(
                node.position, "empty-value", f"`{key}` is empty.", f"List {what} there."
            )
        return node.items

    def wrong_type(self, node: Node, subject: str, wanted: str) -> None:
        """Report a value of another shape than the one wanted."""
        self.findings.error(
            node.position, "wrong-type", f"{subject} is {shape(node)}.", f"It must be {wanted}."
        )

    def finish(self) -> None:
        """Report every key that nobody asked for."""
        for entry in self.node.entries.values():
            if entry.name in self._asked:
                continue
            refused = self._refused.get(entry.name)
            if refused is not None:
                self.findings.bad(entry.position, refused)
            else:
                self._unknown(entry)

    def _unknown(self, entry: Entry) -> None:
        keys = f"Its keys are {listed(sorted(self._asked), 'and')}."
        fix = comma_advice(entry) or advice(entry.name, self._asked, keys)
        self.findings.error(
            entry.position, "unknown-key", f"{self._what} has no key {quoted(entry.name)}.", fix
        )


def comma_advice(entry: Entry) -> str | None:
    """What to do where a key is the rest of a number: `{from: 2,100}` has the keys from and 100."""
    is_empty = isinstance(entry.value, ScalarNode) and entry.value.value is None
    if is_empty and re.fullmatch(r"[0-9]{1,30}[%A-Za-z]?", entry.name):
        return "Inside { } a comma ends the value: write 1.5 for decimals, 2_100 for thousands."
    return None


def report_duplicates(node: MappingNode, findings: Findings) -> None:
    """Report every key that the mapping holds more than once."""
    for entry in node.duplicates:
        first = node.entries[entry.name].position
        findings.error(
            entry.position,
            "duplicate-key",
            f"The key {quoted(entry.name)} is written twice (first at line {first.line}).",
            "Keep one of them.",
        )


def shape(node: Node) -> str:
    """What a value is, in words."""
    if isinstance(node, ListNode):
        return "a list"
    if isinstance(node, MappingNode):
        return "a mapping"
    if node.value is None:
        return "empty"
    return f"the text {quoted(node.text)}"
