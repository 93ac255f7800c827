from __future__ import annotations

import math

import numpy as np
import pytest

from runners.trying import judging
from storage.metrics import Series


def series(*values: float) -> Series:
    steps = np.arange(len(values))
    return Series(steps, steps.astype(float), np.array(values, dtype=float))


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["val/loss", "step/loss", "train/loss"], "train/loss"),
        (["val_loss", "objective loss"], "objective loss"),
        (["val/loss"], "val/loss"),
        (["TrainLoss", "lr"], "TrainLoss"),
        (["train/rmse", "lr"], None),
        ([], None),
    ],
)
def test_the_training_loss_is_found_by_its_name(names: list[str], found: str | None) -> None:
    assert judging.loss_series(names) == found


def test_a_fall_is_judged_by_fifths_so_that_one_odd_value_does_not_decide() -> None:
    falling = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.9]
    assert judging.fall(falling) == (0.95, 0.55)
    assert judging.fall([3.0, 1.0]) == (3.0, 1.0)


def test_the_first_value_that_is_not_finite_is_told_by_its_step() -> None:
    assert judging.first_nonfinite(series(1, 2)) is None
    assert judging.first_nonfinite(series(1, math.inf, math.nan)) == 1


def test_what_a_perfect_a_constant_and_a_wrong_prediction_explain() -> None:
    y = np.array([0, 0, 1, 1], dtype=np.float32)
    assert judging.explained("binary", y, y) == pytest.approx(1, abs=1e-5)
    assert judging.explained("binary", y, np.full(4, 0.5)) == pytest.approx(0)
    assert judging.explained("binary", y, 1 - y) < -10
    classes = np.array([0, 1, 2, 2])
    assert judging.explained("multiclass", classes, np.eye(3)[classes]) == pytest.approx(1, abs=1e-5)
    shares = np.tile([0.25, 0.25, 0.5], (4, 1))
    assert judging.explained("multiclass", classes, shares) == pytest.approx(0)
    values = np.array([1.0, 2.0, 5.0])
    assert judging.explained("regression", values, values) == 1
    assert judging.explained("regression", values, np.full(3, values.mean())) == pytest.approx(0)
