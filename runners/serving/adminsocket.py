"""The Unix socket of an endpoint's user: whoever may open the file may see everything, and no network reaches it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAME = "admin.sock"
BACKLOG = 16


def listening(folder: Path) -> socket.socket:
    """Listen at `admin.sock` in this folder, which only its user may open.

    Raises:
        OSError: when the socket cannot be made there.
    """
    with suppress(FileNotFoundError):
        (folder / NAME).unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        with short(folder / NAME) as path:
            listener.bind(path)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    return listener


@contextmanager
def short(path: Path) -> Iterator[str]:
    """A name of a socket that fits into the 107 bytes of an address, however deep its folder lies."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
