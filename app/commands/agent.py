"""`trainshed agent …`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from app.output import At
from app.scope import scope_of
from runners.actions import agents
from storage.counted import counted

app = typer.Typer(
    help="Your background process: it starts queued runs, and takes over those left alone.",
    rich_markup_mode=None,
    no_args_is_help=True,
)


@app.command()
def start(context: typer.Context) -> None:
    """Start your agent. Launching a run does that too."""
    scope = scope_of(context)
    started = agents.start(scope.shed())
    scope.out.finish(started=started)
    scope.out.say("the agent works now" if started else "the agent works already")


@app.command()
def stop(context: typer.Context) -> None:
    """End your agent. Runs go on; what waits goes on waiting until the next launch or `agent start`."""
    scope = scope_of(context)
    stopped = agents.stop(scope.shed())
    scope.out.finish(stopped=stopped)
    scope.out.say("the agent has ended; runs go on" if stopped else "there was no agent")


@app.command()
def status(context: typer.Context) -> None:
    """Say whether your agent works, and on what."""
    scope = scope_of(context)
    found = agents.status(scope.shed())
    scope.out.finish(
        alive=found.pid is not None,
        pid=found.pid,
        since=At(found.since),
        waiting=found.waiting,
        at_work=found.at_work,
        turned_off=found.turned_off,
        log=str(found.log),
        warning=found.warning,
        watcher=found.watcher,
        watched=[asdict(each) for each in found.watched],
    )
    off = "stopped by you; `trainshed agent start`" if found.turned_off else "none; it starts with the next launch"
    scope.out.fields(
        [
            ("agent", f"works, pid {found.pid}" if found.pid is not None else off),
            ("since", At(found.since) if found.since else None),
            ("your runs", f"{found.at_work} at work, {found.waiting} waiting"),
            ("watches", _watching(found)),
            *(("", f"{each.project}/{each.name}: {each.what}{_noted(each.note)}") for each in found.watched),
            ("log", str(found.log)),
        ]
    )
    if found.warning:
        scope.out.warn(found.warning)


def _watching(found: agents.AgentStatus) -> str | None:
    if not found.watched:
        return None
    count = counted(len(found.watched), "trigger")
    return f"{count}, pid {found.watcher}" if found.watcher is not None else f"nothing now; {count} should be"


def _noted(note: str) -> str:
    return f" ({note})" if note else ""


@app.command()
def logs(
    context: typer.Context,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="How many from the end.")] = 50,
) -> None:
    """Print what the agent did."""
    scope = scope_of(context)
    for line in agents.log(scope.shed(), lines):
        scope.out.emit("line", text=line)
        if not scope.out.json_lines:
            scope.out.say(line)


@app.command()
def install(context: typer.Context) -> None:
    """Have systemd start your agent when the machine does, and again when it is killed."""
    scope = scope_of(context)
    path = agents.install(scope.shed())
    scope.out.finish(unit=str(path))
    scope.out.say(f"systemd looks after the agent now: {path}")
