"""An agent's own directory, private to its user, one for each shed: its requests, its log, the way to wake it."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from pathlib import Path

from blake3 import blake3
from platformdirs import user_state_path

from runners.supervision.processes import Identity
from storage.errors import ShedError
from storage.shed import Shed, current_user


class Home:
    """The paths in it. It is 0700: what an agent runs is what stands here, so nobody else may write it."""

    def __init__(self, shed: Shed) -> None:
        """Find the directory and make it on first use.

        Raises:
            ShedError: when it cannot be made, or belongs to somebody else.
        """
        name = blake3(str(shed.root.resolve()).encode()).hexdigest()[:16]
        self.root = user_state_path("trainshed") / "agents" / name
        self.requests = self.root / "requests"
        self.log = self.root / "agent.log"
        self.identity = self.root / "agent.json"  # which process the agent is
        self.watcher = self.root / "triggers.json"  # which process watches for triggers
        self.wake = self.root / "wake"
        self.off = self.root / "off"  # while it is there, nothing but its user starts the agent
        try:
            self.requests.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o700)
            with suppress(FileExistsError):
                os.mkfifo(self.wake, 0o600)
        except OSError as err:
            raise ShedError(f"cannot make a directory of your own: {err.strerror}", place=str(self.root)) from err
        if self.root.stat().st_uid != os.geteuid():
            raise ShedError("this directory belongs to somebody else", place=str(self.root))

    def knock(self) -> None:
        """Have a sleeping agent look at once; nothing happens where there is none."""
        with suppress(OSError):
            fd = os.open(self.wake, os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(fd, b"!")
            finally:
                os.close(fd)


def lock_name(user: str | None = None, host: str | None = None) -> str:
    """The name of the lock that a user's agent on a host holds in the shed as long as it lives."""
    return f"agent-{user or current_user()}-{host or socket.gethostname()}"


def has_agent(shed: Shed, user: str | None = None) -> bool:
    """Whether a user's agent lives on this host."""
    path = shed.locks / lock_name(user)
    if not path.exists():
        return False
    with shed.lock(lock_name(user), wait=False, shared=True) as free:
        return not free


def identity_in(path: Path) -> Identity | None:
    """The process that a file names; None where there is no such file."""
    try:
        return Identity.from_json(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
