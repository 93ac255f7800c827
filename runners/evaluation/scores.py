"""A task's usual metrics: which way is better, what the rows must hold for them to mean something, and their values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypedDict

import numpy as np
from numpy.typing import NDArray

from runners.evaluation.calibration import expected_error
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

# Log loss takes a probability of 0 as this, float32's epsilon: packaged models answer in float32.
SMALLEST = float(np.finfo(np.float32).eps)


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
    computed = _COMPUTED[task]
    values: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for name in metrics_of(task):
        reason = undefined(name, task, truth, guess, classes)
        if reason:
            reasons[name] = reason
        else:
            values[name] = float(computed[name](truth, guess))
    if task == "binary":
        values["base_rate"] = float(truth.mean())
        if "best_f1" in values:
            values["best_f1_threshold"] = _best_f1(truth, guess)[1]
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


def _best_f1(target: Floats, probability: Floats) -> tuple[float, float]:
    """The best F1 that any threshold reaches, and that threshold."""
    from sklearn import metrics

    precision, recall, thresholds = metrics.precision_recall_curve(target, probability)
    f1 = 2 * precision * recall / np.maximum(precision + recall, SMALLEST)
    best = int(f1[:-1].argmax())
    return float(f1[best]), float(thresholds[best])


def _sklearn(name: str, **options: Any) -> Callable[[Floats, Floats], float]:
    def computed(target: Floats, prediction: Floats) -> float:
        from sklearn import metrics

        return float(getattr(metrics, name)(target, prediction, **options))

    return computed


def _of_classes(task: Task, name: str, **options: Any) -> Callable[[Floats, Floats], float]:
    """A metric of scikit-learn that looks at the decided classes."""
    computed = _sklearn(name, **options)
    return lambda target, prediction: computed(target, decided(task, prediction).astype(np.float64))


def _logloss(target: Floats, prediction: Floats) -> float:
    k = 2 if prediction.ndim == 1 else prediction.shape[1]
    return _sklearn("log_loss", labels=list(range(k)))(target, floored(prediction))


def _balanced_accuracy(target: Floats, prediction: Floats) -> float:
    # scikit-learn's own warns for classes that are predicted and never true; recall over the true ones is the same.
    recall = _of_classes("multiclass", "recall_score", average="macro", labels=np.unique(target))
    return recall(target, prediction)


def _auroc_ovr(target: Floats, prediction: Floats) -> float:
    if prediction.shape[1] == 2:  # scikit-learn takes two columns for a binary task
        return _sklearn("roc_auc_score")(target, prediction[:, 1])
    return _sklearn("roc_auc_score", multi_class="ovr")(target, prediction)


_COMPUTED: dict[Task, dict[str, Callable[[Floats, Floats], float]]] = {
    "binary": {
        "auroc": _sklearn("roc_auc_score"),
        "auprc": _sklearn("average_precision_score"),
        "accuracy": _of_classes("binary", "accuracy_score"),
        "logloss": _logloss,
        "brier": _sklearn("brier_score_loss"),
        "f1": _of_classes("binary", "f1_score", zero_division=0),
        "precision": _of_classes("binary", "precision_score"),
        "recall": _of_classes("binary", "recall_score"),
        "best_f1": lambda target, prediction: _best_f1(target, prediction)[0],
        "ece": lambda target, prediction: expected_error("binary", target, prediction),
    },
    "multiclass": {
        "accuracy": _of_classes("multiclass", "accuracy_score"),
        "balanced_accuracy": _balanced_accuracy,
        "macro_f1": _of_classes("multiclass", "f1_score", average="macro", zero_division=0),
        "weighted_f1": _of_classes("multiclass", "f1_score", average="weighted", zero_division=0),
        "auroc_ovr": _auroc_ovr,
        "top2_accuracy": lambda target, prediction: float(in_top_two(target, prediction).mean()),
        "logloss": _logloss,
        "ece": lambda target, prediction: expected_error("multiclass", target, prediction),
    },
    "regression": {
        "rmse": _sklearn("root_mean_squared_error"),
        "mae": _sklearn("mean_absolute_error"),
        "median_ae": _sklearn("median_absolute_error"),
        "r2": _sklearn("r2_score"),
        "mape": _sklearn("mean_absolute_percentage_error"),
    },
}


def in_top_two(target: Floats, prediction: Floats) -> NDArray[np.bool_]:
    """Whether the true class is among the two likeliest, [n]; of equal ones the first count, as for the decision."""
    likeliest = np.argsort(-prediction, axis=1, kind="stable")[:, :2]
    return np.asarray((likeliest == target[:, None]).any(axis=1))
