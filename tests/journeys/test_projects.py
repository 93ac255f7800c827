"""Projects of every kind go through the same command, and each packaged ONNX says what the trained module said."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from runners.evaluation.heldout import HeldOut
from runners.packaging.assembly import predictions_of
from runners.packaging.signature import Signature
from storage.read import models as read_models
from storage.read import runs as read_runs
from storage.shed import Shed
from tests.journeys import projects
from tests.journeys.conftest import IN_TORCH, Workstation
from tests.points import SAVED

Writer = Callable[[Path], object]
FIT = """\
import json, os, sys
from pathlib import Path

x = np.load(Path(os.environ["TRAINSHED_DATA"]) / "train" / "x.npy")
with open(os.environ["TRAINSHED_METRICS"], "a") as file:
    for step in range(5):
        file.write(json.dumps({"step": step, "train/loss": 1 / (step + 1)}) + "\\n")
weights = np.zeros(x.shape[1])
weights[:2] = 2, 1
saved(Path(os.environ["TRAINSHED_OUT"]) / "model.onnx", weights, 0.0)
print("lr", sys.argv[2])
"""


def packaged_against_trained(shed: Shed, name: str) -> float:
    """The largest difference between the packaged model, fed with raw rows, and what the module said in training."""
    version = read_models.version(shed, name)
    stages = {stage.name: stage for stage in read_runs.stages(shed, version.run_id)}
    rows = HeldOut(shed.stage_dir(stages["prepare"].key))
    packaged = rows.predicted_by(shed.objects.verify(version.digest), Signature.from_json(version.signature))
    raw = np.load(shed.stage_dir(stages["train"].key) / "reference" / "test.npy")
    gives = stages["package"].facts["output_kind"]
    trained = predictions_of(raw, version.task or "regression", activated=gives != "logits")  # type: ignore[arg-type]
    assert len(packaged) == len(rows.target) > 0
    return float(np.abs(packaged - trained).max() / max(1.0, float(np.abs(trained).max())))


@pytest.mark.parametrize(
    ("writer", "task", "metric", "least"),
    [
        (projects.digits_images, "multiclass", "accuracy", 0.8),
        (projects.wine_csv, "multiclass", "accuracy", 0.8),
        (projects.diabetes_jsonl, "regression", "r2", 0.2),
    ],
)
def test_images_csv_and_json_lines(
    workstation: Workstation, tmp_path: Path, writer: Writer, task: str, metric: str, least: float
) -> None:
    project = tmp_path / "project"
    writer(project)
    ended = workstation.batch(project)
    assert ended.code == 0, ended.told
    shed = workstation.shed
    name = ended.finished["model"].split()[0]
    version = read_models.version(shed, name, "production")
    assert version.task == task
    assert version.metrics[metric] >= least
    assert packaged_against_trained(shed, name) <= 1e-4
    assert set(workstation.batch(project).stages.values()) == {"cached"}


@pytest.mark.parametrize("writer", [projects.own_modules, projects.wine_sklearn, projects.hostile_names])
def test_own_modules_own_onnx_and_hostile_names(workstation: Workstation, tmp_path: Path, writer: Writer) -> None:
    project = tmp_path / "project"
    writer(project)
    ended = workstation.batch(project)
    assert ended.code == 0, ended.told
    assert packaged_against_trained(workstation.shed, ended.finished["model"].split()[0]) <= 1e-4


def test_a_command_of_ones_own_is_tracked_and_packaged(workstation: Workstation, tmp_path: Path, tiny: Path) -> None:
    """`command = …` sees the prepared arrays, logs by appending lines, and leaves its model in $TRAINSHED_OUT."""
    toml = (tiny / "trainshed.toml").read_text()
    toml = toml.replace('entry = "pipeline:train"', 'command = "python fit.py --lr {lr}"')
    (tiny / "trainshed.toml").write_text(toml)
    (tiny / "fit.py").write_text(SAVED + FIT)
    ended = workstation.batch(tiny)
    assert ended.code == 0, ended.told
    row = read_runs.row(workstation.shed, 1)
    assert row.metrics["train/loss"].count == 5
    assert "lr 0.1" in (workstation.shed.run_dir(1) / "log").read_text()
    assert read_models.version(workstation.shed, "tiny", "production").number == 1
    packaged = next(stage for stage in read_runs.stages(workstation.shed, 1) if stage.name == "package")
    assert packaged.facts["parity_rows"] == 80  # the file itself was run on the test rows


@pytest.mark.slow  # two processes train one model in runners/test_child.py, each time
def test_two_workers_train_under_torchrun(workstation: Workstation, tiny: Path) -> None:
    toml = (tiny / "trainshed.toml").read_text()
    (tiny / "trainshed.toml").write_text(toml.replace("gpus = 0", "gpus = 2"))
    code = IN_TORCH.replace("import torch\n", "import os, queue, random, torch, torch.distributed as dist\n")
    code = code.replace(
        "def train(run):\n",
        "def train(run):\n    dist.init_process_group('gloo')\n    assert run.world_size == 2\n"
        "    total = torch.tensor([float(run.rank + 1)])\n    dist.all_reduce(total)\n"
        "    run.log({'world': total.item()}, step=0)\n",
    )
    (tiny / "pipeline.py").write_text(code + f"\nassert queue.OURS and random.OURS and os.getcwd() == {str(tiny)!r}\n")
    for name in ("queue.py", "random.py"):  # which torchrun must not import in the place of the standard library's
        (tiny / name).write_text("OURS = True\n")
    ended = workstation.batch(tiny)
    assert ended.code == 0, ended.told
    world = read_runs.row(workstation.shed, 1).metrics["world"]
    assert (world.last, world.count) == (3.0, 1)


def test_every_line_of_json_output_parses_and_the_last_names_run_and_model(
    workstation: Workstation, tiny: Path
) -> None:
    process = workstation.start("--batch", "-p", tiny, "--json")
    out, _ = process.communicate(timeout=240)
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[-1] == lines[-1] | {
        "event": "finished",
        "status": "done",
        "exit_code": 0,
        "run": 1,
        "model": "tiny v1",
    }
