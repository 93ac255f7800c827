"""Bring one file's contents into the object store: as a clone, a hard link or a copy, whichever is first possible."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from blake3 import blake3

from storage.hashing import CHUNK, hash_file, unreadable, unstable
from storage.scanning import ScannedFile

FICLONE = 0x40049409  # linux/fs.h: share a file's blocks until one of the two is written
READ_ONLY = 0o440
UNTOUCHED_NS = 946_684_800_000_000_000  # the time that every copy bears, the first second of 2000: writing moves it

# Kinds of files that people append to in place: through a hard link that would change the object.
APPENDED = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".txt", ".log")

NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP})


class Stored(NamedTuple):
    """How an object came to be, and its time of change and inode: a manifest keeps them to notice a change in place.

    `source_ctime_ns` is the original's: a hard link has moved it, and the stat cache wants to know.
    """

    how: Literal["copy", "link"]
    mtime_ns: int
    inode: int
    source_ctime_ns: int


class Pending(NamedTuple):
    """A complete temporary file that waits to be synced and renamed."""

    temporary: str
    target: str
    stored: Stored


@dataclass
class Workplace:
    """Where one call of `Objects.keep` works: `scratch` is a private folder of its own."""

    root: str
    scratch: str
    group: int  # of the store's folder; objects must be readable by it
    link: bool
    uncloneable: set[str] = field(default_factory=set)  # folders whose files cannot share blocks with the store
    tried: set[str] = field(default_factory=set)  # folders of which we have looked at a file, to learn that
    linked: set[str] = field(default_factory=set)  # objects made just now, which need no second look


def link_at_once(place: Workplace, file: ScannedFile) -> Stored | Pending | None:
    """Put a file's contents in place where a hard link does it; None leaves it to `stage`.

    For a plain loop: links are so short that threads, which hand Python's lock to and fro, would take twice as long.
    Raises as `stage`.
    """
    folder = file.source.rpartition("/")[0]
    if not place.link or file.source.lower().endswith(APPENDED):
        return None
    if folder in place.uncloneable:
        return _link(place, file, f"{place.root}/{file.blake3[:2]}/{file.blake3[2:]}")
    if folder in place.tried:
        return None
    place.tried.add(folder)
    return stage(place, file)


def stage(place: Workplace, file: ScannedFile) -> Stored | Pending:
    """Put a file's contents in place where that is one step, else prepare them.

    Raises:
        DataInvalid: when the file has changed since it was scanned, or cannot be read.
        OSError: when the store cannot be written.
    """
    target = f"{place.root}/{file.blake3[:2]}/{file.blake3[2:]}"  # no Path here: it would cost more than the link
    folder, _, name = file.source.rpartition("/")
    linkable = place.link and not name.lower().endswith(APPENDED)
    # On most file systems most files go this way, so it comes before a look whether the object is there.
    if linkable and folder in place.uncloneable:
        linked = _link(place, file, target)
        if linked:
            return linked
    there = _there(place, file, target)
    if there:
        return there
    if place.link and folder not in place.uncloneable:
        cloned = _clone(place, file, target)
        if cloned:
            return cloned
        place.uncloneable.add(folder)
        return stage(place, file)
    return _copy(place, file, target)


def _link(place: Workplace, file: ScannedFile, target: str) -> Stored | None:
    """Hard-link the file as the object. None where it must be copied, or the object is there already."""
    try:
        os.link(file.source, target)
    except FileExistsError:
        return None
    except FileNotFoundError as err:
        raise unreadable(file.source, err) from err
    except OSError as err:
        if err.errno in NO_LINK:
            return None
        raise
    found = os.lstat(target)
    if (found.st_size, found.st_mtime_ns, found.st_ino) != (file.size, file.mtime_ns, file.inode):
        os.unlink(target)  # noqa: PTH108
        if stat.S_ISLNK(found.st_mode):  # link(2) takes the symbolic link itself
            return _link(place, file._replace(source=os.path.realpath(file.source)), target)
        raise unstable(file.source)
    if not (found.st_mode & 0o004 or (found.st_mode & 0o040 and found.st_gid == place.group)):
        os.unlink(target)  # noqa: PTH108
        return None
    place.linked.add(file.blake3)
    return Stored("link", found.st_mtime_ns, found.st_ino, found.st_ctime_ns)


def _there(place: Workplace, file: ScannedFile, target: str) -> Stored | None:
    """The object, where it is there and whole."""
    try:
        found = os.lstat(target)
    except FileNotFoundError:
        return None
    if found.st_size != file.size:
        return None
    if found.st_ino == file.inode:
        if found.st_mtime_ns != file.mtime_ns:
            raise unstable(file.source)
        return Stored("link", found.st_mtime_ns, found.st_ino, found.st_ctime_ns)
    copied = is_copy(found)
    # A hard link to another file: somebody may have written to that one since.
    if copied or file.blake3 in place.linked or hash_file(target).blake3 == file.blake3:
        return Stored("copy" if copied else "link", found.st_mtime_ns, found.st_ino, file.ctime_ns)
    return None


def is_copy(found: os.stat_result) -> bool:
    """Whether nobody but the store has this file, and nobody has written to it."""
    return (found.st_nlink, stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (1, READ_ONLY, UNTOUCHED_NS)


def _clone(place: Workplace, file: ScannedFile, target: str) -> Pending | None:
    """Share the file's blocks. None where the file system cannot."""
    made, name = tempfile.mkstemp(dir=place.scratch)
    with os.fdopen(made, "wb"):
        try:
            source = os.open(file.source, os.O_RDONLY)
        except OSError as err:
            raise unreadable(file.source, err) from err
        try:
            fcntl.ioctl(made, FICLONE, source)
            original = os.fstat(source)
        except OSError:
            os.unlink(name)  # noqa: PTH108
            return None
        finally:
            os.close(source)
        if (original.st_size, original.st_mtime_ns) != (file.size, file.mtime_ns):
            raise unstable(file.source)
        return _finished(file, made, name, target)


def _copy(place: Workplace, file: ScannedFile, target: str) -> Pending:
    made, name = tempfile.mkstemp(dir=place.scratch)
    digest = blake3()
    with os.fdopen(made, "wb", buffering=0) as copy:
        for chunk in _chunks(file):
            digest.update(chunk)
            while chunk:
                chunk = chunk[copy.write(chunk) :]
        if digest.hexdigest() != file.blake3:
            raise unstable(file.source)
        return _finished(file, made, name, target)


def _finished(file: ScannedFile, made: int, name: str, target: str) -> Pending:
    os.fchmod(made, READ_ONLY)
    os.utime(made, ns=(UNTOUCHED_NS, UNTOUCHED_NS))
    found = os.fstat(made)
    return Pending(name, target, Stored("copy", found.st_mtime_ns, found.st_ino, file.ctime_ns))


def _chunks(file: ScannedFile) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(max(1, min(CHUNK, file.size))))
    try:
        with open(file.source, "rb", buffering=0) as source:  # noqa: PTH123
            while count := source.readinto(buffer):
                yield buffer[:count]
    except OSError as err:
        raise unreadable(file.source, err) from err
