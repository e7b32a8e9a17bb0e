"""Prints how many rows the demo's warehouse holds in the tables that only grow when a number changes.

Belongs here: the comparison that .ci/run makes between two demo runs. Does not belong here: any
other check.
"""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

TABLES = ("key_result_history", "metric_value", "key_result_current", "config_version")


def main() -> None:
    """Find the one warehouse under the folder and print a line for each table."""
    found = [
        path
        for path in Path(sys.argv[1]).rglob("*.sqlite*")
        if path.suffix == ".sqlite" and "dagster" not in path.parts
    ]
    if len(found) != 1:
        sys.exit(f"one warehouse file was expected under {sys.argv[1]}, found {len(found)}")
    with closing(sqlite3.connect(found[0])) as connection:
        for table in TABLES:
            (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            if rows == 0:
                sys.exit(f"{table} is empty: the demo has written no numbers")
            print(f"{table}: {rows} rows")


main()
