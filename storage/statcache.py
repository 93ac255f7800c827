"""What is known of files by their stat: a small file of columns, read and compared in a few steps for all files."""

from __future__ import annotations

import os
import tempfile
from array import array
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from storage.hashing import hash_bytes

# The file: MAGIC, the blake3 of what follows, the number of files, four columns of 8-byte integers in the machine's own
# byte order, the digests, the paths joined by NUL.
MAGIC = b"trainshed stat 2\n"
START = len(MAGIC) + 32

Stat = tuple[int, int, int, int]  # size, mtime_ns, inode, ctime_ns


class KnownFiles(NamedTuple):
    """Files, in columns of equal length: their paths, the stat they had when they were hashed, and their blake3."""

    paths: tuple[str, ...]
    sizes: array[int]
    mtimes: array[int]
    inodes: array[int]
    ctimes: array[int]
    digests: tuple[str, ...]

    def by_path(self) -> dict[str, tuple[Stat, str]]:
        stats = zip(self.sizes, self.mtimes, self.inodes, self.ctimes, strict=True)
        return dict(zip(self.paths, zip(stats, self.digests, strict=True), strict=True))


def known_files(
    paths: tuple[str, ...],
    sizes: tuple[int, ...],
    mtimes: tuple[int, ...],
    inodes: tuple[int, ...],
    ctimes: tuple[int, ...],
    digests: tuple[str, ...],
) -> KnownFiles:
    """Put columns together."""
    return KnownFiles(paths, array("q", sizes), array("q", mtimes), array("Q", inodes), array("q", ctimes), digests)


NOTHING = known_files((), (), (), (), (), ())


def load(path: Path) -> KnownFiles:
    """Read a cache; one that is missing or damaged knows nothing, since it can be made again."""
    try:
        data = path.read_bytes()
    except OSError:
        return NOTHING
    body = memoryview(data)[START:]
    if data[:START] != MAGIC + bytes.fromhex(hash_bytes(data[START:])):
        return NOTHING
    count = int.from_bytes(body[:8], "little")
    sizes, mtimes, inodes, ctimes = array("q"), array("q"), array("Q"), array("q")
    for number, column in enumerate((sizes, mtimes, inodes, ctimes)):
        column.frombytes(body[8 + number * 8 * count : 8 + (number + 1) * 8 * count])
    digests = body[8 + 32 * count : 8 + 64 * count].hex()
    paths = tuple(bytes(body[8 + 64 * count :]).decode().split("\0")) if count else ()
    each = tuple([digests[i : i + 64] for i in range(0, 64 * count, 64)])
    return KnownFiles(paths, sizes, mtimes, inodes, ctimes, each)


def save(path: Path, known: KnownFiles) -> None:
    """Write a cache in one step. It need not survive a power cut: what is not whole is not believed."""
    columns = b"".join(column.tobytes() for column in known[1:5])
    text = bytes.fromhex("".join(known.digests)) + "\0".join(known.paths).encode()
    body = len(known.paths).to_bytes(8, "little") + columns + text
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(MAGIC + bytes.fromhex(hash_bytes(body)) + body)
            os.fchmod(fd, 0o660)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
