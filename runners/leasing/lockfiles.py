"""Flock files that say who holds them. What they say counts only while the flock is really held."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

LONGEST = 1 << 16


def opened(path: Path, mode: int = 0o660) -> int:
    """A descriptor of the file, which is made where it is missing; it has its `mode` from its first instant.

    Where it may only be read, that is what the descriptor is for: enough to see whether somebody holds it.

    Raises:
        OSError: as `os.open` does.
    """
    while True:
        with suppress(FileNotFoundError):
            try:
                return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError as err:
                if err.errno not in (errno.EROFS, errno.EACCES):
                    raise
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            os.fchmod(fd, mode)  # whatever the umask took away
            with suppress(FileExistsError):
                os.link(fresh, path)
        finally:
            os.close(fd)
            fresh.unlink()


def lock(fd: int, *, shared: bool = False) -> bool:
    """Take the flock without waiting; False where somebody else has it."""
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def give_up(fd: int) -> None:
    """Unlock and close a descriptor that nobody else was meant to have.

    The lock ends at once, also where a process that is just being forked has a copy of the descriptor.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)


def describe(fd: int, details: Mapping[str, Any]) -> None:
    """Write who holds the file's lock, in place of what was there.

    Raises:
        OSError: when the disk is full or broken.
    """
    text = json.dumps(details).encode()
    os.pwrite(fd, text, 0)
    os.ftruncate(fd, len(text))  # only now: a file that was emptied first is flushed to the disk when it is closed


def described(fd: int) -> dict[str, Any]:
    """What the file says; nothing where it is empty or damaged."""
    try:
        found = json.loads(os.pread(fd, LONGEST, 0))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
