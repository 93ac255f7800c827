"""`trainshed import FROM`."""

from __future__ import annotations

from typing import Annotated

import typer

from app.scope import scope_of
from runners.actions import importing

app = typer.Typer(rich_markup_mode=None)


@app.command("import")
def import_(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="MLflow's mlruns/ or mlflow.db, or a folder of `export runs`.")
    ],
    into: Annotated[
        str | None, typer.Option("--into", metavar="PROJECT", help="One project for all; default: as they are named.")
    ] = None,
    unfinished: Annotated[
        bool, typer.Option("--unfinished", help="Also runs that have not ended there, as stopped.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would come.")] = False,
) -> None:
    """Take in runs that were made elsewhere, with params, metrics, tags and times.

    Again it adds nothing but what is new there.
    """
    from app.views.imported import show_imported
    from app.views.working import Working

    scope = scope_of(context)
    with Working(scope.out) as working:
        found = importing.import_runs(
            scope.shed(), source, project=into, unfinished=unfinished, dry_run=dry_run, progress=working
        )
    show_imported(scope.out, found, dry_run=dry_run)
    if found.problems:
        raise typer.Exit(1)
