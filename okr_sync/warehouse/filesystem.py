"""Which file system a path lies on, as far as the system tells.

Belongs here: telling network file systems apart. Does not belong here: what follows from it
(connect).
"""

import os
import re
from pathlib import Path

# Several machines see the same files there. SQLite's WAL needs memory that all its processes share,
# and its locks are not kept by many of these: https://www.sqlite.org/wal.html (section 1),
# https://www.sqlite.org/howtocorrupt.html (section 2.1).
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb3?|smbfs|ncpfs|afs|ceph|coda|davfs|gfs2?|glusterfs|gpfs|lustre|ocfs2|pvfs2|"
    r"beegfs|fuse\.(sshfs|s3fs|goofys|gcsfuse|glusterfs|rclone|blobfuse2?|juicefs|ceph-fuse|davfs2?|"
    r"mount-s3|smbnetfs|curlftpfs)"
)
_MOUNTS = Path("/proc/self/mountinfo")


def network_file_system(path: Path) -> tuple[str, str] | None:
    """The kind and mount point of the network file system that a path lies on.

    None for a local one, and where the system doesn't tell (it does on Linux).
    """
    try:
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    kind, point = mount_of(Path(os.path.realpath(path)), mounts)
    return (kind, point) if _NETWORK.fullmatch(kind) else None


def mount_of(path: Path, mounts: str) -> tuple[str, str]:
    """The kind and the mount point of an absolute path, by the text of /proc/self/mountinfo.

    The fields are those of https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html; of two
    mounts on the same point the later one hides the earlier.
    """
    found = ("", "")
    for line in mounts.splitlines():
        mounted, _, rest = line.partition(" - ")
        point = re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), mounted.split(" ")[4])
        if path.is_relative_to(point) and len(point) >= len(found[1]):
            found = (rest.split(" ")[0], point)
    return found
