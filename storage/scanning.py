"""Which files a dataset consists of, and their hashes; a file whose stat is as before is not read again."""

from __future__ import annotations

import os
import re
import struct
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from storage.errors import DataInvalid
from storage.globs import Found, expand
from storage.hashing import Progress, hash_bytes, hash_files

# The cache file: MAGIC, the blake3 of what follows, the number of records, the records, the paths joined by NUL.
MAGIC = b"trainshed stat 1\n"
RECORD = struct.Struct("<qqQq32s")  # size, mtime_ns, inode, ctime_ns, blake3
COUNT = struct.Struct("<Q")

# A file can change twice within one tick of the file system's clock: a time that was this fresh when we read it
# proves nothing later. Whole seconds come from file systems (or archives) that keep no finer times.
FRESH_NS = 20_000_000
FRESH_COARSE_NS = 2_000_000_000

UNFIT = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")  # control characters, and bytes that are not UTF-8


class ScannedFile(NamedTuple):
    """One file of a dataset. `path` is relative and names it in manifests; `source` opens it."""

    path: str
    source: str
    size: int
    mtime_ns: int
    inode: int
    ctime_ns: int
    blake3: str


@dataclass(frozen=True)
class Scan:
    """What the globs matched, by path. `hashed` counts the files that had to be read."""

    files: list[ScannedFile]
    hashed: int
    started_ns: int
    stat_cache: Path

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)


# What the cache knows of a file: its size, mtime_ns, inode and ctime_ns when it was hashed, and its blake3.
Known = tuple[int, int, int, int, bytes]


def scan(root: Path, globs: Sequence[str], stat_cache: Path, *, progress: Progress | None = None) -> Scan:
    """Find and hash the files that `globs` match below `root`, as `storage.globs.expand` says.

    `stat_cache` is read here and written by `remember`; each list of globs needs a file of its own.

    Raises:
        UsageError: when a glob is malformed or matches nothing.
        DataInvalid: naming a file that cannot be read, is no regular file, changes while it is read, or whose name
            holds control characters.
    """
    started = time.time_ns()
    found = expand(root, globs)
    _check_names(found)
    known = _load(stat_cache)
    files: list[ScannedFile] = []
    todo: list[int] = []
    for path, its in sorted(found.items()):
        before = known.get(path)
        if before is not None and before[:4] == its[1:]:
            digest = before[4].hex()
        else:
            digest = ""
            todo.append(len(files))
        files.append(ScannedFile(path, *its, digest))
    digests = hash_files([(files[i].source, files[i].size) for i in todo], progress)
    for i, digest in zip(todo, digests, strict=True):
        files[i] = files[i]._replace(blake3=digest)
    return Scan(files, len(todo), started, stat_cache)


def remember(scan: Scan, ctimes: Iterable[int] | None = None) -> None:
    """Write the stat cache, where there is something new to remember.

    `ctimes` are the files' present times of change, where keeping them has hard-linked some: a link moves the ctime.
    """
    if not scan.hashed and scan.stat_cache.exists():
        return
    times = [file.ctime_ns for file in scan.files] if ctimes is None else list(ctimes)
    certain = [(f, ctime) for f, ctime in zip(scan.files, times, strict=True) if not _fresh(f, scan.started_ns)]
    pack, fromhex = RECORD.pack, bytes.fromhex
    records = b"".join([pack(f.size, f.mtime_ns, f.inode, ctime, fromhex(f.blake3)) for f, ctime in certain])
    body = COUNT.pack(len(certain)) + records + "\0".join([f.path for f, _ in certain]).encode()
    _replace(scan.stat_cache, MAGIC + bytes.fromhex(hash_bytes(body)) + body)


def _fresh(file: ScannedFile, started_ns: int) -> bool:
    margin = FRESH_COARSE_NS if file.mtime_ns % 1_000_000_000 == 0 else FRESH_NS
    return file.mtime_ns > started_ns - margin


def _load(path: Path) -> dict[str, Known]:
    """The cache; empty where it is missing or damaged, since it can be made again."""
    try:
        data = path.read_bytes()
    except OSError:
        return {}
    start = len(MAGIC) + 32
    body = data[start:]
    if data[:start] != MAGIC + bytes.fromhex(hash_bytes(body)):
        return {}
    (count,) = COUNT.unpack_from(body)
    end = COUNT.size + count * RECORD.size
    records: Iterator[Known] = RECORD.iter_unpack(memoryview(body)[COUNT.size : end])
    return dict(zip(body[end:].decode().split("\0"), records, strict=True)) if count else {}


def _replace(path: Path, data: bytes) -> None:
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            os.fchmod(fd, 0o660)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def _check_names(found: dict[str, Found]) -> None:
    if UNFIT.search("".join(found)) is None:
        return
    for path, its in found.items():
        if UNFIT.search(path):
            raise DataInvalid(
                "the name of this file holds a control character or is not UTF-8",
                place=ascii(its[0]),
                todo="rename it",
            )
