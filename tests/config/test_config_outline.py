"""What is kept of a project's files for `status`: it must never outlive a change of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import okr_sync
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


_EACH_MODULE = """\
import json, os, sys
from pathlib import Path

from okr_sync.config.outline import outline_of, read_outline

project, package = Path(sys.argv[1]), Path(sys.argv[2])

def fingerprint():
    read_outline(project)
    return json.loads((project / ".okr_sync" / "outline.json").read_text())["fingerprint"]

last = fingerprint()
modules = [module for name, module in sys.modules.items() if name.split(".")[0] == "okr_sync"]
used = {Path(module.__file__) for module in modules}
for path in sorted(used):
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    now = fingerprint()
    print("same" if now == last else "other", path.relative_to(package))
    last = now
"""


def test_another_version_of_any_code_that_reads_definitions_reads_them_again(
    kept: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What an older version made of the files is not shown by a newer one, whichever module changed."""
    package = tmp_path_factory.mktemp("code") / "okr_sync"
    shutil.copytree(Path(okr_sync.__file__).parent, package)
    (kept / ".okr_sync" / "outline.json").unlink()
    done = subprocess.run(
        [sys.executable, "-c", _EACH_MODULE, str(kept), str(package)],
        cwd=package.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert "other config/loader.py" in lines and "other metrics/dependencies.py" in lines
    assert [line for line in lines if line.startswith("same")] == []


def test_files_that_change_while_they_are_read_are_not_kept(company: Company) -> None:
    """A file that is back as it was is not taken for the one that stood there for a moment."""
    (company.project / ".okr_sync").mkdir()
    path = (company.project / "okrs" / "web.yaml").resolve()
    before = path.read_bytes()
    openings = 0

    def change_it(event: str, details: tuple[object, ...]) -> None:
        nonlocal openings
        if openings < 2 and event == "open" and str(details[0]) == str(path):
            openings += 1
            if openings == 2:
                path.unlink()

    sys.addaudithook(change_it)
    read_outline(company.project)
    assert openings == 2
    path.write_bytes(before)
    assert read_outline(company.project) == outline_of(load_project(company.project))
