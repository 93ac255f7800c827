"""`trainshed gpus`."""

from __future__ import annotations

import typer

from app.scope import scope_of
from app.views.gpus import show, show_timeline
from runners.actions.forecasts import foresee
from runners.actions.gpus import overview
from runners.actions.timeline import timeline

app = typer.Typer(rich_markup_mode=None)


@app.command()
def gpus(context: typer.Context) -> None:
    """Show every GPU and CPU slot: its lease, owner, run, processes and readings, its last hour and who comes next, and
    each user's hours."""
    scope = scope_of(context)
    shed = scope.shed()
    show(scope.out, overview(shed))
    show_timeline(scope.out, timeline(shed, foresee(shed)))
