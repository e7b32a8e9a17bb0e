"""Other people's packages to compare with, each in an environment of its own.

Belongs here: making such an environment. Does not belong here: what is run in it (a module per
subject).
"""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from benchmarks.harness import Unavailable

_FOLDER: Final = Path(__file__).parent.parent / "build" / "peers"


def peer_python(name: str, requirements: Sequence[str] | Path) -> Path:
    """The Python of an environment with these requirements, exact versions please, or with a lock.

    It is kept in build/peers, so only the first run waits for the package index. Raises Unavailable
    where the packages can't be had.
    """
    if isinstance(requirements, Path):
        words = requirements.read_text(encoding="utf-8")
        wanted = ["--no-deps", "--require-hashes", "-r", str(requirements)]
    else:
        words = " ".join(requirements)
        wanted = list(requirements)
    folder = _FOLDER / f"{name}-{sha256(words.encode()).hexdigest()[:8]}"
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    uv = Path(sys.executable).parent / "uv"
    commands: list[list[str | Path]] = [
        [uv, "venv", "--quiet", "--python", sys.executable, folder],
        [uv, "pip", "install", "--quiet", "--python", python, *wanted],
    ]
    for command in commands:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise Unavailable(f"{' '.join(wanted)} can't be installed")
    (folder / "ready").touch()
    return python
