"""Datasets and their versions, as people and programs see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.output import At, Output, Table
from screens import figures
from storage.counted import counted

if TYPE_CHECKING:
    from runners.actions.dataset_views import Details, TableDetails
    from runners.actions.datasets import Added, Verified
    from storage.manifests import Entry
    from storage.tables import Dataset, DatasetVersion

SHOWN_FILES = 20
SHOWN_CLASSES = 50


def label(dataset: Dataset, version: DatasetVersion) -> str:
    return f"{dataset.name} v{version.number}"


def version_facts(dataset: Dataset, version: DatasetVersion) -> dict[str, Any]:
    return {
        "dataset": dataset.name,
        "version": version.number,
        "kind": dataset.kind,
        "files": version.files,
        "rows": version.rows,
        "bytes": version.bytes,
        "content": version.content,
        "by_reference": version.by_reference,
        "created": At(version.created_at),
        "created_by": version.created_by,
        "note": version.note,
    }


def show_datasets(out: Output, found: list[tuple[Dataset, DatasetVersion | None]]) -> None:
    """One line a dataset, with its newest version."""
    table = Table(["dataset", "kind", "newest", "files", "rows", "size", "created", "by"], align="llrrrrll")
    lines = []
    for dataset, version in found:
        facts = version_facts(dataset, version) if version else {"dataset": dataset.name, "kind": dataset.kind}
        out.emit("dataset", facts)
        if version is None:
            lines.append([dataset.name, dataset.kind, *[None] * 6])
        else:
            lines.append([dataset.name, dataset.kind, *_row(version), version.created_by])
    table.rows = lines
    out.finish(datasets=len(found))
    if found:
        out.table(table, aligned=not out.terminal)
    elif not out.json_lines:
        out.note("no datasets yet; `trainshed data add NAME 'data/*.csv'` makes one")


def _row(version: DatasetVersion) -> list[Any]:
    size = figures.size(version.bytes)
    return [f"v{version.number}", version.files, version.rows, size, At(version.created_at)]


def show_versions(out: Output, dataset: Dataset, versions: list[DatasetVersion]) -> None:
    """All versions of a dataset, newest first."""
    newest_first = versions[::-1]
    for version in newest_first:
        out.emit("version", version_facts(dataset, version))
    out.finish(dataset=dataset.name, versions=len(versions))
    table = Table(["version", "files", "rows", "size", "created", "by", "content", "note"], align="rrrrllll")
    table.rows = [
        [*_row(version), version.created_by, version.content[:12], _note(version)] for version in newest_first
    ]
    out.table(table, aligned=not out.terminal)


def _note(version: DatasetVersion) -> str:
    return " ".join((["by reference"] if version.by_reference else []) + [version.note.replace("\n", " ")]).strip()


def show_added(out: Output, added: Added, *, note: str) -> None:
    """What became of the files: a new version, or one that is there."""
    dataset, version = added.dataset, added.version
    out.emit(
        "version",
        version_facts(dataset, version),
        new=added.is_new,
        hashed=added.hashed,
        overwritten=added.overwritten,
    )
    out.finish(dataset=label(dataset, version), new=added.is_new, hashed=added.hashed)
    if note and not added.is_new and note != version.note:
        out.warn(f"the note was not kept: {label(dataset, version)} has been there before")
    if added.overwritten:
        out.warn(_overwritten(added))
    if out.json_lines:
        return
    if added.is_new:
        out.say(f"{label(dataset, version)} is a new version", "green")
    else:
        out.say(f"{label(dataset, version)} has exactly this content: nothing new")
    known = version.files - added.hashed
    out.fields(
        [
            ("kind", dataset.kind),
            ("files", f"{version.files:,}  ({added.hashed:,} hashed, {known:,} known by their stat)"),
            ("rows", version.rows),
            ("size", figures.size(version.bytes)),
            ("kept", "by reference" if version.by_reference else None),
            ("note", version.note),
        ]
    )


def _overwritten(added: Added) -> str:
    shown = added.overwritten[:5]
    more = f" and {len(added.overwritten) - 5:,} more" if len(added.overwritten) > 5 else ""
    return (
        f"changed in place: {', '.join(shown)}{more}\n"
        "  These were kept as hard links, so older versions have lost their contents and say so when they are used.\n"
        "  Write a new file and rename it over the old one, as most programs do, and nothing is lost."
    )


def show_details(out: Output, found: Details, *, files: bool) -> None:
    """One version: tables with their columns, files, classes, where it is kept, who made it."""
    dataset, version = found.dataset, found.version
    out.emit("version", version_facts(dataset, version), versions=found.versions, kept=found.kept)
    for table in found.tables:
        facts = {"rows": table.rows, "bytes": table.bytes, "odd": table.odd}
        out.emit("table", facts, table=table.name, files=table.files, columns=table.columns)
    for name, count in found.classes.items():
        out.emit("class", name=name, files=count)
    if files:
        for entry in found.files:
            out.emit("file", _file_facts(entry))
    for fault in found.damaged:
        out.emit("damaged", text=fault)
    out.finish(dataset=label(dataset, version), damaged=len(found.damaged))
    if not out.json_lines:
        _tell_details(out, found, files=files)


def _tell_details(out: Output, found: Details, *, files: bool) -> None:
    version = found.version
    out.say(label(found.dataset, version), "bold")
    kept = ", ".join(f"{how} ({count:,})" if len(found.kept) > 1 else how for how, count in found.kept.items())
    out.fields(
        [
            ("kind", found.dataset.kind),
            ("files", version.files),
            ("rows", version.rows),
            ("size", figures.size(version.bytes)),
            ("kept", kept),
            ("content", version.content),
            ("created", At(version.created_at)),
            ("by", version.created_by),
            ("versions", found.versions),
            ("note", version.note),
        ]
    )
    for fault in found.damaged[:SHOWN_FILES]:
        out.warn(fault)
    if len(found.damaged) > SHOWN_FILES:
        out.warn(f"and {len(found.damaged) - SHOWN_FILES:,} more; `trainshed data verify` names them all")
    for table in found.tables:
        _tell_table(out, table)
    if found.classes:
        out.say()
        classes = sorted(found.classes.items(), key=lambda item: -item[1])[:SHOWN_CLASSES]
        out.table(Table(["class", "files"], classes, align="lr"), aligned=True)
        if len(found.classes) > SHOWN_CLASSES:
            out.note(f"and {len(found.classes) - SHOWN_CLASSES:,} more classes")
    out.say()
    tell_files(out, found.files if files else found.files[:SHOWN_FILES])
    if not files and len(found.files) > SHOWN_FILES:
        out.note(f"and {len(found.files) - SHOWN_FILES:,} more files; --files lists them all")


def _tell_table(out: Output, table: TableDetails) -> None:
    out.say(f"\n{table.name}  {counted(table.files, 'file')}, {counted(table.rows or 0, 'row')}", "bold")
    rows = [[column.name, column.type, column.duckdb] for column in table.columns]
    out.table(Table(["column", "type", "in DuckDB"], rows), aligned=True)
    if table.odd:
        shown, more = table.odd[:3], f" and {len(table.odd) - 3:,} more" if len(table.odd) > 3 else ""
        out.warn(f"other columns in {', '.join(shown)}{more}")


def tell_files(out: Output, entries: list[Entry]) -> None:
    """A line a file, for people."""
    with_rows = any(entry.rows is not None for entry in entries)
    rows = [
        [e.path, *([e.rows] if with_rows else []), figures.size(e.size), e.blake3[:12], e.source or ""] for e in entries
    ]
    head = ["file", *(["rows"] if with_rows else []), "size", "blake3", "where"]
    align = "l" + "r" * (len(head) - 3) + "ll"
    if not any(row[-1] for row in rows):
        head, rows, align = head[:-1], [row[:-1] for row in rows], align[:-1]
    out.table(Table(head, rows, align=align), aligned=True)


def _file_facts(entry: Entry) -> dict[str, Any]:
    return {
        "path": entry.path,
        "bytes": entry.size,
        "rows": entry.rows,
        "blake3": entry.blake3,
        "source": entry.source,
    }


def show_verified(out: Output, found: Verified) -> None:
    """Whether all files are what they were."""
    name = f"{found.dataset} v{found.version}"
    for fault in found.faults:
        out.emit("damaged", text=fault)
    out.finish(dataset=name, files=found.files, bytes=found.bytes, damaged=len(found.faults))
    if not found.faults:
        out.say(f"{name} is whole: {counted(found.files, 'file')}, {figures.size(found.bytes)} read again", "green")
        return
    out.say(f"{name}: {len(found.faults):,} of {counted(found.files, 'file')} damaged", "red")
    for fault in found.faults:
        out.say("  " + fault)
    out.say("next: put the files back from a backup and `trainshed data add` them again: that mends the kept contents")
