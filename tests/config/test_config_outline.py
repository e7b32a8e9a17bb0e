"""What is kept of a project's files for `status`: it must never outlive a change of them."""

import os
from pathlib import Path

import pytest

from okr_sync.config.loader import load_project
from okr_sync.config.outline import outline_of, read_outline
from okr_sync.errors import ConfigError
from tests.conftest import Company


@pytest.fixture
def kept(company: Company) -> Path:
    """A project whose outline has been kept."""
    (company.project / ".okr_sync").mkdir()
    read_outline(company.project)
    assert (company.project / ".okr_sync" / "outline.json").exists()
    return company.project


def test_a_kept_outline_is_the_project(kept: Path) -> None:
    """With and without what is kept, the same is said."""
    assert read_outline(kept) == outline_of(load_project(kept))


@pytest.mark.parametrize("name", ["okr_sync.yaml", "metrics.yaml", "okrs/web.yaml"])
def test_a_changed_file_is_read_again(kept: Path, name: str) -> None:
    """A mistake in any file is seen at once, though size and time of the file are as before."""
    path, outline = kept / name, read_outline(kept)
    before = path.stat()
    path.write_text(path.read_text(encoding="utf-8").replace(":", ";", 1), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    if name == "okr_sync.yaml":
        with pytest.raises(ConfigError):
            read_outline(kept)
    else:
        assert read_outline(kept) == outline_of(load_project(kept)) != outline


def test_new_and_deleted_files_count(company: Company, kept: Path) -> None:
    """A file more or less is another project."""
    (kept / "okrs" / "web.yaml").rename(kept / "okrs" / "sites.yaml")
    assert read_outline(kept) == outline_of(load_project(kept))
    (kept / "okrs" / "sites.yaml").unlink()
    assert list(read_outline(kept).key_results) == ["sales/leads", "sales/paid-share"]


@pytest.mark.parametrize("rubbish", ["", "[]", "{}", '{"fingerprint": "x"}', "\x00"])
def test_rubbish_is_not_believed(kept: Path, rubbish: str) -> None:
    """A cut or strange file is as none."""
    (kept / ".okr_sync" / "outline.json").write_text(rubbish, encoding="utf-8")
    assert read_outline(kept) == outline_of(load_project(kept))
