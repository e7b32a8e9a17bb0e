"""Reading `sql` metrics and snapshots of a query.

Belongs here: the YAML shape: the statement or its file, and the source it runs on. Does not belong
here: what a statement may be (sql_text).
"""

from typing import Any

from okr_sync.config.datasets import broken_source
from okr_sync.config.fields import Fields
from okr_sync.config.findings import Findings
from okr_sync.config.models import SqlSource
from okr_sync.config.problems import BadValue
from okr_sync.config.source_reader import Sources
from okr_sync.config.sql_text import check_statement, is_file_name
from okr_sync.config.wording import advice, listed, quoted
from okr_sync.config.yaml_reader import MappingNode


def read_sql(fields: Fields, sources: Sources) -> dict[str, Any]:
    """What a SqlMetric has of its own."""
    written = fields.text("sql", required=True, hint="Write the SELECT, or name its file.")
    source = fields.parsed(
        "on",
        lambda text: _check_source(text, sources),
        required=True,
        hint="Name the source that it runs on, as in `on: people`.",
    )
    special: dict[str, Any] = {"source": source, "text": written, "file": None}
    if written is None:
        return special
    try:
        if is_file_name(written):
            special["file"] = written
            special["text"] = sources.sql_files.read(written)
        check_statement(special["text"])
    except BadValue as bad:
        fields.findings.bad(fields.position("sql"), bad)
    return special


def read_snapshot_sql(fields: Fields, sources: Sources) -> dict[str, Any]:
    """What a SqlMetric has of its own where it is written as a snapshot."""
    node = fields.mapping("snapshot", "a mapping such as {sql: …, on: …}", required=True)
    special: dict[str, Any] = {"snapshot": True, "change": fields.flag("change") or False}
    if isinstance(node, MappingNode):
        own = Findings()
        inner = Fields(node, "`snapshot` of a query", own)
        special |= read_sql(inner, sources)
        inner.finish()
        fields.findings.include(own)
    return special


def _check_source(text: str, sources: Sources) -> str:
    if text in sources.broken:
        raise broken_source(text)
    source = sources.usable.get(text)
    if isinstance(source, SqlSource):
        return text
    databases = [name for name, one in sources.usable.items() if isinstance(one, SqlSource)]
    if source is not None:
        message = f"The source {quoted(text)} is not a database."
    else:
        message = f"There is no source {quoted(text)}."
    if not databases:
        fix = "Define one of kind sql under `sources:` in okr_sync.yaml."
    else:
        fix = advice(text, databases, f"Use {listed(databases)}.")
    raise BadValue("unknown-source", message, fix)
