"""How much a model leans on each raw column: what its metric loses when that column's values change places.

Permutation importance: Breiman 2001, "Random Forests", § 10; of any model by Fisher, Rudin and Dominici 2019, JMLR 20.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runners.evaluation.scores import higher_is_better
from runners.evaluation.weighted import weighted
from storage.project import Task

ROUNDS = 3

Feeds = dict[str, NDArray[Any]]


def permutation_importance(
    predict: Callable[[Feeds], NDArray[Any]],
    feeds: Feeds,
    target: NDArray[Any],
    task: Task,
    metric: str,
    *,
    rounds: int = ROUNDS,
    seed: int = 0,
) -> dict[str, float]:
    """Column → how much worse the metric gets without what it says, in the metric's own unit; 0 where it gets no worse.

    Args:
        predict: what the model says of rows: [n], or [n, k] probabilities.
        feeds: the rows, input name → values, rows first.
        target: [n] as `scores.score` takes it.
        metric: one of `scores.METRICS` that these rows define.
    """
    sign = 1 if higher_is_better(metric) else -1
    random = np.random.default_rng(seed)
    once = np.ones((1, len(target)))

    def value(rows: Feeds) -> float:
        truth, guess = np.asarray(target, np.float64), np.asarray(predict(rows), np.float64)
        return sign * float(weighted(metric, task, truth, guess)(once)[0])

    whole = value(feeds)
    found = {}
    for name, values in feeds.items():
        shuffled = [value({**feeds, name: values[random.permutation(len(values))]}) for _ in range(rounds)]
        found[name] = max(0.0, whole - float(np.mean(shuffled)))
    return found
