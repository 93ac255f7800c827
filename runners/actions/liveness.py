"""Whether a run that is said to be running really is."""

from __future__ import annotations

import socket
import time

from runners.supervision import processes
from runners.supervision.childfile import Child
from storage.shed import Shed
from storage.tables import Run

JUST_MADE_S = 60.0
SILENT_S = 86400.0  # a run of another host without a heartbeat for so long is at work no more


def supervised(run: Run) -> bool:
    """Whether the run's supervisor lives; of a run of another host, whether it gave a sign lately."""
    if run.host != socket.gethostname():
        return time.time() - (run.heartbeat_at or run.created_at) < SILENT_S
    if not run.supervisor:  # it is written down right after the run is
        return time.time() - run.created_at < JUST_MADE_S
    try:
        return processes.alive(processes.Identity.from_json(run.supervisor))
    except (KeyError, TypeError, ValueError):
        return True  # it cannot be told


def at_work(shed: Shed, run: Run) -> bool:
    """Whether anything of the run lives: its supervisor, or a child that this left behind."""
    if run.status != "running":
        return False
    if supervised(run):
        return True
    try:
        child = Child.read(shed.run_dir(run.id or 0))
        identity = child.find() if child is not None else None
    except (KeyError, TypeError, ValueError):
        return True
    return identity is not None and processes.alive(identity)
