"""A project that is trained in no time: one number decides, and training waits until the test lets it go on."""

from __future__ import annotations

import os
import random
from pathlib import Path

TOML = """\
[project]
name = "tiny"
[dataset]
name = "points"
files = "data/*.csv"
[features]
target = "label"
task = "binary"
numeric = ["a"]
[split]
by = "random"
validation = 0.2
test = 0.2
[train]
entry = "pipeline:train"
gpus = 0
[train.params]
bias = 0.0
[gate]
metric = "accuracy"
min = 0.6
approve = "manual"
"""
PIPELINE = '''\
import os
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, save


def train(run):
    """p = sigmoid(4 a + bias), of the standardised a; between two steps it waits at the pipe."""
    x, y = run.data.validation.tensors()
    score = float(((4 * x[:, 0] + run.params.bias > 0) == (y > 0.5)).mean())
    run.log({"val/accuracy": score / 2}, step=1)
    if "TINY_PIPE" in os.environ:
        Path(os.environ["TINY_PIPE"]).read_text()
    run.log({"val/accuracy": score}, step=2)
    weights = {"w": [4.0], "b": [run.params.bias]}
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["x", "w"], ["m"]),
            helper.make_node("Add", ["m", "b"], ["z"]),
            helper.make_node("Sigmoid", ["z"], ["probability"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", x.shape[1]])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", 1])],
        [helper.make_tensor(name, TensorProto.FLOAT, [1], values) for name, values in weights.items()],
    )
    path = run.dir / "tiny.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path
'''


def project(folder: Path) -> Path:
    """Write it into `folder`. Where the environment names a `pipe`, every run waits there until `let_through`."""
    (folder / "data").mkdir(parents=True)
    dice = random.Random(0)
    rows = [(number / 400, number / 400 + dice.uniform(-0.2, 0.2) > 0.5) for number in range(400)]
    told = "".join(f"{a},{str(label).lower()}\n" for a, label in rows)
    (folder / "data" / "points.csv").write_text("a,label\n" + told)
    (folder / "trainshed.toml").write_text(TOML)
    (folder / "pipeline.py").write_text(PIPELINE)
    return folder


def pipe(path: Path) -> dict[str, str]:
    """Make a pipe there. Returns the environment in which runs wait at it."""
    os.mkfifo(path)
    return {"TINY_PIPE": str(path)}


def let_through(path: Path) -> None:
    """Let a run that waits at the pipe go on; returns once one has come there."""
    path.write_text("go on")
