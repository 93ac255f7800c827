"""kill -9 again and again: a run still ends once, and its series has every step once."""

from __future__ import annotations

import os
import signal
import sqlite3
from pathlib import Path

import pytest

from runners.supervision.childfile import Child
from storage import metrics
from storage.read import runs as read_runs
from tests.journeys.conftest import Workstation, tiny, workstation
from tests.waiting import until

__all__ = ["tiny", "workstation"]

STEPS = 600
CODE = f"""\
import threading, torch

def train(run):
    x, y = run.data.train.tensors()
    model = torch.nn.Linear(x.shape[1], 1)
    state = run.restore()
    for step in range(state["step"] + 1 if state else 0, {STEPS}):
        run.log({{"train/loss": 1.0 / (step + 1)}}, step=step)
        if step % 7 == 0:
            run.checkpoint({{"step": step}}, step=step)
        threading.Event().wait(0.01)
    with torch.no_grad():
        model.weight[:] = torch.tensor([[2.0, 1.0] + [0.0] * (x.shape[1] - 2)])
    return model
"""


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["child", "command"])
def test_ten_kills_in_mid_training_leave_one_whole_run(workstation: Workstation, tiny: Path, victim: str) -> None:
    (tiny / "pipeline.py").write_text(CODE)
    for kill in range(10):
        process = workstation.start("--batch", "-p", tiny, "--json")
        series = workstation.shed.run_dir(1) / "metrics"
        reached = kill * STEPS // 25

        def far_enough(series: Path = series, reached: int = reached) -> bool:
            return len(metrics.read(series, "train/loss")) > reached

        until(far_enough, timeout=60)
        child = Child.read(workstation.shed.run_dir(1))
        assert child is not None
        identity = child.find()
        assert identity is not None
        os.kill(process.pid if victim == "command" else identity.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    ended = workstation.batch(tiny)
    assert ended.code == 0, ended.told
    assert ended.finished["run"] == 1
    steps = metrics.read(workstation.shed.run_dir(1) / "metrics", "train/loss").step.tolist()
    assert steps == list(range(STEPS))
    assert read_runs.count(workstation.shed) == 1
    with sqlite3.connect(workstation.shed.db) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    connection.close()
