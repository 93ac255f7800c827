"""A task's usual metrics: which way is better, what the rows must hold for them to mean something, and their values."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from runners.evaluation.decisions import decided
from runners.evaluation.weighted import weighted
from storage.errors import RunFailed, UsageError, nearest
from storage.project import Task

Floats = NDArray[np.float64]
Need = Literal[
    "rows",
    "both classes",
    "every class",
    "positives",
    "predicted positives",
    "positives or predicted positives",
    "more than 3 classes",
    "no zero target",
    "varying targets",
]


@dataclass(frozen=True)
class Metric:
    """What is known of a metric before any row is scored; `needs` says when it is defined."""

    higher_is_better: bool
    tasks: tuple[Task, ...]
    needs: Need = "rows"


METRICS: dict[str, Metric] = {
    "auroc": Metric(True, ("binary",), "both classes"),
    "auprc": Metric(True, ("binary",), "both classes"),
    "accuracy": Metric(True, ("binary", "multiclass")),
    "balanced_accuracy": Metric(True, ("multiclass",)),
    "macro_f1": Metric(True, ("multiclass",)),
    "weighted_f1": Metric(True, ("multiclass",)),
    "auroc_ovr": Metric(True, ("multiclass",), "every class"),
    "top2_accuracy": Metric(True, ("multiclass",), "more than 3 classes"),
    "logloss": Metric(False, ("binary", "multiclass")),
    "brier": Metric(False, ("binary",)),
    "f1": Metric(True, ("binary",), "positives or predicted positives"),
    "precision": Metric(True, ("binary",), "predicted positives"),
    "recall": Metric(True, ("binary",), "positives"),
    "best_f1": Metric(True, ("binary",), "positives"),
    "ece": Metric(False, ("binary", "multiclass")),
    "rmse": Metric(False, ("regression",)),
    "mae": Metric(False, ("regression",)),
    "median_ae": Metric(False, ("regression",)),
    "r2": Metric(True, ("regression",), "varying targets"),
    "mape": Metric(False, ("regression",), "no zero target"),
}
"""Every metric that a gate can name. accuracy, f1, precision and recall of a binary task decide at 0.5."""

HEADLINE: dict[Task, str] = {"binary": "auroc", "multiclass": "macro_f1", "regression": "rmse"}
"""The metric that stands for a task where the project names none."""


class Scores(NamedTuple):
    """Metrics by name, and for each that has no value on these rows the reason why."""

    values: dict[str, float]
    undefined: dict[str, str]


class Confusion(TypedDict):
    """Counts of rows: `matrix[i][j]` rows are truly `labels[i]` and were predicted as `labels[j]`."""

    labels: list[str]
    matrix: list[list[int]]


def score(task: Task, target: NDArray[Any], prediction: NDArray[Any], classes: Sequence[str] = ()) -> Scores:
    """Return every usual metric of a task.

    Binary tasks also tell `base_rate` (the share of positives) and `best_f1_threshold`, which are not better or worse.

    Args:
        target: [n]; binary 0/1, multiclass class index, regression value.
        prediction: [n] probability of the positive class, [n, k] probabilities, or [n] values.
        classes: the classes' names in index order, for the reasons; may be empty.

    Raises:
        RunFailed: when a prediction or target is not finite, not a probability, or the shapes do not fit.
    """
    truth, guess = checked(task, target, prediction, classes)
    once = np.ones((1, len(truth)))
    values: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for name in metrics_of(task):
        reason = undefined(name, task, truth, guess, classes)
        if reason:
            reasons[name] = reason
        else:
            values[name] = float(weighted(name, task, truth, guess)(once)[0])
    if task == "binary":
        values["base_rate"] = float(truth.mean())
        if "best_f1" in values:
            values["best_f1_threshold"] = _best_threshold(truth, guess)
    return Scores(values, reasons)


def confusion(
    task: Task, target: NDArray[Any], prediction: NDArray[Any], classes: Sequence[str] = ()
) -> Confusion | None:
    """Return the confusion matrix (binary: decided at 0.5), or None for a regression. Raises RunFailed as `score`."""
    if task == "regression":
        return None
    truth, guess = checked(task, target, prediction, classes)
    k = 2 if task == "binary" else guess.shape[1]
    cells = np.bincount(truth.astype(np.int64) * k + decided(task, guess), minlength=k * k).reshape(k, k)
    return {"labels": list(classes) or [str(i) for i in range(k)], "matrix": cells.tolist()}


def metrics_of(task: Task) -> list[str]:
    """The metrics that a task has, in the order people read them."""
    return [name for name, metric in METRICS.items() if task in metric.tasks]


def known_metric(name: str, task: Task, own: Collection[str] = ()) -> None:
    """Let a metric's name through when the task has it, or when it is among the project's `own`.

    Raises:
        UsageError: with the task's metrics and the nearest of them.
    """
    names = [*metrics_of(task), *own]
    if name in names:
        return
    wrong = f"is a metric of {' and '.join(METRICS[name].tasks)} tasks" if name in METRICS else "is not a known metric"
    raise UsageError(
        f'"{name}" {wrong}; this project\'s task is {task}',
        place="[gate] metric",
        expected="one of " + ", ".join(names),
        todo=nearest(name, names),
    )


def higher_is_better(metric: str) -> bool:
    """Return which way a metric of `METRICS` is better.

    Raises:
        UsageError: for any other name.
    """
    if metric not in METRICS:
        raise UsageError(f'"{metric}" is not a known metric', todo=nearest(metric, METRICS))
    return METRICS[metric].higher_is_better


def shown(value: float) -> str:
    """A figure as people read it: four significant digits, thousands in full."""
    return f"{value:,.1f}" if 1000 <= abs(value) < 1e12 else f"{value:.4g}"


def checked(
    task: Task, target: NDArray[Any], prediction: NDArray[Any], classes: Sequence[str] = ()
) -> tuple[Floats, Floats]:
    """Return target [n] and prediction ([n], multiclass [n, k]) in float64, fit to be scored.

    Raises:
        RunFailed: when they are empty, of other shapes, not finite, or not what the task calls for.
    """
    truth = np.asarray(target, np.float64).reshape(-1)
    guess = np.asarray(prediction, np.float64)
    if task != "multiclass" and guess.ndim == 2 and guess.shape[1] == 1:
        guess = guess[:, 0]
    if not truth.size:
        raise RunFailed("there is no row to score", todo="let the split leave more rows to test")
    wanted = f"[{truth.size}, {len(classes) or 'classes'}]" if task == "multiclass" else f"[{truth.size}]"
    fits = guess.ndim == (2 if task == "multiclass" else 1) and guess.shape[0] == truth.size
    if not fits or (task == "multiclass" and len(classes) not in (0, guess.shape[1])):
        raise RunFailed(f"predictions have shape {list(guess.shape)}", expected=wanted)
    finite = "a finite number"
    _refuse(~np.isfinite(guess), guess, "prediction", finite, "look for NaN or infinity in the training loss")
    _refuse(~np.isfinite(truth), truth, "target", finite, "add a check for the target column")
    if task == "regression":
        return truth, guess
    last = 1 if task == "binary" else guess.shape[1] - 1
    _refuse((truth < 0) | (truth > last) | (truth % 1 != 0), truth, "target", f"a class index from 0 to {last}")
    ending = "return logits, or end the model in Sigmoid or Softmax"
    _refuse((guess < -1e-6) | (guess > 1 + 1e-6), guess, "prediction", "a probability, 0 to 1", ending)
    guess = guess.clip(0, 1)
    if task == "multiclass":
        total = guess.sum(axis=1, keepdims=True)
        _refuse(abs(total - 1) > 1e-3, total, "sum of the predictions", "1", ending)
        guess = guess / total
    return truth, guess


def _refuse(wrong: NDArray[np.bool_], values: Floats, what: str, expected: str, todo: str = "") -> None:
    if wrong.any():
        at = np.unravel_index(int(wrong.argmax()), wrong.shape)
        rows = int(wrong.reshape(wrong.shape[0], -1).any(axis=1).sum())
        place = f"row {at[0]}, counted from 0"
        raise RunFailed(f"the {what} is {values[at]} ({rows:,} such rows)", place=place, expected=expected, todo=todo)


def undefined(metric: str, task: Task, target: Floats, prediction: Floats, classes: Sequence[str] = ()) -> str:
    """Return why a metric has no value on these (checked) rows, or an empty string where it has one."""
    need = METRICS[metric].needs
    if need == "both classes" and target.min() == target.max():
        return f"all {target.size:,} rows are {'positive' if target[0] else 'negative'}"
    if need == "every class":
        absent = sorted(set(range(prediction.shape[1])) - set(np.unique(target).astype(int).tolist()))
        names = [classes[i] if classes else str(i) for i in absent[:5]]
        return f"no row of class {', '.join(names)}{', …' if len(absent) > 5 else ''}" if absent else ""
    if need in ("positives", "positives or predicted positives", "predicted positives"):
        positives = need != "predicted positives" and target.any()
        predicted = need != "positives" and decided(task, prediction).any()
        return "" if positives or predicted else f"there are no {need}"
    if need == "more than 3 classes" and prediction.shape[1] <= 3:
        return f"says little with {prediction.shape[1]} classes"
    if need == "no zero target" and (target == 0).any():
        return f"{int((target == 0).sum()):,} of {target.size:,} targets are 0"
    if need == "varying targets" and target.min() == target.max():
        return "all targets are equal"
    return ""


def _best_threshold(target: Floats, probability: Floats) -> float:
    """The lowest threshold that F1 is best at."""
    thresholds, place, rows = np.unique(probability, return_inverse=True, return_counts=True)
    hits = np.bincount(place, weights=target)[::-1].cumsum()[::-1]
    predicted = rows[::-1].cumsum()[::-1]
    return float(thresholds[(2 * hits / (predicted + target.sum())).argmax()])
