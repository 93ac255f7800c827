"""Points in CSV files, and a project that learns them in half a second: logistic regression by hand, no torch.

Its param `fault` breaks the training in one way: frozen, rising, nan, unseeded, crash, `no model`.
"""

from __future__ import annotations

import random
from pathlib import Path


def write_points(path: Path, rows: int = 400, seed: int = 1, columns: str = "a,b,kind,label") -> None:
    rng = random.Random(seed)
    lines = [columns]
    for _ in range(rows):
        a, b = rng.gauss(0, 1), rng.gauss(0, 1)
        lines.append(f"{a:.4f},{b:.4f},{rng.choice('xy')},{int(2 * a + b + rng.gauss(0, 1) > 0)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def points_project(folder: Path) -> Path:
    """Write the project into `folder` and return it."""
    write_points(folder / "data" / "one.csv")
    (folder / "trainshed.toml").write_text(TOML)
    (folder / "pipeline.py").write_text(PIPELINE)
    return folder


def changed(project: Path, *changes: tuple[str, str]) -> Path:
    """Replace texts in the project's trainshed.toml."""
    text = (project / "trainshed.toml").read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    (project / "trainshed.toml").write_text(text)
    return project


TOML = """\
[project]
name = "points"
[dataset]
name = "points"
files = "data/*.csv"
[features]
target = "label"
task = "binary"
numeric = ["a", "b"]
categorical = ["kind"]
[split]
by = "stratified"
validation = 0.2
test = 0.2
[train]
entry = "pipeline:train"
gpus = 1
[train.params]
epochs = 60
lr = 1.0
fault = "none"
[gate]
metric = "auroc"
min = 0.999
"""

# What a pipeline.py begins with: `saved` writes a logistic regression as the ONNX file that `train` returns.
SAVED = """\
import numpy as np
from onnx import TensorProto, helper, numpy_helper


def saved(path, weights, bias):
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Add", ["z", "b"], ["s"]),
             helper.make_node("Sigmoid", ["s"], ["y"])]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", len(weights)])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(weights.astype(np.float32)[:, None], "w"),
         numpy_helper.from_array(np.array([bias], np.float32), "b")])
    path.write_bytes(helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString())
    return path


"""

# A training takes half a second, most of which is Python's start.
PIPELINE = (
    SAVED
    + """\
def train(run):
    x, y = run.data.train.tensors()
    fault, weights, bias = run.params.fault, np.zeros(x.shape[1]), 0.0
    chance = np.random.default_rng(None if fault == "unseeded" else run.seed)
    if fault == "crash":
        raise RuntimeError("out of luck")
    for epoch in range(run.params.epochs):
        p = 1 / (1 + np.exp(-(x @ weights + bias)))
        loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
        run.log({"train/loss": float("nan") if fault == "nan" and epoch == 3 else loss}, step=epoch)
        slope = x.T @ (p - y) / len(y)
        if fault == "rising":
            slope = -slope / 10
        if fault == "unseeded":
            slope = slope + chance.normal(size=len(slope)) * 0.1
        if fault != "frozen":
            weights, bias = weights - run.params.lr * slope, bias - run.params.lr * np.mean(p - y)
    if fault == "no model":
        return None
    return saved(run.dir / "own.onnx", weights, bias)
"""
)
