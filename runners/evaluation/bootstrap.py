"""How far chance alone could move a metric: 95 % intervals by resampling the test rows.

A candidate and production are compared on the same resamples, so what is hard for both does not blur their difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runners.evaluation.scores import METRICS, checked, higher_is_better, undefined
from runners.evaluation.weighted import Weighted, weighted
from storage.errors import RunFailed
from storage.project import Task

ROUNDS = 1000
FULL_ROUNDS_UP_TO = 200_000  # rows
FEWEST_ROUNDS = 200
BLOCK = 320_000  # weights made at a time: they stay in a core's cache


@dataclass(frozen=True)
class Difference:
    """How much better the candidate is than production: positive is better, for errors and losses too.

    Attributes:
        value: the difference on the rows as they are.
        low, high: its 95 % interval.
    """

    value: float
    low: float
    high: float


def interval(
    metric: str,
    task: Task,
    target: NDArray[Any],
    prediction: NDArray[Any],
    *,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of a metric; shapes as for `scores.score`.

    Above 200,000 rows fewer rounds are made, in proportion and at least 200: the interval is narrow by then. A round
    whose rows leave the metric undefined (no positive among them) is left out.

    Raises:
        UsageError: when the metric is not one of `METRICS`.
        RunFailed: when the metric is undefined on these rows, or as `scores.score` does.
    """
    made = _resampled(metric, task, target, [prediction], rounds, seed)
    return _middle(made[:, 0])


def difference(
    metric: str,
    task: Task,
    target: NDArray[Any],
    candidate: NDArray[Any],
    production: NDArray[Any],
    rounds: int = ROUNDS,
    seed: int = 0,
) -> Difference:
    """Return how much better `candidate` is than `production` on the same rows, with its paired 95 % interval.

    Rounds and errors are as for `interval`.
    """
    sign = 1 if higher_is_better(metric) else -1
    made = _resampled(metric, task, target, [candidate, production], rounds, seed)
    gains = sign * (made[:, 0] - made[:, 1])
    low, high = _middle(gains)
    return Difference(float(gains[0]), low, high)


def _resampled(
    metric: str, task: Task, target: NDArray[Any], predictions: Sequence[NDArray[Any]], rounds: int, seed: int
) -> NDArray[np.float64]:
    """[1 + rounds, predictions] values: first of the rows as they are, then of each resample."""
    higher_is_better(metric)  # refuses an unknown name
    functions: list[Weighted] = []
    for prediction in predictions:
        truth, guess = checked(task, target, prediction)
        reason = undefined(metric, task, truth, guess) if task in METRICS[metric].tasks else f"the task is {task}"
        if reason:
            raise RunFailed(f"{metric} is undefined on these rows: {reason}")
        functions.append(weighted(metric, task, truth, guess))
    n = len(truth)
    if n > FULL_ROUNDS_UP_TO:
        rounds = min(rounds, max(FEWEST_ROUNDS, rounds * FULL_ROUNDS_UP_TO // n))
    made = np.empty((1 + rounds, len(functions)))
    made[:1] = np.column_stack([function(np.ones((1, n))) for function in functions])
    random = np.random.default_rng(seed)
    at_once = max(1, min(64, BLOCK // n))
    for start in range(1, 1 + rounds, at_once):
        weights = _weights(random, min(at_once, 1 + rounds - start), n)
        made[start : start + len(weights)] = np.column_stack([function(weights) for function in functions])
    return made


def _weights(random: np.random.Generator, rounds: int, n: int) -> NDArray[np.float64]:
    """[rounds, n] how often each row is drawn when n rows are drawn with replacement."""
    drawn = random.integers(0, n, size=(rounds, n), dtype=np.int32 if n < 2**31 else np.int64)
    weights = np.empty((rounds, n))
    for times, rows in zip(weights, drawn, strict=True):
        times[:] = np.bincount(rows, minlength=n)
    return weights


def _middle(made: NDArray[np.float64]) -> tuple[float, float]:
    defined = made[1:][~np.isnan(made[1:])]
    if not defined.size:
        raise RunFailed(f"none of {len(made) - 1} resamples defines the metric", todo="test on more rows")
    low, high = np.quantile(defined, [0.025, 0.975])
    return float(low), float(high)
