"""What a logout does to processes that should go on, and a systemd unit that starts the agent at boot."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import sys
from pathlib import Path

from runners.agency.home import Home
from storage.errors import RunFailed
from storage.shed import Shed

PATIENCE_S = 5.0
UNIT = """\
[Unit]
Description=trainshed agent for {shed}

[Service]
ExecStart={python} -m runners.agent --shed {shed}
WorkingDirectory=/
Environment=OPENBLAS_NUM_THREADS=1
Restart=on-failure
# Runs outlive the agent: stopping the unit ends the agent alone.
KillMode=process

[Install]
WantedBy=default.target
"""


def logout_kills() -> str:
    """Why runs would not survive a logout here, and what helps; empty where they do, or where nobody can tell."""
    user = getpass.getuser()
    kills = _asked(
        "busctl", "get-property", "org.freedesktop.login1", "/org/freedesktop/login1",
        "org.freedesktop.login1.Manager", "KillUserProcesses",
    )  # fmt: skip
    if kills != "b true" or _asked("loginctl", "show-user", user, "--property=Linger", "--value") == "yes":
        return ""
    return f"logging out ends your runs on this machine; `loginctl enable-linger {user}` keeps them"


def install(shed: Shed) -> Path:
    """Write a systemd user unit for this shed's agent and enable it; returns its path.

    Raises:
        RunFailed: where there is no systemd for users, with the unit's text to place by hand.
    """
    text = UNIT.format(python=quoted(sys.executable), shed=quoted(str(shed.root)))
    return enabled(
        f"trainshed-agent-{Home(shed).root.name}.service",
        text,
        todo="the unit is written; without systemd the agent starts by itself at the next launch",
    )


def enabled(unit: str, text: str, *, todo: str, now: bool = True) -> Path:
    """Write a systemd user unit of this name and enable it, and start it `now`; returns its path.

    Raises:
        RunFailed: where there is no systemd for users; `todo` is what to do then.
    """
    path = Path.home() / ".config" / "systemd" / "user" / unit
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as err:
        raise RunFailed(f"the unit cannot be written: {err.strerror}", place=str(path)) from err
    for words in (("daemon-reload",), ("enable", *(["--now"] if now else []), unit)):
        done = _run("systemctl", "--user", *words)
        if done is None or done.returncode != 0:
            why = done.stderr.strip().splitlines()[-1:] if done is not None else ["no systemctl here"]
            raise RunFailed(
                f"systemd does not take it: {' '.join(why)}",
                place=str(path),
                todo=todo,
            )
    return path


def quoted(text: str) -> str:
    """A word of a unit's command line."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def _asked(*command: str) -> str:
    done = _run(*command)
    return done.stdout.strip() if done is not None and done.returncode == 0 else ""


def _run(*command: str) -> subprocess.CompletedProcess[str] | None:
    if shutil.which(command[0]) is None:
        return None
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
