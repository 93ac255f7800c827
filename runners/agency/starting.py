"""Bringing an agent to life where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from runners.agency.home import Home, has_agent
from storage.errors import RunFailed
from storage.shed import Shed

PATIENCE_S = 30.0
LOG_KEPT_BYTES = 1 << 20


def ensure(shed: Shed) -> bool:
    """Start the user's agent unless one lives; returns whether one was started. It looks at the queue at once."""
    home = Home(shed)
    home.off.unlink(missing_ok=True)
    if has_agent(shed):
        home.knock()
        return False
    start(shed, home)
    return True


def revive(shed: Shed) -> bool:
    """Start the user's agent again where it was killed; not where its user stopped it."""
    home = Home(shed)
    if home.off.exists() or has_agent(shed):
        return False
    start(shed, home)
    return True


def start(shed: Shed, home: Home) -> None:
    """Start an agent in a session of its own, which outlives whoever asks. Of two at once the second one ends."""
    if home.log.exists() and home.log.stat().st_size > LOG_KEPT_BYTES:
        home.log.replace(home.log.with_suffix(".old"))
    # One thread: the agent forks. Its supervisors leave arithmetic to the child.
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    with home.log.open("ab") as log:
        home.log.chmod(0o600)
        subprocess.Popen(
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
