"""Bring files to the disk: each by itself, or the whole file system where there are many."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterable
from pathlib import Path

MANY = 64  # from here on one syncfs is faster than an fsync for each

_LIBC = ctypes.CDLL(None, use_errno=True)


def sync_all(paths: Iterable[str]) -> None:
    """Return when these files and folders, all on one file system, are on the disk.

    Raises:
        OSError: when the disk reports an error.
    """
    unique = set(paths)
    if len(unique) >= MANY and hasattr(_LIBC, "syncfs"):
        unique, sync = {next(iter(unique))}, _syncfs
    else:
        sync = os.fsync
    for path in unique:
        fd = os.open(path, os.O_RDONLY)
        try:
            sync(fd)
        finally:
            os.close(fd)


def _syncfs(fd: int) -> None:
    if _LIBC.syncfs(fd) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def write_whole(path: Path, data: bytes, *, mode: int = 0o660) -> None:
    """Put `data` in the place of whatever `path` held: a reader, or a power cut, finds the old or the new, never half.

    Raises:
        OSError: when it cannot be written; what was there before still is.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
