"""The metric on parts of the rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from runners.evaluation.slices import SliceRow, slice_table

RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 2, 600)
LIKELY = np.clip(0.5 + (TRUTH - 0.5) * 0.3 + RNG.normal(0, 0.2, 600), 0, 1)
CARRIER = np.array(["UA"] * 300 + ["DL"] * 200 + ["OO"] * 100, dtype=object)


def test_each_value_has_the_metric_of_its_rows_the_most_frequent_first() -> None:
    table = slice_table("binary", "auroc", TRUTH, LIKELY, {"carrier": CARRIER})
    assert [(row.column, row.value, row.rows) for row in table] == [
        ("carrier", "UA", 300),
        ("carrier", "DL", 200),
        ("carrier", "OO", 100),
    ]
    for row in table:
        rows = row.value == CARRIER
        assert row.candidate == pytest.approx(roc_auc_score(TRUTH[rows], LIKELY[rows]))
        assert (row.production, row.difference, row.note) == (None, None, "")


def test_against_production_a_positive_difference_is_better_for_losses_too() -> None:
    worse = np.where(CARRIER == "OO", 0.5, LIKELY)
    for metric in ("auroc", "logloss"):
        by_value = {
            row.value: row
            for row in slice_table("binary", metric, TRUTH, LIKELY, {"carrier": CARRIER}, production=worse)
        }
        assert by_value["UA"].difference == 0
        row = by_value["OO"]
        assert row.difference is not None and row.difference > 0
        assert row.candidate is not None and row.production is not None
        assert abs(row.candidate - row.production) == pytest.approx(row.difference)


def test_an_undefined_metric_is_none_with_the_reason() -> None:
    truth, likely = np.array([0, 1, 0, 0]), np.array([0.1, 0.9, 0.2, 0.8])
    origin = np.array(["JFK", "JFK", "LGA", "LGA"])
    table = slice_table("binary", "auroc", truth, likely, {"origin": origin}, production=likely)
    assert table == [
        SliceRow("origin", "JFK", 2, 1.0, 1.0, 0.0),
        SliceRow("origin", "LGA", 2, None, None, None, "all 2 rows are negative"),
    ]
    timid = np.full(4, 0.1)
    (jfk, _) = slice_table("binary", "precision", truth, likely, {"origin": origin}, production=timid)
    assert jfk == SliceRow("origin", "JFK", 2, 1.0, None, None, "production: there are no predicted positives")


def test_rare_values_are_put_together_as_other() -> None:
    values = np.array([f"v{i:02d}" for i in range(6)] * 10 + ["v00"] * 5, dtype=object)
    zeros = np.zeros(65)
    table = slice_table("regression", "mae", zeros, zeros, {"x": values}, top=2)
    assert [(row.value, row.rows) for row in table] == [("v00", 15), ("v01", 10), ("(other)", 40)]


def test_missing_and_empty_values_are_slices_of_their_own() -> None:
    texts = np.ma.array(["a", "a", "a", "", "", "hidden", None], mask=[0, 0, 0, 0, 0, 1, 0], dtype=object)  # type: ignore[type-var,arg-type]
    numbers = np.array([1.0, 1.0, 1.0, np.nan, 2.5, np.nan, np.nan])
    flags = np.array([True, True, True, True, False, False, False])
    zeros = np.zeros(7)
    table = slice_table("regression", "mae", zeros, zeros, {"text": texts, "number": numbers, "flag": flags})
    assert [(row.column, row.value, row.rows) for row in table] == [
        ("text", "a", 3),
        ("text", "(empty)", 2),
        ("text", "(missing)", 2),
        ("number", "(missing)", 3),
        ("number", "1", 3),
        ("number", "2.5", 1),
        ("flag", "true", 4),
        ("flag", "false", 3),
    ]


def test_days_are_slices_by_their_date() -> None:
    days = np.array(["2013-02-01", "2013-01-01", "2013-02-01", "NaT"], dtype="datetime64[D]")
    table = slice_table("regression", "mae", np.zeros(4), np.zeros(4), {"day": days})
    assert [(row.value, row.rows) for row in table] == [("2013-02-01", 2), ("(missing)", 1), ("2013-01-01", 1)]


def test_many_numbers_are_cut_into_five_bands_in_rising_order() -> None:
    distance = np.append(np.arange(1, 101, dtype=np.float64)[::-1] * 10, np.nan)
    error = np.nan_to_num(distance)
    table = slice_table("regression", "mae", np.zeros(101), error, {"distance": distance})
    assert [(row.value, row.rows) for row in table] == [
        ("up to 200", 20),
        ("over 200, up to 400", 20),
        ("over 400, up to 600", 20),
        ("over 600, up to 800", 20),
        ("over 800", 20),
        ("(missing)", 1),
    ]
    assert table[0].candidate == pytest.approx(105)


def test_a_skewed_number_has_fewer_bands_and_none_is_empty() -> None:
    delay = np.array([0] * 400 + list(range(100)))
    table = slice_table("regression", "mae", np.zeros(500), np.zeros(500), {"delay": delay})
    assert [(row.value, row.rows) for row in table] == [("up to 0", 401), ("over 0", 99)]


def test_the_order_does_not_depend_on_the_rows_order() -> None:
    shuffled = RNG.permutation(600)
    first = slice_table("binary", "accuracy", TRUTH, LIKELY, {"carrier": CARRIER})
    again = slice_table("binary", "accuracy", TRUTH[shuffled], LIKELY[shuffled], {"carrier": CARRIER[shuffled]})
    assert first == again
