"""The parts of the documentation that are made from the language's tables, and writing them.

Belongs here: the tables of keys and flags of docs/bindings.md, the page docs/rules.md, and the command
`python -m okr_sync.config.reference`, which writes them and the JSON Schemas. Does not belong here:
the rest of the documentation.
"""

import re
from pathlib import Path
from typing import Final

from okr_sync.config import language
from okr_sync.config.language import Key
from okr_sync.config.problems import Severity
from okr_sync.config.rule_table import LIMITS, RULES
from okr_sync.config.schema import write_schemas
from okr_sync.flags import flag_table

_MARKED: Final = re.compile(
    r"(<!-- keys: (?P<name>[a-z0-9 _-]+) -->\n).*?(<!-- end of keys -->)", re.DOTALL
)

_MARKED_FLAGS: Final = re.compile(r"(<!-- flags -->\n).*?(<!-- end of flags -->)", re.DOTALL)

TABLES: Final[dict[str, tuple[Key, ...]]] = {
    "project": language.PROJECT,
    **{f"source {kind}": keys for kind, keys in language.SOURCES.items()},
    "files dataset": language.FILES_DATASET,
    **{
        kind: tuple(key for key in keys if key not in language.COMMON + language.OF_RECORDS)
        for kind, keys in language.KINDS.items()
    },
    "every metric": language.COMMON,
    "records": language.OF_RECORDS,
    "conversion of": language.PARTS["conversion"],
    "duration of": language.PARTS["durations"],
    "objective": language.OBJECTIVE,
    "key result": language.KEY_RESULT,
    "check-ins": language.CHECK_INS,
    "tell": language.TELL,
    "plausible": language.PLAUSIBLE,
    "goal": tuple(key for form in language.GOAL_FORMS for key in form),
    "over": language.OVER_FORMS,
}
"""The tables that a page may ask for by name."""


def key_table(keys: tuple[Key, ...]) -> str:
    """The keys as a Markdown table, one a line, each with what it means."""
    lines = ["| key | meaning |", "|---|---|"]
    for key in keys:
        needed = " Needed." if key.is_required else ""
        default = f" Default: {key.default}." if key.default is not None else ""
        lines.append(f"| `{key.name}` | {key.meaning}{needed}{default} |")
    return "\n".join(lines) + "\n"


def filled(page: str) -> str:
    """The page with every table between its markers made anew; KeyError for a table there isn't."""
    page = _MARKED.sub(
        lambda match: f"{match[1]}{key_table(TABLES[match['name']])}{match[3]}", page
    )
    return _MARKED_FLAGS.sub(lambda match: f"{match[1]}{flag_table()}{match[2]}", page)


def rules_page() -> str:
    """The whole of docs/rules.md."""
    lines = [_RULES_HEAD]
    groups = dict.fromkeys(rule.group for rule in RULES.values())
    for group in groups:
        lines += [f"\n## {group}\n", "| rule | severity | it means |", "|---|---|---|"]
        for name, rule in RULES.items():
            if rule.group != group:
                continue
            limit = LIMITS.get(name)
            default = f" `{limit.key}`: {limit.default}." if limit is not None else ""
            lines.append(f"| `{name}` | {rule.severity.value} | {rule.meaning}{default} |")
    return "\n".join(lines) + "\n"


_RULES_HEAD = f"""\
# The rules of `okr-sync check`

Every finding names its rule in brackets. An error keeps what it concerns from running, and is mended in
the files. A warning stops nothing, and can be silenced or tuned; there are \
{sum(rule.severity is Severity.WARNING for rule in RULES.values())} rules that warn.

In okr_sync.yaml, for the whole project:

```yaml
rules:
  activity-as-result: off
  too-many-key-results: {{max: 4}}
```

In a key result or an objective, with the reason (it is required):

```yaml
ignore: {{activity-as-result: the board wants to see this launch}}
```

The articles that teams read disagree on numbers: three objectives with three to five key results each,
or three to five with two to four. The defaults are wide (1 to 5 objectives a team and cycle, 2 to 5 key
results an objective): set those that you keep to.

`check --live` asks the sources as well, `check --json` and `check --sarif` print findings as data."""


def main() -> None:
    """Write the schemas, docs/bindings.md's tables and docs/rules.md of the checkout."""
    docs = Path(__file__).parents[2] / "docs"
    write_schemas()
    bindings = docs / "bindings.md"
    bindings.write_text(filled(bindings.read_text(encoding="utf-8")), encoding="utf-8")
    (docs / "rules.md").write_text(rules_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
