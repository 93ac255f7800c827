"""Which files a dataset consists of, and their hashes; a file whose stat is as before is not read again."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from storage.collecting import no_collections
from storage.errors import DataInvalid, UsageError
from storage.globs import Found, expand
from storage.hashing import Progress, hash_files
from storage.statcache import NOTHING, KnownFiles, Stat, known_files, load, save

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


@no_collections()
def scan(
    root: Path,
    globs: Sequence[str],
    stat_cache: Path,
    *,
    progress: Progress | None = None,
    leave_out: Collection[str] = (),
    only: Collection[str] | None = None,
) -> Scan:
    """Find and hash the files that `globs` match below `root`, as `storage.globs.expand` says.

    Some are left out; with `only`, all but these.

    `stat_cache` is read here and written by `remember`; each list of globs needs a file of its own.

    Raises:
        UsageError: when a glob is malformed or matches nothing.
        DataInvalid: naming a file that cannot be read, is no regular file, changes while it is read, or whose name
            holds control characters.
    """
    started = time.time_ns()
    found = expand(root, globs)
    for path in leave_out:
        found.pop(path, None)
    if only is not None:
        found = {path: file for path, file in found.items() if path in only}
    if not found:
        raise UsageError("every file that matches is left out", place=str(root))
    _check_names(found)
    # In columns: a step for each of 20,000 files would take as long as the walk.
    paths = tuple(sorted(found))
    sources, sizes, mtimes, inodes, ctimes = zip(*[found[path] for path in paths], strict=True)
    now = known_files(paths, sizes, mtimes, inodes, ctimes, ())
    known = load(stat_cache)
    digests, todo = (list(known.digests), []) if now[:5] == known[:5] else _digests(now, known.by_path())
    for i, digest in zip(todo, hash_files([(sources[i], sizes[i]) for i in todo], progress), strict=True):
        digests[i] = digest
    files = list(map(ScannedFile, paths, sources, sizes, mtimes, inodes, ctimes, digests))
    return Scan(files, len(todo), started, stat_cache)


def _digests(now: KnownFiles, known: dict[str, tuple[Stat, str]]) -> tuple[list[str], list[int]]:
    """The digest of each file whose stat is as it was; "" for the others, and where these are."""
    digests: list[str] = []
    todo: list[int] = []
    for i, (path, *stat) in enumerate(zip(*now[:5], strict=True)):
        before = known.get(path)
        if before is not None and before[0] == tuple(stat):
            digests.append(before[1])
        else:
            digests.append("")
            todo.append(i)
    return digests, todo


@no_collections()
def remember(scan: Scan, ctimes: Iterable[int] | None = None) -> None:
    """Write the stat cache, where there is something new to remember.

    `ctimes` are the files' present times of change, where keeping them has hard-linked some: a link moves the ctime.
    """
    if not scan.hashed and scan.stat_cache.exists():
        return
    times = [file.ctime_ns for file in scan.files] if ctimes is None else list(ctimes)
    certain = [
        (file.path, file.size, file.mtime_ns, file.inode, ctime, file.blake3)
        for file, ctime in zip(scan.files, times, strict=True)
        if not _fresh(file.mtime_ns, scan.started_ns)
    ]
    save(scan.stat_cache, known_files(*zip(*certain, strict=True)) if certain else NOTHING)


def _fresh(mtime_ns: int, started_ns: int) -> bool:
    margin = FRESH_COARSE_NS if mtime_ns % 1_000_000_000 == 0 else FRESH_NS
    return mtime_ns > started_ns - margin


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
