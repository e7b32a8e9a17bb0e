"""Formulas over metrics: our own small grammar, parsed once and evaluated on exact numbers.

Belongs here: + - * / (also − × ÷), parentheses, numbers, names, `min()` and `max()`, and nothing
else: no attribute, no call of anything, no eval. Does not belong here: which metrics the names stand
for (config) or what a missing input means (evaluate_formulas).

    sum     = product {("+" | "-") product}
    product = factor {("*" | "/") factor}
    factor  = {"-" | "+"} (number | name | ("min" | "max") "(" sum {"," sum} ")" | "(" sum ")")
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from typing import Final

LONGEST: Final = 1_000
"""Characters in a formula."""

DEEPEST: Final = 20
"""Parentheses within parentheses."""

_TOKEN: Final = re.compile(
    r"(?P<number>[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?|\.[0-9]+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<symbol>[-+*/(),\u2212\u00d7\u00f7])",
    re.ASCII,
)
_SAME_SYMBOL: Final = {"\u2212": "-", "\u00d7": "*", "\u00f7": "/"}
_FUNCTIONS: Final = {"min": min, "max": max}
_ROUNDED: Final = Context(prec=28)

_Number = Fraction | None
"""None once something was divided by zero."""


class FormulaError(ValueError):
    """A formula that can't be read; `position` is the offset in its text, from 0, of what is wrong."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


@dataclass(frozen=True)
class Formula:
    """A formula that has been read; `names` are those it uses, in order of appearance, each once."""

    text: str
    names: tuple[str, ...]
    _root: "_Node"

    def evaluate(self, values: Mapping[str, Decimal]) -> Decimal | None:
        """The result for these values, which must hold every name; None where it divides by zero.

        Exact within, and rounded once at the end, to 28 significant digits.
        """
        result = self._root.value({name: Fraction(values[name]) for name in self.names})
        if result is None:
            return None
        if result.denominator == 1 and abs(result.numerator) < 10**28:
            return Decimal(result.numerator)
        return _ROUNDED.divide(Decimal(result.numerator), Decimal(result.denominator))


def parse_formula(text: str) -> Formula:
    """Read a formula; FormulaError says what is wrong and where."""
    if len(text) > LONGEST:
        raise FormulaError(
            f"The formula is {len(text)} characters long; {LONGEST} are allowed.", LONGEST
        )
    parser = _Parser(text)
    root = parser.whole()
    return Formula(text, tuple(dict.fromkeys(parser.names)), root)


# --- the tree: sums and products have any number of parts, so depth is what parentheses make it --


class _Node(ABC):
    @abstractmethod
    def value(self, values: Mapping[str, Fraction]) -> _Number: ...


@dataclass(frozen=True)
class _Constant(_Node):
    number: Fraction

    def value(self, values: Mapping[str, Fraction]) -> _Number:
        return self.number


@dataclass(frozen=True)
class _Name(_Node):
    name: str

    def value(self, values: Mapping[str, Fraction]) -> _Number:
        return values[self.name]


@dataclass(frozen=True)
class _Sum(_Node):
    """Parts with the sign each is added with."""

    parts: tuple[tuple[int, _Node], ...]

    def value(self, values: Mapping[str, Fraction]) -> _Number:
        total = Fraction(0)
        for sign, part in self.parts:
            number = part.value(values)
            if number is None:
                return None
            total += sign * number
        return total


@dataclass(frozen=True)
class _Product(_Node):
    """Parts, each multiplied (True) or divided by (False), from left to right."""

    parts: tuple[tuple[bool, _Node], ...]

    def value(self, values: Mapping[str, Fraction]) -> _Number:
        product = Fraction(1)
        for multiplied, part in self.parts:
            number = part.value(values)
            if number is None or (not multiplied and not number):
                return None
            product = product * number if multiplied else product / number
        return product


@dataclass(frozen=True)
class _Call(_Node):
    function: str
    arguments: tuple[_Node, ...]

    def value(self, values: Mapping[str, Fraction]) -> _Number:
        numbers: list[Fraction] = []
        for argument in self.arguments:
            number = argument.value(values)
            if number is None:
                return None
            numbers.append(number)
        return _FUNCTIONS[self.function](numbers)


# --- reading -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Token:
    kind: str  # number, name, symbol or end
    text: str
    position: int


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            raise FormulaError(_foreign(text[position]), position)
        found = match[0]
        yield _Token(str(match.lastgroup), _SAME_SYMBOL.get(found, found), position)
        position = match.end()
    yield _Token("end", "", len(text))


def _foreign(character: str) -> str:
    advice = {
        "%": "Write 0.18 for 18%.",
        "^": "There are no powers: multiply instead.",
        ".": "Give each metric a plain name under `inputs` and use that.",
    }.get(character, "Use numbers, names of inputs, + - * /, parentheses, min() and max().")
    return f"{character!r} can't be used in a formula. {advice}"


class _Parser:
    """Recursive descent over the tokens; `names` collects the names in order."""

    def __init__(self, text: str) -> None:
        self.tokens = list(_tokens(text))
        self.next = 0
        self.depth = 0
        self.names: list[str] = []

    def whole(self) -> _Node:
        if self._peek().kind == "end":
            raise FormulaError("The formula is empty.", 0)
        root = self._sum()
        rest = self._peek()
        if rest.text == ")":
            raise FormulaError("There is a ) without its (.", rest.position)
        if rest.kind != "end":
            raise FormulaError(f"An operator is missing before {rest.text!r}.", rest.position)
        return root

    def _peek(self) -> _Token:
        return self.tokens[self.next]

    def _take(self) -> _Token:
        token = self.tokens[self.next]
        self.next += 1
        return token

    def _sum(self) -> _Node:
        parts = [(1, self._product())]
        while self._peek().text in ("+", "-"):
            sign = 1 if self._take().text == "+" else -1
            parts.append((sign, self._product()))
        return parts[0][1] if len(parts) == 1 else _Sum(tuple(parts))

    def _product(self) -> _Node:
        parts = [(True, self._factor())]
        while self._peek().text in ("*", "/"):
            multiplied = self._take().text == "*"
            parts.append((multiplied, self._factor()))
        return parts[0][1] if len(parts) == 1 else _Product(tuple(parts))

    def _factor(self) -> _Node:
        sign = 1
        while self._peek().text in ("+", "-"):
            if self._take().text == "-":
                sign = -sign
        node = self._primary()
        return node if sign == 1 else _Sum(((sign, node),))

    def _primary(self) -> _Node:
        token = self._take()
        if token.kind == "number":
            return _Constant(Fraction(token.text))
        if token.text in _FUNCTIONS:
            return self._call(token)
        if token.kind == "name":
            if self._peek().text == "(":
                raise FormulaError(
                    f"{token.text!r} is no function. There are min() and max().", token.position
                )
            self.names.append(token.text)
            return _Name(token.text)
        if token.text == "(":
            self._deeper(token)
            node = self._sum()
            self._close(token)
            return node
        if token.kind == "end":
            raise FormulaError(
                "The formula ends where a number or a name must come.", token.position
            )
        raise FormulaError(f"A number or a name must come before {token.text!r}.", token.position)

    def _call(self, function: _Token) -> _Node:
        opening = self._peek()
        if opening.text != "(":
            raise FormulaError(
                f"{function.text} needs its arguments in parentheses: {function.text}(a, b).",
                function.position,
            )
        self._deeper(self._take())
        arguments = [self._sum()]
        while self._peek().text == ",":
            self._take()
            arguments.append(self._sum())
        self._close(opening)
        return _Call(function.text, tuple(arguments))

    def _deeper(self, opening: _Token) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise FormulaError(
                f"Parentheses are nested more than {DEEPEST} deep.", opening.position
            )

    def _close(self, opening: _Token) -> None:
        if self._peek().text != ")":
            if self._peek().kind != "end":
                raise FormulaError(
                    f"An operator or ) is missing before {self._peek().text!r}.",
                    self._peek().position,
                )
            raise FormulaError("This ( is never closed.", opening.position)
        self._take()
        self.depth -= 1
