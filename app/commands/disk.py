"""`trainshed disk`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.scope import scope_of
from app.views.disk import show
from runners.actions.disk import Disk

app = typer.Typer(rich_markup_mode=None)


@app.command()
def disk(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, the largest; --json has all.")] = 20,
) -> None:
    """Show what the shed holds by dataset, run, model and endpoint, the largest first, and what `gc` would free."""
    scope = scope_of(context)
    shed = scope.shed()
    show(scope.out, Disk(shed).usage(), shed.root, limit)
