"""`trainshed triggers …`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.scope import scope_of
from app.views.triggers import firing_facts, firing_table, told, trigger_facts, trigger_table
from runners.actions import triggers as verbs
from runners.actions import watches

app = typer.Typer(
    help="Triggers: what retrains a project by itself, and why it did.", rich_markup_mode=None, no_args_is_help=True
)
Which = Annotated[str, typer.Argument(metavar="TRIGGER", help="A trigger's name or number.")]
FiringId = Annotated[int, typer.Argument(metavar="FIRING", help="A firing's number, as `triggers history` shows it.")]


@app.command("list")
def list_triggers(
    context: typer.Context,
    all_projects: Annotated[bool, typer.Option("--all-projects", help="Not only this project's.")] = False,
) -> None:
    """List triggers: what each watches for, what it waits for, what it did last."""
    scope = scope_of(context)
    shed = scope.shed()
    found = watches.every(shed, project=None if all_projects else scope.project_name())
    for watch in found:
        scope.out.emit("trigger", trigger_facts(watch))
    active = any(watch.row.trigger.status == "active" for watch in found)
    watched = verbs.watched(shed)
    scope.out.finish(triggers=len(found), watched=watched)
    if found:
        scope.out.table(trigger_table(found))
    elif not scope.out.json_lines:
        scope.out.note("no triggers; `trainshed triggers add` takes those of a project's file")
    for trigger in (watch.row.trigger for watch in found):
        for path, entry in trigger.left_out.items():
            scope.out.note(f"{trigger.name} leaves out {path}: {entry['why']}")
    if active and not watched:
        scope.out.warn("nobody watches now; `trainshed agent start`")


@app.command()
def add(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", help="Only these; default: all.")] = None,
) -> None:
    """Have your agent watch for the triggers of a project, as its trainshed.toml says now."""
    scope = scope_of(context)
    done = verbs.add(scope.shed(), scope.project_dir(), names or [])
    scope.out.finish(
        triggers=[trigger.id for trigger in done.added], new=done.new, forgotten=done.forgotten, warnings=done.warnings
    )
    for trigger in done.added:
        scope.out.say(f"trigger {trigger.id}, {trigger.name}, {'watches' if trigger.name in done.new else 'goes on'}")
    for name in done.forgotten:
        scope.out.say(f"{name} is paused: the file has it no more")
    for warning in done.warnings:
        scope.out.warn(warning)


@app.command()
def pause(context: typer.Context, trigger: Which) -> None:
    """Have a trigger notice nothing until it is resumed."""
    scope = scope_of(context)
    found = verbs.pause(scope.shed(), trigger, project=scope.project_name())
    scope.out.finish(trigger=found.id)
    scope.out.say(f"{found.name} is paused")


@app.command()
def resume(context: typer.Context, trigger: Which) -> None:
    """Have a trigger watch again. Files that came meanwhile count; what a schedule missed does not."""
    scope = scope_of(context)
    found = verbs.resume(scope.shed(), trigger, project=scope.project_name())
    scope.out.finish(trigger=found.id)
    scope.out.say(f"{found.name} watches")


@app.command()
def fire(context: typer.Context, trigger: Which) -> None:
    """Retrain now, as the trigger would. Files that were left out for their schema are taken."""
    scope = scope_of(context)
    done = verbs.fire(scope.shed(), trigger, project=scope.project_name())
    run = done.run.id if done.run else None
    scope.out.finish(firing=done.firing.firing.id, run=run)
    scope.out.say(f"{done.told}; `trainshed runs follow {run}`")


@app.command("test")
def try_out(context: typer.Context, trigger: Which) -> None:
    """Say what a trigger sees and would do now, without doing it."""
    scope = scope_of(context)
    found = verbs.attempt(scope.shed(), trigger, project=scope.project_name())
    scope.out.finish(trigger=found.trigger.id, lines=found.lines)
    for line in found.lines:
        scope.out.say(line)


@app.command()
def history(
    context: typer.Context,
    trigger: Annotated[str | None, typer.Argument(metavar="[TRIGGER]", help="Only this one's.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
) -> None:
    """What triggers noticed, what was decided and why, and what came of it."""
    scope = scope_of(context)
    rows = verbs.history(scope.shed(), trigger, project=scope.project_name(), limit=limit)
    for row in rows:
        scope.out.emit("firing", firing_facts(row))
    scope.out.finish(firings=len(rows))
    if rows:
        scope.out.table(firing_table(rows))
    elif not scope.out.json_lines:
        scope.out.note("no trigger has noticed anything yet")


@app.command()
def approve(context: typer.Context, firing: FiringId) -> None:
    """Say yes to a firing that waits for a person."""
    scope = scope_of(context)
    row = verbs.approve(scope.shed(), firing)
    scope.out.finish(firing=row.firing.id)
    scope.out.say(told(row))


@app.command()
def dismiss(context: typer.Context, firing: FiringId) -> None:
    """Say no to a firing that waits for a person."""
    scope = scope_of(context)
    row = verbs.dismiss(scope.shed(), firing)
    scope.out.finish(firing=row.firing.id)
    scope.out.say(told(row))
