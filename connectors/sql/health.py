"""A look at one database: whether it can be reached and read.

Belongs here: the one connection that tells. Does not belong here: pulls (connector).
"""

from collections.abc import Mapping

from connectors.health import Finding, Level, failed
from connectors.sql.address import read_address
from connectors.sql.connector import SqlConnector
from connectors.sql.reading import StatementError
from okr_sync.config.models import SqlSource
from okr_sync.errors import SourceError


def look(source: SqlSource, environ: Mapping[str, str]) -> list[Finding]:
    """Whether the database that a source's variable names answers to a query."""
    subject = f"{source.name}: database"
    try:
        address = read_address(source, environ)
        with (
            SqlConnector(source, environ).reading() as reading,
            reading.run("SELECT 1", {}) as answer,
        ):
            next(answer.rows)
    except SourceError as error:
        return [failed(subject, error.user_text)]
    except StatementError as error:
        return [failed(subject, f"{source.url_env} names a database that refuses: {error.text}.")]
    return [Finding(Level.OK, subject, f"{address.label} answers, read-only")]
