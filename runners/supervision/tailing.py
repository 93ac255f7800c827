"""Whole lines of a file as it grows, also across its being put aside and begun anew."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


class Tail:
    """What is added to `path` from now on; with `whole`, or where there is no such file yet, from its beginning."""

    def __init__(self, path: Path, *, whole: bool = False) -> None:
        self.path = path
        self._fd = -1
        self._rest = b""
        self._open(os.SEEK_SET if whole else os.SEEK_END)

    def lines(self) -> list[bytes]:
        """The lines that were finished since the last call."""
        data = self._rest
        while True:
            data += self._read()
            if not self._begun_anew():
                break
            self.close()
            self._open(os.SEEK_SET)
        *whole, self._rest = data.split(b"\n")
        return whole

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self, whence: int) -> None:
        with suppress(OSError):
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            os.lseek(self._fd, 0, whence)

    def _read(self) -> bytes:
        pieces: list[bytes] = []
        while self._fd >= 0 and (piece := os.read(self._fd, 1 << 18)):
            pieces.append(piece)
        return b"".join(pieces)

    def _begun_anew(self) -> bool:
        """Whether another file stands where the one that is read stood."""
        try:
            found = self.path.stat()
        except OSError:
            return False
        return self._fd < 0 or os.fstat(self._fd).st_ino != found.st_ino
