"""The verbs that make, check and take out dataset versions."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runners.datasets import adding
from runners.datasets.adding import Added, Kind, Progress
from runners.opening import kept_files, manifest_of
from storage import manifests
from storage.errors import UsageError
from storage.frames import file_format
from storage.globs import WILD, expand
from storage.manifests import Entry, Manifest
from storage.names import checked_name
from storage.project import ProjectSpec
from storage.read import datasets as read_datasets
from storage.shed import Shed
from storage.tables import Dataset, DatasetVersion

__all__ = ["Added", "Exported", "Verified", "add", "add_for_project", "export", "parsed_reference", "resolve", "verify"]

VERSION = re.compile(r"v?(\d{1,9})")
TABLE = re.compile(r"[A-Za-z_]\w*", re.ASCII)
GROUP_BYTES = 64 * 2**20  # what is read between two steps of progress
ONLY_TABLE = "data"  # what the table is called where there is only one, as in a project


@dataclass(frozen=True)
class Exported:
    """Where the files of a version were written to."""

    dataset: str
    version: int
    folder: Path
    files: int
    bytes: int


@dataclass(frozen=True)
class Verified:
    """What reading every file of a version again came to; `faults` has a sentence for each damaged one."""

    dataset: str
    version: int
    files: int
    bytes: int
    faults: list[str]


def parsed_reference(reference: str) -> tuple[str, int | None]:
    """Split `flights@v2`, `flights@2` or `flights` into the name and the number. Raises UsageError."""
    name, at, which = reference.partition("@")
    number = VERSION.fullmatch(which)
    if at and not number:
        raise UsageError(f"{reference}: no such version", expected="NAME@VERSION, such as flights@v2")
    return name, int(number[1]) if number else None


def resolve(shed: Shed, reference: str) -> tuple[Dataset, DatasetVersion]:
    """The dataset and version that `NAME[@VERSION]` names, the newest by default. Raises UsageError."""
    name, number = parsed_reference(reference)
    return read_datasets.dataset(shed, name), read_datasets.version(shed, name, number)


def add_for_project(
    shed: Shed,
    project_dir: Path,
    spec: ProjectSpec,
    *,
    by_reference: bool = False,
    note: str = "",
    progress: Progress | None = None,
    leave_out: Collection[str] = (),
    only: Collection[str] | None = None,
) -> Added:
    """The version that the project's files are now: a new one, or the one that has exactly this content.

    `leave_out` are paths of files that do not belong to it although a pattern matches them; `only` those that do.
    """
    dataset = spec.dataset
    globs = dataset.globs if dataset.kind == "table" else {"files": dataset.globs["data"]}
    return adding.add(
        shed,
        dataset.name,
        dataset.kind,
        globs,
        project_dir,
        by_reference=by_reference or dataset.reference,
        note=note,
        progress=progress,
        leave_out=leave_out,
        only=only,
    )


def add(
    shed: Shed,
    name: str,
    globs: Mapping[str, Sequence[str]],
    root: Path,
    *,
    kind: Kind | None = None,
    by_reference: bool = False,
    note: str = "",
    progress: Progress | None = None,
) -> Added:
    """Make a version of the files that `globs` (table → patterns) match below `root`; the only table is called `data`.

    A pattern that is the name of a file means that file, whatever characters are in it. Without a `kind` it is that of
    the dataset; for a new one, `table` where every file can be read as one, else `files`.

    Raises:
        UsageError: for a bad name or pattern, one that matches nothing, or a kind that the dataset is not of.
        DataInvalid: naming a file that cannot be read, is half-written, or changes meanwhile.
    """
    known = read_datasets.find(shed, checked_name(name, "dataset"))
    tables = {_checked_table(table): [_as_file(root, each) for each in patterns] for table, patterns in globs.items()}
    if len({table.lower() for table in tables}) < len(tables):
        raise UsageError("two tables of the same name", expected="names that differ in more than case")
    if kind is None:
        kind = _same_kind(known) if known is not None else _guessed_kind(root, tables)
    if kind == "files":
        if list(tables) != [ONLY_TABLE]:
            raise UsageError("a dataset of kind files has no tables", todo="give its patterns without --table")
        tables = {"files": tables[ONLY_TABLE]}
    return adding.add(shed, name, kind, tables, root, by_reference=by_reference, note=note, progress=progress)


def _checked_table(name: str) -> str:
    if not TABLE.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a table", expected="letters, digits and '_', no digit first")
    return name


def _as_file(root: Path, pattern: str) -> str:
    """A pattern that is a file's own name (a shell has expanded it, say) must match that file and no other."""
    if WILD.search(pattern) and "\0" not in pattern and (root / pattern).is_file():
        return WILD.sub(r"[\g<0>]", pattern)
    return pattern


def _same_kind(known: Dataset) -> Kind:
    return "table" if known.kind == "table" else "files"


def _guessed_kind(root: Path, tables: Mapping[str, list[str]]) -> Kind:
    if list(tables) != [ONLY_TABLE]:
        return "table"
    found = expand(root, tables[ONLY_TABLE])
    return "table" if all(_is_table(path) for path in found) else "files"


def _is_table(path: str) -> bool:
    try:
        file_format(path)
    except UsageError:
        return False
    return True


def verify(shed: Shed, reference: str, *, progress: Progress | None = None) -> Verified:
    """Read every file of a version again from end to end. Raises UsageError when there is no such version."""
    dataset, version = resolve(shed, reference)
    manifest = manifest_of(shed, version)
    faults: list[str] = []
    done = 0
    for group in _groups(manifest):
        faults += manifests.verify(shed.objects, group)
        done += group.bytes
        if progress:
            progress("reading", done, version.bytes)
    return Verified(dataset.name, version.number, version.files, version.bytes, faults)


def _groups(manifest: Manifest) -> Iterator[Manifest]:
    """The manifest in parts of about GROUP_BYTES."""
    group: list[Entry] = []
    size = 0
    for entry in manifest.entries():
        group.append(entry)
        size += entry.size
        if size >= GROUP_BYTES:
            yield Manifest(manifest.kind, {"": group})
            group, size = [], 0
    if group:
        yield Manifest(manifest.kind, {"": group})


def export(shed: Shed, reference: str, to: Path, *, progress: Progress | None = None) -> Exported:
    """Copy the files of a version below `to`, under their own names: all of them or none.

    Raises:
        UsageError: when `to` is not empty or cannot be written.
        DataInvalid: naming a file whose kept contents are not those of the version any more.
    """
    dataset, version = resolve(shed, reference)
    to = to.expanduser().absolute()
    try:
        if to.exists() and (not to.is_dir() or any(to.iterdir())):
            raise UsageError("is not empty", place=str(to), expected="a new or empty directory")
        files = kept_files(shed, manifest_of(shed, version))
        to.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to, prefix=".export-") as place:
            done = 0
            for relative, content in files:
                target = Path(place, relative)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(content, target)
                done += target.stat().st_size
                if progress:
                    progress("copying", done, version.bytes)
            for path in Path(place).iterdir():
                path.rename(to / path.name)
    except OSError as err:
        raise UsageError(f"cannot be copied: {err.strerror or err}", place=str(err.filename or to)) from err
    return Exported(dataset.name, version.number, to, len(files), version.bytes)
