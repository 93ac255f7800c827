"""`trainshed exec`: any command, queued under a lease."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands.launching import After, Follow, GpuMemory, Name, Priority, Retries, Tags, queued, wanted
from app.scope import scope_of

app = typer.Typer(rich_markup_mode=None)


@app.command("exec", context_settings={"ignore_unknown_options": False})
def execute(
    context: typer.Context,
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND …", help="What to run, here, as it stands.")],
    gpus: Annotated[int, typer.Option("--gpus", min=0, help="How many GPUs.")] = 1,
    gpu_memory: GpuMemory = None,
    priority: Priority = 0,
    after: After = None,
    retries: Retries = 0,
    name: Name = None,
    tag: Tags = None,
    follow: Follow = False,
) -> None:
    """Queue any command under a lease: a notebook, a script. Its output is `trainshed runs logs RUN`."""
    from runners.actions import queueing

    scope = scope_of(context)
    asked = wanted(gpus, gpu_memory, priority, after, retries, False)
    launched = queueing.execute(
        scope.shed(),
        command,
        cwd=Path.cwd(),
        project=scope.project_name(),
        name=name,
        tags=tuple(tag or ()),
        wanted=asked,
    )
    queued(context, launched, follow)
