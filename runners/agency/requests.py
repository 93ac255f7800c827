"""What a person asked their agent to run, kept in that person's own directory.

Everybody in the group may write to the shed; a row there is no order to anybody's agent. It names a request by its
hash, and the agent carries out what the request says, if its own user wrote one.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from blake3 import blake3

from runners.agency.home import Home
from storage.durable import write_whole
from storage.errors import RunFailed
from storage.names import checked_name

TERMINAL_ONLY = ("TMUX", "TMUX_PANE", "STY", "WINDOW", "TERM_SESSION_ID", "SSH_TTY", "SHLVL", "_", "OLDPWD")


@dataclass(frozen=True)
class Request:
    """A pipeline (known by what it froze) or a command line with its working directory, and the environment of both."""

    identity: str
    command: list[str]
    cwd: str
    env: dict[str, str]
    at: float = field(default_factory=time.time)
    nonce: str = field(default_factory=lambda: uuid.uuid4().hex)


def of_pipeline(identity: str, env: Mapping[str, str]) -> Request:
    return Request(identity, [], "", _kept(env))


def of_command(command: list[str], cwd: Path, env: Mapping[str, str]) -> Request:
    text = json.dumps([command, str(cwd)])
    return Request(blake3(text.encode()).hexdigest(), command, str(cwd), _kept(env))


def keep(home: Home, request: Request) -> str:
    """Write the request down, readable by its user alone; returns its digest."""
    data = json.dumps(asdict(request), sort_keys=True).encode()
    digest = blake3(data).hexdigest()
    write_whole(home.requests / f"{digest}.json", data, mode=0o600)
    return digest


def find(home: Home, digest: str) -> Request:
    """The request with this digest.

    Raises:
        RunFailed: when this user never made one, or it was changed since.
    """
    path = home.requests / f"{checked_name(digest, 'request')}.json"
    try:
        data = path.read_bytes()
        mine = path.stat().st_uid == os.geteuid()
    except OSError:
        data, mine = b"", False
    if not mine or blake3(data).hexdigest() != digest:
        raise RunFailed(
            "there is no such request of this user", place=str(path), todo="launch it again: `trainshed runs requeue`"
        )
    return Request(**json.loads(data))


def forget(home: Home, digest: str) -> None:
    """The run has ended for good: its environment, secrets and all, need not lie about."""
    (home.requests / f"{checked_name(digest, 'request')}.json").unlink(missing_ok=True)


def _kept(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name not in TERMINAL_ONLY}
