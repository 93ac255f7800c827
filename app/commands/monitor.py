"""`trainshed monitor …`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.scope import scope_of

app = typer.Typer(
    help="What an endpoint does, and how well: traffic, drift, predictions, performance.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@app.callback()
def monitor() -> None:
    """What an endpoint does, and how well: traffic, drift, predictions, performance."""


@app.command()
def show(
    context: typer.Context,
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="The endpoint's name; usually its model's.")],
    hours: Annotated[float, typer.Option(min=0.001, max=24 * 366, help="How far back.")] = 24.0,
) -> None:
    """Traffic, errors and latency; inputs that drifted, by likely harm; predictions; performance, or its estimate."""
    from app.views.monitor import show_monitored
    from runners.actions.monitoring import monitor

    scope = scope_of(context)
    show_monitored(scope.out, monitor(scope.shed(), endpoint, hours * 3600))
