"""People's agreement, beyond what chance alone would give."""

from __future__ import annotations

import pytest
from sklearn.metrics import cohen_kappa_score

from runners.labelling.agreeing import agreements, cohen, verdicts


def test_kappa_is_that_of_scikit_learn() -> None:
    pairs = [("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15
    found = cohen("ana", "bo", pairs)
    assert found.kappa == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True))) == pytest.approx(0.4)
    assert (found.rows, found.agreed) == (50, 35)


def test_one_label_throughout_tells_nothing() -> None:
    assert cohen("ana", "bo", [("a", "a")] * 9).kappa is None


def test_only_rows_in_common_count() -> None:
    labels = {"ana": {("1", 0): "a", ("2", 0): "b"}, "bo": {("2", 0): "b", ("3", 0): "a"}, "cy": {("9", 0): "a"}}
    assert [(each.one, each.other, each.rows) for each in agreements(labels)] == [("ana", "bo", 1)]


def test_the_most_said_is_the_verdict_and_a_tie_is_none() -> None:
    labels = {"ana": {("1", 0): "a", ("2", 0): "a"}, "bo": {("1", 0): "b", ("2", 0): "b"}, "cy": {("2", 0): "b"}}
    assert verdicts(labels) == ({("2", 0): "b"}, {("1", 0)})
