"""`trainshed sweep …`."""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import typer

from app.batch import assignment
from app.commands.launching import GpuMemory, Gpus, Priority, Retries, wanted
from app.scope import scope_of
from runners.actions import sweeps as verbs

app = typer.Typer(
    help="Sweeps: params are tried, and what does worse than others is stopped early.",
    rich_markup_mode=None,
    no_args_is_help=True,
)
SweepId = Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's number, such as 3.")]
Trials = Annotated[int | None, typer.Option("--trials", min=1, metavar="N", help="How many are tried in all.")]
Follow = Annotated[bool, typer.Option("-f", "--follow", help="Stay and watch it to its end.")]
FOLLOW_SECONDS = 0.3


@app.command()
def start(
    context: typer.Context,
    trials: Trials = None,
    parallel: Annotated[int | None, typer.Option(min=1, metavar="N", help="How many are tried at once.")] = None,
    sampler: Annotated[
        Literal["tpe", "random", "grid", "cmaes"] | None, typer.Option(help="Who chooses the params.")
    ] = None,
    pruner: Annotated[
        Literal["asha", "median", "none"] | None, typer.Option(help="Who stops what does worse than others.")
    ] = None,
    metric: Annotated[str | None, typer.Option(metavar="NAME", help="Such as val/auroc.")] = None,
    direction: Annotated[Literal["maximize", "minimize"] | None, typer.Option(help="Which way is better.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the sampler.")] = None,
    finish: Annotated[
        Literal["none", "best"] | None, typer.Option(help="best: the best trial goes on through the gate.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="PARAM=VALUE", help="Fix a param for all trials.")
    ] = None,
    gpus: Gpus = None,
    gpu_memory: GpuMemory = None,
    priority: Priority = 0,
    retries: Retries = None,
    name: Annotated[str | None, typer.Option("--name", help="The sweep's name.")] = None,
    follow: Follow = False,
) -> None:
    """Begin the sweep that `[sweep]` in trainshed.toml describes, on the project as it is now."""
    from app.views.sweeps import announce
    from runners.actions import sweeping

    scope = scope_of(context)
    given: dict[str, Any] = {
        "trials": trials,
        "parallel": parallel,
        "sampler": sampler,
        "pruner": pruner,
        "metric": metric,
        "direction": direction,
        "seed": seed,
        "finish": finish,
    }
    started = sweeping.start(
        scope.shed(),
        scope.project_dir(),
        params=dict(assignment(text) for text in set_ or ()),
        changes={key: value for key, value in given.items() if value is not None},
        name=name,
        wanted=wanted(gpus, gpu_memory, priority, None, retries, False),
    )
    announce(scope.out, started)
    if follow:
        _followed(context, started.sweep.id or 0)


@app.command("list")
def list_sweeps(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    all_projects: Annotated[bool, typer.Option("--all-projects", help="Not only this project's.")] = False,
) -> None:
    """List sweeps, the newest first."""
    from app.views.sweeps import show_list

    scope = scope_of(context)
    project = None if all_projects else scope.project_name()
    show_list(scope.out, verbs.listing(scope.shed(), project=project, limit=limit), project=project)


@app.command()
def show(context: typer.Context, sweep: SweepId) -> None:
    """Show a sweep: its trials, the best of them, and which params made the difference."""
    from app.views.sweeps import show_sweep

    scope = scope_of(context)
    show_sweep(scope.out, verbs.details(scope.shed(), verbs.parsed_id(sweep)))


@app.command()
def follow(context: typer.Context, sweep: SweepId) -> None:
    """Watch a sweep to its end. Ctrl-C leaves it running."""
    _followed(context, verbs.parsed_id(sweep))


@app.command()
def stop(context: typer.Context, sweep: SweepId) -> None:
    """Stop a sweep: no further trial begins, and those at work are asked to stop."""
    from runners.actions import sweeping

    scope = scope_of(context)
    sweep_id = verbs.parsed_id(sweep)
    stopped = sweeping.stop(scope.shed(), sweep_id)
    scope.out.finish(sweep=sweep_id, stopped=stopped)
    runs = f", with {len(stopped)} of its runs" if stopped else ""
    scope.out.say(f"sweep {sweep_id} is stopped{runs}; `trainshed sweep resume {sweep_id}` goes on")


@app.command()
def resume(context: typer.Context, sweep: SweepId, trials: Trials = None, follow: Follow = False) -> None:
    """Go on with a sweep that was stopped or failed; with --trials, try more than it should at first."""
    from app.views.sweeps import announce
    from runners.actions import sweeping

    scope = scope_of(context)
    started = sweeping.resume(scope.shed(), verbs.parsed_id(sweep), trials=trials)
    announce(scope.out, started)
    if follow:
        _followed(context, started.sweep.id or 0)


def _followed(context: typer.Context, sweep_id: int) -> None:
    """Show a sweep until it has ended; the exit code says whether it is done."""
    from app.views.sweeps import show_event, show_sweep

    scope = scope_of(context)
    out, shed = scope.out, scope.shed()

    def wait() -> bool:
        time.sleep(FOLLOW_SECONDS)
        return not out.gone

    search = verbs.details(shed, sweep_id).search
    try:
        for event in verbs.follow(shed, sweep_id, wait):
            show_event(out, event, search)
    except KeyboardInterrupt:
        out.say(f"sweep {sweep_id} goes on; `trainshed sweep stop {sweep_id}` ends it")
        raise
    found = verbs.details(shed, sweep_id)
    out.say()
    show_sweep(out, found)
    out.finish(status=found.sweep.status, reason=found.sweep.reason)
    raise typer.Exit({"done": 0, "running": 0, "stopped": 130}.get(found.sweep.status, 1))
