"""`trainshed status`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.scope import scope_of
from app.views.status import show_status, watch_status
from runners.actions.status import Watcher
from storage.errors import UsageError

app = typer.Typer(rich_markup_mode=None)


@app.command()
def status(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Keep it under the prompt, until q or Ctrl-C.")] = False,
) -> None:
    """What needs you, runs, the queue, endpoints and the machine, in one panel."""
    scope = scope_of(context)
    watcher = Watcher(scope.shed())
    if not watch:
        show_status(scope.out, watcher.look())
        return
    if not scope.out.screen:
        raise UsageError("--watch needs a terminal", todo="`trainshed status --json` tells it once")
    watch_status(scope.out, watcher.look)
