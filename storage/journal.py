"""Which SQLite journal is safe here."""

from __future__ import annotations

import sqlite3
from pathlib import Path

# https://sqlite.org/wal.html#walresetbug: until 3.51.3 two connections that write or checkpoint at the same instant
# could lose a reset of the write-ahead log and corrupt the database.
WAL_SAFE_SINCE = (3, 51, 3)

# A write-ahead log needs memory shared between all its processes, which these do not give across machines.
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.ceph", "fuse.sshfs", "lustre", "beegfs", "gpfs"}
)


def journal_mode(
    folder: Path, *, sqlite: tuple[int, int, int] = sqlite3.sqlite_version_info[:3], mounts: str | None = None
) -> str:
    """Return `wal` where it is safe for a database in `folder`, else the rollback journal `delete`."""
    if sqlite < WAL_SAFE_SINCE or file_system(folder, mounts=mounts) in NETWORK_FILE_SYSTEMS:
        return "delete"
    return "wal"


def file_system(folder: Path, *, mounts: str | None = None) -> str:
    """Return the type of the file system that holds `folder`, as the kernel names it; empty where unknown."""
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
    target = folder.resolve()
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        mount = Path(fields[1].replace("\\040", " "))
        if (mount == target or mount in target.parents) and len(mount.parts) >= best:
            best, kind = len(mount.parts), fields[2]
    return kind
