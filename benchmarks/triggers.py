"""From a file that is closed to the run that learns from it, and what the whole loop costs beyond the training itself.

The floor is what watchdog needs to tell of a closed file. The quiet time that a project asks for is left out of all.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import Row

if TYPE_CHECKING:
    from storage.read.triggers import FiringRow
    from storage.shed import Shed

FILES = 5
ROWS = 50
QUIET_S = 0.2
PATIENCE_S = 60.0
TRIGGER = f"""
[[trigger]]
on = "new-data"
quiet_seconds = {QUIET_S}
most_a_day = 100
most_in_a_row = 100
"""


def measure() -> list[Row]:
    """Milliseconds to the queue and to the start, and seconds of the loop beyond the training; medians."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["XDG_STATE_HOME"] = str(root / "state")
        floor = _event(root)
        queued, started, beyond, training = _loops(root)
    return [
        _row("file closed → run queued, after the quiet time", queued * 1000, floor * 1000, "≤ 500 ms", "ms"),
        _row("file closed → run started, after the quiet time", started * 1000, floor * 1000, "", "ms"),
        _row("file closed → the gate's verdict, beyond the training", beyond, training, "", "s"),
    ]


def _row(what: str, ours: float, floor: float, goal: str, unit: str) -> Row:
    return {"what": what, "ours": ours, "floor": floor, "peers": {}, "goal": goal, "unit": unit}


def _loops(root: Path) -> tuple[float, float, float, float]:
    """Drop files one by one into a small project, each once the one before has been carried through."""
    from runners.actions import agents, projects, triggers
    from storage.read import runs as read_runs
    from storage.shed import open_shed

    shed = open_shed(root / "shed")
    project = projects.create(root / "project", "table").folder
    path = project / "trainshed.toml"
    path.write_text(path.read_text() + TRIGGER)
    header, *lines = next((project / "data").glob("*.csv")).read_text().splitlines()
    triggers.add(shed, project)
    queued, started, beyond, training = [], [], [], []
    try:
        for number in range(FILES):
            some = lines[number * ROWS : (number + 1) * ROWS]
            closed_at = _drop(project / "data" / f"new-{number}.csv", [header, *some])
            row = _carried_through(shed, number + 1)
            assert row.firing.run_id is not None and row.firing.ended_at is not None
            run = read_runs.run(shed, row.firing.run_id)
            stages = {stage.name: stage for stage in read_runs.stages(shed, row.firing.run_id)}
            trained = (stages["train"].ended_at or 0) - (stages["train"].started_at or 0)
            queued.append(run.created_at - closed_at - QUIET_S)
            started.append((run.started_at or 0) - closed_at - QUIET_S)
            beyond.append(row.firing.ended_at - closed_at - QUIET_S - trained)
            training.append(trained)
    finally:
        triggers.pause(shed, "new-data")
        agents.stop(shed)
    return statistics.median(queued), statistics.median(started), statistics.median(beyond), statistics.median(training)


def _drop(path: Path, lines: list[str]) -> float:
    """Write a file; returns when it was closed (seconds since the epoch)."""
    path.write_text("\n".join(lines) + "\n")
    return time.time()


def _carried_through(shed: Shed, count: int) -> FiringRow:
    from storage.read import triggers as read_triggers

    deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
    while True:
        found = [row for row in read_triggers.history(shed) if row.firing.decision == "retrain"]
        if len(found) == count and found[0].firing.status == "done":
            return found[0]
        if time.monotonic() > deadline:
            raise TimeoutError("the trigger did not carry it through")
        pause.wait(0.02)


def _event(root: Path) -> float:
    """Seconds from a file that is closed to watchdog's event of it; the median."""
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    folder, told = root / "bare", threading.Event()
    folder.mkdir()

    class Handler(FileSystemEventHandler):
        def on_closed(self, event: FileSystemEvent) -> None:
            told.set()

    observer = Observer()
    observer.schedule(Handler(), str(folder))
    observer.start()
    took = []
    for number in range(FILES):
        told.clear()
        (folder / str(number)).write_text("x")
        began = time.perf_counter()
        told.wait(PATIENCE_S)
        took.append(time.perf_counter() - began)
    observer.stop()
    observer.join()
    return statistics.median(took)
