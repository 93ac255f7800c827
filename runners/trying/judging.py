"""Judging a training by what it left: its loss series, how well it knows its own rows, whether two came out alike.

Pure functions over series and arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.metrics import Series
from storage.project import Task

SMALLEST = 1e-7  # no probability is nearer to 0 or 1 than this
USUAL_LOSSES = ("train/loss", "loss", "train_loss", "training/loss")
HELD_OUT = ("val", "test", "eval", "dev", "held")


@dataclass(frozen=True)
class Apart:
    """Where two trainings part: the name of what differs, at which step, and both values."""

    name: str
    step: int | None
    first: float
    second: float

    def __str__(self) -> str:
        at = "" if self.step is None else f" at step {self.step}"
        return f"{self.name}{at}: {self.first:.6g} and {self.second:.6g}"


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


def apart(first: Mapping[str, Series], second: Mapping[str, Series], tolerance: float) -> list[Apart]:
    """The series of two trainings that differ, each with its first step that does; the earliest of them first.

    Values agree when they are both not finite, or differ by at most `tolerance` of the larger.
    """
    found: list[tuple[float, Apart]] = []
    for name in dict.fromkeys([*first, *second]):
        one, other = first.get(name), second.get(name)
        if one is None or other is None or not np.array_equal(one.step, other.step):
            counts = [0 if series is None else len(series) for series in (one, other)]
            found.append((-1.0, Apart(f"number of values of {name}", None, *counts)))
            continue
        places = np.flatnonzero(~agree(one.value, other.value, tolerance))
        if len(places):
            place = places[0]
            step = int(one.step[place])
            found.append((step, Apart(name, step, float(one.value[place]), float(other.value[place]))))
    return [difference for _, difference in sorted(found, key=lambda item: item[0])]


def agree(first: NDArray[Any], second: NDArray[Any], tolerance: float) -> NDArray[np.bool_]:
    """Which values of two arrays of one shape are the same up to `tolerance` of the larger one."""
    same = np.isclose(first, second, rtol=0, atol=0, equal_nan=True)
    with np.errstate(invalid="ignore"):
        near = np.abs(first - second) <= tolerance * np.maximum(np.abs(first), np.abs(second)) + SMALLEST
    return np.asarray(same | near)
