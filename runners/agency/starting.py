"""Bringing an agent to life where there is none."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time

from runners.agency.home import Home, has_agent, identity_in
from runners.supervision.processes import Identity, alive, identify
from storage.errors import RunFailed
from storage.shed import Shed

PATIENCE_S = 30.0
LOG_KEPT_BYTES = 1 << 20


def ensure(shed: Shed) -> bool:
    """Start the user's agent unless one lives; returns whether one was started. It looks at the queue at once."""
    home = Home(shed)
    home.off.unlink(missing_ok=True)
    started = _started_unless_there(shed, home)
    if not started:
        home.knock()
    return started


def revive(shed: Shed) -> bool:
    """Start the user's agent again where it was killed; not where its user stopped it."""
    home = Home(shed)
    return not home.off.exists() and _started_unless_there(shed, home)


def _started_unless_there(shed: Shed, home: Home) -> bool:
    """Many may notice at once that there is no agent: one of them starts it, and it is given time to come up."""
    if has_agent(shed):
        return False
    fd = os.open(home.root / "coming", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        if has_agent(shed) or _is_coming_up(home, os.pread(fd, 4096, 0)):
            return False
        identity = identify(_start(shed, home).pid)
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps({**identity.to_json(), "at": time.time()}).encode(), 0)
    finally:
        os.close(fd)
    return True


def _is_coming_up(home: Home, data: bytes) -> bool:
    """Whether the agent that was started last is still on its way: one that came up before may just be ending."""
    try:
        told = json.loads(data)
        started, ago = Identity.from_json(told), time.time() - told["at"]
    except (ValueError, KeyError, TypeError):
        return False
    return ago < PATIENCE_S and alive(started) and started != identity_in(home.identity)


def _start(shed: Shed, home: Home) -> subprocess.Popen[bytes]:
    """An agent in a session of its own, which outlives whoever asks for it."""
    if home.log.exists() and home.log.stat().st_size > LOG_KEPT_BYTES:
        home.log.replace(home.log.with_suffix(".old"))
    # One thread: the agent forks. Its supervisors leave arithmetic to the child.
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    with home.log.open("ab") as log:
        home.log.chmod(0o600)
        return subprocess.Popen(
            [sys.executable, "-m", "runners.agent", "--shed", str(shed.root)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=env,
            start_new_session=True,
        )


def wait_for_agent(shed: Shed) -> None:
    """Return once the agent has begun.

    Raises:
        RunFailed: when it does not come up.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not has_agent(shed):
        if time.monotonic() > deadline:
            raise RunFailed("the agent does not come up", todo=f"its log says why: {Home(shed).log}")
        time.sleep(0.02)
