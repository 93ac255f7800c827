"""Judging a training by what it left: its loss series, and how well it knows its own rows.

Pure functions over series and arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.metrics import Series
from storage.project import Task

SMALLEST = 1e-7  # no probability is nearer to 0 or 1 than this
USUAL_LOSSES = ("train/loss", "loss", "train_loss", "training/loss")
HELD_OUT = ("val", "test", "eval", "dev", "held")


def loss_series(names: Iterable[str]) -> str | None:
    """The series that is the training loss, by its name; None where no name holds "loss"."""
    losses = [name for name in names if "loss" in name.lower()]
    usual = [name for name in USUAL_LOSSES if name in losses]
    training = [name for name in losses if not any(part in name.lower() for part in HELD_OUT)]
    return next(iter([*usual, *training, *losses]), None)


def fall(values: Sequence[float]) -> tuple[float, float]:
    """Where a series begins and where it ends: the means of its first and of its last fifth, at least one value."""
    share = max(1, len(values) // 5)
    return float(np.mean(values[:share])), float(np.mean(values[-share:]))


def first_nonfinite(series: Series) -> int | None:
    """The step of the first value that is NaN or infinite."""
    places = np.flatnonzero(~np.isfinite(series.value))
    return int(series.step[places[0]]) if len(places) else None


def explained(task: Task, target: NDArray[Any], prediction: NDArray[Any]) -> float:
    """How much of the targets' deviance a prediction explains: 1 all of it, 0 as much as one constant would.

    For regression this is R², otherwise 1 - log loss / that of the classes' shares.

    Args:
        target: [n], 0/1, class index or value.
        prediction: [n] probabilities of the positive class, [n, k] probabilities, or [n] values.
    """
    if task == "regression":
        residual = float(np.mean((target - prediction) ** 2))
        return 1 - residual / float(max(np.var(target), 1e-12))
    if task == "binary":
        prediction = np.stack([1 - prediction, prediction], axis=1)
    index = target.astype(np.int64)
    given = np.clip(prediction[np.arange(len(index)), index], SMALLEST, 1.0)
    shares = np.bincount(index, minlength=prediction.shape[1])[index] / len(index)
    constant = -float(np.mean(np.log(shares)))
    return 1 - float(-np.mean(np.log(given))) / max(constant, 1e-12)
