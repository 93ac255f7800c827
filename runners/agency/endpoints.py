"""Endpoints that should run and do not: after a reboot, or when supervisor and workers were killed together."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from dataclasses import dataclass

from runners.serving.standing import lock_name
from storage.read import endpoints as read_endpoints
from storage.shed import Shed, current_user
from storage.tables import Endpoint

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
COMING_UP_S = 30.0  # one that was asked for so lately is on its way
GRACE_S = 5.0  # its workers bring up another supervisor themselves
SETTLED_S = 60.0  # one that has run so long is well: the next pause is a short one again


@dataclass
class _Tried:
    """When an endpoint was started last, the pause after it, and its process."""

    at: float
    pause: float
    process: subprocess.Popen[bytes]


class Endpoints:
    """Brings this user's endpoints on this host back, each after a longer pause than the time before."""

    def __init__(self, shed: Shed) -> None:
        self._shed = shed
        self._tried: dict[str, _Tried] = {}
        self._alone_since: dict[str, float] = {}

    def look(self) -> tuple[bool, list[str]]:
        """Whether any is wanted, and the names of those that were started just now."""
        wanted = [endpoint.name for endpoint in read_endpoints.every(self._shed) if _is_ours(endpoint)]
        for tried in self._tried.values():
            tried.process.poll()  # or it stays a zombie
        started = [name for name in wanted if self._is_alone(name) and self._is_due(name)]
        for name in started:
            self._start(name)
        return bool(wanted), started

    def _is_alone(self, name: str) -> bool:
        """Whether nobody has looked after it for a while."""
        if self._supervised(name):
            self._alone_since.pop(name, None)
            return False
        return time.monotonic() - self._alone_since.setdefault(name, time.monotonic()) > GRACE_S

    def _supervised(self, name: str) -> bool:
        with self._shed.lock(lock_name(name), wait=False, shared=True) as free:
            return not free

    def _is_due(self, name: str) -> bool:
        tried = self._tried.get(name)
        return tried is None or (time.monotonic() >= tried.at + tried.pause and tried.process.poll() is not None)

    def _start(self, name: str) -> None:
        before, now = self._tried.get(name), time.monotonic()
        pause = FIRST_PAUSE_S
        if before is not None and now - before.at < before.pause + SETTLED_S:
            pause = min(LONGEST_PAUSE_S, before.pause * 2)
        log = self._shed.endpoint_dir(name) / "log.txt"
        with log.open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "runners.serving.process", "--shed", str(self._shed.root), "--name", name],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                cwd="/",
            )
        self._tried[name] = _Tried(now, pause, process)


def _is_ours(endpoint: Endpoint) -> bool:
    """Whether it should run here, on its own: one that somebody runs in a terminal ends with that."""
    return (
        endpoint.wanted == "running"
        and endpoint.user == current_user()
        and endpoint.host == socket.gethostname()
        and not endpoint.supervisor.get("foreground")
        and time.time() - (endpoint.started_at or 0.0) > COMING_UP_S
    )
