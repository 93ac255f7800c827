"""Journeys go through the real door: the `trainshed` command in a process of its own, on a real shed and real files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runners.supervision import processes
from runners.supervision.childfile import Child
from runners.supervision.processes import Identity, end_group
from storage.read import queue as read_queue
from storage.read import runs as read_runs
from storage.shed import Shed, open_shed
from storage.tables import Run
from tests.forked import Typed, forker
from tests.points import SAVED, write_points
from tests.waiting import until

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from app.cli import main; main()"]


@dataclass
class Ended:
    """How a command ended: its exit code, the JSON lines of stdout, and what it told people on stderr."""

    code: int
    lines: list[dict[str, Any]]
    told: str

    @property
    def finished(self) -> dict[str, Any]:
        assert self.lines, self.told
        assert self.lines[-1]["event"] == "finished"
        return self.lines[-1]

    @property
    def stages(self) -> dict[str, str]:
        """Stage → how it ended."""
        return {e["stage"]: e["status"] for e in self.lines if e["event"] == "stage" and e["status"] != "running"}


@dataclass
class Workstation:
    """A shed, and people typing commands at it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    umask: int = -1  # as it is here
    started: list[Typed] = field(default_factory=list)

    @property
    def shed(self) -> Shed:
        return open_shed(self.folder / "shed")

    def start(self, *arguments: str | Path) -> Typed:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "XDG_STATE_HOME": str(self.folder / "state"),
            **self.environment,
        }
        words = ["--shed", str(self.folder / "shed"), *map(str, arguments)]
        process = forker().type(*words, cwd=self.folder, environment=environment, umask=self.umask)
        self.started.append(process)
        return process

    def type(self, *arguments: str | Path) -> Ended:
        """Type a command with `--json` and wait for its end."""
        return self.ended(self.start(*arguments, *([] if "--json" in arguments else ["--json"])))

    def ended(self, process: Typed) -> Ended:
        out, told = process.communicate()
        return Ended(process.wait(), [json.loads(line) for line in out.splitlines()], told)

    def agent(self) -> Identity | None:
        """The process that was this workstation's agent last; None when there never was one."""
        for path in (self.folder / "state").glob("trainshed/agents/*/agent.json"):
            return Identity.from_json(json.loads(path.read_bytes()))
        return None

    def slots(self, count: int) -> None:
        """Let so many runs work at once."""
        (self.folder / "shed").mkdir(exist_ok=True)
        (self.folder / "shed" / "settings.toml").write_text(f"[queue]\ncpu_slots = {count}\n")

    def queued(self, *arguments: str | Path) -> int:
        """Type a command that queues a run; returns its number."""
        ended = self.type(*arguments)
        assert ended.code == 0, ended.told
        return int(ended.finished["run"])

    def execute(self, script: str, *options: str) -> int:
        """Queue a shell script; returns the run's number."""
        return self.queued("exec", *options, "--json", "--", "sh", "-c", script)

    def run(self, run_id: int) -> Run:
        return read_runs.run(self.shed, run_id)

    def wait(self, run_id: int, *statuses: str) -> Run:
        """Wait until the run has one of these statuses; without any, until it has ended."""
        wanted = statuses or ("done", "failed", "stopped", "invalid", "refused", "waiting")
        shed = self.shed
        return until(lambda: (lambda run: run if run.status in wanted else None)(read_runs.run(shed, run_id)), 90)

    def batch(self, project: Path, *arguments: str) -> Ended:
        return self.type("--batch", "-p", project, *arguments)


@pytest.fixture
def workstation(tmp_path: Path) -> Iterator[Workstation]:
    """A fresh one; what a failed test left running is ended."""
    station = Workstation(tmp_path)
    yield station
    for process in station.started:
        process.kill()
    for path in (tmp_path / "shed" / "sweeps").glob("*/process.json"):
        processes.signal(Identity.from_json(json.loads(path.read_bytes())), signal.SIGKILL)
    for home in (tmp_path / "state").glob("trainshed/agents/*"):
        (home / "off").touch()  # or what watches for triggers brings up another agent
    agent = station.agent()
    if agent is not None:
        processes.signal(agent, signal.SIGKILL)
        for run in read_queue.holding(station.shed):
            if run.run.supervisor:
                processes.signal(Identity.from_json(run.run.supervisor), signal.SIGKILL)
    for path in (tmp_path / "shed" / "runs").glob("**/child.json"):
        child = Child.read(path.parent)
        identity = child.find() if child else None
        if child and identity:
            end_group(identity, mark=child.mark, grace_s=0)


TOML = """\
[project]
name = "tiny"

[dataset]
name = "points"
files = "data/*.csv"

[checks]
columns = { a = { type = "number", min = -10, max = 10, nulls = 0.0 }, kind = { in = ["x", "y"], on_fail = "warn" } }

[features]
target = "label"
task = "binary"
numeric = ["a", "b"]
categorical = ["kind"]

[split]
by = "random"
validation = 0.2
test = 0.2

[train]
entry = "pipeline:train"
gpus = 0
[train.params]
epochs = 3
lr = 0.1
sign = 1.0

[gate]
metric = "auroc"
min = 0.6
beat_production_by = 0.0
slices = ["kind"]
max_slice_drop = 0.5
"""

PIPELINE = (
    SAVED
    + """\
def train(run):
    x, y = run.data.train.tensors()
    weights, bias = np.zeros(x.shape[1]), 0.0
    for epoch in range(run.params.epochs):
        p = 1 / (1 + np.exp(-(x @ weights + bias)))
        loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
        bias -= run.params.lr * np.mean(p - y)
        run.log({"train/loss": loss}, step=epoch)
        run.progress(epoch + 1, run.params.epochs)
    weights[:2] = 2 * run.params.sign, run.params.sign
    model = saved(run.dir / "own.onnx", weights, bias)
    return model
"""
)
# The same in torch, for what is about torch: it takes seconds to import and to export.
IN_TORCH = """\
import torch

def train(run):
    x, y = (torch.from_numpy(a) for a in run.data.train.tensors())
    model = torch.nn.Linear(x.shape[1], 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=run.params.lr)
    for epoch in range(run.params.epochs):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x).squeeze(1), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.log({"train/loss": loss.item()}, step=epoch)
    with torch.no_grad():
        model.weight[:] = run.params.sign * torch.tensor([[2.0, 1.0] + [0.0] * (x.shape[1] - 2)])
    return model
"""


def write_tiny(project: Path) -> Path:
    write_points(project / "data" / "one.csv")
    (project / "trainshed.toml").write_text(TOML)
    (project / "pipeline.py").write_text(PIPELINE)
    return project


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A project that trains in no time: 400 points in one CSV, a linear model, no torch."""
    return write_tiny(tmp_path / "tiny")


@pytest.fixture(scope="session")
def shed_of_tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shed in which the tiny project's first run ended in production."""
    station = Workstation(tmp_path_factory.mktemp("trained"))
    ended = station.batch(write_tiny(station.folder / "tiny"))
    assert ended.code == 0, ended.told
    return station.folder / "shed"


@pytest.fixture
def trained(workstation: Workstation, tiny: Path, shed_of_tiny: Path) -> Path:
    """The tiny project, in production on the workstation."""
    shutil.copytree(shed_of_tiny, workstation.folder / "shed", symlinks=True)
    return tiny
