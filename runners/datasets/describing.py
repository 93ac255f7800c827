"""What is known of dataset versions beyond their manifests: profiles, made once and kept; what differs between two."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from blake3 import blake3

from runners.opening import open_tables
from runners.stoppable import stoppable
from storage import dataset_diff, profiles, reading
from storage.dataset_diff import Diff, Shift
from storage.errors import DataInvalid, ShedError
from storage.frames import Source, file_format
from storage.manifests import Manifest
from storage.profiles import Profile
from storage.shed import Shed

PROFILED = 1  # counts up when a profile would come out differently from the same rows
QUERY_VIEW = "data"


@dataclass(frozen=True)
class Compared:
    """What differs between two versions.

    Attributes:
        diff: files, rows and columns of all tables; its shifts are empty.
        shifts: table that has other contents now → its columns, the one whose values moved most first.
        classes: class folder → files before and after, where that differs.
        unread: why the distributions could not be compared; empty where they were.
    """

    diff: Diff
    shifts: dict[str, list[Shift]]
    classes: dict[str, tuple[int, int]] = field(default_factory=dict)
    unread: str = ""

    @property
    def sentences(self) -> list[str]:
        """The changes as a person would tell them."""
        several = len(self.diff.rows) > 1
        told = dataset_diff.sentences(self.diff)
        for table, shifts in self.shifts.items():
            lines = dataset_diff.sentences(Diff([], 0, {}, [], shifts))
            told += [f"{table}.{line}" if several else line for line in lines]
        return told + [f"{name}: {before:,} → {after:,} files" for name, (before, after) in self.classes.items()]


def table_profile(shed: Shed, dataset: str, manifest: Manifest, table: str) -> Profile:
    """The profile of one table, from the cache where it has been made before.

    Raises:
        DataInvalid: when a file is not what it was when the version was made.
    """
    entries = manifest.tables[table]
    cache = _cache(shed, dataset, [PROFILED, table, [[entry.path, entry.blake3] for entry in entries]])
    return _cached(cache) or _made(shed, cache, manifest, table)


def query_profile(shed: Shed, dataset: str, manifest: Manifest, query: str) -> Profile:
    """The profile of what a project's query gives, from the cache where it has been made before. Raises DataInvalid."""
    cache = _cache(shed, dataset, [PROFILED, query, manifest.content])
    return _cached(cache) or _made(shed, cache, manifest, QUERY_VIEW, query)


def compare(shed: Shed, dataset: str, old: Manifest, new: Manifest, query: str | None = None) -> Compared:
    """What differs between two versions. With a `query`, values are compared in what it makes of them, as `data`.

    Files and columns are told also where a file is damaged, so that values cannot be compared.
    """
    tables = list(dict.fromkeys([*old.tables, *new.tables]))
    pairs: dict[str, tuple[Profile, Profile]] = {}
    unread = ""
    try:
        if query is not None:
            pairs[QUERY_VIEW] = query_profile(shed, dataset, old, query), query_profile(shed, dataset, new, query)
        elif new.kind == "table":
            both = [table for table in tables if table in old.tables and table in new.tables]
            for table in (table for table in both if _contents(old, table) != _contents(new, table)):
                pairs[table] = table_profile(shed, dataset, old, table), table_profile(shed, dataset, new, table)
    except DataInvalid as err:
        unread = err.message
    of_tables = {} if query is not None else pairs
    parts = {t: dataset_diff.diff(_part(old, t), _part(new, t), *of_tables.get(t, (None, None))) for t in tables}
    shifts = {table: part.shifts for table, part in parts.items() if table in of_tables}
    if query is not None and pairs:
        shifts = {QUERY_VIEW: dataset_diff.diff(_part(old, ""), _part(new, ""), *pairs[QUERY_VIEW]).shifts}
    return Compared(_together(list(parts.values())), shifts, _class_changes(old, new), unread)


def _contents(manifest: Manifest, table: str) -> list[str]:
    return sorted(entry.blake3 for entry in manifest.tables[table])


def _part(manifest: Manifest, table: str) -> Manifest:
    """The manifest of one table alone."""
    return Manifest(
        manifest.kind, {table: manifest.tables[table]} if table in manifest.tables else {}, manifest.schemas
    )


def _together(parts: list[Diff]) -> Diff:
    return Diff(
        [change for part in parts for change in part.files],
        sum(part.unchanged_files for part in parts),
        {table: rows for part in parts for table, rows in part.rows.items()},
        [change for part in parts for change in part.columns],
        [],
    )


def _class_changes(old: Manifest, new: Manifest) -> dict[str, tuple[int, int]]:
    if new.kind != "files":
        return {}
    before, after = old.classes, new.classes
    counts = {name: (before.get(name, 0), after.get(name, 0)) for name in sorted(before.keys() | after.keys())}
    return {name: pair for name, pair in counts.items() if pair[0] != pair[1]}


def _cache(shed: Shed, dataset: str, key: list[object]) -> Path:
    digest = blake3(json.dumps(key).encode()).hexdigest()
    return shed.dataset_dir(dataset) / f"profile-{digest[:32]}.json"


def _cached(cache: Path) -> Profile | None:
    """None where there is none, or one that cannot be read: it can be made again."""
    try:
        return Profile.from_json(cache.read_bytes())
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _made(shed: Shed, cache: Path, manifest: Manifest, relation: str, query: str | None = None) -> Profile:
    entries = list(manifest.entries()) if query is not None else manifest.tables[relation]
    sources = [
        Source(Path(entry.source) if entry.source else shed.objects.path(entry.blake3), entry.path) for entry in entries
    ]
    all_parquet = query is None and all(file_format(source.name) == "parquet" for source in sources)
    parquet = [source.content for source in sources] if all_parquet else []
    with open_tables(shed, manifest, query) as con, _told(sources, relation, query):
        made = stoppable(con, lambda: profiles.profile(con, relation, parquet=parquet))
    with suppress(ShedError):  # without room for it, it is made again when it is asked for again
        keep(shed, cache, made.to_json())
    return made


@contextmanager
def _told(sources: list[Source], table: str, query: str | None) -> Iterator[None]:
    """Say in words what is wrong with rows that only a full reading finds."""
    try:
        with reading.told(sources, table) if query is None else nullcontext():
            yield
    except duckdb.Error as err:
        raise DataInvalid(reading.reason(err, sources), place="[dataset] query") from None


def keep(shed: Shed, path: Path, text: str) -> None:
    """Write a file of a dataset's directory: whole or not at all, and for the whole group.

    Raises:
        ShedError: when the disk is full, or the shed cannot be written.
    """
    temporary = shed.tmp / f"{path.name}-{os.getpid()}-{threading.get_ident()}"
    try:
        shed.make_dir(path.parent)
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o660)
        temporary.replace(path)
    except OSError as err:
        raise ShedError(f"cannot write here: {err.strerror or err}", place=str(path)) from err
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
