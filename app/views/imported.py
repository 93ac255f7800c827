"""What an import came to, or would come to."""

from __future__ import annotations

from app.output import Output, Table
from runners.actions.importing import Found
from storage.counted import counted

SHOWN = 10  # problems that are told one by one; --json tells all


def show_imported(out: Output, found: Found, *, dry_run: bool) -> None:
    """Of each project how many runs; what was left out, and why."""
    for name, count in sorted(found.runs.items()):
        out.emit("project", project=name, runs=count)
    for problem in found.problems:
        out.emit("problem", place=problem.place, message=problem.message)
    total = sum(found.runs.values())
    out.finish(
        kind=found.kind,
        place=found.place,
        runs=total,
        ids=found.ids,
        known=found.known,
        deleted=found.deleted,
        unfinished=found.unfinished,
        problems=len(found.problems),
        dry_run=dry_run,
    )
    if found.runs:
        out.table(Table(["project", "runs"], [[name, count] for name, count in sorted(found.runs.items())]))
    verb = "would come" if dry_run else "imported"
    out.say(f"{counted(total, 'run')} {verb} from {found.kind}: {found.place}", "green" if total else "")
    for text in _left_out(found):
        out.note(text)
    for problem in found.problems[:SHOWN]:
        out.warn(f"{problem.place}: {problem.message}")
    if len(found.problems) > SHOWN:
        out.note(f"and {len(found.problems) - SHOWN} more that cannot be read; --json tells all")


def _left_out(found: Found) -> list[str]:
    """One line for each reason."""
    told = [
        (found.known, "here already"),
        (found.deleted, "deleted there: left out"),
        (found.unfinished, "not ended there: left out (--unfinished takes them in as stopped)"),
        (len(found.problems), "left out since they cannot be read"),
    ]
    return [f"{counted(count, 'run')} {why}" for count, why in told if count]
