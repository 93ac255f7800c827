"""`trainshed --batch` in the queue: it waits for devices as every run does, but starts itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from runners import leases, queue
from runners.agency.holds import hold_of, share_of
from runners.agency.state import situation
from runners.leases import Lease
from runners.pipeline import Context, Hold
from runners.supervision import processes
from storage.read import runs as read_runs
from storage.write import queue as write_queue

LOOK_S = 0.3


@contextmanager
def own_turn(context: Context) -> Iterator[Hold]:
    """Wait until the queue gives this run its devices, and hold them while entered. Why it waits is told as notes."""
    lease = _granted(context)
    try:
        yield hold_of(lease)
    finally:
        lease.release()
        write_queue.devices_back(context.shed, context.run_id)


def _granted(context: Context) -> Lease:
    shed, run_id = context.shed, context.run_id
    write_queue.wait_in_foreground(shed, run_id, context.spec.train.gpus)
    told = ""
    while True:
        run = read_runs.run(shed, run_id)
        if run.status != "queued":
            raise KeyboardInterrupt(run.reason)
        found = situation(shed, time.time())
        choice = queue.choose(found.waiting, found.holding, found.slots, found.hours, found.limits, found.now)
        for start in choice.starts:
            if start.run_id == run_id:
                lease = leases.take(shed, run_id, start.devices, memory=None, user=context.run.user)
                if lease is not None:
                    me = processes.identify_self().to_json()
                    write_queue.granted(shed, run_id, me, lease.devices, share_of(shed, lease), begun=True)
                    return lease
        held = choice.held.get(run_id, "")
        if held and held != told:
            told = held
            context.tell({"event": "note", "text": f"waits for its turn: {held}"})
            write_queue.hold(shed, {run_id: held}, set(choice.reserved))
        time.sleep(LOOK_S)
