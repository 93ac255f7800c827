"""Runs that are said to be running and have no supervisor: what became of them, and what is to be done."""

from __future__ import annotations

from typing import Literal

from runners.supervision.childfile import Child
from runners.supervision.outcome import read_result
from runners.supervision.processes import Identity, alive, boot_id
from storage.read import queue as read_queue
from storage.shed import Shed
from storage.tables import Run
from storage.write import queue as write_queue
from storage.write import runs as write_runs

Verdict = Literal["supervised", "adopt", "settled", "not ours"]
MOST_ATTEMPTS_LOST = 5  # a run whose supervisors keep being killed is not started for ever


def look_after(shed: Shed, run: Run) -> Verdict:
    """Decide about one run of this user and host that is said to be running.

    `adopt`: a new supervisor must take it over, for its child lives or has left its result. `settled`: nothing of it
    is left; it waits in the queue again, or has failed, with the reason.
    """
    assert run.id is not None
    entry = read_queue.entry(shed, run.id)
    if entry is None or not entry.queued.request:  # somebody's `--batch`: the same command takes it up again
        return "not ours"
    identity = _supervisor_of(run)
    if identity is not None and alive(identity):
        return "supervised"
    child = Child.read(shed.run_dir(run.id))
    if child is not None and child.attempt == run.attempt and _child_counts(shed, run, child):
        return "adopt"
    rebooted = identity is not None and identity.boot != boot_id()
    reason = "interrupted by a reboot" if rebooted else "its supervisor was killed"
    ending = "reboot" if rebooted else "lost"
    if entry.queued.retries > 0:
        write_queue.back_to_queue(shed, run.id, reason, spend_retry=True)
    elif not rebooted and child is None and run.attempt < MOST_ATTEMPTS_LOST:
        write_queue.back_to_queue(shed, run.id, reason, spend_retry=False)  # none of the user's code was lost
    else:
        todo = f"`trainshed runs resume {run.id}` goes on from the last checkpoint"
        write_runs.finish(shed, run.id, "failed", 1, f"{reason}; {todo}", ending=ending)
    return "settled"


def _supervisor_of(run: Run) -> Identity | None:
    try:
        return Identity.from_json(run.supervisor)
    except (KeyError, TypeError, ValueError):
        return None


def _child_counts(shed: Shed, run: Run, child: Child) -> bool:
    """Whether the child still lives, or went on to its result without a supervisor."""
    assert run.id is not None
    if child.ended is not None:  # the supervisor saw it end, and went on to the next stage
        return run.kind == "pipeline" and child.ended.exit_code == 0
    directory = shed.run_dir(run.id)
    results = (directory / "train", directory / "out")
    return alive(child.find()) or any(read_result(out) is not None for out in results)
