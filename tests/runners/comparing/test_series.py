from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runners.comparing.series import SMALLEST, agree, apart
from storage.metrics import Series


def series(*values: float) -> Series:
    steps = np.arange(len(values))
    return Series(steps, steps.astype(float), np.array(values, dtype=float))


def test_two_trainings_part_where_the_first_value_differs_the_earliest_first() -> None:
    one = {"loss": series(3, 2, 1), "auroc": series(0.5, 0.6), "same": series(math.nan, math.inf)}
    other = {"loss": series(3, 2, 1.5), "auroc": series(0.5, 0.7), "same": series(math.nan, math.inf)}
    assert [str(each) for each in apart(one, other, 1e-3)] == [
        "auroc at step 1: 0.6 and 0.7",
        "loss at step 2: 1 and 1.5",
    ]
    assert apart({"loss": series(1, 2)}, {"loss": series(1)}, 1e-3)[0].name == "number of values of loss"
    assert apart({"loss": series(1)}, {}, 1e-3)[0].second == 0


@given(st.floats(allow_nan=True, allow_infinity=True), st.floats(1e-6, 1e-2))
def test_a_value_agrees_with_itself_and_with_what_is_within_the_tolerance(value: float, tolerance: float) -> None:
    at = np.array([value])
    assert agree(at, at, 0.0).all()
    if math.isfinite(value) and abs(value) < 1e300:
        assert agree(at, at * (1 + tolerance / 2), tolerance).all()
        if abs(value) * tolerance > SMALLEST:
            assert not agree(at, at * (1 + 3 * tolerance), tolerance / 2).all()
