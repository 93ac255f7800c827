"""The files of a directory of series: the list of groups, and the records of each (see `series.py`)."""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections import deque


class Group:
    """One ordered set of metrics, and the records that wait to be written."""

    def __init__(self, directory: str, number: int, names: tuple[str, ...]) -> None:
        self.number = number
        self.names = names
        self.layout = struct.Struct(f"<qd{len(names)}d")
        self.record = self.layout.size
        self.values_of = struct.Struct(f"<16x{len(names)}d").unpack
        self.pending: deque[bytes] = deque()
        self.file = Appended(os.path.join(directory, f"g{number}.bin"))

    @property
    def rows(self) -> int:
        return (self.file.size + len(self.file.waiting)) // self.record

    def take(self) -> bytes:
        """Take what is pending now. Other threads may append meanwhile: each record is taken once, none is left
        behind."""
        popleft = self.pending.popleft
        return b"".join([popleft() for _ in range(len(self.pending))])

    def keep(self, rows: int) -> None:
        self.pending.clear()
        self.file.cut(min(rows, self.file.size // self.record) * self.record)

    def rows_before(self, step: int) -> int:
        if not self.file.size:
            return 0
        with open(self.file.path, "rb") as file:
            content = file.read(self.file.size // self.record * self.record)
        for row, fields in enumerate(self.layout.iter_unpack(content)):
            if fields[0] >= step:
                return row
        return len(content) // self.record


class Appended:
    """A file that only grows. It is opened for each write: no descriptor is held, so a thousand groups cost none."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.waiting = bytearray()
        self._unsafe = False  # holds what a power cut would take
        try:
            self.size = os.stat(path).st_size
        except FileNotFoundError:
            self.size = 0

    def write_out(self, sync: bool) -> None:
        """Append what waits. What a failing write did take is not written again."""
        if not self.waiting and not (sync and self._unsafe):
            return
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o660)
        try:
            while self.waiting:
                written = os.write(handle, self.waiting)
                self.size += written
                self._unsafe = True
                del self.waiting[:written]
            if sync:
                os.fsync(handle)
                self._unsafe = False
        finally:
            os.close(handle)

    def cut(self, size: int) -> None:
        self.waiting.clear()
        if size < self.size:
            os.truncate(self.path, size)
            self.size = size

    def remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.size = 0


def listed_groups(directory: str, listing: Appended) -> list[Group]:
    """The groups that an earlier writer left, in files cut to whole lines and records."""
    groups: list[Group] = []
    if listing.size:
        with open(listing.path, "rb") as file:
            lines = file.read().splitlines(keepends=True)
        whole = 0
        for line in lines:
            try:
                names = tuple(json.loads(line)["names"]) if line.endswith(b"\n") else ()
            except (ValueError, KeyError, TypeError):
                names = ()
            if not names:
                break  # a power cut may leave anything behind the last line that was made safe
            groups.append(Group(directory, len(groups), names))
            whole += len(line)
        listing.cut(whole)
    for group in groups:
        group.file.cut(group.file.size // group.record * group.record)
    return groups
