"""The verbs of datasets: add a version, look at it, compare two, query it, check it, take it out again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from blake3 import blake3

from runners.opening import kept_files, manifest_of
from storage import frames, scanning
from storage.errors import UsageError
from storage.frames import Source
from storage.manifests import Column, Entry, Manifest
from storage.names import checked_name
from storage.project import ProjectSpec
from storage.read import datasets as read_datasets
from storage.scanning import ScannedFile
from storage.shed import Shed
from storage.tables import Dataset, DatasetVersion
from storage.write import datasets as write_datasets

Progress = Callable[[int, int], None]
Kind = Literal["table", "files"]


@dataclass(frozen=True)
class Added:
    """What `add` came to. `hashed` files had to be read; the others were known by their stat."""

    dataset: Dataset
    version: DatasetVersion
    manifest: Manifest
    is_new: bool
    hashed: int


def add_for_project(shed: Shed, project_dir: Path, spec: ProjectSpec, *, progress: Progress | None = None) -> Added:
    """The version that the project's files are now: a new one, or the one that has exactly this content."""
    dataset = spec.dataset
    globs = dataset.globs if dataset.kind == "table" else {"files": dataset.globs["data"]}
    return add(shed, dataset.name, dataset.kind, globs, project_dir, by_reference=dataset.reference, progress=progress)


def add(
    shed: Shed,
    name: str,
    kind: Kind,
    globs: dict[str, list[str]],
    root: Path,
    *,
    by_reference: bool = False,
    note: str = "",
    progress: Progress | None = None,
) -> Added:
    """Make a version of the files that `globs` (table → patterns below `root`) match.

    Raises:
        UsageError: for a bad name or glob, or one that matches nothing.
        DataInvalid: naming a file that cannot be read, is half-written, or changes meanwhile.
    """
    checked_name(name, "dataset")
    folder = shed.make_dir(shed.dataset_dir(name))
    tables: dict[str, list[Entry]] = {}
    schemas: dict[str, list[Column]] = {}
    known = _known_entries(shed, name)
    hashed = 0
    for table, patterns in globs.items():
        cache = folder / f"stat-{blake3(repr((str(root), table, patterns)).encode()).hexdigest()[:16]}"
        scan = scanning.scan(root, patterns, cache, progress=progress)
        stored = None if by_reference else shed.objects.keep(scan.files, progress=progress)
        scanning.remember(scan, None if stored is None else [each.source_ctime_ns for each in stored])
        hashed += scan.hashed
        entries = []
        for place, file in enumerate(scan.files):
            mtime, inode = (stored[place].mtime_ns, stored[place].inode) if stored else (file.mtime_ns, file.inode)
            source = str(Path(file.source).absolute()) if by_reference else None
            entries.append(Entry(file.path, file.size, file.blake3, mtime, inode, source=source))
        tables[table] = entries if kind == "files" else _described(shed, scan.files, entries, known, schemas)
    manifest = Manifest(kind, tables, schemas)
    return _record(shed, name, manifest, by_reference, note, hashed)


def _record(shed: Shed, name: str, manifest: Manifest, by_reference: bool, note: str, hashed: int) -> Added:
    digest = shed.objects.put_bytes(manifest.to_json().encode())
    new = write_datasets.NewVersion(
        content=manifest.content,
        manifest=digest,
        files=manifest.files,
        rows=manifest.rows,
        bytes=manifest.bytes,
        by_reference=by_reference,
        note=note,
    )
    version, is_new = write_datasets.add_version(shed, name, manifest.kind, new)
    kept = manifest if is_new else manifest_of(shed, version)
    return Added(read_datasets.dataset(shed, name), version, kept, is_new, hashed)


def _known_entries(shed: Shed, name: str) -> dict[str, tuple[Entry, list[Column]]]:
    """What the newest version knows of contents: their rows and columns need not be looked up again."""
    if read_datasets.find(shed, name) is None:
        return {}
    manifest = manifest_of(shed, read_datasets.version(shed, name))
    return {entry.blake3: (entry, manifest.schemas[entry.schema]) for entry in manifest.entries() if entry.schema}


def _described(
    shed: Shed,
    files: Sequence[ScannedFile],
    entries: list[Entry],
    known: dict[str, tuple[Entry, list[Column]]],
    schemas: dict[str, list[Column]],
) -> list[Entry]:
    """The entries of a table with their rows and schemas, which are added to `schemas`."""

    def describe(file: ScannedFile) -> tuple[list[Column], int]:
        found = known.get(file.blake3)
        if found is not None and found[0].rows is not None:
            return found[1], found[0].rows
        return frames.file_schema(Source(Path(file.source), file.path))

    with ThreadPoolExecutor(2) as pool:
        described = list(pool.map(describe, files))
    complete = []
    for entry, (columns, rows) in zip(entries, described, strict=True):
        key = blake3(repr(columns).encode()).hexdigest()[:12]
        schemas[key] = columns
        complete.append(Entry(**{**vars(entry), "rows": rows, "schema": key}))
    return complete


def export(shed: Shed, name: str, number: int | None, to: Path) -> int:
    """Copy the files of a version below `to`, under their own names. Returns how many there are.

    Raises:
        UsageError: when `to` exists and is not empty.
    """
    version = read_datasets.version(shed, name, number)
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UsageError("is not empty", place=str(to), expected="a new or empty directory")
    files = kept_files(shed, manifest_of(shed, version))
    for relative, content in files:
        target = to / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(content, target)
    return len(files)
