"""A bare torch training loop against the same loop in a run that logs, tells its progress and asks about stopping at
every step.

Both run in the real child, in turn, in short stretches; the figure is the median of how fast each went in neighbouring
stretches.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import Row

CHILD = Path(__file__).parent.parent / "runners" / "child.py"
PAIRS = 150
STEPS = 30  # of one stretch

LOOP = f"""
import json, os, time
import torch
from torch import nn

def train(run):
    torch.set_num_threads(1)
    device = torch.device(run.device)
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 1)).to(device)
    optimizer = torch.optim.Adam(model.parameters())
    x, y = torch.randn(512, 64, device=device), torch.rand(512, 1, device=device).round()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    def bare(done):
        for number in range(done, done + {STEPS}):
            loss = step()

    def tracked(done):
        for number in range(done, done + {STEPS}):
            loss = step()
            run.log({{"train/loss": loss, "train/lr": 1e-3}}, step=number)
            run.progress(number, {PAIRS * STEPS})
            assert not run.should_stop

    def per_second(loop, done):
        start = time.perf_counter()
        loop(done)
        if device.type == "cuda":
            torch.cuda.synchronize()
        return {STEPS} / (time.perf_counter() - start)

    for loop in (bare, tracked):
        per_second(loop, 0)
    pairs = []
    for number in range({PAIRS}):
        order = (bare, tracked) if number % 2 else (tracked, bare)
        speed = {{loop: per_second(loop, number * {STEPS}) for loop in order}}
        pairs.append((speed[bare], speed[tracked]))
    run.save(json.dumps(pairs).encode(), name="pairs.json")
"""


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "pipeline.py").write_text(LOOP)
        job = {"call": "train", "entry": "pipeline:train", "code_dir": folder, "project_dir": folder, "run_dir": folder}
        (place / "job.json").write_text(json.dumps({**job, "out_dir": str(place / "out")}))
        subprocess.run([sys.executable, str(CHILD), str(place / "job.json")], check=True, cwd=folder)
        pairs: list[tuple[float, float]] = json.loads((place / "artifacts" / "pairs.json").read_text())
    bare = statistics.median(bare for bare, _ in pairs)
    ratio = statistics.median(tracked / bare for bare, tracked in pairs)
    what = "training loop that logs, tells and asks at every step"
    return [Row(what=what, ours=bare * ratio, floor=bare, peers={}, goal="≥ 0.99 of the floor", unit="steps/s")]


if __name__ == "__main__":
    for row in measure():
        print(json.dumps(row))
