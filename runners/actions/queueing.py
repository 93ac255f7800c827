"""The verbs of the queue: launch, stop, resume, start over, reorder, and when a waiting run will start."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runners import foresight, supervisor
from runners import gpus as gpu_readings
from runners.actions.forecasts import starts_in
from runners.agency import requests, session, starting
from runners.agency.home import Home
from runners.estimates import Spread
from storage.errors import RunFailed, UsageError
from storage.names import checked_name
from storage.read import queue as read_queue
from storage.read import runs as read_runs
from storage.shed import Shed, current_user
from storage.tables import IMPORTED, Run
from storage.write import queue as write_queue
from storage.write import runs as write_runs
from storage.write.queue import Ask
from storage.write.runs import NewRun

if TYPE_CHECKING:
    from runners.pipeline import Event

COMMANDS = "commands"  # the project under which `trainshed exec` files its runs, outside of a project


@dataclass(frozen=True)
class Wanted:
    """What a launch asks of the queue. `gpus` None: as the project says; `gpu_memory` in bytes on each GPU."""

    gpus: int | None = None
    gpu_memory: int | None = None
    priority: int = 0
    after: tuple[int, ...] = ()
    retries: int | None = None
    force: bool = False


@dataclass(frozen=True)
class Launched:
    """A run that waits now. `starts_in` seconds from now, None where the past tells nothing; `remarks` are events."""

    run: Run
    starts_in: Spread | None
    agent_started: bool
    remarks: list[Event]


def launch(
    shed: Shed,
    project_dir: Path,
    *,
    params: dict[str, Any],
    until: str | None = None,
    name: str | None = None,
    tags: tuple[str, ...] = (),
    wanted: Wanted = Wanted(),
    sweep: tuple[int, int] | None = None,
) -> Launched:
    """Freeze a project as it is now and queue a run of it: later edits do not reach it.

    Raises:
        UsageError, DataInvalid: when it could not be started as it is; nothing is queued then.
    """
    from runners import launching  # all the stages, which take a second: a command has none

    _check(shed, wanted)
    launch = launching.freeze(shed, project_dir, params=params, until=until)
    train = launch.spec.train
    request = requests.of_pipeline(launch.identity, os.environ)
    new = launching.new_run(shed, launch, name=name, tags=tags, sweep=sweep)
    gpus = train.gpus if wanted.gpus is None else wanted.gpus
    retries = train.retries if wanted.retries is None else wanted.retries
    warnings = foreseen(shed, new, gpus, wanted)
    run = _queued(shed, new, request, gpus, retries, wanted)
    launching.write_down(shed, launch, run.id or 0)
    return _started(shed, run, [*launching.remarks(launch), *warnings])


def execute(
    shed: Shed,
    command: Sequence[str],
    *,
    cwd: Path,
    project: str | None = None,
    name: str | None = None,
    tags: tuple[str, ...] = (),
    wanted: Wanted = Wanted(),
) -> Launched:
    """Queue any command; it runs in `cwd` under a lease, with the environment of now.

    Raises:
        UsageError: when there is no such program, or the request contradicts itself.
    """
    _check(shed, wanted)
    if not command:
        raise UsageError("no command", expected="trainshed exec --gpus 1 -- COMMAND …")
    if shutil.which(command[0] if "/" not in command[0] else cwd / command[0]) is None:
        raise UsageError(f"{command[0]}: no such program", expected="a program on your PATH, or the path of one")
    request = requests.of_command(list(command), cwd, os.environ)
    new = NewRun(
        name=name or checked_name(Path(command[0]).name[:100], "run"),
        project=project or COMMANDS,
        project_dir=str(cwd),
        identity=request.identity,
        code="",
        spec={"command": list(command)},
        snapshot={},
        params={},
        tags=tags,
        kind="command",
    )
    gpus = 1 if wanted.gpus is None else wanted.gpus
    warnings = foreseen(shed, new, gpus, wanted)
    return _started(shed, _queued(shed, new, request, gpus, wanted.retries or 0, wanted), warnings)


def stop(shed: Shed, run_ids: Sequence[int], *, grace_s: float | None = None) -> list[Run]:
    """Stop runs, whoever's they are: one that waits at once; one at work is asked, and made to after a while.

    Raises:
        UsageError: for a run that has ended; those before it are stopped then.
    """
    reason = f"stopped by {current_user()}"
    stopped = []
    for run_id in run_ids:
        run = read_runs.run(shed, run_id)
        if run.status == "running":
            _ask_to_stop(shed, run, reason, grace_s)
        elif run.status != "queued" or not write_queue.call_off(shed, run_id, reason):
            raise UsageError(f"run {run_id} is {run.status}", expected="one that waits or is at work")
        stopped.append(run)
    return stopped


def resume(shed: Shed, run_id: int) -> Launched:
    """Queue a run of yours that did not end well again: the same run, which goes on from its last checkpoint.

    Raises:
        UsageError: when it is at work, ended well, or somebody else's.
    """
    run = read_runs.run(shed, run_id)
    _check_own(run)
    if run.user != current_user():
        raise UsageError(f"run {run_id} is {run.user}'s", todo=f"`trainshed runs requeue {run_id}` makes one of yours")
    if run.status not in ("failed", "stopped"):
        raise UsageError(f"run {run_id} is {run.status}", expected="one that failed or was stopped")
    write_queue.ask_again(shed, run_id, requests.keep(Home(shed), _request_again(shed, run)))
    return _started(shed, read_runs.run(shed, run_id), [])


def requeue(shed: Shed, run_id: int, wanted: Wanted = Wanted()) -> Launched:
    """Queue a new run of exactly what an earlier one froze, from its beginning.

    Raises:
        UsageError: when what it froze is no longer there.
    """
    _check(shed, wanted)
    row = read_runs.row(shed, run_id)
    run = row.run
    _check_own(run)
    before = read_queue.entry(shed, run_id)
    new = NewRun(
        **{key: getattr(run, key) for key in COPIED},
        params=run.spec.get("train", {}).get("params", {}),
        tags=tuple(row.tags),
    )
    gpus = before.queued.gpus if before else run.spec.get("train", {}).get("gpus", 1)
    again = Wanted(
        gpus=wanted.gpus if wanted.gpus is not None else gpus,
        gpu_memory=wanted.gpu_memory or (before.queued.gpu_memory if before else None),
        priority=wanted.priority,
        after=wanted.after,
        retries=wanted.retries if wanted.retries is not None else (before.queued.retries if before else 0),
        force=wanted.force,
    )
    request = _request_again(shed, run)
    fresh = _queued(shed, new, request, again.gpus or 0, again.retries or 0, again)
    for name in ("diff.patch", "environment.json"):
        source = shed.run_dir(run_id) / name
        if source.exists():
            (shed.run_dir(fresh.id or 0) / name).write_bytes(source.read_bytes())
    return _started(shed, fresh, [])


def reorder(
    shed: Shed, run_id: int, *, before: int | None = None, last: bool = False, priority: int | None = None
) -> None:
    """Give a waiting run another place among its user's runs: first (the default), `before` another, or `last`.

    Raises:
        UsageError: when it does not wait, or is somebody else's.
    """
    entry = _my_waiting(shed, run_id)
    mine = [e.queued for e in read_queue.waiting(shed) if e.run.user == entry.run.user and e.queued.run_id != run_id]
    if priority is not None:
        write_queue.move(shed, run_id, priority=priority)
        if before is None and not last:
            return
    places = sorted(queued.position for queued in mine)
    if before is not None:
        place = _my_waiting(shed, before).queued.position
        earlier = [position for position in places if position < place]
        write_queue.move(shed, run_id, position=((earlier[-1] if earlier else place - 2.0) + place) / 2)
    elif places:
        write_queue.move(shed, run_id, position=places[-1] + 1.0 if last else places[0] - 1.0)


COPIED = (
    "name", "project", "project_dir", "identity", "code", "spec", "snapshot", "seed", "commit", "branch", "dirty",
    "dataset_version_id", "parent_version_id", "until", "kind",
)  # fmt: skip


def _check(shed: Shed, wanted: Wanted) -> None:
    if wanted.gpus is not None and wanted.gpus < 0:
        raise UsageError(f"--gpus {wanted.gpus}", expected="0 or more")
    for run_id in wanted.after:
        if read_runs.run(shed, run_id).status in ("failed", "stopped", "invalid"):
            raise UsageError(f"--after {run_id}: that run did not end well", todo=f"trainshed runs resume {run_id}")


def _check_own(run: Run) -> None:
    """Raises UsageError for a run that was imported: nothing of it could be started."""
    if run.kind == IMPORTED:
        raise UsageError(
            f"run {run.id} was imported: the code that it ran is not here",
            expected="a run that was made in this shed",
            todo="`trainshed runs launch --set …` runs the project here with its params",
        )


def foreseen(shed: Shed, new: NewRun, gpus: int, wanted: Wanted) -> list[Event]:
    """What past runs say of this one's memory, as warnings. Raises UsageError when it will surely not fit."""
    told = foresight.check(
        shed,
        project=new.project,
        params=new.params,
        code=new.code,
        gpus=gpus,
        claim=wanted.gpu_memory,
        readings=gpu_readings.readings(),
        kind=new.kind,
        host=socket.gethostname(),
        force=wanted.force,
    )
    return [{"event": "warning", "text": text} for text in told]


def _queued(shed: Shed, new: NewRun, request: requests.Request, gpus: int, retries: int, wanted: Wanted) -> Run:
    ask = Ask(
        request=requests.keep(Home(shed), request),
        gpus=gpus,
        gpu_memory=wanted.gpu_memory,
        priority=wanted.priority,
        retries=retries,
        after=wanted.after,
        forced=wanted.force,
    )
    return write_queue.enqueue(shed, new, ask)


def _started(shed: Shed, run: Run, remarks: list[Event]) -> Launched:
    agent_started = starting.ensure(shed)
    kills = session.logout_kills() if agent_started else ""
    if kills:
        remarks = [*remarks, {"event": "warning", "text": kills}]
    return Launched(run, starts_in(shed, run.id or 0), agent_started, remarks)


def _request_again(shed: Shed, run: Run) -> requests.Request:
    """A person's own request for what is frozen in a row that anybody may have written."""
    if run.kind == "command":
        command = run.spec.get("command")
        if not isinstance(command, list) or not all(isinstance(part, str) for part in command):
            raise UsageError(f"run {run.id} does not say what it ran")
        return requests.of_command(command, Path(run.project_dir), os.environ)
    return requests.of_pipeline(run.identity, os.environ)


def _my_waiting(shed: Shed, run_id: int) -> read_queue.Entry:
    entry = read_queue.entry(shed, run_id)
    if entry is None or entry.run.status != "queued":
        raise UsageError(f"run {run_id} is {read_runs.run(shed, run_id).status}", expected="one that waits")
    if entry.run.user != current_user():
        raise UsageError(f"run {run_id} is {entry.run.user}'s", expected="one of yours")
    return entry


def _ask_to_stop(shed: Shed, run: Run, reason: str, grace_s: float | None) -> None:
    from runners.actions.liveness import at_work

    assert run.id is not None
    if not at_work(shed, run):
        write_runs.finish(shed, run.id, "stopped", 130, f"{reason}; its supervisor was gone", ending="stopped")
        return
    try:
        supervisor.stop(shed.run_dir(run.id), reason, grace_s=grace_s)
    except OSError as err:
        raise RunFailed(f"run {run.id} cannot be asked to stop: {err.strerror}") from err
