"""What differs between two dataset versions: files, rows, columns, values."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from app.output import Output, Styled, Table
from screens import figures
from screens.profiling import briefly
from storage.counted import counted

if TYPE_CHECKING:
    from runners.actions.dataset_views import Difference
    from storage.dataset_diff import FileChange, Shift

SHOWN_FILES = 30
SHOWN_SHIFTS = 15
COLOURS = {"added": "green", "removed": "red", "changed": "yellow", "type changed": "yellow", "renamed": "cyan"}
SIZES = {"none": "", "moderate": "yellow", "large": "red"}


def show_diff(out: Output, found: Difference) -> None:
    """The changes, the files first; columns whose values moved most come first among their like."""
    diff, compared = found.compared.diff, found.compared
    for file in diff.files:
        out.emit("file", file.__dict__)
    for table, (before, after) in diff.rows.items():
        out.emit("rows", table=table, before=before, after=after)
    for column in diff.columns:
        out.emit("column", column.__dict__)
    for table, shifts in compared.shifts.items():
        for shift in shifts:
            out.emit("shift", shift.__dict__, table=table)
    for name, (files_before, files_after) in compared.classes.items():
        out.emit("class", name=name, before=files_before, after=files_after)
    out.finish(
        dataset=found.dataset,
        old=found.old.number,
        new=found.new.number,
        files=dict(Counter(file.change for file in diff.files)),
        unchanged_files=diff.unchanged_files,
        changes=compared.sentences,
        unread=compared.unread,
    )
    if compared.unread:
        out.warn(f"values were not compared: {compared.unread}")
    if not out.json_lines:
        _tell(out, found)


def _tell(out: Output, found: Difference) -> None:
    diff, compared = found.compared.diff, found.compared
    out.say(f"{found.dataset} v{found.old.number} → v{found.new.number}", "bold")
    if diff.is_empty:
        out.say("no difference")
        return
    counts = Counter(file.change for file in diff.files)
    told = [f"{count:,} {change}" for change, count in sorted(counts.items())]
    pairs = [("files", ", ".join([*told, f"{diff.unchanged_files:,} unchanged"]))]
    pairs += [
        (f"rows of {table}" if len(diff.rows) > 1 else "rows", _moved(_count(before), _count(after)))
        for table, (before, after) in diff.rows.items()
        if (before, after) != (None, None)
    ]
    out.fields(pairs)
    _tell_files(out, diff.files)
    if diff.columns:
        several = len(diff.rows) > 1
        table = Table(["change", "column", "before", "after"])
        table.rows = [
            [_styled(c.change), f"{c.table}.{c.name}" if several else c.name, c.before, c.after] for c in diff.columns
        ]
        _told(out, table)
    if compared.classes:
        table = Table(["class", "before", "after"], align="lrr")
        table.rows = [[name, before, after] for name, (before, after) in compared.classes.items()]
        _told(out, table)
    for name, shifts in compared.shifts.items():
        _tell_shifts(out, shifts, f"values of {name}" if len(compared.shifts) > 1 else "values")


def _tell_files(out: Output, files: list[FileChange]) -> None:
    if not files:
        return
    with_rows = any(file.rows is not None for file in files)
    rows = [
        [_styled(f.change), _path(f), *([_signed(f.rows)] if with_rows else []), _signed_size(f.bytes)]
        for f in files[:SHOWN_FILES]
    ]
    head = ["change", "file", *(["rows"] if with_rows else []), "size"]
    _told(out, Table(head, rows, align="llrr" if with_rows else "llr"))
    if len(files) > SHOWN_FILES:
        out.note(f"and {len(files) - SHOWN_FILES:,} more files; --json has them all")


def _tell_shifts(out: Output, shifts: list[Shift], title: str) -> None:
    if not shifts:
        return
    table = Table([title, "type", "PSI", "JS", "nulls", "mean"], align="llrrrr")
    table.rows = [
        [
            shift.column,
            shift.type,
            Styled(f"{shift.psi:.3f}", SIZES[shift.size]),
            f"{shift.js:.3f}",
            _moved(f"{shift.nulls[0] * 100:.1f} %", f"{shift.nulls[1] * 100:.1f} %"),
            _moved(*briefly(*shift.mean)),
        ]
        for shift in shifts[:SHOWN_SHIFTS]
    ]
    _told(out, table)
    if len(shifts) > SHOWN_SHIFTS:
        out.note(f"and {counted(len(shifts) - SHOWN_SHIFTS, 'more column')}, which moved less")


def _told(out: Output, table: Table) -> None:
    out.say()
    out.table(table, aligned=True)


def _styled(change: str) -> Styled:
    return Styled(change, COLOURS.get(change, "cyan"))


def _path(file: FileChange) -> str:
    if file.change == "renamed":
        return f"{file.before} → {file.after}"
    return file.after or file.before or ""


def _moved(before: str, after: str) -> str:
    return before if before == after else f"{before} → {after}"


def _count(count: int | None) -> str:
    return "none" if count is None else f"{count:,}"


def _signed(count: int | None) -> str:
    return "" if count is None else f"{count:+,}" if count else "0"


def _signed_size(count: int) -> str:
    return f"{'+' if count > 0 else '-'}{figures.size(abs(count))}" if count else "0 B"
