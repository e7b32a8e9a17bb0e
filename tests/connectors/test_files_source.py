"""Files as a source: real CSV, JSON lines and Parquet in a project's folder."""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from connectors.base import Progress, PullResult, unwatched
from connectors.files.connector import FilesConnector
from okr_sync.config.models import FilesDataset, FilesSource
from okr_sync.metrics.needs import RecordsNeed
from okr_sync.warehouse.connect import Warehouse
from okr_sync.warehouse.mirror import FieldType, fields_of, record_table

_NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_OCTOBER_5 = (date(2026, 10, 5) - date(1970, 1, 1)).days
_NINE_MS = int(datetime(2026, 10, 5, 9, tzinfo=UTC).timestamp() * 1000)

_POSTS = """\
published,likes,platform,paid,zip,seen,mixed
2026-10-05,12,LinkedIn,true,00123,2026-10-05T09:00:00Z,1
2026-10-06,7.25,X,false,10115,2026-10-06,one
,,,,,,
"""

Pull = Callable[..., PullResult]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's folder with an empty folder of files."""
    folder = tmp_path / "project"
    (folder / "social").mkdir(parents=True)
    return folder


@pytest.fixture
def files_pull(project: Path, sqlite_warehouse: Warehouse) -> Pull:
    """Pulls posts (or another dataset) with these fields."""

    def pull(
        *fields: str,
        dataset: str = "posts",
        times: Sequence[str] = (),
        numbers: Sequence[str] = (),
        exact: Sequence[str] = (),
        glob: str | None = None,
        columns: dict[str, str] | None = None,
        warehouse: Warehouse = sqlite_warehouse,
        path: str = "social",
        hours: int = 0,
        progress: Progress = unwatched,
    ) -> PullResult:
        declared = {dataset: FilesDataset(glob=glob, columns=columns or {})} if glob else {}
        source = FilesSource(name="social", path=path, datasets=declared)
        need = RecordsNeed(
            "social",
            dataset,
            frozenset(fields),
            frozenset(times),
            frozenset(numbers),
            exact_fields=frozenset(exact),
        )
        connector = FilesConnector(source, project)
        return connector.pull(need, warehouse, _NOW + timedelta(hours=hours), progress)

    return pull


def _rows(warehouse: Warehouse, dataset: str = "posts") -> list[dict[str, Any]]:
    with warehouse.read() as connection:
        name = record_table("social", dataset, {}).name
        table = sa.Table(name, sa.MetaData(), autoload_with=connection)
        rows = [dict(row._mapping) for row in connection.execute(sa.select(table))]
    return sorted(rows, key=lambda row: str(row.get("f_published")))


def _types(warehouse: Warehouse) -> dict[str, FieldType | None]:
    with warehouse.read() as connection:
        return {name: one.type for name, one in fields_of(connection, "social", "posts").items()}


def _errors(warehouse: Warehouse) -> dict[str, str | None]:
    with warehouse.read() as connection:
        return {name: one.error for name, one in fields_of(connection, "social", "posts").items()}


_ALL = ("published", "likes", "platform", "paid", "zip", "seen", "mixed")


@pytest.mark.parametrize("columns", [{}, {"likes": "number"}])
def test_numbers_that_must_be_exact_keep_all_their_digits(
    project: Path, warehouse: Warehouse, files_pull: Pull, columns: dict[str, str]
) -> None:
    """A small exchange rate is not rounded to millionths; where it is also added up, it is a number."""
    (project / "social" / "posts.csv").write_text("likes\n0.0000388\n", encoding="utf-8")
    files_pull("likes", glob="*.csv", columns=columns, warehouse=warehouse)
    assert [row["f_likes"] for row in _rows(warehouse)] == [39]
    exact = {"exact": ["likes"], "glob": "*.csv", "columns": columns, "warehouse": warehouse}
    assert files_pull("likes", **exact).error is None  # read again, though the file is the same
    assert [row["f_likes"] for row in _rows(warehouse)] == ["0.0000388"]
    files_pull("likes", numbers=["likes"], **exact)
    assert [row["f_likes"] for row in _rows(warehouse)] == [39]


def test_columns_are_typed_by_all_their_values(
    project: Path, warehouse: Warehouse, files_pull: Pull
) -> None:
    """Days, numbers, flags and times are recognized; codes and mixed columns stay texts."""
    (project / "social" / "posts.csv").write_text(_POSTS)
    result = files_pull(*_ALL, times=["published", "seen"], numbers=["likes"], warehouse=warehouse)
    assert (result.error, result.rows, result.rows_expected) == (None, 3, 3)
    assert _types(warehouse) == {
        "published": FieldType.DAY,
        "likes": FieldType.NUMBER,
        "platform": FieldType.TEXT,
        "paid": FieldType.FLAG,
        "zip": FieldType.TEXT,
        "seen": FieldType.INSTANT,
        "mixed": FieldType.TEXT,
    }
    first, second, third = _rows(warehouse)
    assert (first["f_published"], first["f_likes"]) == (_OCTOBER_5, 12_000_000)
    assert (first["f_paid"], first["f_zip"], first["f_seen"]) == ("true", "00123", _NINE_MS)
    assert (second["f_likes"], second["f_mixed"]) == (7_250_000, "one")
    assert {value for key, value in third.items() if key != "id"} == {None}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv_as_spreadsheets_save_it(
    project: Path, sqlite_warehouse: Warehouse, files_pull: Pull, separator: str, encoding: str
) -> None:
    """The separator is found, a byte-order mark and Windows line ends do no harm, quotes count."""
    lines = [["published", "name"], ["2026-10-05", f'"Köln{separator} a ""b""\r\nc"']]
    text = "\r\n".join(separator.join(line) for line in lines) + "\r\n\r\n"
    (project / "social" / "posts.csv").write_text(text, encoding=encoding, newline="")
    assert files_pull("published", "name", times=["published"]).rows == 1
    assert _rows(sqlite_warehouse)[0]["f_name"] == f'Köln{separator} a "b"\r\nc'


def test_three_forms_give_the_same_records(
    project: Path, sqlite_warehouse: Warehouse, files_pull: Pull
) -> None:
    """CSV, JSON lines and Parquet with the same contents are mirrored alike."""
    seen = datetime(2026, 10, 5, 9, 0, 0, 123000, tzinfo=UTC)
    table = pa.table(
        {
            "published": pa.array([date(2026, 10, 5), None], pa.date32()),
            "likes": pa.array([Decimal("12.345678"), None], pa.decimal128(20, 6)),
            "paid": pa.array([True, None]),
            "seen": pa.array([seen, None], pa.timestamp("ns", "UTC")),
            "name": pa.array(["Ünal", None]),
        }
    )
    pq.write_table(table, project / "social" / "posts.parquet")
    lines = (
        '{"published": "2026-10-05", "likes": 12.345678, "paid": true,'
        ' "seen": "2026-10-05T09:00:00.123Z", "name": "\\u00dcnal"}\n\n{"published": null}\n'
    )
    (project / "social" / "jsons.jsonl").write_text(lines)
    csv = (
        "published,likes,paid,seen,name\n2026-10-05,12.345678,TRUE,2026-10-05T09:00:00.123Z,Ünal\n"
    )
    (project / "social" / "csvs.csv").write_text(f"{csv},,,,\n", encoding="utf-8")
    fields = ("published", "likes", "paid", "seen", "name")
    contents = []
    for dataset in ("posts", "jsons", "csvs"):
        result = files_pull(*fields, dataset=dataset, times=["published"], numbers=["likes"])
        assert (result.error, result.rows) == (None, 2)
        rows = _rows(sqlite_warehouse, dataset)
        contents.append([{**row, "id": None} for row in rows])
    assert contents[0] == contents[1] == contents[2]
    assert contents[0][0]["f_likes"] == 12_345_678
    assert contents[0][0]["f_seen"] == _NINE_MS + 123


def test_declared_types_flag_bad_values(
    project: Path, sqlite_warehouse: Warehouse, files_pull: Pull
) -> None:
    """With a declared type a value that can't be read is flagged, as in the CRM mirror, and never 0."""
    (project / "social" / "posts-1.csv").write_text(
        "published,likes,paid,code\n2026-10-05,n/a,yes,7\n31.12.2026,8,perhaps,8\n"
    )
    columns = {"published": "day", "likes": "number", "paid": "flag", "code": "text"}
    result = files_pull(
        *columns, glob="posts-*.csv", columns=columns, times=["published"], numbers=["likes"]
    )
    assert (result.error, result.rows) == (None, 2)
    first, second = _rows(sqlite_warehouse)
    assert (first["f_likes"], first["bad_fields"], first["f_paid"]) == (None, ",likes,", "true")
    assert (second["f_published"], second["bad_fields"]) == (None, ",paid,published,")
    assert _types(sqlite_warehouse)["code"] is FieldType.TEXT
    assert set(_errors(sqlite_warehouse).values()) == {None}


def test_a_pattern_reads_all_its_files_together(
    project: Path, sqlite_warehouse: Warehouse, files_pull: Pull
) -> None:
    """Several files are one dataset, in subfolders too, and rows that are alike in two files count."""
    (project / "social" / "2026").mkdir()
    for name in ("posts-1.csv", "posts-2.csv", "2026/posts-3.csv"):
        (project / "social" / name).write_text("published,likes\n2026-10-05,1\n2026-10-05,1\n")
    (project / "social" / "other.csv").write_text("published,likes\n2026-10-05,1\n")
    result = files_pull("likes", glob="**/posts-*.csv", numbers=["likes"])
    assert (result.rows, result.requests) == (6, 3)
    assert len({row["id"] for row in _rows(sqlite_warehouse)}) == 6


def test_a_changed_file_is_noticed_by_its_content(
    project: Path, sqlite_warehouse: Warehouse, files_pull: Pull
) -> None:
    """An unchanged dataset is not read again, whatever its times say; changed contents are."""
    file = project / "social" / "posts.csv"
    file.write_text("published,likes\n2026-10-05,1\n")
    first = files_pull("likes", numbers=["likes"])
    file.touch()
    again = files_pull("likes", numbers=["likes"], hours=1)
    assert (first.requests, again.requests) == (1, 0)
    assert (again.is_complete, again.rows, again.rows_expected) == (True, 1, 1)
    stamp = file.stat()
    file.write_text("published,likes\n2026-10-05,2\n")

    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    changed = files_pull("likes", numbers=["likes"], hours=2)
    assert (changed.requests, _rows(sqlite_warehouse)[0]["f_likes"]) == (1, 2_000_000)
    more = files_pull("likes", "published", numbers=["likes"], hours=3)
    assert (more.requests, _rows(sqlite_warehouse)[0]["f_published"]) == (1, _OCTOBER_5)


def test_a_file_that_is_written_while_it_is_read_is_not_used(
    project: Path, sqlite_warehouse: Warehouse, files_pull: Pull
) -> None:
    """What was read of two versions is neither; the next pull reads the new one."""
    file = project / "social" / "posts.csv"
    file.write_text("likes\n" + "1\n" * 3_000)

    def rewrite(read: int) -> None:
        file.write_text("likes\n2\n")

    result = files_pull("likes", numbers=["likes"], progress=rewrite)
    assert (result.is_complete, result.is_transient) == (False, True)
    assert "changed while it was read" in (result.error or "")
    assert files_pull("likes", numbers=["likes"]).rows == 1


def test_a_column_that_can_not_be_used_stops_no_other(
    project: Path, sqlite_warehouse: Warehouse, files_pull: Pull
) -> None:
    """Unknown and unsuitable columns are told of with file and line; the others are read."""
    (project / "social" / "posts-1.csv").write_text("published,likes,shares\n2026-10-05,1,5\n")
    (project / "social" / "posts-2.csv").write_text("published,likes\n2026-10-05,\n5.10.2026,1k\n")
    result = files_pull(
        *("published", "likes", "like", "shares"),
        glob="posts-*.csv",
        times=["published"],
        numbers=["likes"],
    )
    assert (result.error, result.rows) == (None, 3)
    errors = _errors(sqlite_warehouse)
    assert errors["like"] == "social/posts-1.csv has no column like. Did you mean likes?"
    assert (errors["shares"] or "").startswith("social/posts-2.csv has no column shares.")
    assert errors["likes"] == (
        "social.posts: likes is bound as a number, but it holds text. The first other value is "
        "'1k' in social/posts-2.csv line 3: write it as 1234.5."
    )
    assert errors["published"] == (
        "social.posts: published is bound as a time, but it holds text. The first other value is "
        "'5.10.2026' in social/posts-2.csv line 3: write it as 2026-01-31 or 2026-01-31T09:00:00Z."
    )


def test_an_empty_column_is_what_the_binding_wants(
    project: Path, sqlite_warehouse: Warehouse, files_pull: Pull
) -> None:
    """A file with a header only, or a column without values, is no mistake."""
    (project / "social" / "posts.csv").write_text("published,likes\n")
    result = files_pull("published", "likes", times=["published"], numbers=["likes"])
    assert (result.is_complete, result.rows) == (True, 0)
    assert set(_errors(sqlite_warehouse).values()) == {None}


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("posts.csv", b"", "social/posts.csv is empty. Write the names of the columns"),
        ("posts.csv", b"likes\n1\n1,2\n", "social/posts.csv line 3: it has 2 values where"),
        ("posts.csv", b"likes,likes\n1,2\n", "social/posts.csv line 1: the column likes comes"),
        ("posts.csv", b'likes\n"1\n', "social/posts.csv line 2: it can't be read as CSV"),
        ("posts.csv", "likes\nK\u00f6ln\n".encode("latin-1"), "social/posts.csv is not UTF-8"),
        ("posts.csv", "likes\n1\n".encode("utf-16"), "social/posts.csv is not UTF-8"),
        ("posts.jsonl", b'{"likes": 1}\n{"likes": \n', "social/posts.jsonl line 2: it is not JSON"),
        ("posts.jsonl", b"[1]\n", "social/posts.jsonl line 1: it is JSON, but not an object"),
        ("posts.jsonl", b'{"likes": NaN}\n', "social/posts.jsonl line 1: it is not JSON"),
        ("posts.jsonl", b'{"likes": ' + b"[" * 99_999, "social/posts.jsonl line 1: it is not JSON"),
        ("posts.parquet", b"PAR1 is not enough", "social/posts.parquet can't be read as Parquet"),
        ("posts.parquet", b"", "social/posts.parquet can't be read as Parquet"),
        ("post.csv", b"likes\n", "social has no file posts.csv, .jsonl or .parquet. Did you mean"),
    ],
)
def test_files_that_can_not_be_read(
    project: Path,
    sqlite_warehouse: Warehouse,
    files_pull: Pull,
    name: str,
    content: bytes,
    part: str,
) -> None:
    """The error names the file and the line, and what was known stays as it was."""
    good = project / "social" / "posts.csv"
    good.write_text("likes\n5\n")
    files_pull("likes", numbers=["likes"])
    before = _rows(sqlite_warehouse)
    good.unlink()
    (project / "social" / name).write_bytes(content)
    result = files_pull("likes", numbers=["likes"], hours=1)
    assert part in (result.error or "")
    assert (result.is_complete, result.rows) == (False, 0)
    assert _rows(sqlite_warehouse) == before


def test_numbers_that_would_never_end(
    project: Path, sqlite_warehouse: Warehouse, files_pull: Pull
) -> None:
    """Numbers beyond all measure and halves of characters take no time and break nothing."""
    (project / "social" / "posts.jsonl").write_text(
        '{"likes": 1e999999999, "name": "\\ud83d"}\n{"likes": ' + "9" * 5_000 + "}\n"
    )
    result = files_pull("likes", "name", numbers=["likes"])
    assert result.is_complete
    assert "is bound as a number, but it holds text" in (_errors(sqlite_warehouse)["likes"] or "")


def test_nothing_outside_the_project_is_read(
    project: Path, tmp_path: Path, files_pull: Pull
) -> None:
    """Neither by a path, nor by a pattern, nor through a link to a file or a folder."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "posts.csv").write_text("likes\n1\n")
    assert "outside" in (files_pull("likes", path="../secret").error or "")
    assert "outside" in (files_pull("likes", path=str(secret)).error or "")
    for glob in ("../../secret/*.csv", str(secret / "*.csv")):
        assert "outside" in (files_pull("likes", glob=glob).error or "")
    (project / "social" / "posts.csv").symlink_to(secret / "posts.csv")
    assert "social/posts.csv lies outside" in (files_pull("likes").error or "")
    (project / "linked").symlink_to(secret)
    assert "outside" in (files_pull("likes", path="linked").error or "")
    (project / "social" / "posts.csv").unlink()
    (project / "social" / "loop.csv").symlink_to(project / "social" / "loop.csv")
    assert "leads nowhere" in (files_pull("likes", dataset="loop").error or "")


def test_a_link_inside_the_project_is_followed(project: Path, files_pull: Pull) -> None:
    """A link that stays in the project is as good as the file."""
    (project / "exports").mkdir()
    (project / "exports" / "today.csv").write_text("likes\n1\n")
    (project / "social" / "posts.csv").symlink_to(project / "exports" / "today.csv")
    assert files_pull("likes", numbers=["likes"]).rows == 1


@pytest.mark.parametrize(
    ("glob", "part"),
    [
        ("post-*.csv", "no file matches social/post-*.csv"),
        ("*.xlsx", "social/posts.xlsx is none of .csv, .tsv, .jsonl, .ndjson, .parquet"),
        (None, "posts could be posts.csv and posts.jsonl"),
    ],
)
def test_datasets_that_no_file_is_for(
    project: Path, files_pull: Pull, glob: str | None, part: str
) -> None:
    """No file, one of another kind and two that could be meant are errors, not an empty dataset."""
    for name in ("posts.csv", "posts.jsonl", "posts.xlsx"):
        (project / "social" / name).write_text("likes\n")
    assert part in (files_pull("likes", glob=glob).error or "")
    assert "there is no folder nowhere" in (files_pull("likes", path="nowhere").error or "")
