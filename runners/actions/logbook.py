"""A log of any length, by line: how many there are, some of them, and where a word stands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from runners.supervision.logs import plain
from storage.read import endpoints as read_endpoints
from storage.shed import Shed

EVERY = 64  # lines between two places that are remembered
PIECE = 1 << 20


class Logbook:
    """A log, as it grows. Lines are counted from 0; what is read is text that no terminal would obey."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places = [0]  # the offset of every EVERY-th line
        self._lines = 0  # whole ones
        self._size = 0  # of what is known
        self._blocks = 0
        self._inode = 0
        self._tail = False  # whether something follows the last line break

    def look(self) -> int:
        """Take in what was written since; returns how many lines there are now, an unfinished one included."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return 0
        try:
            found = os.fstat(fd)
            if found.st_ino != self._inode or found.st_size < self._size or found.st_blocks < self._blocks:
                self._places, self._lines, self._size = [0], 0, 0  # another file, or its middle was taken out
            self._inode, self._blocks = found.st_ino, found.st_blocks
            for offset, piece in _pieces(fd, self._size):
                self._take(offset, piece)
            self._size = found.st_size if found.st_size > self._size else self._size
        finally:
            os.close(fd)
        return self._lines + self._tail

    def read(self, first: int, count: int) -> list[str]:
        """Lines from `first` on, at most `count`."""
        if first >= self._lines + self._tail or count <= 0:
            return []
        skip = first % EVERY
        rest = b""
        lines: list[bytes] = []
        for piece in self._from(first // EVERY):
            *whole, rest = (rest + piece).split(b"\n")
            lines += whole
            if len(lines) >= skip + count:
                break
        else:
            lines += [rest] if rest else []
        return [plain(line.decode(errors="replace")) for line in lines[skip : skip + count]]

    def find(self, text: str, start: int, *, forward: bool = True) -> int | None:
        """The first line from `start` on (or the last one up to it) that has `text` in it, in whatever case."""
        wanted, found, number = text.lower(), None, 0
        if not wanted:
            return None
        number = first = start // EVERY * EVERY if forward else 0
        rest = b""
        for piece in self._from(first // EVERY):
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                hit = wanted in line.decode(errors="replace").lower()
                if hit and forward and number >= start:
                    return number
                if hit and not forward and number <= start:
                    found = number
                number += 1
            if not forward and number > start:
                return found
        if (
            rest
            and wanted in rest.decode(errors="replace").lower()
            and (number >= start if forward else number <= start)
        ):
            return number
        return found

    def _take(self, offset: int, piece: bytes) -> None:
        """Count the lines of a piece, and remember where every so many begin."""
        breaks = np.flatnonzero(np.frombuffer(piece, np.uint8) == 10)
        first = (-self._lines - 1) % EVERY  # of these breaks the first behind which a remembered line begins
        self._places += [offset + int(place) + 1 for place in breaks[first::EVERY]]
        self._lines += len(breaks)
        self._size = offset + len(piece)
        self._tail = not piece.endswith(b"\n")

    def _from(self, place: int) -> Iterator[bytes]:
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            for _, piece in _pieces(fd, self._places[min(place, len(self._places) - 1)]):
                yield piece.replace(b"\0", b"")
        finally:
            os.close(fd)


def _pieces(fd: int, start: int) -> Iterator[tuple[int, bytes]]:
    """What is written from `start` on, with its offset; holes are left out."""
    position = start
    while True:
        with suppress(OSError):  # ENXIO: nothing behind here; EINVAL: a file system without holes
            position = os.lseek(fd, position, os.SEEK_DATA)
        piece = os.pread(fd, PIECE, position)
        if not piece:
            return
        yield position, piece
        position += len(piece)


def of_run(shed: Shed, run_id: int) -> Logbook:
    """What a run wrote to stdout and stderr."""
    return Logbook(shed.run_dir(run_id) / "log")


def of_endpoint(shed: Shed, name: str) -> Logbook:
    """What an endpoint says of itself. Raises UsageError when there is no such endpoint."""
    return Logbook(shed.endpoint_dir(read_endpoints.named(shed, name).name) / "log.txt")
