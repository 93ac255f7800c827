"""A run's log: written by the child itself, kept within bounds, read back as inert text.

The child holds the file directly, so that its output goes on when its supervisor dies; a pump between them would make
the one's life hang on the other. The bound is therefore kept from outside: of a log that has grown too large the
beginning (what was started, how it was set) and the end (what happened last) stay, and the middle is punched out of the
file. Its length and all offsets stay as they are, the disk space is free again. While no supervisor watches, nothing is
punched. Where the file system cannot punch holes the file is rewritten instead, which may lose a line at the seam.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

KEEP_SIZE, PUNCH_HOLE = 1, 2  # linux/falloc.h
BLOCK = 4096
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
LONGEST_LINE = 2000


class BoundedLog:
    """The log at `path`, which uses at most about `limit` bytes of disk: a quarter of them head, half of them tail."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.limit = limit
        self._can_punch = True
        self._left_out = 0

    def open(self) -> int:
        """A descriptor for the child: every write goes to the end, whoever else writes."""
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o660)

    @property
    def size(self) -> int:
        """The length so far, holes included; 0 when there is no log yet."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def trim(self) -> None:
        """Take the middle out when the log uses more than `limit` bytes of disk. An odd disk is no reason to fail."""
        with suppress(OSError):
            stat = self.path.stat()
            if min(stat.st_blocks * 512, stat.st_size) <= self.limit:
                return
            fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            try:
                self._take_out_middle(fd, stat.st_size)
            finally:
                os.close(fd)

    def _take_out_middle(self, fd: int, size: int) -> None:
        start = _whole_blocks(self.limit // 4)
        end = _whole_blocks(size - self.limit // 2)
        if end - start < 2 * BLOCK:
            return
        if self._can_punch:
            self._can_punch = _punch(fd, start, end - start)
        if self._can_punch:
            os.pwrite(fd, _seam(end - start), start)
            return
        tail = os.pread(fd, size - end, end)
        self._left_out += end - start
        os.ftruncate(fd, start)
        os.pwrite(fd, _seam(self._left_out) + tail, start)


def read_log(path: Path, start: int = 0) -> Iterator[bytes]:
    """The log's raw bytes from offset `start`, in pieces, without the hole of a trimmed log. Without a log: nothing."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        position = start
        while True:
            with suppress(OSError):  # ENXIO: no data behind here; EINVAL: a file system without holes
                position = os.lseek(fd, position, os.SEEK_DATA)
            piece = os.pread(fd, 1 << 18, position)
            if not piece:
                return
            position += len(piece)
            if text := piece.replace(b"\0", b""):
                yield text
    finally:
        os.close(fd)


def last_lines(path: Path, count: int, *, start: int = 0) -> list[str]:
    """The last `count` lines of the log behind offset `start`, as text that no terminal would obey."""
    try:
        size = path.stat().st_size
    except OSError:
        return []
    window = max(start, size - count * LONGEST_LINE)
    lines = b"".join(read_log(path, window)).decode(errors="replace").rstrip().split("\n")
    return [plain(line) for line in lines[-count:]] if lines != [""] else []


def plain(line: str) -> str:
    """A log line without escape sequences and control characters; of a progress bar only its last state."""
    last_state = line.rstrip("\r").rpartition("\r")[2]
    return CONTROLS.sub("", ESCAPES.sub("", last_state).replace("\t", "    "))[:LONGEST_LINE]


def _whole_blocks(offset: int) -> int:
    return offset // BLOCK * BLOCK


def _punch(fd: int, start: int, length: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    fallocate = getattr(libc, "fallocate64", None) or libc.fallocate
    fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    return bool(fallocate(fd, PUNCH_HOLE | KEEP_SIZE, start, length) == 0)


def _seam(left_out: int) -> bytes:
    return f"\n[trainshed: {left_out / 1e6:,.1f} MB of output are left out here]\n".encode()
