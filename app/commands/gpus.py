"""`trainshed gpus`."""

from __future__ import annotations

import typer

from app.scope import scope_of
from app.views.gpus import show
from runners.actions.gpus import overview

app = typer.Typer(rich_markup_mode=None)


@app.command()
def gpus(context: typer.Context) -> None:
    """Show every GPU and CPU slot: its lease, owner, run, processes and readings, and each user's hours."""
    scope = scope_of(context)
    show(scope.out, overview(scope.shed()))
