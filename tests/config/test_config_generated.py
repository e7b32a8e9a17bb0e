"""Generated configurations and formulas never crash, hang or run anything."""

import string
from datetime import timedelta
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from okr_sync.config.findings import Findings
from okr_sync.config.metric_reader import read_metrics_file
from okr_sync.config.models import HubSpotSource, SqlSource
from okr_sync.config.okr_reader import Defaults, read_okr_file
from okr_sync.config.problems import BadValue
from okr_sync.config.project_reader import read_project
from okr_sync.config.source_reader import Sources
from okr_sync.config.sql_text import BINDS, check_statement
from okr_sync.config.yaml_reader import read_yaml
from okr_sync.metrics.formula import FormulaError, parse_formula

# Pieces that configurations are made of, and pieces that an attacker would try.
WORDS = st.sampled_from(
    [
        "version",
        "time_zone",
        "currency",
        "sources",
        "metrics",
        "team",
        "cycle",
        "objectives",
        "key_results",
        "id",
        "title",
        "metric",
        "goal",
        "from",
        "to",
        "at_least",
        "between",
        "over",
        "last",
        "to_date",
        "previous",
        "measured",
        "+25%",
        "-10%",
        "agg",
        "ratio",
        "conversion",
        "duration",
        "formula",
        "inputs",
        "sql",
        "on",
        "snapshot",
        "change",
        "by",
        "reduce",
        "pool",
        "mean",
        "where",
        "any",
        "eq",
        "not",
        "in",
        "gte",
        "is_set",
        "count",
        "sum",
        "field",
        "time",
        "within",
        "of",
        "numerator",
        "denominator",
        "hubspot.contacts",
        "people.staff",
        "hubspot",
        "people",
        "ignore",
        "rules",
        "fx",
        "datasets",
        "glob",
        "columns",
        "path",
        "kind",
        "files",
        "45d",
        "18%",
        "3.5M",
        "2026-Q4",
        "2026-10-01",
        "null",
        "true",
        '""',
        "{}",
        "[]",
        "~",
        "=",
        "__import__('os').system('true')",
        "{{7*7}}",
        "${HOME}",
        "!!python/object:os.system",
        "../../etc/passwd",
    ]
)
SCALARS = WORDS | st.text(string.printable + "äß°€\u2028\U0001f600", max_size=12)


def written(depth: int) -> st.SearchStrategy[str]:
    """Values in flow style, nested up to `depth`, of pieces that mean something here."""
    if depth == 0:
        return SCALARS
    inner = written(depth - 1)
    lists = st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
    mappings = st.lists(st.tuples(SCALARS, inner), max_size=4).map(
        lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
    )
    return st.one_of(SCALARS, lists, mappings, mappings)


DOCUMENTS = st.one_of(
    written(2),
    st.lists(st.tuples(WORDS, written(2)), max_size=3).map(
        lambda pairs: "\n".join(f"{key}: {value}" for key, value in pairs)
    ),
)
PROBABLE = st.builds(
    "metrics: {{m: {{{}: {}, {}: {}, from: hubspot.contacts, time: t}}}}".format,
    *(WORDS, written(2), WORDS, written(2)),
)


DEFAULTS = Defaults(1, timedelta(days=2), timedelta(days=7), timedelta(days=7), Decimal("0.05"))


def sources() -> Sources:
    """A HubSpot account and a database."""
    return Sources(
        {"hubspot": HubSpotSource(name="hubspot"), "people": SqlSource(name="people", url_env="X")}
    )


@settings(max_examples=5_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(DOCUMENTS | PROBABLE)
def test_any_configuration_is_read_or_refused(text: str) -> None:
    """Whatever is written becomes definitions or findings, in each of the three files."""
    findings = Findings()
    root, problems = read_yaml(text, "x.yaml")
    if root is None or problems:
        return
    read_project(root, findings)
    read_metrics_file(root, sources(), findings)
    read_okr_file(root, DEFAULTS, sources(), findings)
    for problem in findings.problems:
        assert problem.message and problem.fix and problem.position.line >= 1
        assert "\n" not in str(problem)


FORMULA_PIECES = st.sampled_from(
    ["a", "b", "min", "max", "(", ")", ",", "+", "-", "*", "/", "÷", "×", "−", "1", "2.5", "0", " ",
     ".", "__", "eval", "os", "'", "[", "**", "lambda", ":", "%", "1e9"]
)  # fmt: skip


@settings(max_examples=5_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(FORMULA_PIECES, max_size=15).map("".join) | st.text(max_size=20))
def test_any_formula_is_read_or_refused(text: str) -> None:
    """A formula is read into names, or refused with a place in its text; it is never run."""
    try:
        formula = parse_formula(text)
    except FormulaError as error:
        assert 0 <= error.position <= len(text)
        assert str(error)
    else:
        assert all(name.isidentifier() for name in formula.names)


@settings(max_examples=1_000, deadline=None)
@given(st.text("selct SELECT';:\"-/*$ab_\n()", max_size=200))
def test_any_statement_is_read_or_refused(text: str) -> None:
    """A statement passes or is refused, and none with two statements in plain sight passes."""
    try:
        check_statement(text)
    except BadValue as bad:
        assert bad.message and bad.fix
        return
    plain = not set(text) & set("'\"-/$*")
    assert not plain or not text.partition(";")[2].replace(";", "").strip()


def test_statements_are_checked_in_linear_time() -> None:
    """What would make a careless pattern hang is answered at once."""
    for piece in ("'", '"', "/*", "--", "$$", "$a$", ":a", "(", "select "):
        text = "select " + piece * (60_000 // len(piece))
        try:
            check_statement(text)
        except BadValue:
            pass  # refused is as good as read: it ended
    assert BINDS == ("as_of", "window_start", "window_end")
