"""One queued run, to its end: the process that an agent forks for it, in a session of its own.

It needs no agent from here on, and outlives it. It takes the run's lease, opens what was frozen, carries it out, and
says how it ended; where the agent was killed meanwhile, it brings up a new one.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from runners import foresight, launching, leases, loop
from runners.agency import commands, requests, starting
from runners.agency.holds import gpu_indices, hold_of, share_of
from runners.agency.home import Home
from runners.agency.requests import Request
from runners.loop import Finished
from runners.pipeline import Context, Event, Hold
from runners.supervision import processes
from storage.errors import RunFailed, TrainshedError
from storage.project import frozen
from storage.read import datasets as read_datasets
from storage.read import queue as read_queue
from storage.shed import Shed, open_shed
from storage.tables import Queued, Run
from storage.write import queue as write_queue
from storage.write import runs as write_runs

LOOK_S = 1.0
REVIVE_EVERY = 2  # looks
AGAIN = ("exit", "signal", "memory", "gpu memory", "lost", "reboot")  # endings after which `retries` start it again
EVENTS = "pipeline.jsonl"


def start(shed_root: Path, run_id: int, devices: tuple[str, ...]) -> None:
    """Carry out a queued run on these devices. When they are taken by now, it goes on waiting."""
    shed = open_shed(shed_root, create=False)
    entry = read_queue.entry(shed, run_id)
    if entry is None or entry.run.status != "queued":
        return
    lease = leases.take(shed, run_id, devices, memory=entry.queued.gpu_memory, user=entry.run.user)
    if lease is None:
        return
    with lease:
        me = processes.identify_self().to_json()
        run = write_queue.granted(shed, run_id, me, devices, share_of(shed, lease))
        if run is not None:
            _to_the_end(shed, run, entry.queued, hold_of(lease))
    with suppress(TrainshedError):
        write_queue.released(shed, run_id)


def go_on(shed_root: Path, run_id: int) -> None:
    """Take over a run whose supervisor died. Its child holds the lease, if it lives; the run goes on without one."""
    shed = open_shed(shed_root, create=False)
    entry = read_queue.entry(shed, run_id)
    if entry is None or entry.run.status != "running":
        return
    write_runs.supervised_by(shed, run_id, processes.identify_self().to_json())
    hold = Hold(gpu_indices=gpu_indices(entry.run.devices))  # the child has the lease
    _to_the_end(shed, entry.run, entry.queued, hold)


def _to_the_end(shed: Shed, run: Run, queued: Queued, hold: Hold) -> None:
    assert run.id is not None
    home = Home(shed)
    request: Request | None = None
    with _telling(shed.run_dir(run.id) / EVENTS) as tell, _interruptible(shed, run.id) as watched:
        try:
            request = requests.find(home, queued.request)
            if run.kind == "command":
                finished = commands.carry_out(shed, run, request, hold, tell)
            else:
                finished = _pipeline(shed, run, request, hold, tell, watched)
        except TrainshedError as err:
            finished = _broken(shed, run, err, tell)
        except KeyboardInterrupt as err:
            write_runs.finish(shed, run.id, "stopped", loop.INTERRUPTED, str(err) or "stopped", ending="stopped")
            finished = Finished("stopped", loop.INTERRUPTED, run.id, reason=str(err), ending="stopped")
        again = finished.ending in AGAIN and queued.retries > 0
        smaller = _smaller(shed, run, home, request) if finished.ending == "gpu memory" and request else ""
        if smaller:
            tell({"event": "note", "text": smaller})
            again = True
        elif again:
            write_queue.back_to_queue(shed, run.id, finished.reason, spend_retry=True)
            tell({"event": "note", "text": f"it will be started again; {queued.retries - 1} retries left then"})
        if not again or smaller:
            requests.forget(home, queued.request)
        tell({"event": "ended", "run": run.id, **vars(finished), "again": again})
    home.knock()


def _pipeline(shed: Shed, run: Run, request: Request, hold: Hold, tell: loop.Tell, watched: list[Context]) -> Finished:
    if request.identity != run.identity:
        raise RunFailed(f"run {run.id} is not what was asked for", todo=f"trainshed runs requeue {run.id}")
    context = launching.reopen(shed, run, tell)
    context.env, context.hold = request.env, hold
    watched.append(context)
    tell({"event": "run", "run": run.id, "name": run.name, "project": run.project, "attempt": run.attempt})
    return loop.carry_out(context, run.until)


def _smaller(shed: Shed, run: Run, home: Home, request: Request) -> str:
    """Queue a run that ran out of GPU memory with smaller steps, where its project says how; returns what to tell."""
    if run.kind != "pipeline" or run.dataset_version_id is None:
        return ""
    params = foresight.smaller(frozen(run.spec, f"run {run.id}").train)
    if params is None:
        return ""
    content = read_datasets.version_by_id(shed, run.dataset_version_id)[1].content
    spec, identity = launching.with_params(run, content, params)
    digest = requests.keep(home, requests.of_pipeline(identity, request.env))
    told = ", ".join(f"{name}={value}" for name, value in params.items())
    reason = f"out of GPU memory; it goes on with {told}"
    write_queue.change_params(shed, run.id or 0, params, spec=spec, identity=identity, request=digest, reason=reason)
    return reason


def _broken(shed: Shed, run: Run, err: TrainshedError, tell: loop.Tell) -> Finished:
    assert run.id is not None
    write_runs.finish(shed, run.id, "failed", err.exit_code, str(err), ending="not started")
    tell({"event": "error", "message": err.message, "place": err.place, "expected": err.expected, "todo": err.todo})
    return Finished("failed", err.exit_code, run.id, reason=str(err), ending="not started")


@contextmanager
def _telling(path: Path) -> Iterator[loop.Tell]:
    """Events of the pipeline go into a file beside the log, where whoever follows the run reads them."""
    with path.open("a", encoding="utf-8") as file:

        def tell(event: Event) -> None:
            with suppress(OSError):  # a full disk does not end a run that could go on
                file.write(json.dumps({"at": time.time(), **event}, default=str) + "\n")
                file.flush()

        yield tell


@contextmanager
def _interruptible(shed: Shed, run_id: int) -> Iterator[list[Context]]:
    """SIGTERM, or the run's stop file, end a stage that has no child. A child is asked by its own supervision."""
    ended = threading.Event()
    watched: list[Context] = []
    path = shed.run_dir(run_id) / "stop"
    path.unlink(missing_ok=True)
    reason = ["stopped by SIGTERM"]

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(reason[0])

    def look() -> None:
        looks = 0
        while not ended.wait(LOOK_S):
            looks += 1
            child = any(context.child_at_work for context in watched)
            if path.exists() and not child and not ended.is_set():
                with suppress(OSError, ValueError, KeyError, TypeError):
                    reason[0] = str(json.loads(path.read_bytes())["reason"])
                path.unlink(missing_ok=True)
                os.kill(os.getpid(), signal.SIGTERM)
            if looks % REVIVE_EVERY == 0:
                with suppress(TrainshedError, OSError):
                    starting.revive(shed)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    thread = threading.Thread(target=look, name="stop file", daemon=True)
    thread.start()
    try:
        yield watched
    finally:
        ended.set()
        thread.join()
        for number, handler in before.items():
            signal.signal(number, handler)
