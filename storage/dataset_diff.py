"""What changed between two versions of a dataset: files, rows, schema and distributions. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from storage.distributions import jensen_shannon, psi, shares
from storage.manifests import Entry, Manifest
from storage.profiles import ColumnProfile, Profile
from storage.profiling import Value

SHIFT = 0.1  # of the population stability index, as the field reads it
LARGE_SHIFT = 0.25
ALIKE = 0.6  # names this similar (0 to 1) may be one column renamed
SAME_VALUES = 0.02  # Jensen–Shannon divergence in bits, below which two columns hold the same
TELLING = 20  # with fewer distinct values, alike distributions say little


@dataclass(frozen=True)
class FileChange:
    """One file. `before` is its path in the old version, `after` in the new one; both are set when it was renamed."""

    table: str
    change: Literal["added", "removed", "changed", "renamed"]
    before: str | None
    after: str | None
    rows: int | None  # more than before, or fewer
    bytes: int


@dataclass(frozen=True)
class ColumnChange:
    """One column of a table. A rename is a guess: a column went, and one that looks like it came."""

    table: str
    change: Literal["added", "removed", "type changed", "likely renamed"]
    name: str
    before: str  # its type, or its name where it was renamed
    after: str


@dataclass(frozen=True)
class Shift:
    """How the values of a column changed. `psi` and `js` compare both versions in shared bins, nulls included."""

    column: str
    type: str
    psi: float
    js: float
    nulls: tuple[float, float]  # shares of rows, before and after
    mean: tuple[Value, Value]
    size: Literal["none", "moderate", "large"]


@dataclass(frozen=True)
class Diff:
    """Everything that differs. `shifts` has every column that could be compared, the largest shift first."""

    files: list[FileChange]
    unchanged_files: int
    rows: dict[str, tuple[int | None, int | None]]  # of each table, before and after
    columns: list[ColumnChange]
    shifts: list[Shift]

    @property
    def is_empty(self) -> bool:
        return not self.files and not self.columns


def diff(old: Manifest, new: Manifest, old_profile: Profile | None = None, new_profile: Profile | None = None) -> Diff:
    """Compare two versions of one dataset; distributions only where both profiles (of the view `data`) are given."""
    files, unchanged = _files(old, new)
    tables = list(dict.fromkeys([*old.tables, *new.tables]))
    profiles = (old_profile, new_profile) if old_profile and new_profile else None
    return Diff(
        files,
        unchanged,
        {table: (_rows(old.tables.get(table)), _rows(new.tables.get(table))) for table in tables},
        [change for table in tables for change in _columns(table, old, new, profiles)],
        _shifts(*profiles) if profiles else [],
    )


def _files(old: Manifest, new: Manifest) -> tuple[list[FileChange], int]:
    before = {(table, entry.path): entry for table, entries in old.tables.items() for entry in entries}
    after = {(table, entry.path): entry for table, entries in new.tables.items() for entry in entries}
    gone = [key for key in before if key not in after]
    came = {key: after[key] for key in after if key not in before}
    by_content: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for key in sorted(came, reverse=True):
        by_content.setdefault((key[0], came[key].blake3), []).append(key)
    changes = []
    for key in gone:
        same = by_content.get((key[0], before[key].blake3))
        if same:
            renamed = same.pop()
            del came[renamed]
            changes.append(FileChange(key[0], "renamed", key[1], renamed[1], 0, 0))
        else:
            changes.append(_change("removed", key, before[key], None))
    changes += [_change("added", key, None, entry) for key, entry in came.items()]
    kept = [key for key in before if key in after]
    changed = [key for key in kept if before[key].blake3 != after[key].blake3]
    changes += [_change("changed", key, before[key], after[key]) for key in changed]
    changes.sort(key=lambda change: (change.table, change.after or change.before or ""))
    return changes, len(kept) - len(changed)


def _change(
    change: Literal["added", "removed", "changed"], key: tuple[str, str], before: Entry | None, after: Entry | None
) -> FileChange:
    counted = any(entry is not None and entry.rows is not None for entry in (before, after))
    rows = (after.rows or 0 if after else 0) - (before.rows or 0 if before else 0)
    return FileChange(
        key[0],
        change,
        key[1] if before else None,
        key[1] if after else None,
        rows if counted else None,
        (after.size if after else 0) - (before.size if before else 0),
    )


def _rows(entries: Iterable[Entry] | None) -> int | None:
    counts = [entry.rows for entry in entries or []]
    return sum(count for count in counts if count is not None) if any(c is not None for c in counts) else None


def _schema(manifest: Manifest, table: str) -> dict[str, str]:
    """Column → type, over all files of a table; several types where its files disagree."""
    found: dict[str, dict[str, None]] = {}
    for key in dict.fromkeys(entry.schema for entry in manifest.tables.get(table, [])):
        for column in manifest.schemas[key] if key else []:
            found.setdefault(column.name, {})[column.duckdb] = None
    return {name: " and ".join(types) for name, types in found.items()}


def _columns(table: str, old: Manifest, new: Manifest, profiles: tuple[Profile, Profile] | None) -> list[ColumnChange]:
    before, after = _schema(old, table), _schema(new, table)
    if not before or not after:  # a whole table that came or went is told by its files
        return []
    gone = [name for name in before if name not in after]
    came = [name for name in after if name not in before]
    changes: list[ColumnChange] = []
    for name, other in _renames(gone, came, before, after, profiles):
        changes.append(ColumnChange(table, "likely renamed", other, name, other))
        gone.remove(name)
        came.remove(other)
    changes += [ColumnChange(table, "removed", name, before[name], "") for name in gone]
    changes += [ColumnChange(table, "added", name, "", after[name]) for name in came]
    changes += [
        ColumnChange(table, "type changed", name, before[name], after[name])
        for name in before
        if name in after and before[name] != after[name]
    ]
    return changes


def _renames(
    gone: list[str],
    came: list[str],
    before: dict[str, str],
    after: dict[str, str],
    profiles: tuple[Profile, Profile] | None,
) -> list[tuple[str, str]]:
    """Pairs (old name, new name) of the same type, the most alike first; no column in two of them."""
    scored = []
    for name in gone:
        for other in (other for other in came if after[other] == before[name]):
            alike = SequenceMatcher(None, name.lower(), other.lower()).ratio()
            same = _same_values(name, other, profiles)
            if same is not False and (alike >= ALIKE or same):
                scored.append((alike + bool(same), name, other))
    pairs: list[tuple[str, str]] = []
    for _, name, other in sorted(scored, reverse=True):
        if all(name != pair[0] and other != pair[1] for pair in pairs):
            pairs.append((name, other))
    return pairs


def _same_values(name: str, other: str, profiles: tuple[Profile, Profile] | None) -> bool | None:
    """Whether two columns hold the same; None where the profiles cannot tell."""
    if profiles is None:
        return None
    before, after = profiles[0].column(name), profiles[1].column(other)
    if before is None or after is None or before.distinct < TELLING:
        return None
    bins = shares(before, after, (profiles[0].rows, profiles[1].rows))
    return None if bins is None else jensen_shannon(bins) < SAME_VALUES


def _shifts(old: Profile, new: Profile) -> list[Shift]:
    shifts = []
    for before in old.columns:
        after = new.column(before.name)
        shift = _shift(before, after, (old.rows, new.rows)) if after else None
        if shift:
            shifts.append(shift)
    return sorted(shifts, key=lambda shift: (-shift.psi, shift.column))


def _shift(before: ColumnProfile, after: ColumnProfile, rows: tuple[int, int]) -> Shift | None:
    bins = shares(before, after, rows)
    if bins is None:
        return None
    index = psi(bins)
    return Shift(
        column=before.name,
        type=after.type,
        psi=index,
        js=jensen_shannon(bins),
        nulls=(before.nulls / rows[0], after.nulls / rows[1]),
        mean=(before.mean, after.mean),
        size="large" if index >= LARGE_SHIFT else "moderate" if index >= SHIFT else "none",
    )


def sentences(found: Diff) -> list[str]:
    """The diff as a person would tell it, one sentence a change; files are counted where there are many."""
    told = []
    for change in ("added", "removed", "changed", "renamed"):
        files = [file for file in found.files if file.change == change]
        names = [f"{f.before} → {f.after}" if change == "renamed" else str(f.after or f.before) for f in files]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
        if files:
            told.append(f"{len(files):,} {'file' if len(files) == 1 else 'files'} {change}: {shown}")
    for table, (before, after) in found.rows.items():
        if before != after:
            told.append(f"{table}: {_number(before)} → {_number(after)} rows")
    for column in found.columns:
        where = f"{column.table}.{column.name}"
        if column.change == "likely renamed":
            told.append(f"{column.table}.{column.before} was likely renamed to {column.after}")
        elif column.change == "type changed":
            told.append(f"{where}: its type changed from {column.before} to {column.after}")
        else:
            told.append(f"{where} ({column.before or column.after}) was {column.change}")
    for shift in found.shifts:
        nulls = abs(shift.nulls[1] - shift.nulls[0])
        if shift.size != "none":
            told.append(f"{shift.column}: a {shift.size} shift of its values (PSI {shift.psi:.2f})")
        if nulls >= 0.01:
            told.append(f"{shift.column}: nulls went from {shift.nulls[0]:.1%} to {shift.nulls[1]:.1%} of the rows")
    return told


def _number(count: int | None) -> str:
    return "no" if count is None else f"{count:,}"
