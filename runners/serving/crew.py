"""The workers of an endpoint: each place filled, filled again when its process dies, and told what to serve."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners.serving.plan import Plan
from runners.serving.session import Version
from runners.serving.standing import WorkerStanding
from runners.supervision import processes
from storage.serve_section import ServeSection

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 30.0
SETTLED_S = 60.0  # a worker that has lived so long is well: the next pause is a short one again


@dataclass
class Place:
    """One worker's place. `digest` and `beside` are what its process says it serves; `due` when it may be filled
    again."""

    index: int
    process: subprocess.Popen[bytes] | None = None
    control: socket.socket | None = None
    identity: dict[str, Any] | None = None
    digest: str = ""
    beside: str = ""
    since: float = 0.0
    restarts: int = 0
    due: float = 0.0
    pause: float = FIRST_PAUSE_S
    unread: bytes = b""


@dataclass(frozen=True)
class Said:
    """What a worker told: that it serves a version, or why it does not; `beside`: as the second one."""

    place: Place
    digest: str
    refused: str = ""
    beside: bool = False


class Crew:
    """All workers of one endpoint. `revive` has orphaned workers bring up another supervisor."""

    def __init__(
        self, name: str, folder: Path, rules: ServeSection, listener: socket.socket, log: Any, *, revive: str
    ) -> None:
        self.places = [Place(index) for index in range(rules.workers)]
        self._name = name
        self._folder = folder
        self._rules = rules
        self._listener = listener
        self._log = log
        self._revive = revive
        self._plan: Plan | None = None

    def fill(self, version: Version) -> None:
        """Start a worker for every place that is empty, and due."""
        for place in self.places:
            if place.process is None and time.monotonic() >= place.due:
                self._start(place, version)

    def tell(self, version: Version) -> None:
        """Have every worker change over to this version."""
        for place in self.places:
            if place.control is not None:
                self._send(place, {"version": version.to_json()})

    def tell_beside(self, plan: Plan | None) -> None:
        """Have every worker serve a second version too, or none."""
        self._plan = plan
        for place in self.places:
            place.beside = ""
            if place.control is not None:
                self._send(place, {"beside": plan.to_json() if plan is not None else None})

    def listen(self) -> list[Said]:
        """What the workers have said since."""
        said = []
        for place in self.places:
            if place.control is None:
                continue
            with suppress(BlockingIOError, OSError):
                while data := place.control.recv(65536):
                    place.unread += data
            *lines, place.unread = place.unread.split(b"\n")
            for line in lines:
                told = json.loads(line)
                if told["said"] == "serving":
                    place.digest = told["digest"]
                elif told["said"] == "beside":
                    place.beside = told["digest"]
                said.append(Said(place, told["digest"], told.get("reason", ""), "beside" in told["said"]))
        return said

    def reap(self) -> list[str]:
        """Empty the places of workers that have died; says how they ended."""
        told = []
        for place in self.places:
            if place.process is None or place.process.poll() is None:
                continue
            code = place.process.returncode
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            if time.time() - place.since > SETTLED_S:
                place.pause = FIRST_PAUSE_S
            told.append(f"worker {place.process.pid} ended with {how}; another comes in {place.pause:g} s")
            place.due = time.monotonic() + place.pause
            place.pause = min(LONGEST_PAUSE_S, place.pause * 2)
            place.restarts += 1
            self._forget(place)
        return told

    def stop(self, grace_s: float) -> None:
        """End all workers: they answer what they have taken."""
        for place in self.places:
            if place.process is not None:
                place.process.terminate()
        deadline = time.monotonic() + grace_s
        for place in self.places:
            if place.process is not None:
                try:
                    place.process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    place.process.kill()
                    place.process.wait()
            self._forget(place)

    def standing(self) -> list[WorkerStanding]:
        return [
            WorkerStanding(place.identity, place.since, place.restarts, place.digest)
            for place in self.places
            if place.identity is not None
        ]

    def controls(self) -> list[socket.socket]:
        return [place.control for place in self.places if place.control is not None]

    def _start(self, place: Place, version: Version) -> None:
        ours, theirs = socket.socketpair()
        listener = self._listener.fileno()
        place.process = subprocess.Popen(
            [
                sys.executable, "-m", "runners.serving.worker", "--name", self._name, "--folder", str(self._folder),
                "--index", str(place.index), "--listen", str(listener), "--control", str(theirs.fileno()),
                "--rules", self._rules.model_dump_json(), "--shed", self._revive,
            ],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, pass_fds=[listener, theirs.fileno()],
            start_new_session=True, cwd="/", env={**os.environ, "OMP_NUM_THREADS": str(self._rules.threads)},
        )  # fmt: skip
        theirs.close()
        ours.setblocking(False)
        place.control, place.since, place.unread = ours, time.time(), b""
        place.identity = processes.identify(place.process.pid).to_json()
        self._send(place, {"version": version.to_json()})
        if self._plan is not None:
            self._send(place, {"beside": self._plan.to_json()})

    def _send(self, place: Place, told: dict[str, Any]) -> None:
        assert place.control is not None
        place.control.setblocking(True)
        place.control.settimeout(5)
        with suppress(OSError):  # it is dying; the next reaping will see it
            place.control.sendall(json.dumps(told).encode() + b"\n")
        place.control.setblocking(False)

    def _forget(self, place: Place) -> None:
        if place.control is not None:
            place.control.close()
        place.process = place.control = place.identity = None
        place.digest = place.beside = ""
