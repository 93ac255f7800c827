"""`trainshed alerts …`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.scope import scope_of
from app.views.triggers import alert_facts, alert_table
from runners.actions import alerts as verbs

app = typer.Typer(
    help="Alerts: what people should know, whom it reached, who has seen it.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@app.command("list")
def list_alerts(
    context: typer.Context,
    all_alerts: Annotated[bool, typer.Option("--all", help="Acknowledged ones too.")] = False,
    all_projects: Annotated[bool, typer.Option("--all-projects", help="Not only this project's.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
) -> None:
    """List alerts, the newest first."""
    scope = scope_of(context)
    project = None if all_projects else scope.project_name()
    found = verbs.listing(scope.shed(), project=project, open_only=not all_alerts, limit=limit)
    for alert in found:
        scope.out.emit("alert", alert_facts(alert))
    scope.out.finish(alerts=len(found))
    if found:
        scope.out.table(alert_table(found))
    elif not scope.out.json_lines:
        scope.out.note("no alerts" if all_alerts else "no alert that nobody has seen")


@app.command()
def ack(
    context: typer.Context,
    alerts: Annotated[list[int] | None, typer.Argument(metavar="[ALERT]…", help="Default: all of the project.")] = None,
) -> None:
    """Say that you have seen alerts: the same trouble again is then a new one."""
    scope = scope_of(context)
    count = verbs.acknowledge(scope.shed(), alerts or [], project=scope.project_name())
    scope.out.finish(acknowledged=count)
    scope.out.say(f"{count} acknowledged")


@app.command("test")
def try_out(context: typer.Context) -> None:
    """Send a message to every address of the project's [alerts]."""
    scope = scope_of(context)
    done = verbs.attempt(scope.shed(), scope.project_dir())
    scope.out.finish(sent=done.sent)
    scope.out.say(f"{done.sent} {'address' if done.sent == 1 else 'addresses'} took it")
