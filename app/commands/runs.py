"""`trainshed runs …`."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from app.commands.launching import verbs as queue_verbs
from app.output import At, Table
from app.scope import Scope, scope_of
from app.views.facts import last, outlook_facts, run_facts, run_status
from runners.actions import runs as verbs
from storage.errors import UsageError
from storage.read.runs import RunRow

app = typer.Typer(help="Runs: their params, metrics, logs and notes.", rich_markup_mode=None, no_args_is_help=True)
app.registered_commands += queue_verbs.registered_commands
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's number, such as 12.")]
FOLLOW_SECONDS = 0.3


@app.command("list")
def list_runs(
    context: typer.Context,
    terms: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILTER", help="Terms such as status=failed 'lr>1e-4' user=ana 'auroc>=0.7' tag=x."),
    ] = None,
    sort: Annotated[str, typer.Option(metavar="NAME", help="A column, param or metric; -NAME: largest first.")] = "-id",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    columns: Annotated[
        str | None, typer.Option(metavar="A,B", help="Params and metrics to show, such as lr,auroc.")
    ] = None,
    all_projects: Annotated[bool, typer.Option("--all-projects", help="Not only this project's.")] = False,
) -> None:
    """List runs, the newest first."""
    scope = scope_of(context)
    project = None if all_projects else scope.project_name()
    wanted = tuple(c.strip() for c in columns.split(",") if c.strip()) if columns else _usual_columns(scope, sort)
    found = verbs.listing(scope.shed(), " ".join(terms or []), sort=sort, limit=limit, project=project, columns=wanted)
    outlooks = {}
    if any(row.run.status == "queued" for row in found.rows):
        from runners.actions.forecasts import forecasts

        outlooks = forecasts(scope.shed())
    for row in found.rows:
        scope.out.emit("run", {**run_facts(row), **outlook_facts(outlooks.get(row.run.id or 0))})
    scope.out.finish(runs=len(found.rows), total=found.total)
    head = ["run", "name", "status", "user", "started"] + (["project"] if project is None else []) + list(wanted)
    table = Table(head, align="rllll" + ("l" if project is None else "") + "r" * len(wanted))
    table.rows = [
        [
            str(row.run.id),
            row.run.name,
            run_status(row.run, outlooks.get(row.run.id or 0)),
            row.run.user,
            At(row.run.started_at or row.run.created_at),
            *([row.run.project] if project is None else []),
            *(_cell(row, full) for full in found.columns.values()),
        ]
        for row in found.rows
    ]
    if found.rows:
        scope.out.table(table)
    elif not scope.out.json_lines:
        here = f" of {project}" if project else ""
        scope.out.note(
            f"no runs{here} fit the filter" if terms else f"no runs{here} yet; `trainshed --batch` makes one"
        )
        for told in verbs.strange_names(scope.shed(), " ".join(terms or [])):
            scope.out.note(told)
    if found.total > len(found.rows):
        scope.out.note(f"{len(found.rows)} of {found.total:,}; --limit shows more")


def _cell(row: RunRow, name: str) -> float | str | None:
    return last(row.metrics[name]) if name in row.metrics else row.params.get(name)


def _usual_columns(scope: Scope, sort: str) -> tuple[str, ...]:
    """Without --columns: what the list is sorted by, and the metric that the project's gate looks at."""
    from storage.read.runs import COLUMNS

    key = sort.removeprefix("-")
    metric = scope.project_table("gate").get("metric")
    names = [name for name in (key, metric) if isinstance(name, str) and name and name not in COLUMNS]
    return tuple(dict.fromkeys(names))


@app.command()
def show(context: typer.Context, run: RunId) -> None:
    """Show one run: stages, params, metrics, environment, artifacts, and why it failed where it did."""
    from app.views.runs import show_details

    scope = scope_of(context)
    show_details(scope.out, verbs.details(scope.shed(), verbs.parsed_id(run)))


@app.command()
def logs(
    context: typer.Context,
    run: RunId,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many from the end.")] = 50,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the run has ended.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The whole log as it was written; for a pipe or a file.")] = False,
) -> None:
    """Print what a run wrote to stdout and stderr."""
    scope = scope_of(context)
    out, shed, run_id = scope.out, scope.shed(), verbs.parsed_id(run)
    if raw:
        if follow or out.json_lines:
            raise UsageError("--raw goes neither with --follow nor with --json")
        if out.terminal:
            raise UsageError(
                "--raw is for a pipe or a file",
                expected="a log may hold sequences that a terminal obeys",
                todo="… | less",
            )
        for piece in verbs.log_bytes(shed, run_id):
            out.raw(piece)
        return

    def wait() -> bool:
        time.sleep(FOLLOW_SECONDS)
        return not out.gone

    told = verbs.follow_log(shed, run_id, lines, wait) if follow else verbs.log_tail(shed, run_id, lines)
    for line in told:
        out.emit("line", run=run_id, text=line)
        if not out.json_lines:
            out.say(line)


@app.command()
def metrics(
    context: typer.Context,
    run: RunId,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One metric: its whole series.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="As CSV: step, time, value.")] = False,
) -> None:
    """List a run's metrics, or print the series of one."""
    from app.views.runs import show_metrics
    from app.views.series import show_series
    from runners.actions.series import series

    scope = scope_of(context)
    shed, run_id = scope.shed(), verbs.parsed_id(run)
    if name is None and not csv:
        show_metrics(scope.out, verbs.details(shed, run_id).row)
        scope.out.finish(run=run_id)
    else:
        show_series(scope.out, run_id, series(shed, run_id, name), as_csv=csv, one=name is not None)


@app.command()
def compare(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help="Two to twenty.")],
    form: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="table (default), csv, json or markdown.")
    ] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="Write it there: .csv, .json or .md.")
    ] = None,
) -> None:
    """Put runs side by side: params that differ, metrics with the best marked, settings, code, data, environment."""
    from app.comparing import compare as compared

    compared(scope_of(context), [verbs.parsed_id(run) for run in runs], form, output)


@app.command()
def reproduce(
    context: typer.Context,
    run: RunId,
    tolerance: Annotated[
        float, typer.Option(metavar="SHARE", help="How far a metric may be off, as a share of its value.")
    ] = 1e-3,
) -> None:
    """Do a run again from its frozen code, data, params and seed, and say whether the same comes out.

    It trains anew, as a new run in the foreground, and promotes nothing. Exit code 0 when all metrics agree, else 1.
    """
    from app.reproducing import reproduce as reproduced

    code = reproduced(scope_of(context), verbs.parsed_id(run), tolerance)
    if code:
        raise typer.Exit(code)


@app.command()
def note(context: typer.Context, run: RunId, text: Annotated[str, typer.Argument(help="A remark.")]) -> None:
    """Add a remark to a run."""
    scope = scope_of(context)
    run_id = verbs.parsed_id(run)
    verbs.add_note(scope.shed(), run_id, text)
    scope.out.finish(run=run_id)
    scope.out.say(f"noted on run {run_id}")


@app.command()
def tag(
    context: typer.Context,
    run: RunId,
    tags: Annotated[list[str], typer.Argument(metavar="TAG", help="Words to file it under.")],
) -> None:
    """File a run under one word or several; `runs list tag=WORD` finds it."""
    scope = scope_of(context)
    run_id = verbs.parsed_id(run)
    verbs.add_tags(scope.shed(), run_id, tuple(tags))
    scope.out.finish(run=run_id, tags=tags)
    scope.out.say(f"run {run_id} is tagged {', '.join(tags)}")


@app.command()
def rm(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help="Which to forget.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Forget runs: their rows, logs, metrics and checkpoints. Runs that made a model version stay."""
    from screens import figures

    scope = scope_of(context)
    ids = [verbs.parsed_id(run) for run in runs]
    told = "run " + ", ".join(str(i) for i in ids)
    if not scope.out.confirmed(f"Remove {told} for good?", yes=yes):
        raise UsageError("nothing was removed", todo="--yes removes without asking")
    freed = verbs.remove(scope.shed(), ids)
    scope.out.finish(removed=ids, bytes=freed)
    scope.out.say(f"removed {told}, {figures.size(freed)}; `trainshed gc` frees what only they used")
