"""The terminal that commands write tables to.

Belongs here: how wide and how colourful output is. Does not belong here: what is written.
"""

import sys

from rich.console import Console

_WIDTH_WITHOUT_TERMINAL = 140
"""A pipe or a file has no width; wide enough for the status table, so that nothing is cut."""

_NARROW = 120
"""Below it, whole tables would leave a few letters a line to their titles and notes."""


def output() -> Console:
    """A console on standard output: coloured on a terminal, plain and wide elsewhere.

    Texts are shown as they are: `missing_input:b:` is no picture, and `[x]` no style.
    """
    width = None if sys.stdout.isatty() else _WIDTH_WITHOUT_TERMINAL
    return Console(width=width, highlight=False, markup=False, emoji=False)


def errors() -> Console:
    """A console on standard error, for what moves while a command works."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def is_narrow(console: Console) -> bool:
    """Whether a table should do with fewer columns; the JSON has them all."""
    return console.width < _NARROW
