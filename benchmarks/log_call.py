"""`run.log` of 10 metrics: what the training loop pays for it, in a tight loop and at 200 steps a second.

The floor packs the same points into 24-byte records and writes them at every step. Peers: TensorBoard, trackio, mlflow
(its asynchronous way) and W&B (offline). Every logger has a process of its own, in turn, A B A B.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import Row
from benchmarks.peers import ROOT, interpreter

NAMES = [f"train/metric_{number}" for number in range(10)]
ROUNDS = 5
PEER_ROUNDS, PEER_STEPS = 2, 2_000  # a peer's import alone takes seconds, and so do 10,000 steps
TIGHT, PACED = (10_000, 0.0), (400, 200.0)  # steps, and how many a second (0: as many as go)
PEERS = ("tensorboard", "trackio", "mlflow", "wandb")
Log = Callable[[dict[str, float], int], object]


def measure() -> list[Row]:
    installed = [name for name in PEERS if interpreter(name)]
    rows = []
    for what, (steps, hertz), goal in (
        ("run.log of 10 metrics, tight loop", TIGHT, "≤ 2× floor and ≤ ¼ of the fastest tracker; ≤ 4 µs"),
        ("run.log of 10 metrics, 200 steps/s", PACED, "≤ 2× floor and ≤ ¼ of the fastest tracker; ≤ 16 µs"),
    ):
        found: dict[str, list[float]] = {name: [] for name in ("ours", "floor", *installed)}
        for number in range(ROUNDS):
            for name, figures in found.items():
                if name in ("ours", "floor"):
                    figures.append(_in_a_process(name, steps, hertz))
                elif number < PEER_ROUNDS:
                    figures.append(_in_a_process(name, min(steps, PEER_STEPS), hertz))
        medians = {name: statistics.median(figures) for name, figures in found.items()}
        ours, floor = medians.pop("ours"), medians.pop("floor")
        rows.append(Row(what=what, ours=ours, floor=floor, peers=medians, goal=goal, unit="µs"))
    return rows


def _in_a_process(name: str, steps: int, hertz: float) -> float:
    """Mean microseconds of a step, as the loop sees it."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [interpreter(name) or sys.executable, "-m", "benchmarks.log_call", name, str(steps), str(hertz), folder],
            cwd=ROOT,
            env={**os.environ, **_QUIET, "TRACKIO_DIR": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        )
    return float(done.stdout.splitlines()[-1])


_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "WANDB_SILENT": "true",
    "HF_HUB_OFFLINE": "1",
    "GIT_PYTHON_REFRESH": "quiet",
}


def _time(name: str, steps: int, hertz: float, folder: Path) -> float:
    log, close = _LOGGERS[name](folder)
    chance = random.Random(1)
    clock, spent = time.perf_counter, 0.0
    start = clock()
    for step in range(steps):
        metrics = {metric: chance.random() for metric in NAMES}
        before = clock()
        log(metrics, step)
        spent += clock() - before
        if hertz:
            time.sleep(max(0.0, start + (step + 1) / hertz - clock()))
    close()
    return spent / steps * 1e6


def _ours(folder: Path) -> tuple[Log, Callable[[], object]]:
    from runners.userside.events import Events
    from runners.userside.run import Run
    from runners.userside.stopping import StopRequest

    run = Run({"run_dir": str(folder)}, Events(str(folder / "events.jsonl")), StopRequest(str(folder / "stop")))
    return run.log, run.close


def _floor(folder: Path) -> tuple[Log, Callable[[], object]]:
    handle = os.open(folder / "metrics.bin", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    number = {name: place for place, name in enumerate(NAMES)}
    pack, write, now = struct.Struct("<dIId").pack, os.write, time.time

    def log(metrics: dict[str, float], step: int) -> None:
        at = now()
        write(handle, b"".join([pack(at, step, number[name], value) for name, value in metrics.items()]))

    return log, lambda: os.close(handle)


def _tensorboard(folder: Path) -> tuple[Log, Callable[[], object]]:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder))

    def log(metrics: dict[str, float], step: int) -> None:
        for name, value in metrics.items():
            writer.add_scalar(name, value, step)

    return log, writer.close


def _trackio(folder: Path) -> tuple[Log, Callable[[], object]]:
    import trackio

    trackio.init(project="bench", name="run")
    return lambda metrics, step: trackio.log(metrics, step=step), trackio.finish


def _mlflow(folder: Path) -> tuple[Log, Callable[[], object]]:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_experiment("bench")
    mlflow.start_run()
    return lambda metrics, step: mlflow.log_metrics(metrics, step=step, synchronous=False), mlflow.end_run


def _wandb(folder: Path) -> tuple[Log, Callable[[], object]]:
    import wandb

    run = wandb.init(mode="offline", project="bench", dir=str(folder))
    return lambda metrics, step: run.log(metrics, step=step), run.finish


_LOGGERS = {
    "ours": _ours,
    "floor": _floor,
    "tensorboard": _tensorboard,
    "trackio": _trackio,
    "mlflow": _mlflow,
    "wandb": _wandb,
}


if __name__ == "__main__":
    if len(sys.argv) > 1:
        name, steps, hertz, folder = sys.argv[1:]
        print(_time(name, int(steps), float(hertz), Path(folder)))
    else:
        for row in measure():
            print(json.dumps(row))
