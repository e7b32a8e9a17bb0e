"""The make targets that keep running: how they end."""

import os
import signal
import subprocess
from pathlib import Path

MAKEFILE = Path(__file__).parent.parent / "Makefile"

# Stands where okr-sync is installed; as `sandbox` it says who it is and stays.
_COMMAND = """\
#!/bin/sh
test "$1" = sandbox || exit 0
echo "serving as $$"
exec sleep 600
"""


def test_make_dev_leaves_nothing_running_when_make_is_stopped(tmp_path: Path) -> None:
    """SIGTERM to make (a service manager, a closed window) ends what it started, not only a shell."""
    for name in ("requirements-dev.lock", "pyproject.toml", "ready"):
        (tmp_path / name).touch()
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "okr-sync"
    command.write_text(_COMMAND, encoding="utf-8")
    command.chmod(0o755)
    words = ["make", "-f", str(MAKEFILE), "dev", "READY=ready", f"BIN={tmp_path / 'bin'}"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as make:
        assert make.stdout is not None
        told = next(line for line in make.stdout if line.startswith("serving"))
        make.send_signal(signal.SIGTERM)
        try:
            # Its output ends only when nobody is left that could write to it.
            make.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            os.kill(int(told.split()[-1]), signal.SIGTERM)
            raise
