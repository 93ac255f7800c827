"""GPU locks that all sheds of a machine share, so that two of them never take one GPU in the same moment.

They lie in `/run/lock/trainshed`, which every boot empties, one file a GPU, named by its UUID. Where that place cannot
be had there is no such lock, and another shed's runs are only noticed by the memory that they hold.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from runners.leasing import lockfiles

PLACE = Path("/run/lock/trainshed")
FOR_ALL = 0o666
UUID = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-]{0,99}")


def take(uuid: str, details: Mapping[str, Any], *, shared: bool, place: Path = PLACE) -> list[int] | None:
    """The descriptor that holds the GPU among all sheds, in a list; an empty one where there is no such place.

    None: another shed has it.
    """
    fd = _opened(uuid, place)
    if fd is None:
        return []
    if not lockfiles.lock(fd, shared=shared):
        os.close(fd)
        return None
    with suppress(OSError):  # that it is held says enough
        lockfiles.describe(fd, details)
    return [fd]


def holder(uuid: str, place: Path = PLACE) -> dict[str, Any] | None:
    """What the one who holds the GPU among all sheds says of itself; None: nobody holds it."""
    fd = _opened(uuid, place)
    if fd is None:
        return None
    if lockfiles.lock(fd):
        lockfiles.give_up(fd)
        return None
    try:
        return lockfiles.described(fd)
    finally:
        os.close(fd)


def _opened(uuid: str, place: Path) -> int | None:
    if not UUID.fullmatch(uuid):
        return None
    try:
        with suppress(FileExistsError):
            place.mkdir()
            place.chmod(0o1777)  # sticky: nobody can take away another user's lock file
        if not stat.S_ISDIR(place.lstat().st_mode):
            return None
        return lockfiles.opened(place / uuid, FOR_ALL)
    except OSError:
        return None
