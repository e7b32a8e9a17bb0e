"""A file that a command was told to write with -o: there whole, or as it was.

Belongs here: that. Does not belong here: what is in it (report, metrics).
"""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from okr_sync.errors import OkrSyncError


def write_whole(file: Path, content: bytes) -> None:
    """Write a file at once: a reader sees the earlier one or this one. OkrSyncError if it can't be."""
    try:
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(descriptor, "wb") as new:
                new.write(content)
            os.chmod(name, 0o644)  # others read it: a collector, a web server
            os.replace(name, file)
        except OSError:
            with suppress(OSError):
                os.unlink(name)
            raise
    except OSError as error:
        raise OkrSyncError(
            f"{file} can't be written: {error.strerror}. Name another file with -o."
        ) from error
