"""`trainshed data …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from app import figures
from app.scope import Scope, scope_of
from storage.errors import UsageError

app = typer.Typer(help="Datasets and their versions.", rich_markup_mode=None, no_args_is_help=True)
Reference = Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="Such as flights@v2; default: the newest.")]
OwnReference = Annotated[
    str | None,
    typer.Argument(metavar="[NAME[@VERSION]]", help="Such as flights@v2; default: the project's, the newest."),
]
SHOWN_ROWS = 100


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="The dataset; default: the project's.")] = None,
    globs: Annotated[
        list[str] | None, typer.Argument(metavar="[GLOBS]...", help="Its files, such as 'data/*.csv'.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(metavar="table|files", help="Rows and columns, or any files; default: as they look.")
    ] = None,
    table: Annotated[
        list[str] | None, typer.Option(metavar="NAME=GLOB", help="A table of several; may be given again.")
    ] = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="Leave the contents where they are; they are checked when used.")
    ] = False,
    note: Annotated[str, typer.Option(help="A remark on the new version.")] = "",
) -> None:
    """Make a version of a dataset; without arguments, of the project's. Unchanged files are not read again."""
    from app.views.data import show_added
    from app.views.working import Working
    from runners.actions import datasets as verbs
    from storage.project import load_project

    scope = scope_of(context)
    out = scope.out
    own = _own_dataset(scope)
    if not globs and not table and (name is None or name == own.get("name")):
        if kind is not None:
            raise UsageError("--kind needs files", todo=f"{PROJECT_FILE} says it for the project's dataset")
        folder = scope.project_dir()
        spec = load_project(folder)
        with Working(out) as working:
            added = verbs.add_for_project(
                scope.shed(), folder, spec, by_reference=reference, note=note, progress=working
            )
    else:
        with Working(out) as working:
            added = verbs.add(
                scope.shed(),
                _named(name),
                _tables(name, globs or [], table or []),
                Path.cwd(),
                kind=_kind(kind),
                by_reference=reference,
                note=note,
                progress=working,
            )
    show_added(out, added, note=note)
