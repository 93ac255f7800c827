"""Do predictions mean what they say: reliability of probabilities, and where a regression is off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storage.project import Task

BINS = 15
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True)
class Bin:
    """Rows whose predictions lie close together.

    Attributes:
        low, high: the smallest and the largest prediction in the bin.
        predicted: the mean prediction.
        observed: what came of it: the share of positives, the share of right answers, or the mean target.
        rows: how many rows the bin holds.
    """

    low: float
    high: float
    predicted: float
    observed: float
    rows: int


def calibration(task: Task, target: NDArray[Any], prediction: NDArray[Any], bins: int = BINS) -> list[Bin]:
    """Return the task's calibration table, lowest predictions first.

    Binary: the probability of the positive class against the share of positives. Multiclass: the probability of the
    chosen class against the share of right answers. Regression: mean prediction against mean target.

    Args:
        target: [n] 0/1, class index or value.
        prediction: [n] probability or value, or [n, k] probabilities.
        bins: how many bins of about equal count; fewer come back where predictions are equal.
    """
    stated, outcome = stated_and_outcome(task, target, prediction)
    index = bin_of(stated, bins)
    table = []
    for number in np.unique(index):
        rows = index == number
        inside = stated[rows]
        table.append(
            Bin(
                low=float(inside.min()),
                high=float(inside.max()),
                predicted=float(inside.mean()),
                observed=float(outcome[rows].mean()),
                rows=int(rows.sum()),
            )
        )
    return table


def residual_quantiles(target: NDArray[Any], prediction: NDArray[Any]) -> dict[str, float]:
    """Return quantiles of target − prediction, in the target's unit: {"1 %": …, "50 %": …, "99 %": …}."""
    residual = np.asarray(target, np.float64) - np.asarray(prediction, np.float64)
    found = np.quantile(residual, QUANTILES)
    return {f"{share:.0%}".replace("%", " %"): float(value) for share, value in zip(QUANTILES, found, strict=True)}


def stated_and_outcome(
    task: Task, target: NDArray[Any], prediction: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each row's prediction said and what happened, both [n]."""
    guess = np.asarray(prediction, np.float64)
    if task != "multiclass":
        return guess, np.asarray(target, np.float64)
    return guess.max(axis=1), (guess.argmax(axis=1) == np.asarray(target)).astype(np.float64)


def bin_of(stated: NDArray[np.float64], bins: int = BINS) -> NDArray[np.int64]:
    """Return each row's bin, 0 ≤ bin < `bins`, of about equal counts; equal predictions always share a bin."""
    inner = np.quantile(stated, np.arange(1, bins) / bins, method="inverted_cdf")
    return np.searchsorted(np.unique(inner), stated, side="left").astype(np.int64)
