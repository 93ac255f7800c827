"""`trainshed data …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.scope import Scope, scope_of
from screens import figures
from storage.errors import UsageError

if TYPE_CHECKING:
    from runners.datasets.adding import Kind

app = typer.Typer(help="Datasets and their versions.", rich_markup_mode=None, no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The dataset's name.")]
Reference = Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="Such as flights@v2; default: the newest.")]
OwnReference = Annotated[
    str | None, typer.Argument(metavar="[NAME[@VERSION]]", help="Such as flights@v2; default: the project's, newest.")
]
QueryView = Annotated[bool, typer.Option("--query-view", help="Not the tables, but what the project's query gives.")]
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
    if not globs and not table and name in (None, scope.project_table("dataset").get("name")):
        if kind is not None:
            raise UsageError("--kind needs files", todo="trainshed.toml tells the kind of the project's dataset")
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
                _given_name(name),
                _tables(_given_name(name), globs or [], table or []),
                Path.cwd(),
                kind=_kind(kind),
                by_reference=reference,
                note=note,
                progress=working,
            )
    show_added(out, added, note=note)


@app.command("list")
def list_datasets(context: typer.Context) -> None:
    """List datasets with their newest version."""
    from app.views.data import show_datasets
    from storage.read import datasets as read_datasets

    scope = scope_of(context)
    show_datasets(scope.out, read_datasets.every(scope.shed()))


@app.command()
def show(
    context: typer.Context,
    reference: OwnReference = None,
    files: Annotated[bool, typer.Option("--files", help="List every file.")] = False,
) -> None:
    """Show one version: tables and columns, files, classes, how it is kept, who made it."""
    from app.views.data import show_details
    from runners.actions.dataset_views import details

    scope = scope_of(context)
    show_details(scope.out, details(scope.shed(), _reference(scope, reference)), files=files)


@app.command()
def versions(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Default: the project's dataset.")] = None,
) -> None:
    """List the versions of a dataset, the newest first."""
    from app.views.data import show_versions
    from storage.read import datasets as read_datasets

    scope = scope_of(context)
    name = _reference(scope, name)
    show_versions(scope.out, read_datasets.dataset(scope.shed(), name), read_datasets.versions(scope.shed(), name))


@app.command()
def diff(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Default: the project's dataset.")] = None,
    old: Annotated[str | None, typer.Argument(metavar="[OLD]", help="Default: the version before.")] = None,
    new: Annotated[str | None, typer.Argument(metavar="[NEW]", help="Default: the newest.")] = None,
    query_view: QueryView = False,
) -> None:
    """Tell what differs between two versions: files, rows, columns, and how the values of each column moved."""
    from app.views.dataset_diff import show_diff
    from runners.actions import dataset_views as verbs

    scope = scope_of(context)
    name = _reference(scope, name)
    found = verbs.diff(
        scope.shed(), name, _number(name, old), _number(name, new), project_query=_viewed(scope, name, query_view)
    )
    show_diff(scope.out, found)


@app.command()
def profile(
    context: typer.Context,
    reference: OwnReference = None,
    column: Annotated[str | None, typer.Option(help="Everything about this column.")] = None,
    table: Annotated[str | None, typer.Option(help="Only this table.")] = None,
    query_view: QueryView = False,
) -> None:
    """Profile a version: types, nulls, distinct values, bounds, means, histograms. Kept once it was made."""
    from app.views.profiles import show_profiles
    from runners.actions import dataset_views as verbs

    scope = scope_of(context)
    if table is not None and query_view:
        raise UsageError("--table and --query-view do not go together")
    reference = _reference(scope, reference)
    found = verbs.profile(
        scope.shed(), reference, table=table, column=column, project_query=_viewed(scope, reference, query_view)
    )
    show_profiles(scope.out, found, column=column)


@app.command()
def card(context: typer.Context, reference: OwnReference = None) -> None:
    """Print the dataset card: columns, checks, what changed since the version before; in Markdown."""
    from runners.actions import dataset_views as verbs

    scope = scope_of(context)
    name, text = verbs.card(scope.shed(), _reference(scope, reference))
    scope.out.emit("card", text=text)
    scope.out.finish(dataset=name)
    if not scope.out.json_lines:
        scope.out.say(text.rstrip("\n"))


@app.command()
def query(
    context: typer.Context,
    reference: Reference,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT over its tables and the view data.")],
    limit: Annotated[
        int | None, typer.Option(min=0, help=f"Rows at most; default: {SHOWN_ROWS}, with --csv and --json all.")
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="As CSV with a header.")] = False,
) -> None:
    """Run read-only SQL over a version. In its project, `data` is what the project's own query gives."""
    from app.views.rows import show_rows
    from runners.actions import dataset_rows as verbs

    scope = scope_of(context)
    if limit is None and not (csv or scope.out.json_lines):
        limit = SHOWN_ROWS
    found = verbs.query(scope.shed(), reference, sql, limit=limit, project_query=_project_query(scope, reference))
    show_rows(scope.out, found, as_csv=csv)


@app.command()
def head(
    context: typer.Context,
    reference: OwnReference = None,
    count: Annotated[int, typer.Option("-n", min=0, help="How many rows of each table, or files.")] = 10,
    table: Annotated[str | None, typer.Option(help="Only this table.")] = None,
) -> None:
    """Show the first rows of each table; of a dataset of kind files, its first files."""
    from app.views.rows import show_heads
    from runners.actions import dataset_rows as verbs

    scope = scope_of(context)
    show_heads(scope.out, verbs.head(scope.shed(), _reference(scope, reference), count, table=table))


@app.command()
def verify(context: typer.Context, reference: OwnReference = None) -> None:
    """Read every file of a version again and compare its hash. Ends with 1 when one is damaged."""
    from app.views.data import show_verified
    from app.views.working import Working
    from runners.actions import datasets as verbs

    scope = scope_of(context)
    with Working(scope.out) as working:
        found = verbs.verify(scope.shed(), _reference(scope, reference), progress=working)
    show_verified(scope.out, found)
    if found.faults:
        raise typer.Exit(1)


@app.command()
def export(
    context: typer.Context,
    reference: Reference,
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Where to; made where it is not there.")],
) -> None:
    """Copy the files of a version, under their own names, into a new or empty directory."""
    from app.views.working import Working
    from runners.actions import datasets as verbs

    scope = scope_of(context)
    with Working(scope.out) as working:
        done = verbs.export(scope.shed(), reference, Path(folder), progress=working)
    name = f"{done.dataset} v{done.version}"
    scope.out.finish(dataset=name, place=done.folder, files=done.files, bytes=done.bytes)
    scope.out.say(f"{name}: {done.files:,} files, {figures.size(done.bytes)}  in {done.folder}")


def _reference(scope: Scope, given: str | None) -> str:
    """What was given, else the dataset of the project. Raises UsageError when there is neither."""
    if given is not None:
        return given
    name = scope.project_table("dataset").get("name")
    if not isinstance(name, str):
        raise UsageError("no dataset given, and no project here", todo="`trainshed data list` shows the datasets")
    return name


def _project_query(scope: Scope, reference: str) -> str | None:
    """The query of the project here, where the reference is to its dataset."""
    own = scope.project_table("dataset")
    query = own.get("query")
    return query if own.get("name") == reference.partition("@")[0] and isinstance(query, str) else None


def _viewed(scope: Scope, reference: str, wanted: bool) -> str | None:
    """The project's query, where --query-view asks for it. Raises UsageError when there is none."""
    query = _project_query(scope, reference) if wanted else None
    if wanted and query is None:
        raise UsageError(f"--query-view: no project with a query for {reference} here", todo="-p DIR names the project")
    return query


def _number(name: str, given: str | None) -> int | None:
    from runners.actions.datasets import parsed_reference

    return None if given is None else parsed_reference(f"{name}@{given}")[1]


def _given_name(name: str | None) -> str:
    if name is None:
        raise UsageError(
            "no name given", expected="NAME and its files, such as `trainshed data add flights 'data/*.csv'`"
        )
    return name


def _tables(name: str, globs: list[str], tables: list[str]) -> dict[str, list[str]]:
    """Table → patterns; patterns without a table are those of the only one, `data`."""
    if globs and tables:
        raise UsageError("files and --table do not go together", todo="give every pattern to a --table")
    if not globs and not tables:
        raise UsageError(
            f"no files given for {name}", expected=f"patterns, such as `trainshed data add {name} 'data/*.csv'`"
        )
    found: dict[str, list[str]] = {"data": globs} if globs else {}
    for each in tables:
        table, equals, pattern = each.partition("=")
        if not equals or not pattern:
            raise UsageError(f"--table {each}: no pattern", expected="NAME=GLOB, such as --table weather='data/w*.csv'")
        found.setdefault(table.strip(), []).append(pattern)
    return found


def _kind(kind: str | None) -> Kind | None:
    if kind in (None, "table", "files"):
        return kind  # type: ignore[return-value]
    raise UsageError(f"--kind {kind}: no such kind", expected="table or files")
