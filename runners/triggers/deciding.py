"""Whether to train, and why, in one line. Pure functions over what changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runners.monitoring.drift import ColumnDrift
from storage import dataset_diff
from storage.columns import column_type
from storage.dataset_diff import ColumnChange, Diff
from storage.manifests import Column, Entry, Manifest
from storage.trigger_section import TriggerSection

NUMBERS = frozenset({"integer", "number"})
TIMES = frozenset({"timestamp", "date"})
SCHEMA = "of the file"


@dataclass(frozen=True)
class Decided:
    """retrain, notify, wait, or nothing; and why."""

    decision: str
    why: str


def decide(spec: TriggerSection, changes: Diff) -> Decided:
    """What new contents of a dataset call for."""
    learnt = [change for change in changes.files if change.change in ("added", "changed")]
    counted = [change.rows for change in learnt if change.rows is not None]
    told = " and ".join(
        _counted(changes, kind) for kind in ("added", "changed", "removed", "renamed") if _of(changes, kind)
    )
    if not learnt:
        return Decided("nothing", f"{told or 'no file changed'}: nothing new to learn from")
    rows = sum(counted)
    if counted and rows < spec.min_rows and all(change.change == "added" for change in learnt):
        return Decided("nothing", f"{told}: {rows:,} new rows, fewer than min_rows = {spec.min_rows:,}")
    gained = f", {rows:+,} {'row' if abs(rows) == 1 else 'rows'}" if counted else ""
    return Decided(spec.do, f"{told}{gained}")


def shifted(columns: Sequence[ColumnDrift]) -> str:
    """The columns whose values moved, in a few words; `columns` begins with the one that matters most."""
    names = [f"{each.column} (PSI {each.psi:.2f})" for each in columns]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"values shifted: {', '.join(names[:3])}{more}" if names else "values as production knows them"


def skew(known: Manifest, table: str, columns: Sequence[Column], rows: int) -> list[str]:
    """What is wrong with the schema of a new file, a sentence each; nothing where it fits.

    It must have the columns that every file of its table has, with types that go together. A further column is welcome.
    """
    before = _common(known, table)
    if not before:
        return []
    found = {column.name: column for column in columns}
    wanted = Manifest("table", {table: [_entry()]}, {SCHEMA: before})
    given = Manifest(
        "table",
        {table: [_entry()]},
        {SCHEMA: [_fitting(found.get(c.name), c, rows) for c in before if c.name in found]},
    )
    given.schemas[SCHEMA].extend(column for column in columns if column.name not in {c.name for c in before})
    return [_sentence(change) for change in dataset_diff.diff(wanted, given).columns if change.change != "added"]


def _common(known: Manifest, table: str) -> list[Column]:
    """The columns of all files of a table, as most of them have them."""
    schemas = [known.schemas[e.schema] for e in known.tables.get(table, []) if e.schema is not None and e.rows]
    distinct = {id(schema): schema for schema in schemas}.values()
    if not distinct:
        return []
    shared = set.intersection(*({column.name for column in schema} for schema in distinct))
    return [column for column in next(iter(distinct)) if column.name in shared]


def _fitting(found: Column | None, before: Column, rows: int) -> Column:
    """The column as it was where its new type goes together with the old one."""
    assert found is not None
    together = found.type == before.type or before.type == "text" or {found.type, before.type} <= NUMBERS
    return before if together or {found.type, before.type} <= TIMES or rows == 0 else found


def _entry() -> Entry:
    return Entry("", 0, "", 0, 0, schema=SCHEMA)


def _sentence(change: ColumnChange) -> str:
    if change.change == "likely renamed":
        return f"column {change.before} was likely renamed to {change.after}"
    if change.change == "removed":
        return f"column {change.name} is missing"
    now, before = column_type(str(change.after)), column_type(str(change.before))
    return f"column {change.name} is {now}, it was {before}"


def _of(changes: Diff, kind: str) -> list[str]:
    return [str(change.after or change.before) for change in changes.files if change.change == kind]


def _counted(changes: Diff, kind: str) -> str:
    names = _of(changes, kind)
    return f"{names[0]} {kind}" if len(names) == 1 else f"{len(names):,} files {kind}"
