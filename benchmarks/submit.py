"""From a command handed in to its first line, and from a killed agent to the next one that has its run.

The floor is the same command as a bare subprocess; task-spooler is a peer where `tsp` is installed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import Row

TIMES = 15
KILLS = 5
PATIENCE_S = 30.0
TELL = 'import sys, time; open(sys.argv[1], "a").write(str(time.time()) + "\\n")'


def measure() -> list[Row]:
    """Milliseconds to the first line, and seconds to the next agent; medians."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["XDG_STATE_HOME"] = str(root / "state")
        with _agent(root) as (warm, cold):
            floor = _median(lambda command: subprocess.run(command, check=True), root, "bare")
            peers = {}
            if shutil.which("tsp"):
                peers["task-spooler"] = _median(
                    lambda command: subprocess.run(["tsp", *command], check=True), root, "t"
                )
            ours, typed = _median(warm, root, "warm"), _median(cold, root, "cold")
            readopted = _readopted(root, warm)
    return [
        _row("submit → the command's first line, from a door that is open", ours, floor, peers, "≤ 150 ms"),
        _row("the same, typed: `trainshed exec -- …`", typed, floor, peers, "≤ 150 ms"),
        {
            "what": "kill -9 of the agent → the next one looks after its run",
            "ours": readopted,
            "floor": None,
            "peers": {},
            "goal": "≤ 5 s",
            "unit": "s",
        },
    ]


def _row(what: str, ours: float, floor: float, peers: dict[str, float], goal: str) -> Row:
    return {"what": what, "ours": ours, "floor": floor, "peers": peers, "goal": goal, "unit": "ms"}


@contextmanager
def _agent(root: Path) -> Iterator[tuple[Callable[[list[str]], object], Callable[[list[str]], object]]]:
    """Ways to hand a command in while an agent lives: by a call in this process, and as a person types it."""
    from runners.actions import agents, queueing
    from storage.shed import open_shed

    shed = open_shed(root / "shed")
    (shed.root / "settings.toml").write_text("[queue]\ncpu_slots = 2\n")
    agents.start(shed)
    typed = [sys.executable, "-m", "app.cli", "--shed", str(shed.root), "exec", "--json", "--"]
    try:
        yield (
            lambda command: queueing.execute(shed, command, cwd=root),
            lambda command: subprocess.run([*typed, *command], check=True, stdout=subprocess.DEVNULL),
        )
    finally:
        agents.stop(shed)


def _median(submit: Callable[[list[str]], object], root: Path, name: str) -> float:
    took = []
    for number in range(TIMES):
        path = root / f"{name}{number}"
        began = time.time()
        submit([sys.executable, "-S", "-c", TELL, str(path)])
        took.append((_first_line(path) - began) * 1000)
    return statistics.median(took)


def _readopted(root: Path, submit: Callable[[list[str]], object]) -> float:
    from runners.actions import queueing
    from storage.read import queue as read_queue
    from storage.shed import open_shed

    shed = open_shed(root / "shed")
    submit(["sleep", "600"])
    _until(lambda: bool(read_queue.holding(shed)))
    (identity,) = root.glob("state/trainshed/agents/*/agent.json")
    took = []
    for _ in range(KILLS):
        before = identity.read_text()
        began = time.monotonic()
        os.kill(json.loads(before)["pid"], signal.SIGKILL)
        _until(lambda before=before: identity.read_text() != before)  # type: ignore[misc]
        took.append(time.monotonic() - began)
    queueing.stop(shed, [entry.queued.run_id for entry in read_queue.holding(shed)], grace_s=0)
    _until(lambda: not read_queue.holding(shed))
    return statistics.median(took)


def _first_line(path: Path) -> float:
    _until(lambda: path.exists() and path.read_text().endswith("\n"))
    return float(path.read_text())


def _until(condition: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not come")
        pause.wait(0.002)
