"""The names that a statement may use for days, and how each engine is given their values.

Belongs here: finding `:as_of`, `:window_start` and `:window_end` where they are names and not part of
a text or a comment. Does not belong here: running statements (reading, results) or advice on them
(okr_sync.config.sql_text).
"""

import re
from typing import Final

BINDS: Final = ("as_of", "window_start", "window_end")

_TOKEN: Final = re.compile(
    r"[eE]'(?:[^'\\]|\\.|'')*'"  # PostgreSQL's text with escapes
    r"|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\""
    r"|--[^\n]*|/\*.*?\*/"
    r"|(?P<dollar>\$[A-Za-z_]*\$).*?(?P=dollar)"
    r"|::"
    r"|(?<!\w):(?P<name>as_of|window_start|window_end)\b",
    re.DOTALL | re.ASCII,
)


def numbered(statement: str) -> tuple[str, list[str]]:
    """The statement with $1, $2… for its names, as PostgreSQL wants it, and the names in order.

    Without a closing semicolon, after which PostgreSQL's cursors take nothing.
    """
    names: list[str] = []

    def place(match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return match[0]
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _TOKEN.sub(place, statement).strip().rstrip(";"), names
