"""Paired bootstrap: the fast weighted metrics are scikit-learn's, and the intervals are what resampling gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from runners.evaluation.bootstrap import difference, interval
from runners.evaluation.decisions import decided, floored
from runners.evaluation.scores import METRICS, metrics_of, score
from runners.evaluation.weighted import weighted
from storage.errors import RunFailed, UsageError
from storage.project import Task

Floats = NDArray[np.float64]
TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
CASES = [(task, metric) for task in TASKS for metric in metrics_of(task)]


def _rows(task: Task, n: int, seed: int = 0, noise: float = 1.0) -> tuple[Floats, Floats]:
    """Rows with many ties among the predictions."""
    rng = np.random.default_rng(seed)
    if task == "regression":
        truth = rng.normal(5, 1, n).round(1) + 0.05
        return truth, (truth + noise * rng.normal(size=n)).round(1)
    truth = rng.integers(0, 2 if task == "binary" else 5, n).astype(np.float64)
    if task == "binary":
        return truth, (1 / (1 + np.exp(-(truth - 0.5 + noise * rng.normal(size=n))))).round(2)
    logits = noise * rng.normal(size=(n, 5)).round(1)
    logits[np.arange(n), truth.astype(int)] += 1
    likely = np.exp(logits)
    return truth, likely / likely.sum(axis=1, keepdims=True)


def _by_sklearn(metric: str, task: Task, truth: Floats, guess: Floats, weight: Floats) -> float:
    said = decided(task, guess) if task != "regression" else guess
    probabilities = floored(guess) if metric == "logloss" else guess
    table: dict[str, Callable[[], float]] = {
        "auroc": lambda: sk.roc_auc_score(truth, guess, sample_weight=weight),
        "auprc": lambda: sk.average_precision_score(truth, guess, sample_weight=weight),
        "accuracy": lambda: sk.accuracy_score(truth, said, sample_weight=weight),
        "balanced_accuracy": lambda: sk.balanced_accuracy_score(truth, said, sample_weight=weight),
        "macro_f1": lambda: sk.f1_score(truth, said, average="macro", sample_weight=weight),
        "weighted_f1": lambda: sk.f1_score(truth, said, average="weighted", sample_weight=weight),
        "auroc_ovr": lambda: sk.roc_auc_score(truth, guess, multi_class="ovr", sample_weight=weight),
        # of equal probabilities scikit-learn takes the last classes, we the first, as argmax does
        "top2_accuracy": lambda: sk.top_k_accuracy_score(4 - truth, guess[:, ::-1], k=2, sample_weight=weight),
        "logloss": lambda: sk.log_loss(truth, probabilities, sample_weight=weight),
        "brier": lambda: sk.brier_score_loss(truth, guess, sample_weight=weight),
        "f1": lambda: sk.f1_score(truth, said, sample_weight=weight),
        "precision": lambda: sk.precision_score(truth, said, sample_weight=weight),
        "recall": lambda: sk.recall_score(truth, said, sample_weight=weight),
        "best_f1": lambda: _best_f1(*sk.precision_recall_curve(truth, guess, sample_weight=weight)[:2]),
        "rmse": lambda: sk.root_mean_squared_error(truth, guess, sample_weight=weight),
        "mae": lambda: sk.mean_absolute_error(truth, guess, sample_weight=weight),
        "median_ae": lambda: sk.median_absolute_error(truth, guess, sample_weight=weight),
        "r2": lambda: sk.r2_score(truth, guess, sample_weight=weight),
        "mape": lambda: sk.mean_absolute_percentage_error(truth, guess, sample_weight=weight),
    }
    return table[metric]()


def _best_f1(precision: Floats, recall: Floats) -> float:
    return float((2 * precision * recall / np.maximum(precision + recall, 1e-12)).max())


@pytest.mark.parametrize(("task", "metric"), [case for case in CASES if case[1] not in ("ece", "median_ae")])
def test_weights_mean_what_they_mean_to_scikit_learn(task: Task, metric: str) -> None:
    truth, guess = _rows(task, 400)
    weights = np.random.default_rng(1).gamma(1.0, size=(5, 400))
    fast = weighted(metric, task, truth, guess)(weights)
    slow = [_by_sklearn(metric, task, truth, guess, weight) for weight in weights]
    np.testing.assert_allclose(fast, slow, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("task", "metric"), [case for case in CASES if case[1] != "ece"])
def test_whole_weights_are_rows_taken_that_often(task: Task, metric: str) -> None:
    truth, guess = _rows(task, 300)
    times = np.random.default_rng(2).poisson(1.0, size=(5, 300))
    fast = weighted(metric, task, truth, guess)(times.astype(np.float64))
    taken = [(np.repeat(truth, t), np.repeat(guess, t, axis=0)) for t in times]
    slow = [_by_sklearn(metric, task, a, b, np.ones(len(a))) for a, b in taken]
    np.testing.assert_allclose(fast, slow, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("task", "metric"), [case for case in CASES if case[1] != "ece"])
def test_the_rows_as_they_are_have_scikit_learns_score(task: Task, metric: str) -> None:
    truth, guess = _rows(task, 500)
    expected = _by_sklearn(metric, task, truth, guess, np.ones(500))
    assert score(task, truth, guess).values[metric] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("metric", ["auroc", "auprc", "logloss"])
def test_an_interval_is_that_of_plain_resampling(metric: str) -> None:
    truth, guess = _rows("binary", 300)
    rng = np.random.default_rng(3)
    drawn = rng.integers(0, 300, size=(2000, 300))
    plain = [weighted(metric, "binary", truth[rows], guess[rows])(np.ones((1, 300)))[0] for rows in drawn]
    low, high = np.quantile(plain, [0.025, 0.975])
    width = high - low
    assert interval(metric, "binary", truth, guess, rounds=2000) == pytest.approx((low, high), abs=0.1 * width)


def test_a_difference_is_positive_when_the_candidate_is_better_for_losses_too() -> None:
    truth, good = _rows("binary", 2000, noise=0.5)
    _, bad = _rows("binary", 2000, noise=3.0)
    for metric in ("auroc", "logloss", "brier"):
        gain = difference(metric, "binary", truth, good, bad)
        assert 0 < gain.low < gain.value < gain.high
        loss = difference(metric, "binary", truth, bad, good)
        assert (loss.value, loss.low) == (-gain.value, pytest.approx(-gain.high))


def test_equal_models_differ_by_nothing() -> None:
    truth, guess = _rows("multiclass", 200)
    gain = difference("logloss", "multiclass", truth, guess, guess)
    assert (gain.value, gain.low, gain.high) == (0, 0, 0)


def test_pairing_makes_the_interval_narrower_than_the_two_apart() -> None:
    truth, guess = _rows("regression", 1000)
    better = guess * 0.9 + truth * 0.1
    gain = difference("rmse", "regression", truth, better, guess)
    low, high = interval("rmse", "regression", truth, guess)
    assert gain.high - gain.low < 0.3 * (high - low)


def test_the_same_seed_gives_the_same_interval() -> None:
    truth, guess = _rows("binary", 300)
    first, again = (interval("auroc", "binary", truth, guess, rounds=100, seed=7) for _ in range(2))
    assert first == again != interval("auroc", "binary", truth, guess, rounds=100, seed=8)


@pytest.mark.filterwarnings("error")
def test_resamples_that_leave_a_metric_undefined_are_left_out() -> None:
    truth = np.array([1.0] + [0.0] * 9)
    guess = np.linspace(0.9, 0.1, 10)
    assert interval("auroc", "binary", truth, guess) == (1.0, 1.0)
    values = weighted("auroc", "binary", truth, guess)(np.array([[0.0] + [1.0] * 9]))
    assert np.isnan(values).all()
    truth, guess = _rows("multiclass", 30)
    low, high = interval("auroc_ovr", "multiclass", truth, guess)
    assert 0 < low < high <= 1


def test_a_metric_that_is_undefined_on_the_rows_is_refused_with_its_reason() -> None:
    with pytest.raises(RunFailed, match="auroc is undefined on these rows: all 3 rows are negative"):
        interval("auroc", "binary", np.zeros(3), np.array([0.1, 0.2, 0.3]))
    with pytest.raises(RunFailed, match="rmse is undefined on these rows: the task is binary"):
        interval("rmse", "binary", np.zeros(3), np.array([0.1, 0.2, 0.3]))
    with pytest.raises(UsageError, match='"aurok" is not a known metric'):
        interval("aurok", "binary", np.zeros(3), np.zeros(3))


def test_every_metric_has_its_weighted_form() -> None:
    assert {metric for _, metric in CASES} == set(METRICS)
    for task, metric in CASES:
        truth, guess = _rows(task, 60)
        low, high = interval(metric, task, truth, guess, rounds=50)
        assert np.isfinite([low, high]).all()
