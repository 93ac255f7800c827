"""`trainshed gc`."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from app.output import Output, Table
from app.scope import scope_of
from runners.actions.garbage import Collected, collect
from screens import figures
from storage.errors import UsageError

app = typer.Typer(rich_markup_mode=None)
WORDS = {
    "object": "objects",
    "stage": "stage outputs",
    "run": "directories of runs that are gone",
    "temporary": "temporary files",
}


@app.command()
def gc(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove files in the shed that nothing refers to. What is younger than an hour stays."""
    scope = scope_of(context)
    out, shed = scope.out, scope.shed()
    found = collect(shed, dry_run=True)
    _tell(out, found)
    out.finish(items=len(found.found), bytes=found.bytes, removed=False)
    if not found.found:
        out.say("nothing to remove")
        return
    if dry_run:
        out.say(f"would free {figures.size(found.bytes)}")
        return
    if not out.confirmed(f"Remove this and free {figures.size(found.bytes)}?", yes=yes):
        raise UsageError("nothing was removed", todo="--yes removes without asking")
    done = collect(shed, dry_run=False)
    out.finish(items=len(done.found), bytes=done.bytes, removed=True)
    out.say(f"freed {figures.size(done.bytes)}", "green")


def _tell(out: Output, collected: Collected) -> None:
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for item in collected.found:
        out.emit("garbage", kind=item.kind, place=item.path, bytes=item.bytes)
        counts[item.kind] += 1
        sizes[item.kind] += item.bytes
    if counts:
        rows = [[WORDS[kind], count, figures.size(sizes[kind])] for kind, count in counts.items()]
        out.table(Table(["what", "how many", "frees"], rows, align="lrr"), aligned=True)
