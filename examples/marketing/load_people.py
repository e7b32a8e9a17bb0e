"""Loads people/*.csv into a SQLite file, which stands in for the database of the people team.

    python load_people.py FILE

Belongs here: the tables of that database. Does not belong here: what they hold (make_files.py).
"""

import csv
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

TABLES = {
    "employees": "employee_id INTEGER PRIMARY KEY, team TEXT, started_on DATE, left_on DATE",
    "certificates": "employee_id INTEGER, course TEXT, earned_on DATE, expires_on DATE",
    "processes": "process_id INTEGER PRIMARY KEY, name TEXT, automated_on DATE",
    "subscriptions": (
        "account_id INTEGER PRIMARY KEY, started_on DATE, ended_on DATE, monthly_usd INTEGER"
    ),
}


def load(database: Path, folder: Path) -> None:
    """Make `database` anew from the CSV files of a folder; empty cells become NULL."""
    database.parent.mkdir(parents=True, exist_ok=True)
    database.unlink(missing_ok=True)
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, columns in TABLES.items():
            with (folder / f"{table}.csv").open(encoding="utf-8", newline="") as file:
                header, *rows = csv.reader(file)
            connection.execute(f"CREATE TABLE {table} ({columns})")
            places = ", ".join("?" * len(header))
            connection.executemany(
                f"INSERT INTO {table} ({', '.join(header)}) VALUES ({places})",
                [[cell or None for cell in row] for row in rows],
            )


def main() -> None:
    """Load the files beside this one and say how to name the database."""
    if len(sys.argv) != 2:
        sys.exit("Name the file to write: python load_people.py FILE")
    database = Path(sys.argv[1]).resolve()
    load(database, Path(__file__).parent / "people")
    print(f"export PEOPLE_DATABASE_URL=sqlite:///{database}")


if __name__ == "__main__":
    main()
