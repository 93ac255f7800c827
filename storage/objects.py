"""The content-addressed store: `objects/ab/cdef…`, each file named by the blake3 of its bytes, whole or not there."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from storage.collecting import no_collections
from storage.durable import MANY, sync_all
from storage.errors import ShedError
from storage.hashing import Progress, hash_bytes, hash_file, unreadable
from storage.keeping import READ_ONLY, Pending, Stored, Workplace, link_at_once, stage
from storage.scanning import ScannedFile

DIGEST = re.compile(r"[0-9a-f]{64}")
GROUP = 32  # files that one thread takes at a time


@dataclass(frozen=True)
class Objects:
    """The store in the directory `root`. `tmp` lies on the same file system.

    Any number of processes may write the same object at once: each puts a complete file in place, or finds it there.
    """

    root: Path
    tmp: Path

    def path(self, digest: str) -> Path:
        """Where an object lies, or would lie. Raises ShedError when `digest` cannot name one."""
        if not DIGEST.fullmatch(digest):
            raise ShedError(f"{digest!r} is not the name of an object", expected="64 hexadecimal digits")
        return self.root / digest[:2] / digest[2:]

    def has(self, digest: str) -> bool:
        return self.path(digest).exists()

    def open(self, digest: str) -> BinaryIO:
        """Open an object for reading, unverified. Raises ShedError when it is missing."""
        path = self.path(digest)
        try:
            return path.open("rb")
        except OSError as err:
            raise _missing(path, err) from err

    def verify(self, digest: str) -> Path:
        """Read an object from end to end and return its path. A damaged copy is put aside, so that adding mends it.

        Raises:
            ShedError: naming it, when it is missing or damaged.
        """
        path = self.path(digest)
        try:
            found = hash_file(path).blake3
        except OSError as err:
            raise _missing(path, err) from err
        if found != digest:
            self._put_aside(path)
            raise ShedError(
                "this object is damaged: its bytes are not those it is named by",
                place=str(path),
                expected=digest,
                todo="add the file it came from again: that replaces it",
            )
        return path

    def _put_aside(self, path: Path) -> None:
        """Take a damaged copy from its place, where its stat alone would speak for it."""
        with suppress(OSError):  # in a shed that cannot be written it stays
            found = path.lstat()
            if found.st_nlink == 1:
                aside = self.tmp / f"damaged-{path.parent.name}{path.name}"
                path.rename(aside)
                if aside.lstat().st_ino != found.st_ino:  # somebody has mended it just now
                    aside.rename(path)

    def digests(self) -> Iterator[str]:
        """Every object there is, in no order."""
        for shard in self.root.iterdir():
            for file in shard.iterdir():
                if DIGEST.fullmatch(shard.name + file.name):
                    yield shard.name + file.name

    def remove(self, digest: str) -> int:
        """Remove an object that nothing refers to any more. Returns the bytes that this frees: none for a hard link."""
        path = self.path(digest)
        with suppress(FileNotFoundError):
            found = path.stat()
            path.unlink()
            return found.st_size if found.st_nlink == 1 else 0
        return 0

    def put_bytes(self, data: bytes) -> str:
        """Store bytes and return their digest. They are on the disk when this returns.

        Raises:
            ShedError: when the disk is full or reports an error.
        """
        digest = hash_bytes(data)
        target = self.path(digest)
        with _plain_errors(self.root):
            if target.exists() and target.stat().st_size == len(data) and hash_file(target).blake3 == digest:
                return digest
            fd, name = tempfile.mkstemp(dir=self.tmp)
            try:
                with os.fdopen(fd, "wb") as file:
                    file.write(data)
                    os.fchmod(fd, READ_ONLY)
                    file.flush()
                    os.fsync(fd)
                _make_shard(target.parent)
                Path(name).rename(target)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            sync_all([str(target.parent)])
        return digest

    def put_file(self, path: Path, *, link: bool = False) -> str:
        """Store one file and return its digest: as `keep` does with `link`, else always apart from the original.

        Raises:
            DataInvalid: when the file cannot be read, or changes meanwhile.
            ShedError: when the disk is full or reports an error.
        """
        try:
            found = path.stat()
            digest = hash_file(path).blake3
        except OSError as err:
            raise unreadable(str(path), err) from err
        stat = found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns
        self.keep([ScannedFile(path.name, str(path), *stat, digest)], link=link)
        return digest

    @no_collections()
    def keep(
        self, files: Sequence[ScannedFile], *, link: bool = True, progress: Progress | None = None
    ) -> list[Stored]:
        """Store the contents of scanned files. They are on the disk when this returns; results are in their order.

        A file shares its blocks (reflink) where the file system can. Else it is hard-linked, unless `link` is False,
        its kind is appended to by habit, or the shed's group could not read it. Else it is copied.

        Raises:
            DataInvalid: naming a file that has changed since it was scanned, or cannot be read.
            ShedError: when the disk is full or reports an error.
        """
        with _plain_errors(self.root):
            shards = [f"{self.root}/{name}" for name in {file.blake3[:2] for file in files}]
            for shard in shards:
                _make_shard(Path(shard))
            scratch = tempfile.mkdtemp(dir=self.tmp)
            try:
                place = Workplace(str(self.root), scratch, self.root.stat().st_gid, link)
                staged = _stage_all(place, files, progress)
                # Contents first, then the names that promise them.
                pending = [item for item in staged if isinstance(item, Pending)]
                sync_all([item.temporary for item in pending])
                for item in pending:
                    Path(item.temporary).rename(item.target)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
            # Also what was there: the process that placed it may not have come to this line.
            sync_all([*(str(self.path(file.blake3)) for file in files[:MANY]), *shards])
        return [item.stored if isinstance(item, Pending) else item for item in staged]


def _stage_all(place: Workplace, files: Sequence[ScannedFile], progress: Progress | None) -> list[Stored | Pending]:
    """Stage every file; results are in their order. What a link does not do is done side by side."""
    total, done = sum(file.size for file in files), 0
    staged: dict[int, Stored | Pending] = {}

    def tell(ready: Sequence[int]) -> None:
        nonlocal done
        done += sum(files[i].size for i in ready)
        if progress:
            progress(done, total)

    for group in _groups(range(len(files))):
        linked = [(i, item) for i in group if (item := link_at_once(place, files[i]))]
        staged.update(linked)
        tell([i for i, _ in linked])
    rest = list(_groups([i for i in range(len(files)) if i not in staged]))
    with ThreadPoolExecutor(min(8, len(os.sched_getaffinity(0))), "keep") as pool:
        found = pool.map(lambda group: [stage(place, files[i]) for i in group], rest)
        for group, items in zip(rest, found, strict=True):
            staged.update(zip(group, items, strict=True))
            tell(group)
    return [staged[i] for i in range(len(files))]


def _groups(places: Sequence[int]) -> Iterator[Sequence[int]]:
    return (places[i : i + GROUP] for i in range(0, len(places), GROUP))


def _make_shard(folder: Path) -> None:
    """Make a folder of objects, for the whole group."""
    with suppress(FileExistsError):
        folder.mkdir()
        folder.chmod(0o2770)


@contextmanager
def _plain_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        full = err.errno in (errno.ENOSPC, errno.EDQUOT)
        todo = "free some space (`trainshed gc` helps)" if full else "check the disk and the permissions"
        raise ShedError(
            f"the shed cannot keep this: {err.strerror or err}", place=str(root), todo=f"{todo}, then try again"
        ) from err


def _missing(path: Path, err: OSError) -> ShedError:
    return ShedError(
        f"this object cannot be read: {err.strerror or err}",
        place=str(path),
        todo="add the file it came from again, or put it back from a backup",
    )
