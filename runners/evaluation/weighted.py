"""Every metric as a function of row weights: thousands of resamples at the price of a few passes over the rows.

A score is the same with all weights 1. scikit-learn takes `sample_weight` too, but sorts and checks again at each
call, and importing it takes a second; here what does not depend on the weights is done once. Each function made here
takes weights [b, n], b resamples of the same n rows, and returns [b].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runners.evaluation.calibration import BINS, bin_of, stated_and_outcome
from runners.evaluation.decisions import decided, floored, in_top_two
from storage.project import Task

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Weighted = Callable[[Floats], Floats]


def weighted(metric: str, task: Task, target: Floats, prediction: Floats) -> Weighted:
    """Return `metric` of a task as a function of weights [b, n] ≥ 0, which gives [b] values.

    `target` and `prediction` are as `scores.checked` returns them. Whole weights mean rows taken that many times, so
    the value is the metric of those rows; it is NaN where they leave the metric undefined. Two differ slightly from a
    fresh computation on the taken rows: `ece` keeps the bins of all rows, `auroc_ovr` averages over the classes taken.
    """
    if task == "regression":
        return _regression(metric, target, prediction)
    if task == "multiclass":
        return _multiclass(metric, target, prediction)
    return _binary(metric, target, prediction)


def _binary(metric: str, target: Floats, probability: Floats) -> Weighted:
    positive = target > 0.5
    if metric == "auroc":
        return _auroc(positive, probability)
    if metric in ("auprc", "best_f1"):
        return _precision_recall(metric, positive, probability)
    if metric in ("f1", "precision", "recall"):
        return _of_counts(metric, positive, decided("binary", probability) == 1)
    if metric == "ece":
        return _ece("binary", target, probability)
    if metric == "accuracy":
        return _mean(decided("binary", probability) == target)
    if metric == "brier":
        return _mean((probability - target) ** 2)
    if metric == "logloss":
        likely = floored(probability)
        return _mean(-np.log(np.where(positive, likely, 1 - likely)))
    raise KeyError(metric)


def _multiclass(metric: str, target: Floats, probabilities: Floats) -> Weighted:
    truth = target.astype(np.int64)
    chosen = decided("multiclass", probabilities)
    if metric == "auroc_ovr":
        return _mean_of([_auroc(truth == c, column) for c, column in enumerate(probabilities.T)])
    if metric in ("balanced_accuracy", "macro_f1", "weighted_f1"):
        return _of_confusion(metric, truth, chosen, probabilities.shape[1])
    if metric == "ece":
        return _ece("multiclass", target, probabilities)
    if metric == "accuracy":
        return _mean(chosen == truth)
    if metric == "top2_accuracy":
        return _mean(in_top_two(target, probabilities))
    if metric == "logloss":
        return _mean(-np.log(np.take_along_axis(floored(probabilities), truth[:, None], axis=1)[:, 0]))
    raise KeyError(metric)


def _regression(metric: str, target: Floats, prediction: Floats) -> Weighted:
    error = target - prediction
    if metric == "mae":
        return _mean(abs(error))
    if metric == "mape":
        return _mean(abs(error / target))
    if metric == "median_ae":
        return _median(abs(error))
    if metric == "rmse":
        squared = _mean(error**2)
        return lambda weights: np.sqrt(squared(weights))
    if metric == "r2":
        centred = target - target.mean()  # so that the variance below does not cancel away
        return _of_sums(
            [centred, centred**2, error**2],
            lambda s: 1 - _ratio(s[:, 3], _above_rounding(s[:, 2] - s[:, 1] ** 2 / s[:, 0], s[:, 2])),
        )
    raise KeyError(metric)


def _of_sums(columns: Sequence[NDArray[Any]], value: Callable[[Floats], Floats]) -> Weighted:
    """A metric that `value` makes of weighted sums [b, 1 + columns]: of the weights themselves, then of each column."""
    matrix = np.column_stack([np.ones(len(columns[0])), *columns]).astype(np.float64)
    return lambda weights: value(weights @ matrix)


def _mean(loss: NDArray[Any]) -> Weighted:
    return _of_sums([loss], lambda s: _ratio(s[:, 1], s[:, 0]))


def _of_counts(metric: str, positive: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> Weighted:
    def value(sums: Floats) -> Floats:
        hits, positives, predictions = sums[:, 1], sums[:, 2], sums[:, 3]
        if metric == "precision":
            return _ratio(hits, predictions)
        return _ratio(hits, positives) if metric == "recall" else _ratio(2 * hits, positives + predictions)

    return _of_sums([positive & predicted, positive, predicted], value)


def _of_confusion(metric: str, truth: Ints, chosen: Ints, k: int) -> Weighted:
    is_class, says_class = truth[:, None] == np.arange(k), chosen[:, None] == np.arange(k)

    def value(sums: Floats) -> Floats:
        hits, true, said = np.split(sums[:, 1:], 3, axis=1)
        if metric == "balanced_accuracy":
            return _nanmean(_ratio(hits, true))
        f1 = _ratio(2 * hits, true + said)
        if metric == "macro_f1":
            return _nanmean(f1)
        return _ratio((true * np.nan_to_num(f1)).sum(axis=1), true.sum(axis=1))

    return _of_sums([is_class & says_class, is_class, says_class], value)


def _ece(task: Task, target: Floats, prediction: Floats) -> Weighted:
    stated, outcome = stated_and_outcome(task, target, prediction)
    in_bin = bin_of(stated)[:, None] == np.arange(BINS)
    gaps = (stated - outcome)[:, None] * in_bin
    return _of_sums([gaps], lambda s: _ratio(abs(s[:, 1:]).sum(axis=1), s[:, 0]))


def _auroc(positive: NDArray[np.bool_], score: Floats) -> Weighted:
    """The share of (positive, negative) pairs in the right order; a tie counts half. Only negatives need summing up."""
    above, below = np.flatnonzero(positive), np.flatnonzero(~positive)
    above, below = above[np.argsort(score[above])], below[np.argsort(score[below])]
    lower = np.searchsorted(score[below], score[above], side="left")
    not_higher = np.searchsorted(score[below], score[above], side="right")

    def value(weights: Floats) -> Floats:
        summed = _running_sums(weights.take(below, axis=1))
        positives = weights.take(above, axis=1)
        beaten = np.einsum("bi,bi->b", positives, summed.take(lower, axis=1) + summed.take(not_higher, axis=1)) / 2
        return _ratio(beaten, positives.sum(axis=1) * summed[:, -1])

    return value


def _precision_recall(metric: str, positive: NDArray[np.bool_], score: Floats) -> Weighted:
    """auprc (average precision) and best_f1: both look only at the thresholds where a positive row stands."""
    falling = np.argsort(-score)
    hits = falling[positive[falling]]
    taken = np.searchsorted(-score[falling], -score[hits], side="right")  # rows at or above each hit's score
    taken_hits = np.searchsorted(-score[hits], -score[hits], side="right")

    def value(weights: Floats) -> Floats:
        predicted = _running_sums(weights.take(falling, axis=1)).take(taken, axis=1)
        found = weights.take(hits, axis=1)
        summed = _running_sums(found)
        correct, positives = summed.take(taken_hits, axis=1), summed[:, -1]
        if metric == "best_f1":
            best: Floats = _ratio(2 * correct, predicted + positives[:, None]).max(axis=1, initial=0)
            return np.where(positives > 0, best, np.nan)
        # where nothing was predicted nothing was found either, so any divisor will do
        precision = correct / np.where(predicted > 0, predicted, 1)
        return _ratio(np.einsum("bi,bi->b", found, precision), positives)

    return value


def _median(loss: Floats) -> Weighted:
    rising = np.argsort(loss)
    ranked = loss[rising]

    def value(weights: Floats) -> Floats:
        summed = np.cumsum(weights.take(rising, axis=1), axis=1)
        half = summed[:, -1:] / 2
        return np.asarray((ranked[(summed >= half).argmax(axis=1)] + ranked[(summed > half).argmax(axis=1)]) / 2)

    return value


def _mean_of(parts: Sequence[Weighted]) -> Weighted:
    return lambda weights: _nanmean(np.column_stack([part(weights) for part in parts]))


def _running_sums(weights: Floats) -> Floats:
    """[b, m] → [b, m + 1]: the sum of the first 0, 1, … m weights."""
    summed = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=summed[:, 1:])
    return summed


def _ratio(part: Floats, whole: Floats) -> Floats:
    """part / whole, NaN where the whole is 0."""
    return np.asarray(np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0))


def _above_rounding(value: Floats, scale: Floats) -> Floats:
    """0 where `value` is nothing but the rounding of a difference of two numbers as large as `scale`."""
    return np.where(value > 1e-12 * scale, value, 0.0)


def _nanmean(values: Floats) -> Floats:
    """The mean over the last axis of what is defined, NaN where nothing is."""
    defined = ~np.isnan(values)
    return _ratio(np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1).astype(np.float64))
