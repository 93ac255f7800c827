"""A dataset version's manifest: which files it consists of, what they hold, and where their contents are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from blake3 import blake3

from storage.collecting import no_collections
from storage.errors import DataInvalid, ShedError
from storage.hashing import hash_file
from storage.keeping import is_copy
from storage.objects import Objects

if TYPE_CHECKING:
    from storage.check_section import ColumnType


@dataclass(frozen=True)
class Column:
    """A column of a file or table; `duckdb` is its exact type there."""

    name: str
    type: ColumnType
    duckdb: str


class Entry(NamedTuple):
    """One file. `path` is relative to the project; `schema` names one of the manifest's schemas.

    `mtime_ns` and `inode` are those of the kept content (of the original where `source` is set: by reference), so that
    a change in place is noticed without reading it.
    """

    path: str
    size: int
    blake3: str
    mtime_ns: int
    inode: int
    rows: int | None = None
    schema: str | None = None
    source: str | None = None


@dataclass(frozen=True)
class Manifest:
    """All files of a version, by table. A dataset of kind `files` has one table, `files`."""

    kind: Literal["table", "files"]
    tables: dict[str, list[Entry]]
    schemas: dict[str, list[Column]] = field(default_factory=dict)

    def entries(self) -> Iterator[Entry]:
        for entries in self.tables.values():
            yield from entries

    @property
    def content(self) -> str:
        """The digest of paths and hashes alone: equal content is the same version, whenever it was written."""
        return content_digest({name: [(e.path, e.blake3) for e in entries] for name, entries in self.tables.items()})

    @property
    def files(self) -> int:
        return sum(len(entries) for entries in self.tables.values())

    @property
    def bytes(self) -> int:
        return sum(entry.size for entry in self.entries())

    @property
    def rows(self) -> int | None:
        """Rows of all tables together; None where files are not counted in rows."""
        counted = [entry.rows for entry in self.entries() if entry.rows is not None]
        return sum(counted) if counted else None

    @property
    def classes(self) -> dict[str, int]:
        """Class folder → files in it: the name of the folder that a file lies in."""
        counts: dict[str, int] = {}
        for entry in self.entries():
            folder = PurePosixPath(entry.path).parent.name
            counts[folder] = counts.get(folder, 0) + 1
        return dict(sorted(counts.items()))

    @no_collections()
    def to_json(self) -> str:
        schemas = {name: [asdict(column) for column in columns] for name, columns in self.schemas.items()}
        return json.dumps({"kind": self.kind, "schemas": schemas, "tables": self.tables})

    @classmethod
    @no_collections()
    def from_json(cls, text: str) -> Manifest:
        raw: dict[str, Any] = json.loads(text)
        return cls(
            raw["kind"],
            {table: list(map(Entry._make, entries)) for table, entries in raw["tables"].items()},
            {name: [Column(**column) for column in columns] for name, columns in raw["schemas"].items()},
        )


def content_digest(tables: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """`Manifest.content` from the (path, blake3) pairs of each table, in any order."""
    digest = blake3()
    for table in sorted(tables):
        lines = sorted([f"{path}\0{content}\n" for path, content in tables[table]])
        digest.update(f"{table}\0{len(lines)}\n".encode())
        digest.update("".join(lines).encode())
    return digest.hexdigest()


def load(objects: Objects, digest: str) -> Manifest:
    """Read a manifest from the objects. Raises ShedError when it is missing or damaged."""
    return Manifest.from_json(objects.verify(digest).read_text(encoding="utf-8"))


def content_of(objects: Objects, entry: Entry) -> Path:
    """Where an entry's bytes are, after a look at their stat; they are read again only when it has changed.

    Raises:
        DataInvalid: when the bytes are not those of the version any more.
    """
    path = Path(entry.source) if entry.source else objects.path(entry.blake3)
    try:
        found = path.stat()
        same = (found.st_size, found.st_mtime_ns, found.st_ino) == (entry.size, entry.mtime_ns, entry.inode)
        copied = not entry.source and found.st_size == entry.size and is_copy(found)
        if same or copied or hash_file(path).blake3 == entry.blake3:
            return path
    except OSError as err:
        what = f"cannot be read: {err.strerror}"
        raise (_changed(entry, path, what) if entry.source else _spoilt(entry, path, what)) from err
    if not entry.source and found.st_nlink == 1:
        raise _spoilt(entry, path, "is damaged")
    raise _changed(entry, path, "was changed in place after the version was made")


def verify(objects: Objects, manifest: Manifest) -> list[str]:
    """Read every file again from end to end; returns a sentence for each that is missing or damaged."""
    faults = []
    for entry in manifest.entries():
        try:
            if not entry.source:
                objects.verify(entry.blake3)
            elif hash_file(Path(entry.source)).blake3 != entry.blake3:
                faults.append(f"{entry.path}: was changed after the version was made")
        except (OSError, ShedError) as err:
            faults.append(f"{entry.path}: {getattr(err, 'message', err)}")
    return faults


def _spoilt(entry: Entry, path: Path, what: str) -> DataInvalid:
    return DataInvalid(
        f"what the shed keeps of {entry.path} {what}",
        place=str(path),
        expected=f"the bytes with the blake3 {entry.blake3[:16]}…",
        todo="add the file again (`trainshed data add`): that mends it",
    )


def _changed(entry: Entry, path: Path, what: str) -> DataInvalid:
    return DataInvalid(
        f"{entry.path} {what}",
        place=str(path),
        expected=f"the bytes with the blake3 {entry.blake3[:16]}…",
        todo="put the old file back, or go on with a new version (`trainshed data add`)",
    )
