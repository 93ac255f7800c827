"""Real processes that take leases, told what to do line by line, so that tests can race, kill and outlive them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runners.gpus import Reading

REPO = Path(__file__).parents[1]
CODE = """
import json, subprocess, sys
from pathlib import Path
from runners import leases
from runners.gpus import Reading
from storage.shed import open_shed

shed, lease, child = open_shed(Path(sys.argv[1])), None, None
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    verb, *rest = json.loads(line)
    told = None
    if verb == "take":
        run, user, devices, memory, total = rest
        readings = [Reading(index, "card", "", total, 0, total) for index in range(8)] if total else []
        lease = leases.take(shed, run, devices, memory=memory, user=user, readings=readings)
        told = lease is not None
    elif verb == "release":
        lease.release()
    elif verb == "child":
        pause = [sys.executable, "-c", "import signal; print(flush=True); signal.pause()"]
        child = subprocess.Popen(pause, pass_fds=lease.fds, start_new_session=True, stdout=subprocess.PIPE)
        child.stdout.readline()
        told = child.pid
    print(json.dumps(told), flush=True)
"""


class Lessee:
    """A process with at most one lease."""

    def __init__(self, shed: Path, *, user: str = "ana") -> None:
        self.user = user
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, str(shed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPO,
            umask=0o077,
        )
        assert self.hear() == "ready"

    def tell(self, *words: Any) -> None:
        """Say what to do; `hear` gives what came of it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()

    def hear(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def ask_for(
        self, devices: Sequence[str] = ("cpu0",), memory: int | None = None, *, run: int = 1, total: int | None = None
    ) -> None:
        """Begin to take a lease. `total`: the memory of every GPU."""
        self.tell("take", run, self.user, list(devices), memory, total)

    def take(self, *args: Any, **how: Any) -> bool:
        self.ask_for(*args, **how)
        return bool(self.hear())

    def release(self) -> None:
        self.tell("release")
        self.hear()

    def start_child(self) -> int:
        """Start a process that inherits the lease, in a session of its own; returns its pid."""
        self.tell("child")
        return int(self.hear())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def card(index: int = 0, *, total: int | None = 80_000_000_000, used: int = 0, **more: Any) -> Reading:
    """A GPU as NVML might tell of it. It has no UUID, so nothing outside the test's own shed is locked for it."""
    free = total - used if total is not None else None
    return Reading(index, "card", "", total, used, free, **more)
