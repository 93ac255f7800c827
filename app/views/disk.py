"""What takes the shed's disk, as a person and as a program reads it."""

from __future__ import annotations

import shutil
from pathlib import Path

from app.output import Output, Styled, Table
from runners.actions.disk import Usage
from screens import figures


def show(out: Output, found: Usage, root: Path, limit: int) -> None:
    """The largest things, and the sum; as JSON one line a thing."""
    for part in found.parts:
        out.emit(
            "part", {**part.size._asdict(), "gc_frees": part.freed}, kind=part.kind, name=part.name, about=part.about
        )
    room = shutil.disk_usage(root)
    freed = found.garbage.bytes if found.garbage is not None else None
    out.finish(**found.whole._asdict(), gc_frees=freed, free=room.free, total=room.total)
    if out.json_lines:
        return
    rows = [
        [
            Styled(part.kind, "yellow") if part.kind == "garbage" else part.kind,
            part.name,
            part.about,
            figures.size(part.size.bytes),
            figures.size(part.size.linked) if part.size.linked else "",
            figures.size(part.freed) if part.freed else "",
        ]
        for part in found.parts[:limit]
    ]
    head = ["", "", "", "size", "linked", "gc frees"]
    kept = [
        place for place, title in enumerate(head) if not title or any(row[place] for row in rows) or title == "size"
    ]
    align = "".join("lllrrr"[place] for place in kept)
    table = Table([head[place] for place in kept], [[row[place] for place in kept] for row in rows], align=align)
    out.table(table, aligned=not out.terminal)
    if len(found.parts) > limit:
        out.note(f"and {len(found.parts) - limit:,} more")
    linked = f", {figures.size(found.whole.linked)} of it hard links" if found.whole.linked else ""
    out.say(f"{figures.size(found.whole.bytes)} in all{linked}; {figures.size(room.free)} of the disk are free")
    if freed is None:
        out.note("what gc would free was not looked at: a collection or a `data add` is at work")
    else:
        out.say(f"gc would free {figures.size(freed)}" if freed else "nothing for gc to free")
