"""Commands typed in tests: each in a process of its own, forked from one that has imported the command line already.

To start an interpreter and import costs most of a second of CPU before it looks at what was typed, and one run of the
tests types hundreds of times. Arguments, environment, directory, umask, streams, signals and end are a process's own.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
IMPORTED = (
    "app.batch",
    "app.commands.agent",
    "app.commands.alerts",
    "app.commands.data",
    "app.commands.exec",
    "app.commands.models",
    "app.commands.runs",
    "app.commands.sweep",
    "app.commands.triggers",
    "runners.actions.pipelines",
    "runners.actions.queueing",
    "runners.launching",
    "runners.loop",
)


class Forker:
    """A process that forks others; it ends with the one that made it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            subprocess.Popen(
                [sys.executable, "-m", "tests.forked", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            )

    def type(self, *words: str, cwd: Path, environment: Mapping[str, str], umask: int = -1) -> Typed:
        """Type `trainshed WORDS…` there."""
        stdout, writes = os.pipe()
        told, tells = os.pipe()
        stderr = os.memfd_create("stderr")
        request = {"words": words, "cwd": str(cwd), "environment": dict(environment), "umask": umask}
        socket.send_fds(self._socket, [json.dumps(request).encode()], [writes, stderr, tells])
        os.close(writes)
        os.close(tells)
        return Typed(stdout, stderr, told)


@functools.cache
def forker() -> Forker:
    """The one of this process."""
    return Forker()


class Typed:
    """A command that was typed, with what tests use of `subprocess.Popen`."""

    def __init__(self, stdout: int, stderr: int, told: int) -> None:
        self.stdout = os.fdopen(stdout)
        self.returncode: int | None = None
        self._stderr = os.fdopen(stderr, "rb")
        self._told = os.fdopen(told)
        self.pid = int(self._told.readline())

    def wait(self, timeout: float = 240) -> int:
        """Return its exit code; the signal that ended it, negative. Raises TimeoutError."""
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise TimeoutError(f"process {self.pid} still runs after {timeout:g} s")
            self.returncode = int(self._told.readline())
        return self.returncode

    def communicate(self, timeout: float = 240) -> tuple[str, str]:
        """Wait for its end; returns what is left of its stdout, and its stderr."""
        out = self.stdout.read()
        self.wait(timeout)
        return out, os.pread(self._stderr.fileno(), 1 << 24, 0).decode()  # the place in the file is the writer's

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.returncode is None and not select.select([self._told], [], [], 0)[0]:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def serve(requests: socket.socket) -> None:
    """Fork for every request, and tell each one's pid and how it ended, until nobody is left who asks."""
    for module in IMPORTED:
        importlib.import_module(module)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wakes)
    tells: dict[int, int] = {}
    sources: list[Any] = [requests, woken]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if woken in ready:
            os.read(woken, 1 << 16)
            tell_ends(tells)
        if requests not in ready:
            continue
        request, streams, _, _ = socket.recv_fds(requests, 1 << 20, 3)
        if not request:
            return
        stdout, stderr, told = streams
        pid = os.fork()
        if pid == 0:
            become(json.loads(request), [stdout, stderr])
        os.write(told, f"{pid}\n".encode())
        tells[pid] = told
        os.close(stdout)
        os.close(stderr)


def tell_ends(tells: dict[int, int]) -> None:
    """Tell of each child that has ended what its exit code is."""
    while tells:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        told = tells.pop(pid)
        os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os.close(told)


def become(request: dict[str, Any], streams: Sequence[int]) -> None:
    """Be the command that was typed, to its end; the interpreter itself is not taken down, which takes longest."""
    from app.cli import run

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
    os.closerange(3, 1024)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    if request["umask"] >= 0:
        os.umask(request["umask"])
    code = run(request["words"])
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
