"""Contributions that are known: of a sum, each column's own part, without any error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.evaluation.shapley import Walks, rows_for

NAMES = ("a", "b", "c", "d")
PLACES = {"x": 1.0, "y": -2.0, "": 0.0}


def _feeds(rows: list[tuple[float, float, float, str]]) -> dict[str, Any]:
    columns = list(zip(*rows, strict=True))
    kinds = (np.float64, np.float64, np.int64, np.object_)
    return {
        name: np.array(values, dtype=kind).reshape(-1, 1)
        for name, values, kind in zip(NAMES, columns, kinds, strict=True)
    }


def _parts(feeds: dict[str, Any]) -> list[Any]:
    text = np.array([PLACES[value] for value in feeds["d"][:, 0]])
    return [3 * feeds["a"][:, 0], np.square(feeds["b"][:, 0]), feeds["c"][:, 0].astype(float), text]


NUMBERS = st.floats(-100, 100)
ROWS = st.tuples(NUMBERS, NUMBERS, st.integers(-50, 50), st.sampled_from(sorted(PLACES)))


@settings(max_examples=50, deadline=None)
@given(row=ROWS, background=st.lists(ROWS, min_size=2, max_size=12), seed=st.integers(0, 99))
def test_of_an_additive_model_each_column_gets_its_own_part(row: Any, background: Any, seed: int) -> None:
    x, z = _feeds([row]), _feeds(background)
    walks = Walks(x, z, seed=seed)
    found = walks.explained(np.sum(_parts(walks.feeds), axis=0), dict(zip(NAMES, row, strict=True)), "prediction", ())
    wanted = {name: part[0] - mean.mean() for name, part, mean in zip(NAMES, _parts(x), _parts(z), strict=True)}
    assert {each.column: each.contribution for each in found.columns} == pytest.approx(wanted, abs=1e-6)
    for each in found.columns:  # its only error is that of the background itself
        own = _parts(z)[NAMES.index(each.column)]
        assert each.standard_error == pytest.approx(own.std(ddof=1) / np.sqrt(len(own)), abs=1e-6)
    assert found.base + sum(each.contribution for each in found.columns) == pytest.approx(found.prediction, abs=1e-6)


def test_of_a_product_the_error_covers_what_is_known() -> None:
    """f = a·b against backgrounds of zeros and ones: the value of each is known by hand."""
    chance = np.random.default_rng(3)
    z = {name: chance.integers(0, 2, (400, 1)).astype(np.float64) for name in ("a", "b")}
    walks = Walks({"a": np.array([[1.0]]), "b": np.array([[1.0]])}, z, seed=1)
    found = walks.explained((walks.feeds["a"] * walks.feeds["b"])[:, 0], {"a": 1.0, "b": 1.0}, "prediction", ())
    a, b = z["a"][:, 0], z["b"][:, 0]
    known = {"a": np.mean(((1 - a) * b + (1 - a)) / 2), "b": np.mean(((1 - b) * a + (1 - b)) / 2)}
    for each in found.columns:
        assert abs(each.contribution - known[each.column]) <= 1e-9  # walked there and back, two columns are exact
        assert 0 < each.standard_error < 0.05


def test_the_likeliest_class_is_explained_and_a_wide_model_gets_fewer_rows() -> None:
    walks = Walks({"a": np.array([[2.0]])}, {"a": np.array([[0.0], [1.0]])})
    shares = np.stack([1 - walks.feeds["a"][:, 0] / 4, walks.feeds["a"][:, 0] / 2], axis=1)
    found = walks.explained(shares, {"a": 2.0}, "probabilities", ("no", "yes"))
    assert (found.of, found.prediction, found.base) == ("yes", 1.0, 0.25)
    assert (rows_for(20, 64), rows_for(1000, 64), rows_for(100_000, 64)) == (64, 2, 2)
