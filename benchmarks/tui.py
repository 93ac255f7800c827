"""The terminal UI from a pseudo-terminal: first picture, key to frame, what it sends while little or nothing happens.

10,000 runs, the newest eight at work, one of those logging three curves; 80 by 24. The floor is an empty Textual app,
nvitop and htop are peers where they are installed. Bytes and time are counted at the terminal's end of the line.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import Row
from benchmarks.peers import ROOT, interpreter
from runners.gpus import driver
from tests.terminal import TRAINSHED, Terminal, terminal

EMPTY = """
from textual.app import App
from textual.widgets import Label

class Empty(App):
    def compose(self):
        yield Label("a label")

Empty().run()
"""
STARTS = 9
KEYS = 150
IDLE_S = 20.0
SETTLE_S = 4.0
REST_S = 20.0  # by then the look for garbage after the last key is over
LIVE = 8
CURVES = 3
REPORT_S = 2.0  # between two rows of progress of a run at work, as a supervisor writes them
STEPS_PER_S = 10
ROWS = 10_000_000


def measure() -> list[Row]:
    os.chdir(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        ours = _many_runs(root)
        empty = [sys.executable, "-c", EMPTY]
        first, floor, peers = _first_pictures(ours, empty, root)
        idle, key = _idle_and_keys(ours, root)
        still = {name: _idle(command, root) for name, command in _peers().items()}
        rows = [
            _row("first picture at 80×24, 10,000 runs", first, floor, peers, "≤ 2× an empty Textual app", "ms"),
            _row("key → frame, p99: 10,000 runs, 8 at work", key, None, {}, "≤ 30 ms", "ms"),
            _row("sent while nothing happens", idle[0], 0.0, {n: f[0] for n, f in still.items()}, "0", "B/s"),
            _row("processor while nothing happens", idle[1], None, {n: f[1] for n, f in still.items()}, "≈ 0", "%"),
            _row("processor, 8 at work in view that report", _reported(ours, root), None, {}, "", "%"),
            _row("sent with three live curves", _live(ours, root), None, {}, "≤ 1,024", "B/s"),
        ]
        return [*rows, *_rows_of_a_dataset(root)]


def _row(what: str, ours: float, floor: float | None, peers: dict[str, float], goal: str, unit: str) -> Row:
    return {"what": what, "ours": ours, "floor": floor, "peers": peers, "goal": goal, "unit": unit}


def _peers() -> dict[str, list[str]]:
    found = {}
    python = interpreter("nvitop")
    if python and driver() is not None:  # without a GPU it only says so
        found["nvitop"] = [python, "-m", "nvitop"]
    if htop := shutil.which("htop"):
        found["htop"] = [htop]
    return found


def _first_pictures(ours: list[str], empty: list[str], root: Path) -> tuple[float, float, dict[str, float]]:
    """Medians in milliseconds; ours and the floor in turn, since a machine has moods."""
    mine, floor = [], []
    for _ in range(STARTS):
        mine.append(_until_seen(ours, "Home", root))
        floor.append(_until_seen(empty, "a label", root))
    peers = {
        name: statistics.median(_until_seen(command, "", root) for _ in range(3)) for name, command in _peers().items()
    }
    return statistics.median(mine), statistics.median(floor), peers


def _until_seen(command: Sequence[str], text: str, root: Path) -> float:
    """Milliseconds until a text has come; of a program of others until it has drawn as much as a screen has lines."""
    began = time.perf_counter()
    with terminal(command, cwd=root) as opened:
        while text.encode() not in opened.sent or len(opened.sent) < (0 if text else 2000):
            opened.read(1.0)
        return (time.perf_counter() - began) * 1000


def _idle_and_keys(ours: list[str], root: Path) -> tuple[tuple[float, float], float]:
    with terminal(ours, cwd=root) as opened:
        opened.until("1 Home", "cpu")
        opened.type("3")
        opened.until("status")
        opened.quiet(SETTLE_S)
        times = []
        for number in range(KEYS):
            began = time.perf_counter()
            opened.type("k" if number % 10 > 7 else "j")
            opened.read(1.0)
            times.append((time.perf_counter() - began) * 1000)
            opened.quiet(0.05)
        opened.type("/")
        opened.quiet(1.0)
        opened.type("status=done\r")  # of a run at work the seconds go on
        return _watched(opened), statistics.quantiles(times, n=100)[98]


def _idle(command: Sequence[str], root: Path) -> tuple[float, float]:
    with terminal(command, cwd=root) as opened:
        return _watched(opened)


def _watched(opened: Terminal) -> tuple[float, float]:
    """Bytes a second, and percent of one core, while nobody touches it."""
    opened.quiet(REST_S)
    before = _processor_s(opened.pid)
    told = opened.quiet(IDLE_S)
    return len(told) / IDLE_S, 100 * (_processor_s(opened.pid) - before) / IDLE_S


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _reported(ours: list[str], root: Path) -> float:
    """Percent of one core while eight runs in the list tell how far they are."""
    with _reporting(root), terminal(ours, cwd=root) as opened:
        opened.until("1 Home", "cpu")
        opened.type("3")
        opened.until("status")
        return _watched(opened)[1]


@contextmanager
def _reporting(root: Path) -> Iterator[None]:
    """The runs at work write down their progress, in turn."""
    from benchmarks.run_table import RUNS

    code = f"""
import sys, time
from pathlib import Path
from storage.shed import open_shed
from storage.write import runs
shed, steps = open_shed(Path(sys.argv[1])), 0
while True:
    for run_id in range({RUNS - LIVE + 1}, {RUNS + 1}):
        steps += 1
        runs.progress(shed, run_id, {{}}, steps % 1000 / 1000, f"step {{steps}}")
        time.sleep({REPORT_S / LIVE})
"""
    process = subprocess.Popen([sys.executable, "-c", code, str(root / "shed")], cwd=ROOT)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _live(ours: list[str], root: Path) -> float:
    """Bytes a second of a run's page while three curves grow."""
    with _logging(root) as run_id, terminal(ours, cwd=root) as opened:
        opened.until("1 Home", "cpu")
        opened.type(":")
        opened.until("go to")
        opened.type(f"{run_id}\r")
        opened.until("train/loss")
        opened.quiet(SETTLE_S)
        return len(opened.quiet(IDLE_S)) / IDLE_S


@contextmanager
def _logging(root: Path) -> Iterator[int]:
    """A run whose series grow, as a training loop's do."""
    from benchmarks.run_table import RUNS
    from storage.shed import open_shed

    run_id = RUNS
    code = f"""
import math, sys, time
from runners.userside.series import Writer
writer, step = Writer(sys.argv[1]), 0
while True:
    step += 1
    writer.log({{"train/loss": 1 / step ** 0.3, "val/auroc": 1 - 1 / step ** 0.2, "lr": math.sin(step / 50)}}, step)
    time.sleep(1 / {STEPS_PER_S})
"""
    folder = open_shed(root / "shed").run_dir(run_id) / "metrics"
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], cwd=ROOT)
    try:
        yield run_id
    finally:
        process.kill()
        process.wait()


def _many_runs(root: Path) -> list[str]:
    """A shed with 10,000 runs, the newest eight at work. Returns the command that shows it."""
    from sqlalchemy import update

    from benchmarks.run_table import RUNS, fill
    from runners.supervision import processes
    from storage.tables import Run

    shed, _ = fill(root)
    now, supervisor = time.time(), processes.identify(os.getpid())
    at_work = {"status": "running", "started_at": now, "host": socket.gethostname(), "supervisor": supervisor.to_json()}
    with shed.writing("started", "benchmark") as write:
        write.session.execute(update(Run).where(Run.id > RUNS - LIVE).values(at_work))  # type: ignore[arg-type, operator]
    for run_id in range(RUNS - LIVE + 1, RUNS + 1):
        shed.run_dir(run_id).mkdir(parents=True, exist_ok=True)
    os.environ["TRAINSHED_HOME"] = str(shed.root)
    return [*TRAINSHED]


def _rows_of_a_dataset(root: Path) -> list[Row]:
    """A table of 10 million rows: a page further, sorted, filtered; from the key to the first change on the screen."""
    import duckdb

    from runners.actions import datasets
    from storage.shed import open_shed

    data = root / "data"
    data.mkdir()
    duckdb.execute(
        f"copy (select range as id, random() as x, (random() * 1000)::int as y from range({ROWS})) "
        f"to '{data}/rows.parquet' (format parquet)"
    )
    shed = open_shed(root / "tables")
    datasets.add(shed, "rows", {"data": ["rows.parquet"]}, data)
    with terminal([*TRAINSHED, "--shed", str(shed.root)], cwd=root) as opened:
        opened.until("1 Home", "cpu")
        opened.type("2")
        opened.until("rows")
        opened.type("r")
        opened.until("1 ")
        opened.quiet(SETTLE_S)
        page = statistics.median(_answered(opened, "\x1b[6~") for _ in range(20))
        opened.type("\x1b[C\x1b[C")  # to x, which is in no order
        opened.quiet(1.0)
        sort = _answered(opened, ",")
        opened.type("u")
        opened.quiet(2.0)
        opened.type("/")
        opened.quiet(0.5)
        opened.type("y = 500")
        opened.quiet(0.5)
        filtered = _answered(opened, "\r")
    return [
        _row("10 million rows: a page further", page, None, {}, "≤ 30 ms", "ms"),
        _row("10 million rows: sorted", sort, None, {}, "", "ms"),
        _row("10 million rows: filtered", filtered, None, {}, "", "ms"),
    ]


def _answered(opened: Terminal, keys: str) -> float:
    """Milliseconds from a key to the last byte of what it sets off."""
    began = last = time.perf_counter()
    opened.type(keys)
    while time.perf_counter() - last < 1.0:
        if opened.read(0.1):
            last = time.perf_counter()
    return (last - began) * 1000


if __name__ == "__main__":
    for row in measure():
        print(json.dumps(row))
