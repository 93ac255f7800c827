"""A project that is trained in no time, and waits in the middle of it until the test lets it go on."""

from __future__ import annotations

import os
from pathlib import Path

from tests.points import SAVED, changed, points_project

PIPELINE = (
    SAVED
    + '''\
import os
from pathlib import Path


def train(run):
    """What is known to be right, and a bias. Between two steps it waits for somebody to write into the pipe."""
    x, y = run.data.validation.tensors()
    weights = np.zeros(x.shape[1])
    weights[:2] = 2, 1
    score = float(((x @ weights + run.params.bias > 0) == (y > 0.5)).mean())
    run.log({"val/accuracy": score / 2}, step=1)
    if "TINY_PIPE" in os.environ:
        Path(os.environ["TINY_PIPE"]).read_text()
    run.log({"val/accuracy": score}, step=2)
    return saved(run.dir / "own.onnx", weights, run.params.bias)
'''
)


def project(folder: Path) -> Path:
    """Write it into `folder`. Where the environment names a `pipe`, every run waits there until `let_through`."""
    folder.mkdir()
    points_project(folder)
    changed(
        folder,
        ('[project]\nname = "points"', '[project]\nname = "tiny"'),
        ("gpus = 1", "gpus = 0"),
        ('epochs = 60\nlr = 1.0\nfault = "none"', "bias = 0.0"),
        ('metric = "auroc"\nmin = 0.999', 'metric = "accuracy"\nmin = 0.6\napprove = "manual"'),
    )
    (folder / "pipeline.py").write_text(PIPELINE)
    return folder


def pipe(path: Path) -> dict[str, str]:
    """Make a pipe there. Returns the environment in which runs wait at it."""
    os.mkfifo(path)
    return {"TINY_PIPE": str(path)}


def let_through(path: Path) -> None:
    """Let a run that waits at the pipe go on; returns once one has come there."""
    path.write_text("go on")
