"""`trainshed doctor`."""

from __future__ import annotations

import typer

from app.doctor import checks
from app.output import can_write
from app.scope import scope_of

app = typer.Typer(rich_markup_mode=None)
MARKS = {"ok": ("✓", "+", "green"), "warn": ("!", "!", "yellow"), "bad": ("✗", "x", "red")}


@app.command()
def doctor(context: typer.Context) -> None:
    """Check this machine, its terminal and the shed; exit code 1 where something must be mended."""
    out = scope_of(context).out
    bad = warned = 0
    for check in checks(scope_of(context)):
        bad, warned = bad + (check.state == "bad"), warned + (check.state == "warn")
        out.emit("check", name=check.name, state=check.state, text=check.text, todo=check.todo)
        glyph, plain, style = MARKS[check.state]
        mark = glyph if can_write(out.people, glyph) else plain
        out.say(f"{mark} {check.name:12} {check.text}", style if check.state != "ok" else "")
        if check.todo:
            out.say(f"  {'':12} {check.todo}", "dim")
    out.finish(bad=bad, warnings=warned)
    if bad:
        raise typer.Exit(1)
