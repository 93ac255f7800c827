"""`trainshed runs launch|stop|resume|requeue|reorder|follow`: the queue's verbs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.batch import STAGES, Told, assignment
from app.output import Output
from app.scope import scope_of
from app.views.progress import view_for
from app.views.queue import announce
from runners.actions import runs as run_verbs
from storage.errors import UsageError
from storage.sizes import parsed_size

if TYPE_CHECKING:
    from runners.actions.queueing import Launched, Wanted

verbs = typer.Typer()
FOLLOW_SECONDS = 0.1

RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's number, such as 12.")]
Gpus = Annotated[int | None, typer.Option("--gpus", min=0, help="How many GPUs; default: as the project says.")]
GpuMemory = Annotated[
    str | None, typer.Option("--gpu-memory", metavar="10GB", help="Share each GPU: it claims so much of its memory.")
]
Priority = Annotated[int, typer.Option("--priority", help="Higher goes first; 0 is usual.")]
After = Annotated[list[str] | None, typer.Option("--after", metavar="RUN", help="Only after this run ended well.")]
Retries = Annotated[
    int | None, typer.Option("--retries", min=0, help="Start it again after a failure, so often at most.")
]
Force = Annotated[bool, typer.Option("--force", help="Queue it although its memory will hardly suffice.")]
Name = Annotated[str | None, typer.Option("--name", help="The run's name.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="File the run under this word.")]
Follow = Annotated[bool, typer.Option("-f", "--follow", help="Stay and watch it to its end.")]


def wanted(
    gpus: int | None, memory: str | None, priority: int, after: list[str] | None, retries: int | None, force: bool
) -> Wanted:
    """The options of a launch, checked. Raises UsageError."""
    from runners.actions.queueing import Wanted

    return Wanted(
        gpus=gpus,
        gpu_memory=parsed_size(memory, "--gpu-memory") if memory is not None else None,
        priority=priority,
        after=tuple(run_verbs.parsed_id(run) for run in after or ()),
        retries=retries,
        force=force,
    )


@verbs.command()
def launch(
    context: typer.Context,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="PARAM=VALUE", help="Change a param.")] = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after this stage.")] = None,
    gpus: Gpus = None,
    gpu_memory: GpuMemory = None,
    priority: Priority = 0,
    after: After = None,
    retries: Retries = None,
    name: Name = None,
    tag: Tags = None,
    force: Force = False,
    follow: Follow = False,
) -> None:
    """Queue a run of the project as it is now; your agent starts it when its turn comes."""
    from runners.actions import queueing

    scope = scope_of(context)
    asked = wanted(gpus, gpu_memory, priority, after, retries, force)
    params = dict(assignment(text) for text in set_ or ())
    launched = queueing.launch(
        scope.shed(), scope.project_dir(), params=params, until=until, name=name, tags=tuple(tag or ()), wanted=asked
    )
    queued(context, launched, follow)


@verbs.command()
def stop(
    context: typer.Context,
    runs: Annotated[list[str], typer.Argument(metavar="RUN", help="Which.")],
    grace: Annotated[
        float | None, typer.Option("--grace", metavar="SECONDS", min=0, help="How long it may take to end by itself.")
    ] = None,
) -> None:
    """Stop runs that wait or are at work. A run is asked first, so that it can leave a checkpoint."""
    from runners.actions import queueing

    scope = scope_of(context)
    ids = [run_verbs.parsed_id(run) for run in runs]
    for run in queueing.stop(scope.shed(), ids, grace_s=grace):
        scope.out.say(f"run {run.id} " + ("is asked to stop" if run.status == "running" else "waits no more"))
    scope.out.finish(stopped=ids)


@verbs.command()
def resume(context: typer.Context, run: RunId, follow: Follow = False) -> None:
    """Queue a run again that failed or was stopped; it goes on from its last checkpoint."""
    from runners.actions import queueing

    scope = scope_of(context)
    launched = queueing.resume(scope.shed(), run_verbs.parsed_id(run))
    queued(context, launched, follow)


@verbs.command()
def requeue(
    context: typer.Context,
    run: RunId,
    gpus: Gpus = None,
    gpu_memory: GpuMemory = None,
    priority: Priority = 0,
    after: After = None,
    retries: Retries = None,
    force: Force = False,
    follow: Follow = False,
) -> None:
    """Queue a new run of exactly the code, data and params that an earlier run froze."""
    from runners.actions import queueing

    scope = scope_of(context)
    asked = wanted(gpus, gpu_memory, priority, after, retries, force)
    launched = queueing.requeue(scope.shed(), run_verbs.parsed_id(run), asked)
    queued(context, launched, follow)


@verbs.command()
def reorder(
    context: typer.Context,
    run: RunId,
    before: Annotated[str | None, typer.Option("--before", metavar="RUN", help="Right before this run.")] = None,
    last: Annotated[bool, typer.Option("--last", help="Behind all others.")] = False,
    priority: Annotated[int | None, typer.Option("--priority", help="Give it another priority.")] = None,
) -> None:
    """Put a waiting run of yours before your others (without options: first of all)."""
    from runners.actions import queueing

    if before is not None and last:
        raise UsageError("--before and --last contradict each other")
    scope = scope_of(context)
    run_id = run_verbs.parsed_id(run)
    other = run_verbs.parsed_id(before) if before is not None else None
    queueing.reorder(scope.shed(), run_id, before=other, last=last, priority=priority)
    scope.out.finish(run=run_id)
    scope.out.say(f"run {run_id} has another place now")


@verbs.command("follow")
def follow_run(context: typer.Context, run: RunId) -> None:
    """Watch a run to its end, from the queue on; ends with the run's own exit code. Ctrl-C leaves it running."""
    followed(context, run_verbs.parsed_id(run))


def queued(context: typer.Context, launched: Launched, follow: bool) -> None:
    """Say that a run waits now; with `follow` show it to its end."""
    announce(scope_of(context).out, launched)
    if follow:
        followed(context, launched.run.id or 0)


def followed(context: typer.Context, run_id: int) -> None:
    """Show a run until it has ended; then its exit code ends the command."""
    from runners.actions.following import follow

    scope = scope_of(context)
    out, shed = scope.out, scope.shed()

    def wait() -> bool:
        time.sleep(FOLLOW_SECONDS)
        return not out.gone

    told = Told(out)
    found = run_verbs.details(shed, run_id).row.run
    command = found.kind != "pipeline"
    stages = STAGES[: STAGES.index(found.until) + 1] if found.until in STAGES else STAGES
    head = f"run {run_id}  {found.name}  {found.status}"
    try:
        if command:
            for event in follow(shed, run_id, wait, log_lines=1000):
                _command_event(out, event)
        else:
            with view_for(out, stages, head) as view:
                for event in follow(shed, run_id, wait, log_lines=None):
                    if event["event"] == "waiting":
                        out.emit("waiting", run=run_id, text=event["text"])
                        view.remark(f"waits: {event['text']}" if event["text"] else "waits for its turn", warning=False)
                    else:
                        told.take(event, view)
    except KeyboardInterrupt:
        out.say(f"run {run_id} goes on; `trainshed runs stop {run_id}` ends it")
        raise
    ended = run_verbs.details(shed, run_id).row.run
    told.show()
    reason = f", {ended.reason}" if ended.reason else ""
    out.finish(run=run_id, status=ended.status, reason=ended.reason)
    if not told.errors:
        out.say(f"run {run_id}: {ended.status}{reason}", "" if ended.status == "done" else "yellow")
    raise typer.Exit(ended.exit_code or 0)


def _command_event(out: Output, event: dict[str, Any]) -> None:
    kind = event["event"]
    out.emit(kind, {key: value for key, value in event.items() if key != "event"})
    if kind == "line" and not out.json_lines:
        out.say(event["text"])
    elif kind == "waiting":
        out.note(f"waits: {event['text']}" if event["text"] else "waits for its turn")
