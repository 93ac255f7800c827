"""The verbs that describe dataset versions: what one consists of, its profile and card, what differs between two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from runners.actions.datasets import resolve
from runners.datasets import describing
from runners.datasets.cards import card_path, write_card
from runners.datasets.describing import Compared
from runners.opening import manifest_of
from storage import manifests
from storage.errors import DataInvalid, UsageError, nearest
from storage.manifests import Column, Entry, Manifest
from storage.profiles import Profile
from storage.read import datasets as read_datasets
from storage.shed import Shed
from storage.tables import Dataset, DatasetVersion


@dataclass(frozen=True)
class TableDetails:
    """One table of a version. `columns` are those that most of its files have, `odd` the files that have others."""

    name: str
    files: int
    rows: int | None
    bytes: int
    columns: list[Column]
    odd: list[str]


@dataclass(frozen=True)
class Details:
    """A version with all that belongs to it.

    Attributes:
        versions: how many the dataset has.
        classes: class folder → files, for a dataset of kind `files`.
        kept: how the contents lie: `hard links`, `own copies`, `by reference`, `missing` → files.
        damaged: a sentence for each file whose contents are, by their stat, not those of the version any more.
    """

    dataset: Dataset
    version: DatasetVersion
    versions: int
    tables: list[TableDetails]
    files: list[Entry]
    classes: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Profiled:
    """The profile of a table, or of what the project's query gives, where `table` is `data` and `is_query` set."""

    dataset: str
    version: int
    table: str
    is_query: bool
    profile: Profile


@dataclass(frozen=True)
class Difference:
    """Two versions of a dataset and what differs between them."""

    dataset: str
    old: DatasetVersion
    new: DatasetVersion
    compared: Compared


def details(shed: Shed, reference: str) -> Details:
    """One version: its tables, files and classes, and how they are kept. Raises UsageError."""
    dataset, version = resolve(shed, reference)
    manifest = manifest_of(shed, version)
    return Details(
        dataset,
        version,
        len(read_datasets.versions(shed, dataset.name)),
        [_table(manifest, name) for name in manifest.tables] if manifest.kind == "table" else [],
        list(manifest.entries()),
        manifest.classes if manifest.kind == "files" else {},
        dict(Counter(_how(shed, entry) for entry in manifest.entries())),
        list(_damaged(shed, manifest)),
    )


def _table(manifest: Manifest, name: str) -> TableDetails:
    entries = manifest.tables[name]
    usual = Counter(entry.schema for entry in entries).most_common(1)[0][0]
    return TableDetails(
        name,
        len(entries),
        sum(entry.rows or 0 for entry in entries),
        sum(entry.size for entry in entries),
        manifest.schemas[usual] if usual is not None else [],
        [entry.path for entry in entries if entry.schema != usual],
    )


def _how(shed: Shed, entry: Entry) -> str:
    if entry.source is not None:
        return "by reference"
    try:
        return "hard links" if shed.objects.path(entry.blake3).stat().st_nlink > 1 else "own copies"
    except OSError:
        return "missing"


def _damaged(shed: Shed, manifest: Manifest) -> Iterator[str]:
    for entry in manifest.entries():
        try:
            manifests.content_of(shed.objects, entry)
        except DataInvalid as err:
            yield err.message


def with_tables(manifest: Manifest, dataset: Dataset) -> Manifest:
    """Return the manifest of a dataset of kind `table`. Raises UsageError for one of files."""
    if manifest.kind != "table":
        raise UsageError(
            f"{dataset.name} is of kind files: it has no rows",
            todo=f"`trainshed data show {dataset.name} --files` lists its files",
        )
    return manifest


def checked_table(manifest: Manifest, name: str) -> str:
    """Return `name` when the version has such a table. Raises UsageError with the nearest one."""
    if name not in manifest.tables:
        known = list(manifest.tables)
        raise UsageError(f'no table "{name}"', expected="one of " + ", ".join(known), todo=nearest(name, known))
    return name


def profile(
    shed: Shed,
    reference: str,
    *,
    table: str | None = None,
    column: str | None = None,
    project_query: str | None = None,
) -> list[Profiled]:
    """The profile of each table, or of one, or of what `project_query` makes of them. Kept once it was made.

    With a `column`, only of tables that have it.

    Raises:
        UsageError: when there is no such version, table or column, or it has no tables.
        DataInvalid: when a file is not what it was when the version was made, or the project's query cannot run.
    """
    dataset, version = resolve(shed, reference)
    manifest = with_tables(manifest_of(shed, version), dataset)
    if project_query is not None:
        found = [
            Profiled(
                dataset.name,
                version.number,
                describing.QUERY_VIEW,
                True,
                describing.query_profile(shed, dataset.name, manifest, project_query),
            )
        ]
    else:
        names = [checked_table(manifest, table)] if table is not None else list(manifest.tables)
        found = [
            Profiled(
                dataset.name, version.number, name, False, describing.table_profile(shed, dataset.name, manifest, name)
            )
            for name in names
        ]
    return found if column is None else _with_column(found, column)


def _with_column(found: list[Profiled], column: str) -> list[Profiled]:
    having = [each for each in found if each.profile.column(column) is not None]
    if not having:
        known = [each.name for profiled in found for each in profiled.profile.columns]
        raise UsageError(
            f'no column "{column}"',
            expected="one of " + ", ".join(known[:30]) + (f" and {len(known) - 30} more" if len(known) > 30 else ""),
            todo=nearest(column, known),
        )
    return having


def diff(
    shed: Shed, name: str, old: int | None = None, new: int | None = None, *, project_query: str | None = None
) -> Difference:
    """What differs between two versions; by default between the newest, or `old`, and the one before.

    Raises:
        UsageError: when there is no such version, or only one.
    """
    new_version = read_datasets.version(shed, name, new)
    if old is None and new_version.number == 1:
        raise UsageError(f"{name} has only one version", todo="`trainshed data add` makes another when files change")
    old_version = read_datasets.version(shed, name, new_version.number - 1 if old is None else old)
    compared = describing.compare(
        shed, name, manifest_of(shed, old_version), manifest_of(shed, new_version), project_query
    )
    return Difference(name, old_version, new_version, compared)


def card(shed: Shed, reference: str) -> tuple[str, str]:
    """`flights v2` and its dataset card, in Markdown; written anew, for it may have been validated since.

    Raises:
        UsageError: when there is no such version.
        DataInvalid: when a file is not what it was when the version was made, and no card was written before.
    """
    dataset, version = resolve(shed, reference)
    path = card_path(shed, dataset.name, version.number)
    try:
        write_card(shed, dataset.name, version.number)
    except DataInvalid:
        if not path.exists():
            raise
    return f"{dataset.name} v{version.number}", path.read_text(encoding="utf-8")
