"""Reading `formula` and its `inputs`.

Belongs here: the YAML shape, and that names and inputs fit. Does not belong here: the grammar
(metrics.formula), inputs that don't exist or go in a circle (rules).
"""

import re
from collections.abc import Callable
from typing import Any

from okr_sync.config.fields import Fields
from okr_sync.config.identifiers import check_metric_name
from okr_sync.config.models import Position
from okr_sync.config.problems import BadValue
from okr_sync.config.wording import advice, quoted
from okr_sync.config.yaml_reader import MappingNode, Node, ScalarNode
from okr_sync.metrics.formula import Formula, FormulaError, parse_formula

ReadInput = Callable[[str, MappingNode], None]
"""Reads a metric written in place, under the name that it gets."""

_LONGEST_NAME = 200  # what the column `metric` of metric_value holds
_FUNCTIONS = ("min", "max")
_GRAMMAR = "Use numbers, names of inputs, + - * /, parentheses, min() and max()."
_INPUTS = "Give each name a metric, as in `inputs: {won: won_deals, lost: lost_deals}`."


def read_formula(fields: Fields, name: str, read_input: ReadInput) -> dict[str, Any]:
    """What a FormulaMetric has of its own. Metrics written in place are handed to `read_input`."""
    text = fields.text("formula", required=True)
    formula = None if text is None else _parse(fields, text)
    node = fields.mapping("inputs", "a mapping of names to metrics", required=True, hint=_INPUTS)
    inputs: dict[str, str] = {}
    for entry in () if node is None else (*node.entries.values(), *node.duplicates):
        if entry.name in inputs:
            fields.findings.error(
                entry.position,
                "duplicate-key",
                f"The input {quoted(entry.name)} is written twice.",
                "Keep one of them.",
            )
            continue
        try:
            _check_input_name(entry.name)
        except BadValue as bad:
            fields.findings.bad(entry.position, bad)
            continue
        metric = _read_input(fields, entry.value, f"{name}__{entry.name}", read_input)
        if metric is not None:
            inputs[entry.name] = metric
    if formula is not None and node is not None:
        _check_names(fields, formula, node)
    return {"expression": text, "inputs": inputs}


def _parse(fields: Fields, text: str) -> Formula | None:
    try:
        return parse_formula(text)
    except FormulaError as error:
        message, _, fix = str(error).partition(". ")
        position, place = _within(fields, error.position)
        fields.findings.error(
            position, "bad-formula", f"{message.rstrip('.')}{place}.", fix or _GRAMMAR
        )
        return None


def _within(fields: Fields, offset: int) -> tuple[Position, str]:
    """The place of a character of the formula; where it can't be counted, its number in words."""
    node = fields.node.entries["formula"].value
    start = node.position
    if isinstance(node, ScalarNode) and node.is_one_line:
        # Text in quotes begins after the quote, and blanks at its ends don't belong to it.
        blanks = len(node.text) - len(node.text.lstrip())
        column = start.column + offset + (0 if node.is_plain else 1) + blanks
        return Position(start.file, start.line, column), ""
    return start, f" (at character {offset + 1})"


def _check_input_name(name: str) -> None:
    if name in _FUNCTIONS:
        raise BadValue(
            "bad-id", f"{quoted(name)} is a function of formulas.", "Give the input another name."
        )
    try:
        check_metric_name(name)
    except BadValue as bad:
        message = bad.message.replace("a metric's name", "an input's name")
        raise BadValue(bad.rule, message, bad.fix) from bad


def _read_input(fields: Fields, node: Node, name: str, read_input: ReadInput) -> str | None:
    if isinstance(node, MappingNode):
        if len(name) > _LONGEST_NAME:
            fields.findings.error(
                node.position,
                "too-long",
                f"The name of this metric would be {quoted(name)}, which is too long to keep.",
                "Define it in metrics.yaml under a shorter name, and use that.",
            )
            return None
        read_input(name, node)
        return name
    if not isinstance(node, ScalarNode) or not node.text.strip():
        fields.wrong_type(node, "An input", "the name of a metric, or a metric written in place")
        return None
    try:
        return check_metric_name(node.text.strip())
    except BadValue as bad:
        fields.findings.bad(node.position, bad)
        return None


def _check_names(fields: Fields, formula: Formula, node: MappingNode) -> None:
    if not formula.names:
        fields.findings.error(
            fields.position("formula"),
            "formula-without-inputs",
            "The formula uses no input, so it is always the same number.",
            _INPUTS,
        )
        return
    for name in formula.names:
        if name in node.entries:
            continue
        match = re.search(rf"(?<!\w){re.escape(name)}(?!\w)", formula.text)
        position, place = _within(fields, 0 if match is None else match.start())
        fields.findings.error(
            position,
            "unknown-input",
            f"The formula uses {quoted(name)}{place}, which is not among its inputs.",
            advice(name, node.entries, f"Add it, as in `inputs: {{{name}: name_of_a_metric}}`."),
        )
    for entry in node.entries.values():
        if entry.name not in formula.names:
            fields.findings.warn(
                entry.position,
                "unused-input",
                f"The formula doesn't use the input {quoted(entry.name)}.",
                "Remove it, or use it.",
            )
