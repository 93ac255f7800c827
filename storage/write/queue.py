"""What happens to queued runs, written down as it happens."""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import col, func, select

from storage.errors import UsageError
from storage.shed import Shed, Write, current_user
from storage.tables import DeviceUse, Queued, Run, RunNote
from storage.write.runs import NewRun, give_back, insert, param_row


@dataclass(frozen=True)
class Ask:
    """What a run asks of the queue. `gpu_memory` in bytes; `after` are runs that must have ended well before."""

    request: str
    gpus: int = 1
    gpu_memory: int | None = None
    priority: int = 0
    retries: int = 0
    after: tuple[int, ...] = ()
    forced: bool = False


def enqueue(shed: Shed, new: NewRun, ask: Ask) -> Run:
    """Record a run that waits for its turn, behind its user's other runs."""
    with shed.writing("run queued", f"project {new.project}") as write:
        run = insert_queued(write, new, ask)
    shed.make_dir(shed.run_dir(run.id or 0))
    return run


def insert_queued(write: Write, new: NewRun, ask: Ask) -> Run:
    """The rows of a run that waits, within a transaction that a caller goes on with."""
    now = time.time()
    run = insert(write, new, status="queued", created_at=now)
    last = write.session.exec(select(func.max(Queued.position)).where(Queued.user == current_user())).one()
    write.session.add(
        Queued(
            run_id=run.id or 0,
            user=run.user,
            host=run.host,
            request=ask.request,
            queued_at=now,
            priority=ask.priority,
            position=(last or 0.0) + 1.0,
            gpus=ask.gpus,
            gpu_memory=ask.gpu_memory,
            retries=ask.retries,
            after=list(ask.after),
            forced=ask.forced,
        )
    )
    write.detail.update(gpus=ask.gpus, priority=ask.priority)
    return run


def wait_in_foreground(shed: Shed, run_id: int, gpus: int) -> None:
    """A run that somebody watches in a terminal has come to its training, and waits for devices as all others do."""
    with shed.writing("run waits", f"run {run_id}") as write:
        run = write.session.get_one(Run, run_id)
        run.status = "queued"
        queued = write.session.get(Queued, run_id) or Queued(
            run_id=run_id, user=run.user, host=run.host, request="", queued_at=0
        )
        queued.request, queued.queued_at, queued.gpus = "", time.time(), gpus
        queued.host, queued.held, queued.reserved_since = run.host, "", None
        write.session.add(run)
        write.session.add(queued)


def granted(
    shed: Shed, run_id: int, supervisor: dict[str, Any], devices: Sequence[str], share: float, *, begun: bool = False
) -> Run | None:
    """A queued run starts on these devices; None when it is queued no more. `share` is of each device.

    `begun`: it was at work before, and only waited for devices.
    """
    now = time.time()
    with shed.writing("run started", f"run {run_id}") as write:
        run = write.session.get_one(Run, run_id)
        if run.status != "queued":
            write.action = "run not started"
            return None
        if not begun:
            run.attempt += 1 if run.started_at is not None else 0
            run.started_at = now
        run.status, run.ended_at = "running", None
        run.reason, run.ending, run.exit_code = "", "", None
        run.supervisor, run.heartbeat_at, run.devices = supervisor, now, list(devices)
        write.session.add(run)
        for device in devices:
            host = socket.gethostname()
            write.session.add(
                DeviceUse(run_id=run_id, user=run.user, host=host, device=device, share=share, started_at=now)
            )
        write.detail.update(devices=list(devices), attempt=run.attempt)
    return run


def released(shed: Shed, run_id: int) -> None:
    """The lease is free now, a moment after the run ended: this commit calls the agents of those that wait for it."""
    with shed.writing("lease released", f"run {run_id}"):
        pass


def devices_back(shed: Shed, run_id: int) -> None:
    """A run goes on without the devices that its training needed."""
    with shed.writing("devices given back", f"run {run_id}") as write:
        run = write.session.get_one(Run, run_id)
        run.devices = []
        write.session.add(run)
        give_back(write, run_id, time.time())


def back_to_queue(shed: Shed, run_id: int, reason: str, *, spend_retry: bool) -> None:
    """A run that did not end well will be started again, from its last checkpoint."""
    now = time.time()
    with shed.writing("run queued again", f"run {run_id}") as write:
        run = write.session.get_one(Run, run_id)
        queued = write.session.get_one(Queued, run_id)
        run.status, run.reason, run.ended_at, run.progress = "queued", reason, None, None
        queued.retries -= 1 if spend_retry else 0
        queued.held, queued.reserved_since = "", None
        write.session.add(run)
        write.session.add(queued)
        give_back(write, run_id, now)
        write.detail.update(reason=reason, retries=queued.retries)


def change_params(
    shed: Shed,
    run_id: int,
    params: Mapping[str, Any],
    *,
    spec: dict[str, Any],
    identity: str,
    request: str,
    reason: str,
) -> None:
    """A run goes back to the queue with other params; what it froze stays otherwise, and a note says so.

    What it held on the GPU before was held by other params, and is no peak of these.
    """
    now = time.time()
    with shed.writing("run queued again", f"run {run_id}") as write:
        run = write.session.get_one(Run, run_id)
        queued = write.session.get_one(Queued, run_id)
        run.status, run.reason, run.ended_at, run.progress = "queued", reason, None, None
        run.spec, run.identity, queued.request, queued.held = spec, identity, request, ""
        run.peak_gpu_bytes = None
        for name, value in params.items():
            write.session.merge(param_row(run_id, name, value))
        write.session.add_all([run, queued, RunNote(run_id=run_id, at=now, user=run.user, text=reason)])
        give_back(write, run_id, now)
        write.detail.update(reason=reason, params=dict(params))


def ask_again(shed: Shed, run_id: int, request: str) -> None:
    """A person has a run of theirs that ended started again; it waits for its turn as if it were new."""
    with shed.writing("run resumed", f"run {run_id}") as write:
        run = write.session.get_one(Run, run_id)
        if run.status in ("running", "queued"):
            raise UsageError(f"run {run_id} is {run.status}", expected="one that has ended")
        queued = write.session.get(Queued, run_id) or Queued(
            run_id=run_id, user=run.user, host=run.host, request=request, queued_at=0, gpus=1
        )
        last = write.session.exec(select(func.max(Queued.position)).where(Queued.user == run.user)).one()
        queued.request, queued.queued_at, queued.position = request, time.time(), (last or 0.0) + 1.0
        queued.held, queued.reserved_since = "", None
        queued.host = run.host = socket.gethostname()
        run.status, run.reason, run.ended_at, run.progress = "queued", "", None, None
        write.session.add(run)
        write.session.add(queued)


def call_off(shed: Shed, run_id: int, reason: str) -> bool:
    """Stop a run that waits; False when it waits no more."""
    with shed.writing("run stopped", f"run {run_id}") as write:
        run = write.session.get_one(Run, run_id)
        if run.status != "queued":
            write.action = "run not stopped"
            return False
        run.status, run.reason, run.ending, run.exit_code = "stopped", reason, "stopped", 130
        run.ended_at = time.time()
        write.session.add(run)
        write.detail.update(reason=reason)
    return True


def hold(shed: Shed, reasons: Mapping[int, str], reserved: Collection[int]) -> None:
    """Write down why runs wait, and since when devices are kept for them, where either has changed.

    A run that a higher priority passes for a moment keeps its place: it is `reserved` from then on until it starts.
    """

    def stale(queued: Queued) -> bool:
        newly = queued.run_id in reserved and queued.reserved_since is None
        return newly or queued.held != reasons[queued.run_id]

    query = select(Queued).where(col(Queued.run_id).in_(list(reasons)))
    with shed.reading() as session:
        if not any(stale(queued) for queued in session.exec(query)):
            return
    with shed.writing("queue looked at", "queue") as write:
        for queued in filter(stale, write.session.exec(query).all()):
            queued.held = reasons[queued.run_id]
            if queued.run_id in reserved and queued.reserved_since is None:
                queued.reserved_since = time.time()
            write.session.add(queued)


def move(shed: Shed, run_id: int, *, position: float | None = None, priority: int | None = None) -> None:
    """Give a waiting run another place among its user's runs, or another priority."""
    with shed.writing("run moved", f"run {run_id}") as write:
        queued = write.session.get_one(Queued, run_id)
        if position is not None:
            queued.position = position
        if priority is not None:
            queued.priority = priority
        write.session.add(queued)
        write.detail.update(position=position, priority=priority)
