"""Performance without truth: what calibrated confidence foretells is what the truth says later, as long as only the
inputs move."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runners.evaluation.estimation import Calibration, estimable, expected
from runners.evaluation.scores import score

Floats = NDArray[Any]


def flips(random: np.random.Generator, likely: Floats) -> Floats:
    return (random.random(len(likely)) < likely).astype(np.float64)


@pytest.mark.parametrize("metric", ["auroc", "accuracy", "f1", "precision", "recall", "brier", "logloss"])
def test_the_estimate_follows_a_binary_model_where_its_inputs_move(metric: str) -> None:
    random = np.random.default_rng(1)
    before, after = random.normal(0.5, 1.5, 20_000), random.normal(0, 0.7, 20_000)
    likely = [1 / (1 + np.exp(-each)) for each in (before, after)]
    said = [1 / (1 + np.exp(-2 * each)) for each in (before, after)]  # surer than it should be
    truth = [flips(random, each) for each in likely]
    calibrate = Calibration("binary", truth[0], said[0])
    estimate = expected(metric, "binary", said[1], calibrate(said[1]))
    measured = score("binary", truth[1], said[1]).values[metric]
    unmoved = score("binary", truth[0], said[0]).values[metric]
    assert estimate == pytest.approx(measured, abs=0.02)
    assert abs(unmoved - measured) > 0.03


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy", "macro_f1", "weighted_f1", "logloss"])
def test_the_estimate_follows_a_model_of_several_classes(metric: str) -> None:
    random = np.random.default_rng(2)

    def rows(spread: float) -> tuple[Floats, Floats]:
        logits = random.normal(0, spread, (20_000, 3))
        likely = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return likely, (likely.cumsum(axis=1) < random.random((len(likely), 1))).sum(axis=1).astype(np.float64)

    said, truth = rows(2.0)
    later, happened = rows(0.8)
    calibrate = Calibration("multiclass", truth, said)
    estimate = expected(metric, "multiclass", later, calibrate(later))
    measured = score("multiclass", happened, later, ["a", "b", "c"]).values[metric]
    assert estimate == pytest.approx(measured, abs=0.02)


def test_a_regression_is_not_estimated_and_what_is_undefined_is_none() -> None:
    assert not estimable("rmse", "regression") and not estimable("auprc", "binary")
    low = np.full(200, 0.1)
    calibrate = Calibration("binary", np.repeat([0.0, 1.0], [180, 20]), low)
    assert expected("precision", "binary", low, calibrate(low)) is None
    assert expected("accuracy", "binary", low, calibrate(low)) == pytest.approx(0.9)
