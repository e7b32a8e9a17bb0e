"""The statements of `sql` metrics: read from the project or as written, and checked before use.

Belongs here: where a statement may come from, its size, that it is one query, and its bind names.
Does not belong here: running it (connectors.sql), or the rest of a metric (metric_reader).

What is checked is a help for people, not a fence: a statement runs in a read-only transaction on the
source's own connection.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from okr_sync.config.problems import BadValue
from okr_sync.config.secret_scan import scan
from okr_sync.config.wording import advice, listed, quoted

MAX_BYTES = 64 * 1024
BINDS = ("as_of", "window_start", "window_end")

_FILE_NAME = re.compile(r"[^\s;]{1,200}\.sql")
# Strings, quoted names and comments, in which neither `;` nor `:name` means anything. A string that
# is never closed reaches to the end.
_OPAQUE = re.compile(
    r"--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*(?:'|\Z)|\"(?:[^\"]|\"\")*(?:\"|\Z)"
    r"|(?P<dollar>\$[A-Za-z_]*\$).*?(?:(?P=dollar)|\Z)",
    re.DOTALL,
)
_BIND = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)", re.ASCII)
_QUERY = re.compile(r"\s*\(*\s*(select|with|values|table)\b", re.IGNORECASE)


@dataclass
class SqlFiles:
    """Reads the `.sql` files of a project and keeps their texts, which are part of its definition."""

    folder: Path = Path()
    texts: dict[str, str] = field(default_factory=dict)

    def read(self, name: str) -> str:
        """The text of the file, whose path is relative to the project; BadValue where it can't be."""
        path = Path(name)
        if path.is_absolute() or ".." in path.parts:
            raise _outside(name)
        try:
            real = (self.folder / path).resolve(strict=True)
            if not real.is_relative_to(self.folder.resolve()):
                raise _outside(name)
            if not real.is_file():
                raise BadValue("not-a-file", f"{quoted(name)} is not a file.", "Name a file.")
            with real.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
        except FileNotFoundError:
            near = [one.relative_to(self.folder).as_posix() for one in self._all()]
            raise BadValue(
                "missing-file",
                f"There is no file {quoted(name)} in the project.",
                advice(name, near, "Write its path from the project's folder.")
                if near
                else "Write its path from the project's folder.",
            ) from None
        except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "a loop"
            raise BadValue(
                "unreadable-file",
                f"{quoted(name)} can't be read: {reason.lower()}.",
                "Check that you may read it.",
            ) from error
        if len(content) > MAX_BYTES:
            raise _too_long(f"{quoted(name)} is")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadValue(
                "yaml-encoding", f"{quoted(name)} is not UTF-8.", "Save it with the encoding UTF-8."
            ) from error
        clean, secrets = scan(text, name, is_project=False)
        self.texts[name] = clean
        if secrets.first_error is not None:
            found = secrets.first_error
            raise BadValue(found.rule, f"{found.position}: {found.message}", found.fix)
        return text

    def _all(self) -> list[Path]:
        return [*self.folder.glob("*.sql"), *self.folder.glob("*/*.sql")][:1000]


def is_file_name(text: str) -> bool:
    """Whether `sql: …` names a file rather than being a statement."""
    return _FILE_NAME.fullmatch(text) is not None


def check_statement(text: str) -> str:
    """One query with known bind names, as written; BadValue where it isn't."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise _too_long("The statement is")
    bare = _OPAQUE.sub(" ", text)
    if not bare.strip():
        raise BadValue("bad-sql", "The statement is empty.", "Write one SELECT.")
    rest = bare.partition(";")[2]
    if rest.replace(";", "").strip():
        raise BadValue(
            "several-statements",
            "There are several statements, and one is run.",
            "Keep one SELECT; join what belongs together with WITH.",
        )
    if _QUERY.match(bare) is None:
        raise BadValue(
            "bad-sql",
            f"The statement begins with {quoted(bare.split()[0])}, and only a query is run.",
            "Begin with SELECT or WITH.",
        )
    for match in _BIND.finditer(bare):
        if match[1] not in BINDS:
            names = [f":{name}" for name in BINDS]
            raise BadValue(
                "unknown-bind",
                f"The statement uses `:{match[1]}`, which nothing gives a value to.",
                advice(f":{match[1]}", names, f"Use {listed(names)}."),
            )
    return text


def _outside(name: str) -> BadValue:
    return BadValue(
        "outside-project",
        f"{quoted(name)} lies outside the project's folder.",
        "Put the file into the project and write its path from there.",
    )


def _too_long(what: str) -> BadValue:
    return BadValue("too-long", f"{what} larger than 64 KiB.", "Make a view of it and query that.")
