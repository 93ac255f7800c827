"""A task's usual metrics, and what is said where one has no value."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from runners.evaluation.calibration import calibration, residual_quantiles
from runners.evaluation.scores import METRICS, confusion, higher_is_better, known_metric, metrics_of, score, shown
from storage.errors import RunFailed, UsageError


def _probabilities(rng: np.random.Generator, truth: np.ndarray, k: int) -> np.ndarray:
    logits = rng.normal(size=(len(truth), k))
    logits[np.arange(len(truth)), truth] += 1
    likely = np.exp(logits)
    return (likely / likely.sum(axis=1, keepdims=True)).astype(np.float32)


def test_a_binary_task_gets_scikit_learns_figures() -> None:
    truth = np.array([0, 0, 1, 1, 0, 1, 0, 0])
    likely = np.array([0.1, 0.6, 0.7, 0.4, 0.2, 0.9, 0.5, 0.3], np.float32)
    values, undefined = score("binary", truth, likely)
    assert not undefined
    assert list(values) == [*metrics_of("binary"), "base_rate", "best_f1_threshold"]
    said = likely >= 0.5
    assert values["auroc"] == sk.roc_auc_score(truth, likely)
    assert values["auprc"] == sk.average_precision_score(truth, likely)
    assert values["logloss"] == pytest.approx(sk.log_loss(truth, likely.astype(float)))
    assert values["brier"] == pytest.approx(np.mean((likely - truth) ** 2))
    assert values["accuracy"] == np.mean(said == truth) == 0.625
    assert (values["precision"], values["recall"]) == (2 / 4, 2 / 3)
    assert values["f1"] == pytest.approx(sk.f1_score(truth, said))
    assert values["base_rate"] == 3 / 8
    best = max(sk.f1_score(truth, likely >= t) for t in likely)
    assert values["best_f1"] == pytest.approx(best)
    assert sk.f1_score(truth, likely >= values["best_f1_threshold"]) == pytest.approx(best)


def test_a_column_of_probabilities_is_as_good_as_a_row() -> None:
    truth, likely = np.array([0, 1, 1]), np.array([0.2, 0.7, 0.4])
    assert score("binary", truth, likely[:, None]) == score("binary", truth, likely)


def test_a_multiclass_task_gets_scikit_learns_figures() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 300)
    likely = _probabilities(rng, truth, 4)
    values, undefined = score("multiclass", truth, likely, ["a", "b", "c", "d"])
    assert not undefined
    assert list(values) == metrics_of("multiclass")
    said = likely.argmax(axis=1)
    exact = likely.astype(float) / likely.astype(float).sum(axis=1, keepdims=True)
    assert values["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(truth, said))
    assert values["macro_f1"] == pytest.approx(sk.f1_score(truth, said, average="macro"))
    assert values["weighted_f1"] == pytest.approx(sk.f1_score(truth, said, average="weighted"))
    assert values["auroc_ovr"] == pytest.approx(sk.roc_auc_score(truth, exact, multi_class="ovr"))
    assert values["top2_accuracy"] == pytest.approx(sk.top_k_accuracy_score(truth, likely, k=2))
    assert values["logloss"] == pytest.approx(sk.log_loss(truth, exact))


def test_a_regression_gets_scikit_learns_figures() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(10, 2, 200)
    guess = truth + rng.normal(size=200)
    values, undefined = score("regression", truth, guess)
    assert not undefined
    assert values == {
        "rmse": pytest.approx(sk.root_mean_squared_error(truth, guess)),
        "mae": pytest.approx(sk.mean_absolute_error(truth, guess)),
        "median_ae": pytest.approx(sk.median_absolute_error(truth, guess)),
        "r2": pytest.approx(sk.r2_score(truth, guess)),
        "mape": pytest.approx(sk.mean_absolute_percentage_error(truth, guess)),
    }


@pytest.mark.filterwarnings("error")
def test_what_is_undefined_is_left_out_with_its_reason() -> None:
    values, undefined = score("binary", np.zeros(5), np.full(5, 0.2))
    assert undefined == {
        "auroc": "all 5 rows are negative",
        "auprc": "all 5 rows are negative",
        "f1": "there are no positives or predicted positives",
        "precision": "there are no predicted positives",
        "recall": "there are no positives",
        "best_f1": "there are no positives",
    }
    assert "best_f1_threshold" not in values
    assert all(math.isfinite(value) for value in values.values())

    likely = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1]])
    values, undefined = score("multiclass", np.array([0, 0]), likely, ["red", "green", "blue"])
    assert undefined == {"auroc_ovr": "no row of class green, blue", "top2_accuracy": "says little with 3 classes"}
    assert values["balanced_accuracy"] == 0.5

    values, undefined = score("regression", np.zeros(3), np.ones(3))
    assert undefined == {"r2": "all targets are equal", "mape": "3 of 3 targets are 0"}
    assert values == {"rmse": 1, "mae": 1, "median_ae": 1}


def test_certain_and_wrong_costs_much_but_not_infinity() -> None:
    values, _ = score("binary", np.array([1, 0]), np.array([0.0, 1.0], np.float32))
    assert 15 < values["logloss"] < 17


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_a_prediction_that_is_not_finite_is_refused_with_its_row(wrong: float) -> None:
    guess = np.array([0.1, 0.2, wrong, wrong])
    with pytest.raises(RunFailed, match=r"row 2, counted from 0: the prediction is .* \(2 such rows\)"):
        score("regression", np.zeros(4), guess)
    with pytest.raises(RunFailed, match="row 1, counted from 0"):
        score("multiclass", np.zeros(2), np.array([[0.5, 0.5], [wrong, 0.5]]))


def test_logits_are_not_taken_for_probabilities() -> None:
    with pytest.raises(RunFailed, match=r"row 1, counted from 0: the prediction is 2\.5"):
        score("binary", np.array([0, 1]), np.array([0.5, 2.5]))
    with pytest.raises(RunFailed, match=r"sum of the predictions is 0\.6"):
        score("multiclass", np.array([0, 1]), np.array([[0.5, 0.5], [0.3, 0.3]]))


def test_shapes_and_targets_that_do_not_fit_are_refused() -> None:
    with pytest.raises(RunFailed, match=r"shape \[3\]"):
        score("binary", np.array([0, 1]), np.zeros(3))
    with pytest.raises(RunFailed, match=r"expected: \[2, 3\]"):
        score("multiclass", np.array([0, 1]), np.full((2, 2), 0.5), ["a", "b", "c"])
    with pytest.raises(RunFailed, match=r"the target is 2\.0"):
        score("binary", np.array([0, 2]), np.zeros(2))
    with pytest.raises(RunFailed, match="the target is nan"):
        score("regression", np.array([0, np.nan]), np.zeros(2))
    with pytest.raises(RunFailed, match="no row to score"):
        score("regression", np.array([]), np.array([]))


def test_the_confusion_matrix_counts_truth_by_prediction() -> None:
    found = confusion("binary", np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.5, 0.9]), ["on time", "late"])
    assert found == {"labels": ["on time", "late"], "matrix": [[1, 1], [0, 2]]}
    likely = np.eye(3)[[0, 1, 1, 2]]
    found = confusion("multiclass", np.array([0, 0, 1, 2]), likely)
    assert found == {"labels": ["0", "1", "2"], "matrix": [[1, 1, 0], [0, 1, 0], [0, 0, 1]]}
    assert confusion("regression", np.zeros(2), np.zeros(2)) is None


def test_which_way_is_better_is_known_for_every_metric() -> None:
    assert {name for name in METRICS if not higher_is_better(name)} == {
        "logloss",
        "brier",
        "ece",
        "rmse",
        "mae",
        "median_ae",
        "mape",
    }
    with pytest.raises(UsageError, match='did you mean "auroc"'):
        higher_is_better("aurocc")


def test_a_metric_of_another_task_is_refused() -> None:
    with pytest.raises(UsageError, match=r'"rmse" is a metric of regression tasks; this project\'s task is binary'):
        known_metric("rmse", "binary")
    known_metric("profit", "binary", own=["profit"])


def test_calibration_bins_hold_about_equal_counts_and_add_up() -> None:
    rng = np.random.default_rng(0)
    likely = rng.random(30000)
    truth = rng.random(30000) < likely
    table = calibration("binary", truth, likely)
    assert [b.rows for b in table] == [2000] * 15
    assert all(b.low <= b.predicted <= b.high and abs(b.predicted - b.observed) < 0.1 for b in table)
    expected_error = score("binary", truth, likely).values["ece"]
    assert expected_error == pytest.approx(sum(b.rows * abs(b.predicted - b.observed) for b in table) / 30000)
    assert expected_error < 0.03
    assert score("binary", truth, likely**3).values["ece"] > 0.2


def test_equal_predictions_share_a_bin() -> None:
    table = calibration("binary", np.array([0, 1, 0, 0]), np.full(4, 0.25))
    assert [(b.low, b.high, b.predicted, b.observed, b.rows) for b in table] == [(0.25, 0.25, 0.25, 0.25, 4)]


def test_multiclass_calibration_is_of_the_chosen_class() -> None:
    (only,) = calibration("multiclass", np.array([0, 1]), np.array([[0.7, 0.3], [0.7, 0.3]]))
    assert (only.predicted, only.observed) == (0.7, 0.5)


def test_residual_quantiles_are_target_minus_prediction() -> None:
    found = residual_quantiles(np.arange(101.0), np.zeros(101))
    assert found == {"1 %": 1, "5 %": 5, "25 %": 25, "50 %": 50, "75 %": 75, "95 %": 95, "99 %": 99}


def test_figures_are_shown_in_four_digits_and_thousands_in_full() -> None:
    assert [shown(v) for v in (0.7, 0.72345, 0.0000123, 12, 123456.78, 0)] == [
        "0.7",
        "0.7235",
        "1.23e-05",
        "12",
        "123,456.8",
        "0",
    ]
