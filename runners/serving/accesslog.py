"""The access log of an endpoint: one line of JSON a request, also of those that were turned away.

Who asked is known by the address and the token's name. Neither a token nor a query, a header or a body is ever written,
and of a path only what no terminal obeys. A thread writes the lines a few times a second; what does not fit into memory
or onto the disk is dropped and counted: nothing here ever stops an answer.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from runners.serving.figures import Figures
from runners.serving.paths import ROUTES
from storage.accesses import Access

FLUSH_S = 0.25
BUFFER_BYTES = 4 << 20
FILES = 4  # of a worker: the one that is written and those before it
LONGEST_PATH = 200
PLAIN = "/:@!$&'()*+,;=~"
SECRET = re.compile(r"ts_[\w-]{20,}")

Send = Callable[[Any], Awaitable[None]]

_encode = msgspec.json.Encoder().encode


class Visit:
    """One request on its way: stands before the server's `send`, and notes what is answered."""

    __slots__ = ("_began", "_send", "at", "id", "size", "status", "token")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._began = time.perf_counter()
        self.at = time.time()
        self.id = self.token = ""
        self.status = self.size = 0

    def __call__(self, message: Any) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.size += len(message.get("body", b""))
        return self._send(message)

    @property
    def milliseconds(self) -> float:
        return (time.perf_counter() - self._began) * 1000


class AccessLog:
    """One worker's part of the log. `add` belongs to the event loop, the files to a thread.

    Args:
        most: bytes of all its files together; at 0 nothing is kept.
    """

    def __init__(self, folder: Path, worker: int, most: int, figures: Figures) -> None:
        self._files = RotatedFile(folder / f"access-{worker}.jsonl", most // FILES)
        self._kept = most > 0
        self._figures = figures
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write, name="access log", daemon=True)
        if self._kept:
            self._thread.start()

    def add(self, access: Access) -> None:
        """Keep a request, unless there is no memory left for it."""
        if not self._kept:
            return
        if self._bytes > BUFFER_BYTES:
            self._figures.add("access_dropped")
            return
        line = _encode(access)
        self._bytes += len(line)
        self._lines.append(line)

    def close(self) -> None:
        """Write what waits and let go."""
        self._ended.set()
        if self._kept:
            self._thread.join()

    def _write(self) -> None:
        while not self._ended.wait(FLUSH_S):
            self._flush()
        self._flush()
        self._files.close()

    def _flush(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        self._bytes = 0
        if not lines:
            return
        try:
            self._files.append(b"\n".join(lines) + b"\n")
        except OSError:
            self._figures.add("access_dropped", len(lines))


class RotatedFile:
    """A file that is put aside when it has grown to `most` bytes: PATH becomes .1, .1 becomes .2, the last one goes.

    Two processes may hold it for a moment, while one takes over from the other: each writes whole pieces to its end.
    """

    def __init__(self, path: Path, most: int) -> None:
        self._path = path
        self._most = most
        self._fd = -1
        self._torn = False  # the last line is not whole: the next one begins on a line of its own

    def append(self, piece: bytes) -> None:
        """Raises OSError when it cannot be written whole."""
        if self._fd >= 0 and os.fstat(self._fd).st_size + len(piece) > self._most:
            self._put_aside()
        if self._fd < 0:
            self._open()
        whole = b"\n" + piece if self._torn else piece
        self._torn = True
        written = 0
        while written < len(whole):
            written += os.write(self._fd, whole[written:])
        self._torn = False

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o660)
        size = os.fstat(self._fd).st_size
        self._torn = size > 0 and os.pread(self._fd, 1, size - 1) != b"\n"  # by a kill -9

    def _put_aside(self) -> None:
        ours = os.fstat(self._fd).st_ino
        self.close()
        if self._path.stat().st_ino != ours:  # another process did so already
            return
        for number in range(FILES - 2, 0, -1):
            with suppress(FileNotFoundError):
                aside(self._path, number).replace(aside(self._path, number + 1))
        self._path.replace(aside(self._path, 1))


def aside(path: Path, number: int) -> Path:
    """Where a file lies after it was put aside so many times."""
    return path.with_suffix(f".{number}{path.suffix}")


def shown_path(path: str) -> str:
    """A path as it may be kept: quoted, not too long, without what looks like a token of ours."""
    return path if path in ROUTES else quote(SECRET.sub("ts_...", path)[:LONGEST_PATH], safe=PLAIN)
