"""`trainshed export …`: the verbs by which things leave a shed, in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.commands import data, models
from app.scope import scope_of
from screens import figures
from storage.counted import counted

app = typer.Typer(help="Take runs, models and data out of the shed.", rich_markup_mode=None, no_args_is_help=True)


@app.command("runs")
def export_runs(
    context: typer.Context,
    folder: Annotated[str, typer.Option("--to", metavar="DIR", help="A new folder.")],
    terms: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN|FILTER", help="Numbers, or terms such as status=done 'lr<1e-3'; default: all."),
    ] = None,
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="parquet or csv.")] = "parquet",
    all_projects: Annotated[bool, typer.Option("--all-projects", help="Not only this project's.")] = False,
) -> None:
    """Write runs as tables: params, metrics with every point, tags and notes; `trainshed import` reads them back."""
    from app.views.working import Working
    from runners.actions.exporting import export

    scope = scope_of(context)
    project = None if all_projects else scope.project_name()
    with Working(scope.out) as working:
        done = export(scope.shed(), terms or [], Path(folder), form=form, project=project, progress=working)
    scope.out.finish(runs=done.runs, points=done.points, bytes=done.bytes, place=done.folder)
    told = f"{counted(done.runs, 'run')}, {counted(done.points, 'point')}, {figures.size(done.bytes)}"
    scope.out.say(f"{told}  in {done.folder}")


app.command("data")(data.export)
app.command("models")(models.export)
