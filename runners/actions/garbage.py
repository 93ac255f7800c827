"""Garbage: what lies in the shed's directories and no row refers to. Found, told, removed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runners.actions.liveness import at_work
from storage import manifests
from storage.errors import ShedError, UsageError
from storage.read import references
from storage.shed import Shed

HOUR, DAY = 3600.0, 86400.0
# However long ago the writer of something began: what is younger may be named by a row at any moment.
SETTLED_S = HOUR
TEMPORARY_S = DAY

Kind = Literal["object", "stage", "run", "temporary"]


@dataclass(frozen=True)
class Garbage:
    """One file or directory that nothing refers to. `bytes` is what removing it frees: none for a hard link."""

    kind: Kind
    path: Path
    bytes: int


@dataclass(frozen=True)
class Collected:
    """What was found, and whether it was removed."""

    found: list[Garbage]
    removed: bool

    @property
    def bytes(self) -> int:
        return sum(item.bytes for item in self.found)


def collect(shed: Shed, *, dry_run: bool, now: float | None = None) -> Collected:
    """Find what nothing refers to and remove it, unless `dry_run`. One at a time in a shed.

    Nothing younger than an hour is touched, nor anything that came after the oldest run at work was created.

    Raises:
        UsageError: while another process collects, or adds to a dataset.
        ShedError: when a manifest cannot be read: its files could not be told from garbage. Nothing is removed then.
    """
    now = time.time() if now is None else now
    with shed.lock("gc", wait=False) as mine:
        if not mine:
            raise UsageError("a collection or a `data add` is at work", todo="wait for its end, then try again")
        found = list(_garbage(shed, now))
        if not dry_run:
            for item in found:
                _remove(shed, item)
    return Collected(found, not dry_run)


def _garbage(shed: Shed, now: float) -> Iterator[Garbage]:
    settled = min(now - SETTLED_S, *(run.created_at for run in references.running(shed) if at_work(shed, run)), now)
    temporary = min(now - TEMPORARY_S, settled)
    # Listed before the references are read: what a row names by then is kept. When it changed is asked after, of the
    # rest alone: what came since, or is used again, is too young.
    digests, stages, runs = (
        list(shed.objects.digests()),
        list(shed.stages.iterdir()),
        list((shed.root / "runs").iterdir()),
    )
    kept = _kept_objects(shed) if digests else set()
    for path in (shed.objects.path(digest) for digest in digests if digest not in kept):
        if _changed_at(path) < settled:
            yield Garbage("object", path, _bytes(path))
    keys = references.stage_keys(shed) if stages else set()
    for path in stages:
        if path.name not in keys and _tree_changed_at(path) < settled:
            yield Garbage("stage", path, _bytes(path))
    ids = {str(run_id) for run_id in references.run_ids(shed)} if runs else set()
    for path in runs:
        if path.name not in ids and _tree_changed_at(path) < settled:
            yield Garbage("run", path, _bytes(path))
    for path in shed.tmp.iterdir():
        if _tree_changed_at(path) < temporary:
            yield Garbage("temporary", path, _bytes(path))


def _kept_objects(shed: Shed) -> set[str]:
    """Digests in rows, and in the manifests that rows name."""
    kept = references.digests(shed)
    for manifest in references.manifests(shed):
        kept.update(entry.blake3 for entry in manifests.load(shed.objects, manifest).entries())
    return kept


def _remove(shed: Shed, item: Garbage) -> None:
    try:
        if item.path.is_dir() and not item.path.is_symlink():
            shutil.rmtree(item.path)
        else:
            item.path.unlink(missing_ok=True)
    except OSError as err:
        raise ShedError(f"cannot be removed: {err.strerror}", place=str(err.filename or item.path)) from err


def _changed_at(path: Path) -> float:
    """When the file was put there: a hard link keeps its mtime, but making it moves the ctime. Gone: never old."""
    try:
        found = path.lstat()
    except OSError:
        return float("inf")
    return max(found.st_mtime, found.st_ctime)


def _tree_changed_at(path: Path) -> float:
    """When anything in it changed last."""
    if path.is_symlink() or not path.is_dir():
        return _changed_at(path)
    return max([_changed_at(path), *(_changed_at(inner) for inner in path.rglob("*"))])


def _bytes(path: Path) -> int:
    """What removing it frees."""
    inner = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    total = 0
    for file in inner:
        try:
            found = file.lstat()
        except OSError:
            continue
        if not file.is_dir() or file.is_symlink():
            total += found.st_size if found.st_nlink == 1 else 0
    return total
