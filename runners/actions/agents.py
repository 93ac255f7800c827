"""The verbs of the agent: start, stop, look, install, and its log."""

from __future__ import annotations

import signal
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from runners.agency import session, starting
from runners.agency.home import Home, has_agent, identity_in
from runners.supervision import logs, processes
from runners.triggers import process
from storage.errors import RunFailed
from storage.read import queue as read_queue
from storage.read import triggers as read_triggers
from storage.shed import Shed, current_user
from storage.tables import Trigger

STOP_S = 10.0


@dataclass(frozen=True)
class AgentStatus:
    """The user's agent on this host.

    Attributes:
        pid: None where there is none; `watcher` that of the process that watches for triggers.
        waiting, at_work: the user's runs.
        watched: the triggers that it watches for, each with what it waits for or warns of.
    """

    pid: int | None
    since: float | None
    waiting: int
    at_work: int
    turned_off: bool
    log: Path
    warning: str
    watcher: int | None
    watched: list[Watched]


@dataclass(frozen=True)
class Watched:
    """A trigger that is watched for. `what`: the files, the cron line, the columns or the branch."""

    id: int
    project: str
    name: str
    on: str
    what: str
    note: str


def start(shed: Shed) -> bool:
    """Start the agent; False when one lives already. Raises RunFailed when it does not come up."""
    started = starting.ensure(shed)
    starting.wait_for_agent(shed)
    return started


def stop(shed: Shed) -> bool:
    """End the agent; its runs go on, and what waits goes on waiting. False when there is none.

    Raises:
        RunFailed: when it does not end.
    """
    home = Home(shed)
    home.off.touch()
    found = identity_in(home.identity)
    if not has_agent(shed) or found is None:
        return False
    processes.signal(found, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while has_agent(shed):
        if time.monotonic() > deadline:
            raise RunFailed(f"the agent (pid {found.pid}) does not end", todo=f"its log: {home.log}")
        time.sleep(0.02)
    return True


def status(shed: Shed) -> AgentStatus:
    home, user = Home(shed), current_user()
    alive = has_agent(shed)
    found = identity_in(home.identity) if alive else None
    return AgentStatus(
        pid=found.pid if found else None,
        since=home.identity.stat().st_mtime if found else None,
        waiting=sum(entry.run.user == user for entry in read_queue.waiting(shed)),
        at_work=sum(entry.run.user == user for entry in read_queue.holding(shed)),
        turned_off=home.off.exists() and not alive,
        log=home.log,
        warning=session.logout_kills(),
        watcher=watcher.pid if process.lives(shed) and (watcher := identity_in(home.watcher)) else None,
        watched=[_watched(trigger) for trigger in read_triggers.active(shed, user, socket.gethostname())],
    )


def _watched(trigger: Trigger) -> Watched:
    spec = trigger.spec
    if trigger.kind == "schedule":
        what = f"{spec.get('cron')} {spec.get('timezone', '')}".strip()
    elif trigger.kind == "new-data":
        what = f"the files of {trigger.project_dir}"
    elif trigger.kind == "code":
        what = f"commits of {trigger.project_dir}" + (f" on {spec['branch']}" if spec.get("branch") else "")
    else:
        what = ", ".join(spec.get("columns") or []) or f"what {trigger.project} is asked"
    return Watched(trigger.id or 0, trigger.project, trigger.name, trigger.kind, what, trigger.note)


def log(shed: Shed, lines: int) -> list[str]:
    """The last lines of the agent's log."""
    return logs.last_lines(Home(shed).log, lines)


def install(shed: Shed) -> Path:
    """See `runners.agency.session.install`."""
    return session.install(shed)
