"""What a prediction comes down to: a class, one of the two likeliest, a probability that log loss can take."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from storage.project import Task

Floats = NDArray[np.float64]

# Log loss takes a probability of 0 as this, float32's epsilon: packaged models answer in float32.
SMALLEST = float(np.finfo(np.float32).eps)


def decided(task: Task, prediction: Floats) -> NDArray[np.int64]:
    """The class index that each prediction comes down to."""
    chosen = prediction.argmax(axis=1) if task == "multiclass" else prediction >= 0.5
    return chosen.astype(np.int64)


def floored(prediction: Floats) -> Floats:
    """Probabilities as log loss takes them: none is 0 or 1, and a row of several still sums to 1."""
    if prediction.ndim == 1:
        return prediction.clip(SMALLEST, 1 - SMALLEST)
    raised = prediction.clip(SMALLEST, 1)
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def in_top_two(target: Floats, prediction: Floats) -> NDArray[np.bool_]:
    """Whether the true class is among the two likeliest, [n]; of equal ones the first count, as for the decision."""
    likeliest = np.argsort(-prediction, axis=1, kind="stable")[:, :2]
    return np.asarray((likeliest == target[:, None]).any(axis=1))
