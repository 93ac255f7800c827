"""How well a model does while nobody knows the truth yet: an estimate from how sure it is of its answers.

Confidence-based performance estimation (CBPE): a calibrated probability says how often such an answer is right, so that
the metric's expected value follows from the predictions alone. Kivimäki et al. 2024, "Confidence-based Estimators for
Predictive Performance in Model Monitoring", arXiv:2407.08649; NannyML's documentation describes the method too. It
sees what moves the inputs (covariate shift). What changes the relation of inputs and truth (concept drift) it cannot
see: then it is too good. So it is an estimate, and is called so wherever it is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runners.evaluation.decisions import decided, floored
from storage.project import Task

NAME = "CBPE"
METHOD = "CBPE: expected from calibrated confidence, no truth was used"
FEWEST = 100  # rows with truth that a calibration needs

Floats = NDArray[np.float64]


class Calibration:
    """What probabilities turned out to mean on the rows that a model was evaluated on, by isotonic regression.

    Zadrozny and Elkan 2002, "Transforming classifier scores into accurate multiclass probability estimates", KDD: one
    regression a class, and the results of a row made to sum to 1.
    """

    def __init__(self, task: Task, target: NDArray[Any], prediction: NDArray[Any]) -> None:
        """`target` is [n] 0/1 or class index, `prediction` [n] or [n, k] probabilities."""
        self.task = task
        truth, stated = np.asarray(target), np.asarray(prediction, np.float64)
        columns = [(truth == 1, stated)] if task == "binary" else [(truth == k, c) for k, c in enumerate(stated.T)]
        self._steps = [_isotonic(stated, happened) for happened, stated in columns]

    def __call__(self, prediction: NDArray[Any]) -> Floats:
        """The probabilities that such predictions turned out to mean, in the same shape."""
        stated = np.asarray(prediction, np.float64)
        if self.task == "binary":
            return np.interp(stated, *self._steps[0])
        found = np.stack([np.interp(c, *step) for c, step in zip(stated.T, self._steps, strict=True)], axis=1)
        total = found.sum(axis=1, keepdims=True)
        return np.where(total > 0, found / np.where(total > 0, total, 1), 1 / found.shape[1])


def estimable(metric: str, task: Task) -> bool:
    """Whether the metric's expected value follows from confidence; of a regression none does."""
    return metric in {"binary": _BINARY, "multiclass": _MULTICLASS, "regression": {}}[task]


def expected(metric: str, task: Task, prediction: NDArray[Any], calibrated: Floats) -> float | None:
    """The metric's expected value; None where it is undefined, as without any predicted positive.

    Args:
        prediction: [n] or [n, k] as the model gives them: they decide, at 0.5 or by the largest.
        calibrated: what they mean, in the same shape.

    Raises:
        KeyError: for a metric that is not `estimable`.
    """
    stated = np.asarray(prediction, np.float64)
    if not len(stated):
        return None
    found = _BINARY[metric](stated, calibrated) if task == "binary" else _MULTICLASS[metric](stated, calibrated)
    return float(found) if np.isfinite(found) else None


def _isotonic(stated: Floats, happened: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    from scipy.optimize import isotonic_regression

    order = np.argsort(stated, kind="stable")
    places, first = np.unique(stated[order], return_index=True)
    counts = np.diff(np.append(first, len(order)))
    shares = np.add.reduceat(happened[order].astype(np.float64), first) / counts
    return places, np.asarray(isotonic_regression(shares, weights=counts.astype(np.float64)).x)


def _counts(stated: Floats, likely: Floats) -> tuple[float, float, float]:
    """Expected true positives, false positives and false negatives."""
    said = decided("binary", stated) == 1
    return float(likely[said].sum()), float((1 - likely[said]).sum()), float(likely[~said].sum())


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")


def _precision(stated: Floats, likely: Floats) -> float:
    right, wrong, _ = _counts(stated, likely)
    return _ratio(right, right + wrong)


def _recall(stated: Floats, likely: Floats) -> float:
    right, _, missed = _counts(stated, likely)
    return _ratio(right, right + missed)


def _f1(stated: Floats, likely: Floats) -> float:
    right, wrong, missed = _counts(stated, likely)
    return _ratio(2 * right, 2 * right + wrong + missed)


def _accuracy(stated: Floats, likely: Floats) -> float:
    return float(np.where(decided("binary", stated) == 1, likely, 1 - likely).mean())


def _brier(stated: Floats, likely: Floats) -> float:
    return float((likely * (1 - stated) ** 2 + (1 - likely) * stated**2).mean())


def _logloss(stated: Floats, likely: Floats) -> float:
    return float(-(likely * np.log(floored(stated)) + (1 - likely) * np.log(floored(1 - stated))).mean())


def _auroc(stated: Floats, likely: Floats) -> float:
    """How likely a positive stands above a negative, each row being both, by its probability."""
    order = np.argsort(stated, kind="stable")
    _, first = np.unique(stated[order], return_index=True)
    positives = np.add.reduceat(likely[order], first)
    negatives = np.add.reduceat(1 - likely[order], first)
    below = np.cumsum(negatives) - negatives
    own = float((likely * (1 - likely)).sum()) / 2  # a row against itself is no pair
    above = float((positives * (below + negatives / 2)).sum()) - own
    return _ratio(above, float(positives.sum() * negatives.sum()) - 2 * own)


def _confusion(stated: Floats, likely: Floats) -> Floats:
    """Expected counts [k, k]: rows that are truly i and were predicted as j."""
    said = decided("multiclass", stated)
    return np.stack([likely[said == k].sum(axis=0) for k in range(stated.shape[1])], axis=1)


def _class_f1(stated: Floats, likely: Floats) -> tuple[Floats, Floats]:
    """F1 of each class, and how many rows of it are expected."""
    table = _confusion(stated, likely)
    right, said, are = np.diag(table), table.sum(axis=0), table.sum(axis=1)
    whole = said + are
    return np.where(whole > 0, 2 * right / np.where(whole > 0, whole, 1), 0.0), are


def _multiclass_accuracy(stated: Floats, likely: Floats) -> float:
    return float(np.take_along_axis(likely, decided("multiclass", stated)[:, None], axis=1).mean())


def _balanced_accuracy(stated: Floats, likely: Floats) -> float:
    table = _confusion(stated, likely)
    are = table.sum(axis=1)
    return float((np.diag(table)[are > 0] / are[are > 0]).mean())


def _macro_f1(stated: Floats, likely: Floats) -> float:
    return float(_class_f1(stated, likely)[0].mean())


def _weighted_f1(stated: Floats, likely: Floats) -> float:
    found, are = _class_f1(stated, likely)
    return float((found * are).sum() / are.sum())


def _multiclass_logloss(stated: Floats, likely: Floats) -> float:
    return float(-(likely * np.log(floored(stated))).sum(axis=1).mean())


Expected = Callable[[Floats, Floats], float]
_BINARY: dict[str, Expected] = {
    "auroc": _auroc, "accuracy": _accuracy, "precision": _precision, "recall": _recall, "f1": _f1, "brier": _brier,
    "logloss": _logloss,
}  # fmt: skip
_MULTICLASS: dict[str, Expected] = {
    "accuracy": _multiclass_accuracy, "balanced_accuracy": _balanced_accuracy, "macro_f1": _macro_f1,
    "weighted_f1": _weighted_f1, "logloss": _multiclass_logloss,
}  # fmt: skip
