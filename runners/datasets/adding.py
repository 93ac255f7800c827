"""A new dataset version: files are found and hashed, their contents kept, their columns looked up, all recorded."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

from blake3 import blake3

from runners.opening import manifest_of
from storage import frames, reading, scanning
from storage.collecting import no_collections
from storage.errors import ShedError, UsageError
from storage.frames import Source
from storage.keeping import is_copy
from storage.manifests import Column, Entry, Manifest, content_digest
from storage.names import checked_name
from storage.read import datasets as read_datasets
from storage.scanning import Scan
from storage.shed import Shed
from storage.tables import Dataset, DatasetVersion
from storage.write import datasets as write_datasets

Kind = Literal["table", "files"]
Progress = Callable[[str, int, int], None]  # what is done, how much of it, of how much; called from worker threads

READERS = 2  # files that are looked into at the same time; DuckDB itself uses all cores for each


@dataclass(frozen=True)
class Added:
    """What adding came to.

    Attributes:
        hashed: files that had to be read; the others were known by their stat.
        overwritten: files of the version before that were changed in place since: their older contents are lost.
    """

    shed: Shed = field(repr=False)
    dataset: Dataset
    version: DatasetVersion
    is_new: bool
    hashed: int
    overwritten: list[str] = field(default_factory=list)

    @cached_property
    def manifest(self) -> Manifest:
        return manifest_of(self.shed, self.version)


@dataclass(frozen=True)
class Work:
    """One call of `add`: what it is to make, and where."""

    shed: Shed
    name: str
    kind: Kind
    by_reference: bool
    progress: Progress | None
    leave_out: frozenset[str] = frozenset()
    only: frozenset[str] | None = None

    def telling(self, what: str) -> Callable[[int, int], None] | None:
        return partial(self.progress, what) if self.progress else None


def add(
    shed: Shed,
    name: str,
    kind: Kind,
    tables: Mapping[str, Sequence[str]],
    root: Path,
    *,
    by_reference: bool = False,
    note: str = "",
    progress: Progress | None = None,
    leave_out: Collection[str] = (),
    only: Collection[str] | None = None,
) -> Added:
    """Make a version of the files that `tables` (name → patterns below `root`) match, but for those to `leave_out`.

    With `only`, no other file is taken, though a pattern matches it.

    Raises:
        UsageError: for a bad name or pattern, one that matches nothing, or a kind that the dataset is not of.
        DataInvalid: naming a file that cannot be read, is half-written, or changes meanwhile.
    """
    known = read_datasets.find(shed, checked_name(name, "dataset"))
    if known is not None and known.kind != kind:
        raise UsageError(f'dataset "{name}" is of kind {known.kind}, not {kind}', todo="give it another name")
    versions = read_datasets.versions(shed, name) if known is not None else []
    wanted = None if only is None else frozenset(only)
    work = Work(shed, name, kind, by_reference, progress, frozenset(leave_out), wanted)
    try:
        shed.make_dir(shed.dataset_dir(name))
    except OSError as err:
        raise ShedError(f"cannot write here: {err.strerror}", place=str(shed.dataset_dir(name))) from err
    with shed.lock("gc", shared=True):  # contents that no row names yet must not be collected
        scans = {table: _scanned(work, root, table, patterns) for table, patterns in tables.items()}
        hashed = sum(scan.hashed for scan in scans.values())
        content = _content(scans)
        same = next((version for version in versions if version.content == content), None)
        if same is not None and (same.by_reference or _in_place(shed, scans)):
            for scan in scans.values():
                _remember(scan)
            return Added(shed, read_datasets.dataset(shed, name), same, False, hashed)
        before = manifest_of(shed, versions[-1]) if versions else None
        overwritten = sorted(_overwritten(before, scans))
        manifest = _complete(work, _referred_to(scans, kind) if by_reference else _kept(work, scans), before)
        version, is_new = _recorded(work, manifest, note)
        return Added(shed, read_datasets.dataset(shed, name), version, is_new, hashed, overwritten)


def _scanned(work: Work, root: Path, table: str, patterns: Sequence[str]) -> Scan:
    cache, telling = stat_cache(work.shed, work.name, root, table), work.telling("reading")
    return scanning.scan(root, patterns, cache, progress=telling, leave_out=work.leave_out, only=work.only)


def stat_cache(shed: Shed, name: str, root: Path, table: str) -> Path:
    """Where it is kept what is known by their stat of the files that a dataset takes from `root`."""
    # One cache a table and place: a pattern more or less must not have everything read again.
    key = blake3(repr((str(root), table)).encode()).hexdigest()[:16]
    return shed.dataset_dir(name) / f"stat-{key}"


@no_collections()
def _content(scans: Mapping[str, Scan]) -> str:
    return content_digest({table: [(file.path, file.blake3) for file in scan.files] for table, scan in scans.items()})


def _remember(scan: Scan, ctimes: Sequence[int] | None = None) -> None:
    with suppress(OSError):  # then these files are hashed again the next time
        scanning.remember(scan, ctimes)


@no_collections()
def _in_place(shed: Shed, scans: Mapping[str, Scan]) -> bool:
    """Whether all contents are kept already, as far as their stat tells."""
    root = os.open(shed.objects.root, os.O_RDONLY | os.O_DIRECTORY)  # paths from here on are looked up faster
    try:
        for scan in scans.values():
            for file in scan.files:
                kept = os.lstat(f"{file.blake3[:2]}/{file.blake3[2:]}", dir_fd=root)
                if kept.st_size != file.size or not (kept.st_ino == file.inode or is_copy(kept)):
                    return False
    except FileNotFoundError:
        return False
    finally:
        os.close(root)
    return True


def _overwritten(before: Manifest | None, scans: Mapping[str, Scan]) -> Iterator[str]:
    """Files that were hard-linked into the store and then written to: that changed the kept contents too."""
    if before is None:
        return
    linked = {(entry.path, entry.inode): entry for entry in before.entries() if entry.source is None}
    for scan in scans.values():
        for file in scan.files:
            entry = linked.get((file.path, file.inode))
            if entry is not None and entry.blake3 != file.blake3:
                yield file.path


def _referred_to(scans: Mapping[str, Scan], kind: Kind) -> Manifest:
    """Leave all contents where they are."""
    for scan in scans.values():
        _remember(scan)
    tables = {
        table: [Entry(f.path, f.size, f.blake3, f.mtime_ns, f.inode, source=f.source) for f in scan.files]
        for table, scan in scans.items()
    }
    return Manifest(kind, tables)


def _kept(work: Work, scans: Mapping[str, Scan]) -> Manifest:
    """Bring all contents into the store; the entries tell how they lie there."""
    tables: dict[str, list[Entry]] = {}
    for table, scan in scans.items():
        stored = work.shed.objects.keep(scan.files, progress=work.telling("keeping"))
        _remember(scan, [each.source_ctime_ns for each in stored])
        tables[table] = [
            Entry(file.path, file.size, file.blake3, kept.mtime_ns, kept.inode)
            for file, kept in zip(scan.files, stored, strict=True)
        ]
    return Manifest(work.kind, tables)


def _complete(work: Work, manifest: Manifest, before: Manifest | None) -> Manifest:
    """The manifest with rows and schemas, where there are such."""
    if work.kind == "files":
        return manifest
    schemas: dict[str, list[Column]] = {}
    known = _known(before)
    tables = {table: _described(work, entries, known, schemas) for table, entries in manifest.tables.items()}
    return Manifest(work.kind, tables, schemas)


def _known(before: Manifest | None) -> dict[str, tuple[list[Column], int]]:
    """What the newest version knows of contents: their columns and rows need not be looked up again."""
    if before is None:
        return {}
    return {
        entry.blake3: (before.schemas[entry.schema], entry.rows)
        for entry in before.entries()
        if entry.schema is not None and entry.rows is not None
    }


def _described(
    work: Work,
    entries: list[Entry],
    known: Mapping[str, tuple[list[Column], int]],
    schemas: dict[str, list[Column]],
) -> list[Entry]:
    """The entries of a table with their rows and schemas, which are added to `schemas`."""
    reading.select_from([Source(Path(entry.path), entry.path) for entry in entries])  # raises unless it is one format
    telling = work.telling("looking into files")

    def describe(entry: Entry) -> tuple[list[Column], int]:
        kept = Path(entry.source) if entry.source else work.shed.objects.path(entry.blake3)
        return known.get(entry.blake3) or frames.file_schema(Source(kept, entry.path))

    complete = []
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(describe, entries)
        try:
            for number, (entry, (columns, rows)) in enumerate(zip(entries, found, strict=True), start=1):
                key = blake3(repr(columns).encode()).hexdigest()[:12]
                schemas[key] = columns
                complete.append(entry._replace(rows=rows, schema=key))
                if telling:
                    telling(number, len(entries))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return complete


def _recorded(work: Work, manifest: Manifest, note: str) -> tuple[DatasetVersion, bool]:
    new = write_datasets.NewVersion(
        content=manifest.content,
        manifest=work.shed.objects.put_bytes(manifest.to_json().encode()),
        files=manifest.files,
        rows=manifest.rows,
        bytes=manifest.bytes,
        by_reference=work.by_reference,
        note=note,
    )
    return write_datasets.add_version(work.shed, work.name, manifest.kind, new)
