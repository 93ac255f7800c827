"""`trainshed digest`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.scope import scope_of
from app.views.digest import show_digest
from runners.actions import digest as verbs

app = typer.Typer(rich_markup_mode=None)


@app.command()
def digest(
    context: typer.Context,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="45min, 3h, 2d, 1w or a day; default: when you last looked.")
    ] = None,
) -> None:
    """What happened since you were last here: failures, promotions, runs, data, the queue. Ten lines at most.

    What a person sees on a terminal counts as looked at; --since, --json and a pipe change nothing.
    """
    scope = scope_of(context)
    shed = scope.shed()
    found = verbs.digest(shed, since=None if since is None else verbs.parsed_since(since))
    show_digest(scope.out, found)
    if since is None and scope.out.stdout.isatty() and not scope.out.json_lines:
        verbs.mark_seen(shed, found)
