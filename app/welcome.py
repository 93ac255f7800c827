"""What `trainshed` says when nothing was asked: where things stand here, and what to do first."""

from __future__ import annotations

from app.scope import Scope
from storage.errors import UsageError


def welcome(scope: Scope) -> None:
    """A few lines that fit the moment: no project, a project without runs, or a project at work."""
    from runners.actions.projects import standing

    try:
        folder = scope.project_dir()
    except UsageError:
        if scope.project is not None:
            raise
        folder = None
    found = standing(scope.shed(), folder)
    out = scope.out
    out.finish(project=found.project, place=folder, runs=found.runs, models=found.models, todo=list(found.todo))
    out.say("trainshed: from raw files through a gate to production", "bold")
    out.say()
    out.say(f"project  {found.project or 'none here'}" + (f"  {folder}" if folder else ""))
    out.say(f"shed     {scope.shed().root}  {found.runs} runs, {found.models} models")
    out.say()
    width = max(len(command) for command, _ in found.todo)
    for command, why in found.todo:
        out.say(f"  {command.ljust(width)}  {why}")
    out.say()
    out.say("trainshed --help names all there is.", "dim")
